// SPDX-License-Identifier: MPL-2.0
//
// Where the fields are that assembly addresses: struct arch_thread, which begins struct thread, and struct
// arch_cpu, which begins struct cpu. cpu.c pins them.
#pragma once

#define T_RAX 0
#define T_RBX 8
#define T_RCX 16
#define T_RDX 24
#define T_RSI 32
#define T_RDI 40
#define T_RBP 48
#define T_RSP 56
#define T_R8 64
#define T_R9 72
#define T_R10 80
#define T_R11 88
#define T_R12 96
#define T_R13 104
#define T_R14 112
#define T_R15 120
#define T_PC 128
#define T_FLAGS 136
#define T_TLS 144
#define T_FULL 152
#define CPU_THREAD 8
#define CPU_STACK_TOP 16
#define CPU_USER_RSP 24
#define CPU_TLS 32
#define CPU_FP_OWNER 40
#define CPU_FP_TRAP 48
