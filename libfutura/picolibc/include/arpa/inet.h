// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <netinet/in.h>
int inet_pton(int family, const char *text, void *address); // 1: it was one
const char *inet_ntop(int family, const void *address, char *text, socklen_t room);
