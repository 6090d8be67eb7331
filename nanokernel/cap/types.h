// SPDX-License-Identifier: MPL-2.0
//
// The rights that a fresh capability of each type has, and the hooks of the types (object.c's table).
#pragma once
#include <object.h>

#define RIGHTS_TRANSFER (FUT_RIGHT_DUP | FUT_RIGHT_MOVE)
#define RIGHTS_TASK    (FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MANAGE | RIGHTS_TRANSFER)
#define RIGHTS_THREAD  RIGHTS_TASK
#define RIGHTS_CHANNEL (FUT_RIGHT_RECV | FUT_RIGHT_MINT | FUT_RIGHT_MANAGE | RIGHTS_TRANSFER)
#define RIGHTS_SESSION (FUT_RIGHT_CALL | RIGHTS_TRANSFER)
#define RIGHTS_REPLY   FUT_RIGHT_MOVE
#define RIGHTS_EVENT   (FUT_RIGHT_READ | FUT_RIGHT_WRITE | RIGHTS_TRANSFER)
#define RIGHTS_WAITSET (FUT_RIGHT_READ | FUT_RIGHT_WRITE | RIGHTS_TRANSFER)
#define RIGHTS_MEMORY  (FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_EXEC | FUT_RIGHT_MAP | FUT_RIGHT_MANAGE | RIGHTS_TRANSFER)
#define RIGHTS_SPACE   (FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MAP | FUT_RIGHT_MANAGE | RIGHTS_TRANSFER)
#define RIGHTS_IRQ     (FUT_RIGHT_IRQ | RIGHTS_TRANSFER)
#define RIGHTS_IOPORT  (FUT_RIGHT_READ | FUT_RIGHT_WRITE | RIGHTS_TRANSFER)
#define RIGHTS_ACCOUNT (FUT_RIGHT_READ | FUT_RIGHT_MANAGE | RIGHTS_TRANSFER)
#define RIGHTS_SCHEDULE (FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MANAGE | RIGHTS_TRANSFER)
#define RIGHTS_LOG     (FUT_RIGHT_READ | FUT_RIGHT_WRITE | RIGHTS_TRANSFER)
#define RIGHTS_MACHINE (FUT_RIGHT_READ | FUT_RIGHT_IRQ | FUT_RIGHT_PHYS | FUT_RIGHT_POWER | FUT_RIGHT_DEBUG | RIGHTS_TRANSFER)

uint64_t object_next_id(void);
void object_handle_ref(struct object *o);
void object_handle_unref(struct object *o);
fut_status_t account_charge_object(struct account *a); // for what is no object of its own: a watch, an entry
void account_return_object(struct account *a);
fut_status_t account_new(struct account *parent, uint64_t pages, uint64_t objects, struct account **out);
uint64_t audit(uint32_t kind, const struct cap *c, const struct task *from); // FUT_AUDIT_*; the sequence number
void cap_free_slot(struct cap *c);                     // without telling the object

void task_no_handles(struct object *o);
void task_fewer_handles(struct object *o);
bool task_step(struct object *o);
bool memory_step(struct object *o);
bool space_step(struct object *o);
void task_free(struct object *o);
void thread_no_handles(struct object *o);
void thread_free(struct object *o);
void channel_no_handles(struct object *o);
void channel_free(struct object *o);
void session_no_handles(struct object *o);
void session_free(struct object *o);
void reply_no_handles(struct object *o);
void event_free(struct object *o);
void waitset_free(struct object *o);
void irq_free(struct object *o);
void account_no_handles(struct object *o);
void account_free(struct object *o);
void schedule_free(struct object *o);
void reply_forget_stale(struct cap *c);
void reply_moved_stale(struct cap *from, struct cap *to);
