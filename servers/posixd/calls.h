// SPDX-License-Identifier: MPL-2.0
//
// What the Process protocol's dispatch table (calls.c) calls in the files that know how.
#pragma once
#include "posixd.h"

fut_status_t cred_set_user(struct process *p, uint32_t real, uint32_t effective, uint32_t saved, fs_context_t *c);
fut_status_t cred_set_group(struct process *p, uint32_t real, uint32_t effective, uint32_t saved, fs_context_t *c);
fut_status_t cred_set_groups(struct process *p, const uint32_t *groups, size_t count, fs_context_t *c);

fut_status_t jobs_set_group(struct process *p, uint32_t pid, uint32_t group);
fut_status_t jobs_new_session(struct process *p);
fut_status_t jobs_set_controlling(struct process *p, io_file_t file, bool steal);
fut_status_t jobs_drop_controlling(struct process *p);
fut_status_t jobs_set_foreground(struct process *p, io_file_t file, uint32_t group);
fut_status_t jobs_terminal_access(struct process *p, io_file_t file, bool write, bool *allowed);
bool jobs_terminal_is_free(uint64_t id);
uint32_t jobs_foreground_of(const struct process *p);

fut_status_t wait_handle(struct fut_request *req, struct process *p, int32_t which, uint32_t options,
                         struct process_process_wait_result *res);
bool wait_collect_for_init(uint32_t *pid, uint32_t *status);
