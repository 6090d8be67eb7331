// SPDX-License-Identifier: MPL-2.0
#pragma once
#define ELF_MACHINE 62 // EM_X86_64
