// SPDX-License-Identifier: MPL-2.0
#pragma once
#define ELF_MACHINE 183 // EM_AARCH64
