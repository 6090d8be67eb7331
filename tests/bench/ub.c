// SPDX-License-Identifier: MPL-2.0
/* ub: fixed-iteration OS primitive benchmark. static; prints "UB name ns_per_op iters".
   Each test: 1 warm-up batch, then 3 batches, prints min and median of the 3. usage: ub [dir [test...]] */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
typedef unsigned long long u64;
static u64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static char dir[200] = "/tmp";
static char fn[256], self[256];
static int fd0, fd1, a[2], b[2];
static pid_t kid;
static char buf[65536];
static char *mp;
static void die(const char *s) {
  printf("UB-ERR %s %s\n", s, strerror(errno));
  fflush(stdout);
  _exit(3);
}
typedef void (*F)(long n);
/* --- bodies --- */
static void t_loop(long n) {
  for (volatile long i = 0; i < n; i++)
    ;
}
static void t_clock(long n) {
  while (n--)
    now();
}
static void t_null(long n) {
  while (n--)
    syscall(SYS_getppid);
}
static void t_read0(long n) {
  while (n--)
    if (read(fd0, buf, 1) != 1)
      die("read");
}
static void t_write0(long n) {
  while (n--)
    if (write(fd1, buf, 1) != 1)
      die("write");
}
static void t_pread4k(long n) {
  while (n--)
    if (pread(fd0, buf, 4096, 0) != 4096)
      die("pread");
}
static void t_pwrite4k(long n) {
  while (n--)
    if (pwrite(fd0, buf, 4096, 0) != 4096)
      die("pwrite");
}
static void t_stat(long n) {
  struct stat s;
  while (n--)
    if (stat(fn, &s))
      die("stat");
}
static void t_fstat(long n) {
  struct stat s;
  while (n--)
    if (fstat(fd0, &s))
      die("fstat");
}
static void t_open(long n) {
  while (n--) {
    int f = open(fn, O_RDONLY);
    if (f < 0)
      die("open");
    close(f);
  }
}
static void t_creat(long n) {
  while (n--) {
    int f = open(fn, O_CREAT | O_RDWR | O_TRUNC, 0644);
    if (f < 0)
      die("creat");
    close(f);
    if (unlink(fn))
      die("unlink");
  }
}
static void t_poll(long n) {
  struct pollfd p[10];
  for (int i = 0; i < 10; i++) {
    p[i].fd = a[0];
    p[i].events = POLLIN;
  }
  while (n--)
    poll(p, 10, 0);
}
static void pp_setup(int kind) {
  if (kind == 0) {
    if (pipe(a) || pipe(b))
      die("pipe");
  } else {
    int s[2];
    if (socketpair(AF_UNIX, kind == 1 ? SOCK_STREAM : SOCK_DGRAM, 0, s))
      die("socketpair");
    a[1] = b[0] = s[0];
    a[0] = b[1] = s[1];
  }
  kid = fork();
  if (kid < 0)
    die("fork");
  if (!kid) {
    char c;
    if (kind) {
      close(a[1]);
    } else {
      close(a[1]);
      close(b[0]);
    }
    while (read(a[0], &c, 1) == 1 && c != 'q')
      if (write(b[1], &c, 1) != 1)
        _exit(1);
    _exit(0);
  }
}
static void t_pp(long n) {
  char c = 'x';
  while (n--) {
    if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1)
      die("pp");
  }
}
static void pp_done(void) {
  char c = 'q';
  write(a[1], &c, 1);
  waitpid(kid, 0, 0);
}
static void t_pipe1(long n) {
  char c;
  while (n--) {
    if (write(a[1], "x", 1) != 1 || read(a[0], &c, 1) != 1)
      die("pipe1");
  }
}
static int fut __attribute__((aligned(64)));
static volatile int stopf;
static void fwait(int v) {
  while (__atomic_load_n(&fut, __ATOMIC_SEQ_CST) != v)
    syscall(SYS_futex, &fut, FUTEX_WAIT_PRIVATE, 1 - v, 0, 0, 0);
}
static void fset(int v) {
  __atomic_store_n(&fut, v, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &fut, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}
static void *fthr(void *x) {
  for (;;) {
    fwait(1);
    if (stopf)
      return 0;
    fset(0);
  }
}
static void t_futex(long n) {
  while (n--) {
    fset(1);
    fwait(0);
  }
}
static void t_futexwake(long n) {
  while (n--)
    syscall(SYS_futex, &fut, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}
static void *nullthr(void *x) { return 0; }
static void t_thread(long n) {
  while (n--) {
    pthread_t t;
    if (pthread_create(&t, 0, nullthr, 0))
      die("pthread");
    pthread_join(t, 0);
  }
}
static volatile int hits;
static void sh(int s) { hits++; }
static void t_sig(long n) {
  pid_t p = getpid();
  while (n--)
    kill(p, SIGUSR1);
}
static void t_siginst(long n) {
  struct sigaction s;
  memset(&s, 0, sizeof s);
  s.sa_handler = sh;
  while (n--)
    sigaction(SIGUSR2, &s, 0);
}
static void t_mmap(long n) {
  while (n--) {
    char *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
      die("mmap");
    if (munmap(p, 65536))
      die("munmap");
  }
}
static void t_anon(long n) { /* n pages */
  char *p = mmap(0, n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    die("mmap");
#ifdef MADV_NOHUGEPAGE
  madvise(p, n * 4096, MADV_NOHUGEPAGE);
#endif
  for (long i = 0; i < n; i++)
    p[i * 4096] = 1;
  munmap(p, n * 4096);
}
static void t_ffault(long n) {
  char *p = mmap(0, n * 4096, PROT_READ, MAP_SHARED, fd0, 0);
  if (p == MAP_FAILED)
    die("mmapf");
  volatile char c;
  for (long i = 0; i < n; i++)
    c = p[i * 4096];
  munmap(p, n * 4096);
}
static void t_prot(long n) {
  while (n--) {
    mprotect(mp, 4096, PROT_READ);
    mprotect(mp, 4096, PROT_READ | PROT_WRITE);
  }
}
static void t_yield(long n) {
  while (n--)
    sched_yield();
}
static void t_fork(long n) {
  while (n--) {
    pid_t p = fork();
    if (p < 0)
      die("fork");
    if (!p)
      _exit(0);
    waitpid(p, 0, 0);
  }
}
static void t_exec(long n) {
  char *av[] = {self, "-x", 0};
  while (n--) {
    pid_t p = fork();
    if (p < 0)
      die("fork");
    if (!p) {
      execve(self, av, environ);
      _exit(9);
    }
    int st;
    waitpid(p, &st, 0);
    if (st)
      die("exec");
  }
}
static void t_spawn(long n) {
  char *av[] = {self, "-x", 0};
  while (n--) {
    pid_t p;
    if (posix_spawn(&p, self, 0, 0, av, environ))
      die("spawn");
    int st;
    waitpid(p, &st, 0);
    if (st)
      die("spawn st");
  }
}
static void t_bbtrue(long n) {
  char *av[] = {"true", 0};
  while (n--) {
    pid_t p = fork();
    if (!p) {
      execve("/bin/busybox", av, environ);
      _exit(9);
    }
    int st;
    waitpid(p, &st, 0);
    if (st)
      die("bbtrue");
  }
}
/* bandwidth: n = number of 64K chunks */
static void t_bwpipe(long n) {
  int p[2];
  if (pipe(p))
    die("pipe");
  pid_t k = fork();
  if (!k) {
    close(p[0]);
    for (long i = 0; i < n; i++) {
      long o = 0;
      while (o < 65536) {
        ssize_t r = write(p[1], buf, 65536 - o);
        if (r <= 0)
          _exit(1);
        o += r;
      }
    }
    _exit(0);
  }
  close(p[1]);
  ssize_t r;
  long tot = 0;
  while ((r = read(p[0], buf, 65536)) > 0)
    tot += r;
  close(p[0]);
  waitpid(k, 0, 0);
  if (tot != n * 65536)
    die("bwpipe");
}
static void t_bwunix(long n) {
  int p[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, p))
    die("sp");
  pid_t k = fork();
  if (!k) {
    close(p[0]);
    for (long i = 0; i < n; i++) {
      long o = 0;
      while (o < 65536) {
        ssize_t r = write(p[1], buf, 65536 - o);
        if (r <= 0)
          _exit(1);
        o += r;
      }
    }
    _exit(0);
  }
  close(p[1]);
  ssize_t r;
  long tot = 0;
  while ((r = read(p[0], buf, 65536)) > 0)
    tot += r;
  close(p[0]);
  waitpid(k, 0, 0);
  if (tot != n * 65536)
    die("bwunix");
}
static void t_fileread(long n) {
  while (n--) {
    for (int i = 0; i < 16; i++)
      if (pread(fd0, buf, 65536, i * 65536) != 65536)
        die("fileread");
  }
} /* 1 MiB per op */
static void t_memcpy(long n) {
  while (n--)
    memcpy(mp, mp + (4 << 20), 1 << 20);
} /* 1 MiB per op */
/* tcp/udp loopback */
static int lsn(int type, struct sockaddr_in *s) {
  int f = socket(AF_INET, type, 0);
  if (f < 0)
    die("socket");
  memset(s, 0, sizeof *s);
  s->sin_family = AF_INET;
  s->sin_addr.s_addr = htonl(0x7f000001);
  if (bind(f, (void *)s, sizeof *s))
    die("bind");
  socklen_t l = sizeof *s;
  getsockname(f, (void *)s, &l);
  if (type == SOCK_STREAM && listen(f, 16))
    die("listen");
  return f;
}
static struct sockaddr_in sa;
static int ls;
static void t_tcpconn(long n) {
  while (n--) {
    int c = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c, (void *)&sa, sizeof sa))
      die("connect");
    int s = accept(ls, 0, 0);
    if (s < 0)
      die("accept");
    struct linger lg = {1, 0};
    setsockopt(c, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(c);
    close(s);
  }
}
static void tcp_setup(void) {
  ls = lsn(SOCK_STREAM, &sa);
  kid = fork();
  if (!kid) {
    int s = accept(ls, 0, 0);
    int one = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char c;
    while (read(s, &c, 1) == 1 && c != 'q')
      write(s, &c, 1);
    _exit(0);
  }
  int c = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c, (void *)&sa, sizeof sa))
    die("connect");
  int one = 1;
  setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  a[1] = b[0] = c;
}
static void udp_setup(void) {
  struct sockaddr_in s1, s2;
  int f = lsn(SOCK_DGRAM, &s1), g = lsn(SOCK_DGRAM, &s2);
  connect(f, (void *)&s2, sizeof s2);
  connect(g, (void *)&s1, sizeof s1);
  kid = fork();
  if (!kid) {
    char c;
    while (read(g, &c, 1) == 1 && c != 'q')
      write(g, &c, 1);
    _exit(0);
  }
  a[1] = b[0] = f;
}
static void t_bwtcp(long n) {
  int l = lsn(SOCK_STREAM, &sa);
  pid_t k = fork();
  if (!k) {
    int c = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c, (void *)&sa, sizeof sa))
      _exit(1);
    for (long i = 0; i < n; i++) {
      long o = 0;
      while (o < 65536) {
        ssize_t r = write(c, buf, 65536 - o);
        if (r <= 0)
          _exit(1);
        o += r;
      }
    }
    _exit(0);
  }
  int s = accept(l, 0, 0);
  ssize_t r;
  long tot = 0;
  while ((r = read(s, buf, 65536)) > 0)
    tot += r;
  close(s);
  close(l);
  waitpid(k, 0, 0);
  if (tot != n * 65536)
    die("bwtcp");
}
static int sel_n;
static char **sel;
static int want(const char *nm) {
  if (!sel_n)
    return 1;
  for (int i = 0; i < sel_n; i++)
    if (!strcmp(sel[i], nm))
      return 1;
  return 0;
}
static int reps = 3;
static long dv = 1; /* env UBREP, UBDIV */
static void T(const char *nm, F f, long n) {
  u64 r[64];
  n /= dv;
  if (n < 1)
    n = 1;
  f(n / 4 ? n / 4 : 1);
  for (int i = 0; i < reps; i++) {
    u64 s = now();
    f(n);
    r[i] = now() - s;
  }
  for (int i = 0; i < reps - 1; i++)
    for (int j = 0; j < reps - 1; j++)
      if (r[j] > r[j + 1]) {
        u64 t = r[j];
        r[j] = r[j + 1];
        r[j + 1] = t;
      }
  printf("UB %-12s min %10.1f med %10.1f ns/op  n=%ld\n", nm, (double)r[0] / n, (double)r[reps / 2] / n, n);
  fflush(stdout);
}
#define S(nm) if (want(nm))
int main(int c, char **v) {
  if (getenv("UBREP"))
    reps = atoi(getenv("UBREP"));
  if (reps < 1 || reps > 64)
    reps = 3;
  if (getenv("UBDIV"))
    dv = atol(getenv("UBDIV"));
  if (c > 1 && !strcmp(v[1], "-x"))
    return 0;
  if (c > 1)
    strcpy(dir, v[1]);
  if (c > 2) {
    sel = v + 2;
    sel_n = c - 2;
  }
  {
    ssize_t k = readlink("/proc/self/exe", self, 255);
    if (k > 0)
      self[k] = 0;
    else if (strchr(v[0], '/'))
      strcpy(self, v[0]);
    else
      sprintf(self, "/bin/%s", v[0]);
  }
  snprintf(fn, sizeof fn, "%s/ub.tmp", dir);
  mp = mmap(0, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(mp, 1, 8 << 20);
  int f = open(fn, O_CREAT | O_RDWR | O_TRUNC, 0644);
  if (f < 0)
    die("creat");
  for (int i = 0; i < 64; i++)
    if (write(f, mp, 65536) != 65536)
      die("fill");
  S("loop") T("loop", t_loop, 1000000);
  S("clock") T("clock", t_clock, 20000);
  S("null") T("null", t_null, 20000);
  fd0 = open("/dev/zero", O_RDONLY);
  S("read") T("read", t_read0, 20000);
  close(fd0);
  fd1 = open("/dev/null", O_WRONLY);
  S("write") T("write", t_write0, 20000);
  close(fd1);
  fd0 = f;
  S("pread4k") T("pread4k", t_pread4k, 10000);
  S("pwrite4k") T("pwrite4k", t_pwrite4k, 10000);
  S("stat") T("stat", t_stat, 5000);
  S("fstat") T("fstat", t_fstat, 5000);
  S("open") T("open", t_open, 5000);
  S("poll10") {
    pipe(a);
    T("poll10", t_poll, 10000);
    close(a[0]);
    close(a[1]);
  }
  S("pipe1") {
    pipe(a);
    T("pipe1", t_pipe1, 10000);
    close(a[0]);
    close(a[1]);
  }
  S("pipe") {
    pp_setup(0);
    T("pipe", t_pp, 2000);
    pp_done();
  }
  S("unix") {
    pp_setup(1);
    T("unix", t_pp, 2000);
    pp_done();
  }
  S("unixdg") {
    pp_setup(2);
    T("unixdg", t_pp, 2000);
    pp_done();
  }
  S("futexwake") T("futexwake", t_futexwake, 20000);
  S("futex") {
    pthread_t t;
    fut = 0;
    pthread_create(&t, 0, fthr, 0);
    T("futex", t_futex, 2000);
    stopf = 1;
    fset(1);
    pthread_join(t, 0);
  }
  S("thread") T("thread", t_thread, 300);
  S("yield") T("yield", t_yield, 10000);
  S("siginst") T("siginst", t_siginst, 10000);
  S("sig") {
    signal(SIGUSR1, sh);
    T("sig", t_sig, 10000);
  }
  S("mmap") T("mmap", t_mmap, 1000);
  S("mprotect") T("mprotect", t_prot, 1000);
  S("anonfault") T("anonfault", t_anon, 2048);
  S("filefault") T("filefault", t_ffault, 1024);
  munmap(mp, 8 << 20); /* fork from a small process */
  S("fork") T("fork", t_fork, 100);
  S("forkexec") T("forkexec", t_exec, 60);
  S("spawn") T("spawn", t_spawn, 60);
  S("bbtrue") T("bbtrue", t_bbtrue, 60);
  mp = mmap(0, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(mp, 1, 8 << 20);
  S("fileread1M") T("fileread1M", t_fileread, 16);
  S("memcpy1M") T("memcpy1M", t_memcpy, 16);
  S("bwpipe64K") T("bwpipe64K", t_bwpipe, 128);
  S("bwunix64K") T("bwunix64K", t_bwunix, 128);
  close(f);
  unlink(fn);
  S("creat") T("creat", t_creat, 500);
  S("udp") {
    udp_setup();
    T("udp", t_pp, 1500);
    pp_done();
  }
  S("tcp") {
    tcp_setup();
    T("tcp", t_pp, 1500);
    pp_done();
  }
  S("tcpconn") {
    ls = lsn(SOCK_STREAM, &sa);
    T("tcpconn", t_tcpconn, 300);
    close(ls);
  }
  S("bwtcp64K") T("bwtcp64K", t_bwtcp, 128);
  printf("UB-DONE\n");
  return 0;
}
