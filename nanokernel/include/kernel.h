// SPDX-License-Identifier: MPL-2.0
// Everything, for platform code and for kernel files that touch most of it.
#pragma once
#include "base.h"
#include "object.h"
#include "memory.h"
#include "thread.h"
