// SPDX-License-Identifier: MPL-2.0
// What x86_64 alone has: the thread register through a call.
#include "../linux.h"

SYSCALL(arch_prctl)
{
    struct fut_regs *r = &posix_self.frame->regs;
    switch (a) {
    case 0x1002: // ARCH_SET_FS
        if (b >= FUT_USER_TOP)
            return -EPERM;
        r->tls = b;
        return 0;
    case 0x1003: return user_write(b, &r->tls, 8) ? 0 : -EFAULT; // ARCH_GET_FS
    default: return -EINVAL;
    }
}
