// SPDX-License-Identifier: MPL-2.0
//
// What console.c needs from a serial chip. Every function returns at once.
#pragma once
#include <stdint.h>
#include <futura/abi.h>

#define UART_NOTHING (-1)
#define UART_BREAK   (-3) // the line was held down: somebody wants attention
#define UART_OVERRUN (-2) // at least one character was lost here

[[nodiscard]] fut_status_t uart_open(void); // 8n1, receive interrupt on
unsigned uart_room(void);                    // characters that uart_send takes now without looking again
void uart_send(uint8_t c);
int uart_receive(void);                      // a character or UART_*
void uart_want_room(bool on);                // interrupt when there is room again
bool uart_interrupt(void);                   // acknowledges; true: another cause is pending, come again
