// SPDX-License-Identifier: MPL-2.0
//
// The machine and the system as a whole.
#include "linux.h"
#include <string.h>

struct linux_utsname { char system[65], node[65], release[65], version[65], machine[65], domain[65]; };

SYSCALL(uname)
{
    // The release is that of the interface that is offered; glibc compares it with the oldest one it runs on.
    struct linux_utsname u = {.system = "Linux", .release = "6.1.0-futura", .version = "#1 Futura", .machine = LINUX_MACHINE, .domain = "(none)"};
    struct fut_string name;
    fut_status_t status = process_process_host_name(posix.process, &name);
    if (status != FUT_OK)
        return posix_errno(status);
    memcpy(u.node, name.data, name.len < 64 ? name.len : 64);
    return user_write(a, &u, sizeof u) ? 0 : -EFAULT;
}

SYSCALL(sethostname)
{
    char name[64];
    if ((int64_t)b < 0 || b > sizeof name)
        return -EINVAL;
    if (!user_read(name, a, b))
        return -EFAULT;
    return posix_errno(process_process_set_host_name(posix.process, (struct fut_string){.data = name, .len = b}));
}

struct linux_sysinfo {
    int64_t uptime;
    u64 loads[3], total, free, shared, buffers, total_swap, free_swap;
    uint16_t processes, pad;
    uint32_t pad2;
    u64 total_high, free_high;
    uint32_t unit, pad3;
};
static_assert(sizeof(struct linux_sysinfo) == 112);

SYSCALL(sysinfo)
{
    uint64_t ram, free, buffers;
    uint32_t processes, load1, load5, load15;
    fut_status_t status = process_process_system(posix.process, &ram, &free, &buffers, &processes, &load1, &load5, &load15);
    if (status != FUT_OK)
        return posix_errno(status);
    struct linux_sysinfo s = {
        .uptime = (int64_t)(posix_now() / NS_PER_S), .loads = {load1, load5, load15}, .total = ram, .free = free,
        .buffers = buffers, .processes = (uint16_t)processes, .unit = 1,
    };
    return user_write(a, &s, sizeof s) ? 0 : -EFAULT;
}

SYSCALL(getrandom)
{
    if (c & ~7ull)
        return -EINVAL;
    u64 done = 0;
    while (done < b) {
        uint32_t part = b - done < 1024 ? (uint32_t)(b - done) : 1024;
        struct fut_bytes data;
        fut_status_t status = process_process_random(posix.process, part, &data);
        if (status != FUT_OK)
            return done != 0 ? (long)done : posix_errno(status);
        if (data.len == 0 || data.len > part)
            return -EIO;
        if (!user_write(a + done, data.data, data.len))
            return -EFAULT;
        done += data.len;
        if (posix_signals_due() != 0 && done >= 256)
            break;
    }
    return (long)done;
}

// The kernel log for dmesg. What one process has read is not kept from another, and clearing does nothing.
SYSCALL(syslog)
{
    enum { LOG_MAX = 64 << 10 };
    struct fut_bytes data;
    uint64_t end;
    switch ((int)a) {
    case 0:
    case 1:
    case 5:
    case 6:
    case 7:
    case 8: return 0;
    case 9:
    case 10: {
        fut_status_t status = process_process_log(posix.process, 0, 0, &data, &end);
        if (status != FUT_OK)
            return posix_errno(status);
        return (long)(end < LOG_MAX ? end : LOG_MAX);
    }
    case 2:
    case 3:
    case 4: {
        if ((int)c < 0)
            return -EINVAL;
        fut_status_t status = process_process_log(posix.process, 0, 0, &data, &end);
        if (status != FUT_OK)
            return posix_errno(status);
        uint64_t room = (u64)(unsigned)c < LOG_MAX ? (u64)(unsigned)c : LOG_MAX;
        uint64_t at = end > room ? end - room : 0, done = 0;
        while (done < room) {
            status = process_process_log(posix.process, at, (uint32_t)(room - done < 7000 ? room - done : 7000), &data, &end);
            if (status != FUT_OK)
                return posix_errno(status);
            if (data.len == 0 || data.len > room - done)
                break;
            if (!user_write(b + done, data.data, data.len))
                return -EFAULT;
            done += data.len;
            at += data.len;
        }
        return (long)done;
    }
    default: return -EINVAL;
    }
}

// As a signal to pid 1, which stops the system in order: the same that BusyBox's poweroff sends.
SYSCALL(reboot)
{
    if ((uint32_t)a != 0xfee1deadu || ((uint32_t)b != 672274793u && (uint32_t)b != 85072278u && (uint32_t)b != 369367448u && (uint32_t)b != 537993216u))
        return -EINVAL;
    if (posix.ids.euid != 0)
        return -EPERM;
    switch ((uint32_t)c) {
    case 0x4321fedc: return posix_kill(1, SIGUSR2); // power off
    case 0xcdef0123: return posix_kill(1, SIGUSR1); // halt
    case 0x01234567: return posix_kill(1, SIGTERM); // restart
    case 0x89abcdef:
    case 0: return 0; // whether ^ALT^DEL reboots at once: there is no such key
    default: return -EINVAL;
    }
}
