// SPDX-License-Identifier: MPL-2.0
//
// Sockets through futura.socket itself, with no library of sockets in between: what netd does, seen by a native program.
//
//   netcheck loop             streams, datagrams, waiting, readiness, options and limits over the loopback
//   netcheck many N BYTES     N connections over the loopback at once, each with BYTES, checked
//   netcheck serve PORT N     echoes N connections, then ends
//   netcheck ask HOST PORT    sends a line to HOST (an IPv4 address) and prints what comes back
//   netcheck echo HOST PORT BYTES   sends so many bytes to an echo service and checks what comes back
//   netcheck lookup NAME      addresses of a name, through netd's resolver
//   netcheck addresses        the interfaces' addresses, once there is one that is not the loopback's
//   netcheck usage            what netd holds: sockets, connections, packets
//
// Prints `ok NAME` for each thing that holds; exits with how many did not.
#include <fipc/io.h>
#include <fipc/netctl.h>
#include <fipc/registry.h>
#include <fipc/socket.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static socket_network_t network;
static int failures;

static bool check(bool good, const char *what, long value)
{
    if (!good) {
        printf("FAILED %s (%ld)\n", what, value);
        failures++;
    }
    return good;
}
#define CHECK(c, value) check((c), #c, (long)(value))
#define OK(call) do { fut_status_t ok_status = (call); check(ok_status == FUT_OK, #call, ok_status); } while (0)
#define GIVES(error, call) do { fut_status_t is = (call); check(is == (error), #call " gives " #error, is); } while (0)

static struct socket_address at(const char *ip, uint16_t port)
{
    unsigned b[4];
    struct socket_address a = {.family = SOCKET_FAMILY_INET, .port = port};
    if (sscanf(ip, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]) == 4)
        for (int i = 0; i < 4; i++)
            a.bytes[i] = (uint8_t)b[i];
    return a;
}

static struct socket_address at6(uint16_t port)
{
    struct socket_address a = {.family = SOCKET_FAMILY_INET6, .port = port};
    a.bytes[15] = 1;
    return a;
}

static socket_socket_t open_socket(uint16_t family, uint8_t type, uint16_t protocol)
{
    socket_socket_t s = {};
    OK(socket_network_open(network, family, type, protocol, 0, &s));
    return s;
}

static io_file_t file(socket_socket_t s) { return (io_file_t){s.h}; }
static void done(socket_socket_t s) { (void)fut_cap_delete(s.h); }
static void passed(const char *name, int before)
{
    if (failures == before)
        printf("ok %s\n", name);
}

static uint64_t ready(socket_socket_t s)
{
    fut_handle_t e;
    uint64_t bits = 0;
    if (io_file_watch(file(s), &e) != FUT_OK)
        return ~0ull;
    if (fut_event_wait(e, ~0ull >> 1, 0, FUT_WAIT_KEEP, &bits) != FUT_OK)
        bits = 0;
    (void)fut_cap_delete(e);
    return bits;
}

// Waits until all of `bits` are there, or a second has passed.
static bool becomes(socket_socket_t s, uint64_t bits)
{
    for (uint64_t end = fut_clock() + 1000000000; fut_clock() < end;) {
        if ((ready(s) & bits) == bits)
            return true;
        (void)fut_yield();
    }
    return false;
}

static socket_socket_t listener(uint16_t family, uint16_t port)
{
    socket_socket_t l = open_socket(family, SOCKET_TYPE_STREAM, 0);
    struct socket_address a = {.family = family, .port = port};
    OK(socket_socket_set_option(l, SOCKET_OPTION_REUSE_ADDRESS, 1));
    OK(socket_socket_bind(l, &a));
    OK(socket_socket_listen(l, 8));
    return l;
}

static void pair_to(socket_socket_t l, const struct socket_address *to, socket_socket_t *client, socket_socket_t *server)
{
    struct socket_address peer;
    *client = open_socket(to->family, SOCKET_TYPE_STREAM, 0);
    OK(socket_socket_connect(*client, to));
    OK(socket_socket_accept(l, 0, 0, server, &peer));
}

static void streams(void)
{
    int before = failures;
    socket_socket_t l = listener(SOCKET_FAMILY_INET, 7001), c, s;
    CHECK(ready(l) == 0, ready(l));
    struct socket_address to = at("127.0.0.1", 7001), a;
    pair_to(l, &to, &c, &s);
    OK(socket_socket_peer_address(c, &a));
    CHECK(a.port == 7001 && memcmp(a.bytes, to.bytes, 16) == 0, a.port);
    OK(socket_socket_local_address(s, &a));
    CHECK(a.port == 7001, a.port);
    struct fut_bytes data;
    uint32_t n;
    OK(io_file_write(file(c), (struct fut_bytes){"hello", 5}, &n));
    CHECK(n == 5, n);
    OK(io_file_read(file(s), 100, &data));
    CHECK(data.len == 5 && memcmp(data.data, "hello", 5) == 0, data.len);
    CHECK(ready(s) == IO_READY_OUT, ready(s));
    OK(io_file_write(file(c), (struct fut_bytes){"abc", 3}, &n));
    CHECK(becomes(s, IO_READY_IN | IO_READY_OUT), ready(s));
    struct socket_received r;
    OK(socket_socket_receive_from(s, 2, SOCKET_FLAGS_PEEK, &r, &data));
    CHECK(data.len == 2, data.len);
    OK(io_file_read(file(s), 100, &data));
    CHECK(data.len == 3 && memcmp(data.data, "abc", 3) == 0, data.len);
    GIVES(IO_ERROR_TRY_AGAIN, socket_socket_receive_from(s, 10, SOCKET_FLAGS_DONT_WAIT, &r, &data));
    // The end: one side closes for writing, the other reads what is left, then nothing.
    OK(io_file_write(file(c), (struct fut_bytes){"end", 3}, &n));
    OK(socket_socket_shutdown(c, 1));
    GIVES(IO_ERROR_BROKEN_PIPE, io_file_write(file(c), (struct fut_bytes){"x", 1}, &n));
    OK(io_file_read(file(s), 100, &data));
    CHECK(data.len == 3, data.len);
    OK(io_file_read(file(s), 100, &data));
    CHECK(data.len == 0, data.len);
    CHECK(becomes(s, IO_READY_READ_HANGUP | IO_READY_IN), ready(s));
    OK(io_file_write(file(s), (struct fut_bytes){"bye", 3}, &n));
    OK(io_file_read(file(c), 100, &data));
    CHECK(data.len == 3, data.len);
    done(s);
    OK(io_file_read(file(c), 100, &data));
    CHECK(data.len == 0, data.len);
    done(c);
    done(l);
    passed("streams", before);
}

static void dual_stack(void)
{
    int before = failures;
    socket_socket_t l = listener(SOCKET_FAMILY_INET6, 7002), c, s;
    struct socket_address to = at("127.0.0.1", 7002), six = at6(7002), a;
    pair_to(l, &to, &c, &s);
    OK(socket_socket_peer_address(s, &a));
    CHECK(a.family == SOCKET_FAMILY_INET6 && a.bytes[10] == 0xff && a.bytes[12] == 127, a.family);
    done(s);
    done(c);
    pair_to(l, &six, &c, &s);
    uint32_t n;
    struct fut_bytes data;
    OK(io_file_write(file(s), (struct fut_bytes){"six", 3}, &n));
    OK(io_file_read(file(c), 8, &data));
    CHECK(data.len == 3, data.len);
    done(s);
    done(c);
    done(l);
    passed("dual-stack", before);
}

static uint8_t pattern(uint64_t i) { return (uint8_t)(i * 131 + (i >> 8) * 17 + (i >> 16)); }

static void bulk(void)
{
    int before = failures;
    enum { BYTES = 3 << 20, PART = 60000 };
    static uint8_t out[PART], in[PART];
    socket_socket_t l = listener(SOCKET_FAMILY_INET, 7003), c, s;
    struct socket_address to = at("127.0.0.1", 7003);
    pair_to(l, &to, &c, &s);
    uint64_t sent = 0, got = 0;
    OK(io_file_set_status(file(c), IO_STATUS_NONBLOCK));
    while (got < BYTES) {
        uint64_t want = BYTES - sent < PART ? BYTES - sent : PART, n = 0;
        for (uint64_t i = 0; i < want; i++)
            out[i] = pattern(sent + i);
        fut_status_t status = want ? io_file_write_from(file(c), UINT64_MAX, (struct fut_bytes){out, want}, &n) : FUT_OK;
        if (status != FUT_OK && status != IO_ERROR_TRY_AGAIN) {
            CHECK(false, status);
            break;
        }
        sent += n;
        struct fut_buffer b = {in, sizeof in, 0};
        OK(io_file_read_into(file(s), UINT64_MAX, b, &n));
        for (uint64_t i = 0; i < n; i++) {
            if (in[i] != pattern(got + i)) {
                CHECK(false, got + i);
                got = BYTES;
                break;
            }
        }
        got += n;
        if (n == 0)
            break;
    }
    CHECK(sent == BYTES && got == BYTES, got);
    done(s);
    done(c);
    done(l);
    passed("bulk", before);
}

static void datagrams(void)
{
    int before = failures;
    socket_socket_t a = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_DATAGRAM, 0);
    socket_socket_t b = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_DATAGRAM, 0);
    struct socket_address here = at("127.0.0.1", 7004), none = {}, from;
    OK(socket_socket_bind(a, &here));
    uint32_t n;
    struct socket_received r;
    struct fut_bytes data;
    GIVES(IO_ERROR_NO_DESTINATION, socket_socket_send_to(b, &none, 0, (struct fut_bytes){"x", 1}, &n));
    OK(socket_socket_send_to(b, &here, 0, (struct fut_bytes){"first", 5}, &n));
    OK(socket_socket_send_to(b, &here, 0, (struct fut_bytes){"second!", 7}, &n));
    OK(socket_socket_receive_from(a, 3, 0, &r, &data));
    CHECK(data.len == 3 && r.length == 5 && (r.flags & SOCKET_FLAGS_TRUNC), r.length);
    OK(socket_socket_receive_from(a, 100, 0, &r, &data));
    CHECK(data.len == 7 && r.length == 7 && !(r.flags & SOCKET_FLAGS_TRUNC), data.len);
    OK(socket_socket_local_address(b, &from));
    CHECK(r.from.port == from.port && r.from.bytes[0] == 127, r.from.port);
    OK(socket_socket_connect(a, &r.from));
    OK(io_file_write(file(a), (struct fut_bytes){"back", 4}, &n));
    OK(io_file_read(file(b), 100, &data));
    CHECK(data.len == 4, data.len);
    CHECK(ready(b) == IO_READY_OUT, ready(b));
    done(a);
    done(b);
    passed("datagrams", before);
}

static void echoes(void)
{
    int before = failures;
    socket_socket_t s = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_DATAGRAM, 1);
    struct socket_address here = at("127.0.0.1", 0);
    uint8_t request[16] = {8, 0, 0, 0, 0, 0, 0, 7, 'p', 'i', 'n', 'g'};
    uint32_t n;
    struct socket_received r;
    struct fut_bytes data;
    OK(socket_socket_send_to(s, &here, 0, (struct fut_bytes){request, sizeof request}, &n));
    OK(socket_socket_receive_from(s, 100, 0, &r, &data));
    const uint8_t *reply = data.data;
    CHECK(data.len == 16 && reply[0] == 0 && reply[7] == 7 && memcmp(reply + 8, "ping", 4) == 0, data.len);
    done(s);
    passed("echoes", before);
}

static void errors(void)
{
    int before = failures;
    socket_socket_t s = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_STREAM, 0), t, l;
    struct socket_address closed = at("127.0.0.1", 7009), foreign = at("9.9.9.9", 80);
    uint32_t n;
    struct fut_bytes data;
    GIVES(IO_ERROR_BROKEN_PIPE, io_file_write(file(s), (struct fut_bytes){"x", 1}, &n));
    GIVES(IO_ERROR_NOT_CONNECTED, io_file_read(file(s), 10, &data));
    GIVES(IO_ERROR_REFUSED, socket_socket_connect(s, &closed));
    GIVES(IO_ERROR_NO_ADDRESS, socket_socket_bind(s, &foreign));
    done(s);
    l = listener(SOCKET_FAMILY_INET, 7005);
    t = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_STREAM, 0);
    struct socket_address same = at("0.0.0.0", 7005);
    GIVES(IO_ERROR_ADDRESS_IN_USE, socket_socket_bind(t, &same));
    socket_socket_t none;
    GIVES(IO_ERROR_NO_PROTOCOL, socket_network_open(network, SOCKET_FAMILY_INET, SOCKET_TYPE_STREAM, 17, 0, &none));
    // A call with a deadline ends, and what comes later is not lost.
    struct fut_call_options soon = {.deadline = fut_clock() + 30000000};
    struct socket_address peer;
    GIVES(FUT_ERR_TIMED_OUT, socket_socket_accept_opt(l, &soon, 0, 0, &none, &peer));
    struct socket_address to = at("127.0.0.1", 7005);
    OK(socket_socket_connect(t, &to));
    OK(socket_socket_accept(l, 0, 0, &none, &peer));
    // A reset: the peer closes with something unread.
    OK(io_file_write(file(t), (struct fut_bytes){"unread", 6}, &n));
    CHECK(becomes(none, IO_READY_IN), ready(none));
    done(none);
    CHECK(becomes(t, IO_READY_ERROR | IO_READY_IN | IO_READY_HANGUP), ready(t));
    GIVES(IO_ERROR_CONNECTION_RESET, io_file_read(file(t), 10, &data));
    OK(io_file_read(file(t), 10, &data));
    done(t);
    done(l);
    passed("errors", before);
}

static void limits(void)
{
    int before = failures;
    socket_network_t narrow, narrower;
    struct socket_restriction r = {.limits = SOCKET_LIMITS_NO_LISTEN | SOCKET_LIMITS_NO_RAW, .remote_first = 7000, .remote_last = 7010};
    OK(socket_network_restrict(network, &r, &narrow));
    struct socket_restriction to10 = {.prefix_family = SOCKET_FAMILY_INET, .prefix_bits = 8, .prefix = {10}};
    OK(socket_network_restrict(narrow, &to10, &narrower));
    socket_socket_t s, l = listener(SOCKET_FAMILY_INET, 7006);
    struct socket_address any = at("0.0.0.0", 7007), good = at("127.0.0.1", 7006), bad = at("127.0.0.1", 80);
    GIVES(IO_ERROR_NOT_PERMITTED, socket_network_open(narrow, SOCKET_FAMILY_INET, SOCKET_TYPE_RAW, 1, 0, &s));
    OK(socket_network_open(narrow, SOCKET_FAMILY_INET, SOCKET_TYPE_STREAM, 0, 0, &s));
    OK(socket_socket_bind(s, &any));
    GIVES(FUT_ERR_FACET, socket_socket_listen(s, 1));
    GIVES(IO_ERROR_DENIED, socket_socket_connect(s, &bad));
    OK(socket_socket_connect(s, &good));
    done(s);
    OK(socket_network_open(narrower, SOCKET_FAMILY_INET, SOCKET_TYPE_STREAM, 0, 0, &s));
    GIVES(IO_ERROR_DENIED, socket_socket_connect(s, &good));
    done(s);
    done(l);
    (void)fut_cap_delete(narrow.h);
    (void)fut_cap_delete(narrower.h);
    passed("limits", before);
}

static int many(unsigned count, uint64_t bytes)
{
    socket_socket_t *c = calloc(count, sizeof *c), *s = calloc(count, sizeof *s);
    uint64_t *sent = calloc(count, sizeof *sent), *got = calloc(count, sizeof *got);
    static uint8_t part[4000];
    socket_socket_t l = listener(SOCKET_FAMILY_INET, 7100);
    struct socket_address to = at("127.0.0.1", 7100);
    for (unsigned i = 0; i < count && failures == 0; i++) {
        pair_to(l, &to, &c[i], &s[i]);
        OK(io_file_set_status(file(c[i]), IO_STATUS_NONBLOCK));
        OK(io_file_set_status(file(s[i]), IO_STATUS_NONBLOCK));
    }
    printf("%u connections\n", count);
    for (uint64_t left = count * bytes; left != 0 && failures == 0;) {
        for (unsigned i = 0; i < count && failures == 0; i++) {
            uint64_t n = bytes - sent[i] < sizeof part ? bytes - sent[i] : sizeof part;
            uint32_t put = 0;
            for (uint64_t k = 0; k < n; k++)
                part[k] = pattern(sent[i] + k + i);
            fut_status_t status = n ? io_file_write(file(c[i]), (struct fut_bytes){part, n}, &put) : FUT_OK;
            CHECK(status == FUT_OK || status == IO_ERROR_TRY_AGAIN, status);
            sent[i] += put;
            struct fut_bytes data;
            while (io_file_read(file(s[i]), sizeof part, &data) == FUT_OK && data.len != 0) {
                for (size_t k = 0; k < data.len; k++)
                    if (((const uint8_t *)data.data)[k] != pattern(got[i] + k + i))
                        failures++;
                got[i] += data.len;
                left -= data.len;
            }
        }
    }
    for (unsigned i = 0; i < count; i++) {
        done(c[i]);
        done(s[i]);
    }
    done(l);
    passed("many", 0);
    return failures;
}

static int serve(uint16_t port, unsigned count)
{
    socket_socket_t l = listener(SOCKET_FAMILY_INET6, port), s;
    printf("listening\n");
    fflush(stdout);
    while (count--) {
        struct socket_address peer;
        fut_status_t status = socket_socket_accept(l, 0, 0, &s, &peer);
        if (status == FUT_ERR_RESTARTED) { // netd was: the socket listens again, the call has to be made again
            count++;
            continue;
        }
        OK(status);
        static uint8_t bytes[60000];
        uint64_t n, put, total = 0;
        while (io_file_read_into(file(s), UINT64_MAX, (struct fut_buffer){bytes, sizeof bytes, 0}, &n) == FUT_OK && n != 0) {
            OK(io_file_write_from(file(s), UINT64_MAX, (struct fut_bytes){bytes, n}, &put));
            CHECK(put == n, put);
            total += n;
        }
        printf("echoed %llu bytes\n", (unsigned long long)total);
        fflush(stdout);
        done(s);
    }
    return failures;
}

static int ask(const char *host, uint16_t port)
{
    socket_socket_t s = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_STREAM, 0);
    struct socket_address to = at(host, port);
    uint32_t n;
    struct fut_bytes data;
    OK(socket_socket_connect(s, &to));
    OK(io_file_write(file(s), (struct fut_bytes){"a question\n", 11}, &n));
    while (io_file_read(file(s), 1000, &data) == FUT_OK && data.len != 0)
        fwrite(data.data, 1, data.len, stdout);
    done(s);
    return failures;
}

static int echo(const char *host, uint16_t port, uint64_t bytes)
{
    static uint8_t part[20000], in[20000];
    socket_socket_t s = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_STREAM, 0);
    struct socket_address to = at(host, port);
    OK(socket_socket_connect(s, &to));
    uint64_t sent = 0, got = 0;
    while (got < bytes && failures == 0) {
        uint64_t want = bytes - sent < sizeof part ? bytes - sent : sizeof part, n = 0;
        for (uint64_t i = 0; i < want; i++)
            part[i] = pattern(sent + i);
        if (want && sent - got < 100000) {
            OK(io_file_write_from(file(s), UINT64_MAX, (struct fut_bytes){part, want}, &n));
            sent += n;
            if (sent == bytes)
                OK(socket_socket_shutdown(s, 1));
            continue;
        }
        OK(io_file_read_into(file(s), UINT64_MAX, (struct fut_buffer){in, sizeof in, 0}, &n));
        if (!CHECK(n != 0, got))
            break;
        for (uint64_t i = 0; i < n; i++)
            if (!CHECK(in[i] == pattern(got + i), got + i))
                break;
        got += n;
    }
    done(s);
    printf("%llu bytes came back\n", (unsigned long long)got);
    return failures;
}

static void print_address(const struct socket_address *a)
{
    const uint8_t *b = a->bytes;
    if (a->family == SOCKET_FAMILY_INET)
        printf("%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    else
        for (int i = 0; i < 16; i += 2)
            printf("%s%x", i ? ":" : "", b[i] << 8 | b[i + 1]);
}

static int lookup(const char *name)
{
    struct socket_address_view found;
    fut_status_t status = socket_network_lookup(network, fut_string(name), SOCKET_FAMILY_NONE, &found);
    if (status != FUT_OK)
        printf("error %d", (int)status);
    for (size_t i = 0; status == FUT_OK && i < found.len; i++) {
        print_address(&found.data[i]);
        printf(" ");
    }
    printf("\n");
    return 0;
}

static int addresses(netctl_control_t control)
{
    struct netctl_interface_address a;
    for (uint64_t end = fut_clock() + 20000000000; fut_clock() < end; (void)fut_yield()) {
        bool usable = false;
        for (uint32_t i = 0; netctl_control_get_address(control, i, &a) == FUT_OK; i++)
            usable |= a.interface != 1 && a.state == 0 && a.source == 2;
        if (usable)
            break;
    }
    for (uint32_t i = 0; netctl_control_get_address(control, i, &a) == FUT_OK; i++) {
        printf("%u ", a.interface);
        print_address(&a.address);
        printf("/%u source %u state %u\n", a.prefix_bits, a.source, a.state);
    }
    return 0;
}

static int usage(netctl_control_t control)
{
    struct netctl_usage u;
    OK(netctl_control_usage(control, &u));
    printf("%llu sockets, %llu connections, %llu packets, %llu bytes\n", (unsigned long long)u.sockets,
           (unsigned long long)u.connections, (unsigned long long)u.packets, (unsigned long long)u.packet_bytes);
    return failures;
}

int main(int argc, char **argv)
{
    registry_directory_t registry = {fut_startup_cap("registry")};
    if (registry_directory_lookup(registry, FUT_STRING("network"), false, &network.h) != FUT_OK) {
        printf("there is no network service\n");
        return 100;
    }
    if (argc == 4 && strcmp(argv[1], "many") == 0)
        return many((unsigned)atoi(argv[2]), strtoull(argv[3], nullptr, 0));
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return serve((uint16_t)atoi(argv[2]), (unsigned)atoi(argv[3]));
    if (argc == 4 && strcmp(argv[1], "ask") == 0)
        return ask(argv[2], (uint16_t)atoi(argv[3]));
    if (argc == 5 && strcmp(argv[1], "echo") == 0)
        return echo(argv[2], (uint16_t)atoi(argv[3]), strtoull(argv[4], nullptr, 0));
    if (argc == 3 && strcmp(argv[1], "lookup") == 0)
        return lookup(argv[2]);
    if (argc == 2 && (strcmp(argv[1], "addresses") == 0 || strcmp(argv[1], "usage") == 0)) {
        netctl_control_t control;
        OK(registry_directory_lookup(registry, FUT_STRING("netctl"), false, &control.h));
        return argv[1][0] == 'a' ? addresses(control) : usage(control);
    }
    streams();
    dual_stack();
    bulk();
    datagrams();
    echoes();
    errors();
    limits();
    printf("%d failures\n", failures);
    return failures;
}
