// SPDX-License-Identifier: MPL-2.0
//
// Offsets that the assembly code uses; thread.c asserts that they are the compiler's.
#pragma once
#define THREAD_SP 248
#define THREAD_PC 256
#define THREAD_FLAGS 264
#define THREAD_TLS 272
#define THREAD_PARTIAL 280
#define THREAD_FP_CONTROL 288
#define THREAD_FP 304

// What EL0 may have in PSTATE: N Z C V, TCO, DIT, SSBS, BTYPE. The mode bits are 0 (EL0, AArch64).
#define USER_FLAGS 0xf3001c00

#define CPU_THREAD 8
#define CPU_STACK_TOP 16
#define CPU_FP_OWNER 24
#define CPU_FP_ON 32

#define KERNEL_VIRTUAL 0xffffffff80000000
#define KERNEL_STACK_BYTES 16384
