// SPDX-License-Identifier: MPL-2.0
//
// The hooks' view of the library's state, and a native program's start and end as a POSIX process.
#include "../posix/posix.h"
#include <futura/exit.h>
#include <futura/startup.h>
#include <string.h>

#include "cpu.h"

bool bridge_is_posix(void) { return posix.process.h != 0; }
long bridge_pid(void) { return posix.process.h != 0 ? (long)posix_pid() : 0; }
bool bridge_is_terminal(unsigned fd)
{
    const struct posix_fd *f = posix_fd_get(fd);
    return f != nullptr && f->kind == FUT_POSIX_KIND_TERMINAL;
}

long bridge_random(void *to, size_t bytes)
{
    uint8_t *p = to;
    while (bytes > 0) {
        struct fut_bytes data;
        fut_status_t status = process_process_random(posix.process, bytes < 1024 ? (uint32_t)bytes : 1024, &data);
        if (status != FUT_OK)
            return posix_errno(status);
        if (data.len == 0 || data.len > bytes)
            return -EIO;
        memcpy(p, data.data, data.len);
        p += data.len;
        bytes -= data.len;
    }
    return 0;
}

long bridge_send(unsigned fd, const void *data, size_t bytes, uint32_t flags, const struct posix_name *to)
{
    struct posix_message m;
    m.data = (uint64_t)data;
    m.bytes = bytes;
    m.flags = flags;
    m.fd_count = 0;
    m.name = *to;
    return posix_send(fd, &m);
}

long bridge_receive(unsigned fd, void *data, size_t bytes, uint32_t flags, struct posix_name *from)
{
    struct posix_message m;
    m.data = (uint64_t)data;
    m.bytes = bytes;
    m.flags = flags & 0xffff;
    m.fd_room = 0;
    long n = posix_receive(fd, &m);
    if (n >= 0)
        *from = m.name;
    return n;
}

long bridge_lookup(const char *host, int family, struct socket_address *to, size_t room)
{
    struct socket_address_view found;
    long error = posix_network();
    if (error == 0)
        error = posix_net_errno(socket_network_lookup(posix.network, (struct fut_string){host, strlen(host)}, (socket_family_t)family, &found));
    if (error != 0)
        return error;
    size_t n = found.len < room ? found.len : room;
    memcpy(to, found.data, n * sizeof *to);
    return (long)n;
}

static void tell_posixd(int status)
{
    posix_exit(((uint32_t)status & 0xff) << 8);
}

[[gnu::constructor]] static void start(void)
{
    const struct fut_startup *startup = fut_startup();
    if (startup == nullptr || startup->posix == 0)
        return;
    const struct fut_posix_startup *block = (const struct fut_posix_startup *)startup->posix;
    if (block->magic != FUT_POSIX_MAGIC)
        return;
    posix_init(block);
    posix_self.tls = cpu_tls();
    fut_exit_hook = tell_posixd;
}
