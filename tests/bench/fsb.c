// SPDX-License-Identifier: MPL-2.0
/* fsb DIR [MiB]: file system throughput; prints "FSB name elapsed_ns busy_ns detail" */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
typedef unsigned long long u64;
static u64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
/* idle + iowait of all CPUs, from /proc/stat (10 ms resolution) */
static u64 idle(void) {
  char b[256];
  int f = open("/proc/stat", O_RDONLY);
  if (f < 0)
    return 0;
  int n = read(f, b, 255);
  close(f);
  if (n < 0)
    n = 0;
  b[n] = 0;
  u64 u, ni, sy, id, io;
  if (sscanf(b, "cpu %llu %llu %llu %llu %llu", &u, &ni, &sy, &id, &io) != 5)
    return 0;
  return (id + io) * 10000000ull;
}
static u64 t0, i0;
static void st(void) {
  i0 = idle();
  t0 = now();
}
static void en(const char *n, double units, const char *u) {
  u64 t = now() - t0, i = idle() - i0;
  if (i > t)
    i = t;
  printf("FSB %-12s elapsed %12llu ns busy %12llu ns  %.1f %s\n", n, t, t - i, units * 1e9 / t, u);
  fflush(stdout);
}
static char buf[65536];
int main(int c, char **v) {
  char *d = c > 1 ? v[1] : "/mnt";
  int mb = c > 2 ? atoi(v[2]) : 64;
  char p[256], q[300];
  sprintf(p, "%s/big", d);
  memset(buf, 'a', 65536);
  sync();
  st();
  int f = open(p, O_CREAT | O_RDWR | O_TRUNC, 0644);
  if (f < 0) {
    perror(p);
    return 1;
  }
  for (int i = 0; i < mb * 16; i++)
    if (write(f, buf, 65536) != 65536) {
      perror("write");
      return 1;
    }
  u64 tw = now() - t0;
  fsync(f);
  en("write+fsync", mb, "MiB/s");
  printf("FSB  (write part %llu ns)\n", tw);
  close(f);
  st();
  f = open(p, O_RDONLY);
  while (read(f, buf, 65536) > 0)
    ;
  close(f);
  en("read-warm", mb, "MiB/s");
  sync();
  int g = open("/proc/sys/vm/drop_caches", O_WRONLY);
  if (g >= 0) {
    write(g, "3\n", 2);
    close(g);
  } else
    printf("FSB  no drop_caches\n");
  st();
  f = open(p, O_RDONLY);
  while (read(f, buf, 65536) > 0)
    ;
  close(f);
  en("read-cold", mb, "MiB/s");
  st();
  f = open(p, O_RDONLY);
  while (read(f, buf, 65536) > 0)
    ;
  close(f);
  en("read-warm2", mb, "MiB/s");
  sprintf(q, "%s/d", d);
  mkdir(q, 0755);
  st();
  for (int i = 0; i < 1000; i++) {
    sprintf(q, "%s/d/f%d", d, i);
    f = open(q, O_CREAT | O_WRONLY, 0644);
    if (f < 0) {
      perror(q);
      return 1;
    }
    write(f, buf, 100);
    close(f);
  }
  en("create1000", 1000, "files/s");
  st();
  sync();
  en("sync", 1, "op/s");
  struct stat s;
  st();
  for (int i = 0; i < 1000; i++) {
    sprintf(q, "%s/d/f%d", d, i);
    stat(q, &s);
  }
  en("stat1000", 1000, "files/s");
  st();
  for (int i = 0; i < 1000; i++) {
    sprintf(q, "%s/d/f%d", d, i);
    unlink(q);
  }
  en("unlink1000", 1000, "files/s");
  st();
  for (int i = 0; i < 50; i++) {
    sprintf(q, "%s/d/s", d);
    f = open(q, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    write(f, buf, 4096);
    fsync(f);
    close(f);
  }
  en("fsync4k-50", 50, "op/s");
  st();
  unlink(p);
  sync();
  en("unlink-big", 1, "op/s");
  sprintf(q, "%s/d/s", d);
  unlink(q);
  sprintf(q, "%s/d", d);
  rmdir(q);
  printf("FSB-DONE\n");
  return 0;
}
