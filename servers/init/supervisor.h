// SPDX-License-Identifier: MPL-2.0
//
// The Supervisor protocol: what tools may see of the services and do to them.
#pragma once
#include <fipc/supervisor.h>
#include <futura/abi.h>

extern const struct supervisor_supervisor_ops supervisor_ops;

void supervisor_init(const struct fut_boot_info *info);
