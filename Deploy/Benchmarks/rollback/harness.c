// A sandbox like Martlet's (PID 1 with our filters, a template, copies by the real fork library), whose PID 1 plays server,
// too: it sends requests to a copy and takes the copy back after each, or makes a new copy for each.
#include "rollback.h"
#include "cchild.h"
#include "csandbox.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { INIT = 1, INVOKE = 2, RENEW = 3, READY = 16, INIT_ERROR = 17, END = 19, ERROR = 20 };
static int control = -1, netns, null_fd, verbose;
static pid_t template_pid;
static const char *task, *handler, *path_list, *driver;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...) {
  va_list a;
  va_start(a, format);
  vfprintf(stderr, format, a);
  fprintf(stderr, " (%s)\n", strerror(errno));
  _exit(1);
}
static uint64_t clock_ns(clockid_t c) {
  struct timespec t;
  if (clock_gettime(c, &t)) return 0;
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static uint64_t wall(void) { return clock_ns(CLOCK_MONOTONIC); }
static uint64_t cpu_of(pid_t p) {
  clockid_t c;
  return clock_getcpuclockid(p, &c) ? 0 : clock_ns(c);
}

// --- the sandbox --------------------------------------------------------------------------------------------------------
static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) die("%s", path);
  close(fd);
}

static void enter_sandbox(void (*then)(void)) {
  int up[2], down[2];
  if (pipe2(up, O_CLOEXEC) || pipe2(down, O_CLOEXEC)) die("pipe");
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    char c;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) die("mount");
    if (setgroups(0, NULL) || unshare(CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP)) die("unshare");
    if (write(up[1], "u", 1) != 1 || read(down[0], &c, 1) != 1) die("maps");
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) || syscall(SYS_setresgid, 993, 993, 993) || syscall(SYS_setresuid, 993, 993, 993)) die("ids");
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (unshare(CLONE_NEWNET) || (netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) die("netns");
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    then();
    fflush(stdout);
    _exit(0);
  }
  char c, file[64];
  if (pid < 0 || read(up[0], &c, 1) != 1) die("sandbox");
  snprintf(file, sizeof file, "/proc/%d/setgroups", pid), put(file, "deny");
  snprintf(file, sizeof file, "/proc/%d/uid_map", pid), put(file, "993 100993 1");
  snprintf(file, sizeof file, "/proc/%d/gid_map", pid), put(file, "993 100993 1");
  if (write(down[1], "g", 1) != 1) die("go");
  int status;
  waitpid(pid, &status, 0);
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

// --- frames ----------------------------------------------------------------------------------------------------------------
struct frame { uint32_t length; uint8_t type, flags; uint16_t extra; };
static char answer[8 << 20];
struct worker { pid_t pid; int socket, log; };

static int send_frame(int fd, int type, const void *a, size_t n, const void *b, size_t m) {
  struct frame f = {(uint32_t)(n + m), (uint8_t)type, 0, 0};
  struct iovec io[3] = {{&f, sizeof f}, {(void *)(uintptr_t)a, n}, {(void *)(uintptr_t)b, m}};
  size_t left = sizeof f + n + m;
  for (int i = 0; left;) {
    ssize_t w = writev(fd, io + i, 3 - i);
    if (w < 0) return -1;
    left -= (size_t)w;
    while (i < 3 && (size_t)w >= io[i].iov_len) w -= (ssize_t)io[i++].iov_len;
    if (i < 3) io[i].iov_base = (char *)io[i].iov_base + w, io[i].iov_len -= (size_t)w;
  }
  return 0;
}

static void drain(int log) {
  char text[65536];
  for (ssize_t n; (n = read(log, text, sizeof text)) > 0;)
    if (verbose && write(2, text, (size_t)n) < 0) {}
}

// The type of the frame that came; 0 at the end, -1 after `seconds`.
static int receive(struct worker *w, struct rb *r, int seconds) {
  struct frame f;
  size_t have = 0, want = sizeof f;
  uint64_t until = wall() + (uint64_t)seconds * 1000000000u;
  while (have < want) {
    // Its own end of the socket is held beside it, so only this tells that it has ended.
    struct pollfd p[4] = {{w->socket, POLLIN, 0}, {r ? r->listener : -1, POLLIN, 0}, {w->log, POLLIN, 0}, {r ? r->pidfd : -1, POLLIN, 0}};
    poll(p, 4, 500);
    if (wall() > until) return -1;
    if (p[1].revents & POLLIN) rb_notified(r);
    if (p[2].revents & POLLIN) drain(w->log);
    if (!(p[0].revents & (POLLIN | POLLHUP))) {
      if (p[3].revents) return 0;
      continue;
    }
    ssize_t n = recv(w->socket, have < sizeof f ? (char *)&f + have : answer + have - sizeof f, have < sizeof f ? sizeof f - have : want - have, MSG_DONTWAIT);
    if (n == 0) return 0;
    if (n < 0) { if (errno == EAGAIN) continue; return 0; }
    have += (size_t)n;
    if (have == sizeof f && f.length < sizeof answer) want = sizeof f + f.length;
  }
  answer[f.length] = 0;
  return f.type;
}

// --- template and copies -----------------------------------------------------------------------------------------------------
static void start_template(void) {
  static struct csb_spec spec;
  int pair[2], line[2], log[2];
  if (csb_build_filters(&spec.template_filter, &spec.child_filter)) die("filters");
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) || pipe2(log, O_CLOEXEC)) die("pair");
  pid_t pid = fork();
  if (pid == 0) {
    int a = fcntl(pair[1], F_DUPFD, 20), b = fcntl(line[1], F_DUPFD, 20), c = fcntl(log[1], F_DUPFD, 20);
    dup2(null_fd, 0), dup2(c, 1), dup2(c, 2), dup2(a, 3), dup2(b, 4);
    syscall(SYS_close_range, 5, ~0u, 0);
    setsid(), umask(022);
    for (int i = 0; i <= 63; i++) if (i != CAP_SYS_ADMIN && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) && errno == EINVAL) break;
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    uint32_t bit = 1u << CAP_SYS_ADMIN;
    struct __user_cap_data_struct data[2] = {{bit, bit, bit}, {0, 0, 0}};
    if (syscall(SYS_capset, &head, data) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0)) _exit(71);
    if (syscall(SYS_seccomp, 1, 0, &spec.template_filter)) _exit(72);
    char path[4096], preload[4096];
    snprintf(path, sizeof path, "ROLLBACK_PATH=%s", path_list);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%.*s/martlet_fork.so", (int)strcspn(path_list, ":"), path_list);
    char *argv[] = {"/usr/bin/python3", "-S", "-E", "-s", "-B", (char *)(uintptr_t)driver, NULL};
    char *envp[] = {path, preload, "PATH=/usr/bin:/bin", "OPENBLAS_NUM_THREADS=1", NULL};
    execve(argv[0], argv, envp);
    _exit(73);
  }
  close(pair[1]), close(line[1]), close(log[1]);
  fcntl(log[0], F_SETFL, O_NONBLOCK);
  template_pid = pid, control = line[0];
  char init[4096];
  int n = snprintf(init, sizeof init, "{\"functionName\":\"f\",\"functionVersion\":\"1\",\"functionArn\":\"arn:aws:lambda:local:0:function:f\",\"handler\":\"%s\",\"memorySize\":512,"
                   "\"timeout\":30,\"region\":\"local\",\"account\":\"0\",\"logGroup\":\"g\",\"logStream\":\"s\",\"taskRoot\":\"%s\",\"environment\":{\"OPENBLAS_NUM_THREADS\":\"1\"},\"initTimeoutMs\":10000}", handler, task);
  struct worker w = {pid, pair[0], log[0]};
  send_frame(w.socket, INIT, init, (size_t)n, NULL, 0);
  int type = receive(&w, NULL, 60);
  drain(log[0]);
  if (type != READY) die("init: %d %s", type, answer);
}

static int new_worker(struct worker *w) {
  int pair[2], log[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || pipe2(log, O_CLOEXEC)) die("pair");
  fcntl(log[0], F_SETFL, O_NONBLOCK);
  struct mc_message m = {.op = MC_COPY, .slot = 1, .a = 64, .b = 1000};
  int fds[3] = {pair[1], log[1], netns};
  if (mc_send(control, &m, NULL, fds, 3)) die("copy");
  close(pair[1]), close(log[1]);
  int none = 0;
  if (mc_receive(control, &m, NULL, 0, NULL, &none, 0) != 1 || m.value <= 0) die("copy: %d", m.value);
  *w = (struct worker){m.value, pair[0], log[0]};
  int type = receive(w, NULL, 10);
  if (type != READY) { drain(log[0]); die("copy: frame %d", type); }
  // It sends READY before it waits.
  for (int i = 0; i < 2000; i++) {
    char path[40], text[64];
    snprintf(path, sizeof path, "/proc/%d/syscall", w->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n > 0 && !strncmp(text, "0 0x3 ", 6)) break;
    usleep(20);
  }
  return 0;
}

static void end_worker(struct worker *w, int by_kill, uint64_t *cpu) {
  int status;
  struct rusage u;
  if (by_kill) kill(w->pid, SIGKILL); else shutdown(w->socket, SHUT_RDWR);
  while (wait4(w->pid, &status, __WALL, &u) == w->pid && WIFSTOPPED(status)) {}
  if (cpu) *cpu = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
  close(w->socket), close(w->log);
}

static int request(struct worker *w, struct rb *r, const char *event, size_t n, int seconds) {
  static unsigned counter;
  char head[400];
  uint32_t length = (uint32_t)snprintf(head + 4, sizeof head - 4, "{\"requestId\":\"request-%08u\",\"deadlineMs\":99999999999999,\"arn\":\"arn:aws:lambda:local:0:function:f\"}", counter++);
  memcpy(head, &length, 4);
  if (send_frame(w->socket, INVOKE, head, 4 + length, event, n)) return 0;
  return receive(w, r, seconds);
}

// Nothing more to read from the process, and nothing it left unread: or the next answer, or the next request, would be the
// last one's to choose. While it is stopped.
static const char *leftovers(struct worker *w) {
  int n = 0;
  if (ioctl(w->socket, SIOCINQ, &n) || n) return "bytes after the answer";
  if (ioctl(w->socket, SIOCOUTQ, &n) || n) return "a request that was not read";
  drain(w->log);
  return NULL;
}

// --- the checker: everything that can be seen, before and after ----------------------------------------------------------------
static char *append_file(struct rb *r, char *to, char *end, const char *name, const char *skip) {
  char path[96], text[262144];
  snprintf(path, sizeof path, "/proc/%d/%s", r->pid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n, have = 0;
  while (fd >= 0 && (n = read(fd, text + have, sizeof text - 1 - (size_t)have)) > 0) have += n;
  if (fd >= 0) close(fd);
  text[have] = 0;
  to += snprintf(to, (size_t)(end - to), "# %s\n", name);
  for (char *line = text; *line && end - to > 4096;) {
    char *next = strchr(line, '\n');
    size_t l = next ? (size_t)(next - line) : strlen(line);
    size_t key = strcspn(line, ":");
    int leave = 0;
    for (const char *s = skip; s && *s && !leave; s += strcspn(s, " "), s += *s == ' ') leave = key == strcspn(s, " ") && key < l && !strncmp(s, line, key);
    if (!leave && l < 4000) memcpy(to, line, l), to += l, *to++ = '\n';
    line += l + (next != NULL);
  }
  *to = 0;
  return to;
}

static char *append_hex(char *to, char *end, const char *what, long result, const void *bytes, size_t n) {
  to += snprintf(to, (size_t)(end - to), "%s = %ld", what, result);
  for (size_t i = 0; i < n && end - to > 8; i++) to += sprintf(to, "%s%02x", i ? "" : " ", ((const unsigned char *)bytes)[i]);
  *to++ = '\n', *to = 0;
  return to;
}

// The process is stopped; its registers are used and must be put back afterwards.
static void kernel_state(struct rb *r, char *to, size_t size) {
  char *end = to + size, name[40], link[300], path[64];
  static const char *const files[] = {"limits", "timers", "comm", "cmdline", "personality", "oom_score_adj", "timerslack_ns", "coredump_filter",
                                      "mountinfo", "net/tcp", "net/tcp6", "net/udp", "net/udp6", "net/unix", "net/raw", "net/netlink", "net/snmp",
                                      "loginuid", "sessionid", "attr/current", "cgroup", "setgroups", "uid_map"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) to = append_file(r, to, end, files[i], "");
  to = append_file(r, to, end, "status", "VmPeak VmHWM VmSize VmRSS RssAnon RssFile RssShmem VmPTE VmData VmStk voluntary_ctxt_switches nonvoluntary_ctxt_switches SigQ Cpus_allowed State SigBlk THP_enabled Pid TracerPid SpeculationIndirectBranch");
  to = append_file(r, to, end, "smaps", "Size KernelPageSize MMUPageSize Rss Pss Pss_Dirty Pss_Anon Pss_File Pss_Shmem Shared_Clean Shared_Dirty Private_Clean Private_Dirty Referenced Anonymous KSM LazyFree AnonHugePages ShmemPmdMapped FilePmdMapped Shared_Hugetlb Private_Hugetlb Swap SwapPss Locked THPeligible");
  static const char *const links[] = {"cwd", "root", "exe", "ns/net", "ns/mnt", "ns/ipc", "ns/uts", "ns/user", "ns/pid", "ns/time", "ns/pid_for_children", "ns/cgroup"};
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    snprintf(path, sizeof path, "/proc/%d/%s", r->pid, links[i]);
    ssize_t n = readlink(path, link, sizeof link - 1);
    to += snprintf(to, (size_t)(end - to), "%s -> %.*s\n", links[i], (int)(n > 0 ? n : 0), link);
  }
  for (int fd = 0; fd < 64; fd++) {
    snprintf(path, sizeof path, "/proc/%d/fd/%d", r->pid, fd);
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n <= 0) continue;
    to += snprintf(to, (size_t)(end - to), "fd %d -> %.*s\n", fd, (int)n, link);
    snprintf(name, sizeof name, "fdinfo/%d", fd);
    to = append_file(r, to, end, name, "");
  }
  // Fields of stat that no other file has: process group, session, terminal, flags, priorities, brk, scheduling.
  char text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", r->pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  text[got > 0 ? got : 0] = 0;
  int field = 3;
  for (char *word = strtok(strrchr(text, ')') + 1, " "); word; word = strtok(NULL, " "), field++)
    if ((field >= 5 && field <= 8) || (field >= 18 && field <= 22) || (field >= 25 && field <= 28) || field == 38 || field == 40 || field == 41 || (field >= 45 && field <= 51))
      to += snprintf(to, (size_t)(end - to), "stat %d %s\n", field, word);
  // What only the process itself can ask.
  unsigned long place = (r->regs.rsp - 12288) & ~63ul;
  unsigned char bytes[256], saved[256];
  rb_read(r, place, saved, sizeof saved);
  for (int s = 1; s <= 64; s++) {
    long v = rb_inject(r, SYS_rt_sigaction, s, 0, (long)place, 8, 0, 0);
    rb_read(r, place, bytes, 32);
    snprintf(name, sizeof name, "sigaction %d", s);
    to = append_hex(to, end, name, v, bytes, v ? 0 : 32);
  }
  struct { const char *name; long call, a, b, c, d; int at, n; } asks[] = {
      {"itimer real", SYS_getitimer, 0, 1, 0, 0, 1, 32}, {"itimer virtual", SYS_getitimer, 1, 1, 0, 0, 1, 32}, {"itimer prof", SYS_getitimer, 2, 1, 0, 0, 1, 32},
      {"sigaltstack", SYS_sigaltstack, 0, 1, 0, 0, 1, 24}, {"affinity", SYS_sched_getaffinity, 0, 128, 1, 0, 2, 16}, {"priority", SYS_getpriority, 0, 0, 0, 0, -1, 0},
      {"ioprio", SYS_ioprio_get, 1, 0, 0, 0, -1, 0}, {"scheduler", SYS_sched_getscheduler, 0, 0, 0, 0, -1, 0}, {"robust list", SYS_get_robust_list, 0, 1, 1, 0, 1, 8},
      {"brk", SYS_brk, 0, 0, 0, 0, -1, 0}, {"dumpable", SYS_prctl, 3, 0, 0, 0, -1, 0}, {"pdeathsig", SYS_prctl, 2, 1, 0, 0, 1, 4}, {"keepcaps", SYS_prctl, 7, 0, 0, 0, -1, 0},
      {"timing", SYS_prctl, 13, 0, 0, 0, -1, 0}, {"name", SYS_prctl, 16, 1, 0, 0, 1, 16}, {"tsc", SYS_prctl, 25, 1, 0, 0, 1, 4}, {"securebits", SYS_prctl, 27, 0, 0, 0, -1, 0},
      {"slack", SYS_prctl, 30, 0, 0, 0, -1, 0}, {"subreaper", SYS_prctl, 37, 1, 0, 0, 1, 4}, {"thp", SYS_prctl, 42, 0, 0, 0, -1, 0}, {"tid address", SYS_prctl, 40, 1, 0, 0, 1, 8},
      {"memory merge", SYS_prctl, 68, 0, 0, 0, -1, 0}, {"mce kill", SYS_prctl, 34, 0, 0, 0, -1, 0}, {"io flusher", SYS_prctl, 58, 0, 0, 0, -1, 0}, {"mdwe", SYS_prctl, 66, 0, 0, 0, -1, 0},
      {"tagged", SYS_prctl, 56, 0, 0, 0, -1, 0}, {"core sched", SYS_prctl, 62, 0, 0, 0, -1, 0}, {"speculation", SYS_prctl, 52, 0, 0, 0, -1, 0},
      {"cpuid", SYS_arch_prctl, 0x1011, 0, 0, 0, -1, 0}, {"xcomp", SYS_arch_prctl, 0x1022, 1, 0, 0, 1, 8}, {"pending", SYS_rt_sigpending, 1, 8, 0, 0, 0, 8}};
  for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
    memset(bytes, 0, sizeof bytes);
    if (pwrite(r->mem_fd, bytes, sizeof bytes, (off_t)place) < 0) {}
    long a[4] = {asks[i].a, asks[i].b, asks[i].c, asks[i].d};
    if (asks[i].at >= 0) a[asks[i].at] = (long)place;
    if (asks[i].call == SYS_get_robust_list) a[2] = (long)place + 64;
    long v = rb_inject(r, asks[i].call, a[0], a[1], a[2], a[3], 0, 0);
    rb_read(r, place, bytes, 64);
    to = append_hex(to, end, asks[i].name, v, bytes, (size_t)asks[i].n);
  }
  if (pwrite(r->mem_fd, saved, sizeof saved, (off_t)place) < 0) {}
}

// All of its memory, as the process would read it, one byte after the other.
static size_t all_memory(struct rb *r, char *to, size_t size) {
  size_t have = 0;
  for (int i = 0; i < r->before.count; i++) {
    struct rb_vma *v = &r->before.v[i];
    if (v->special) continue;
    size_t n = v->end - v->start;
    if (have + n > size) die("memory of %zu bytes", have + n);
    ssize_t got = pread(r->mem_fd, to + have, n, (off_t)v->start);
    if (got != (ssize_t)n) memset(to + have + (got > 0 ? got : 0), 0xEE, n - (size_t)(got > 0 ? got : 0)); // past the end of its file
    have += n;
  }
  return have;
}

static void first_difference(const char *a, const char *b) {
  const char *line_a = a, *line_b = b;
  while (*a && *a == *b) { if (*a == '\n') line_a = a + 1, line_b = b + 1; a++, b++; }
  printf("  before: %.*s\n  after:  %.*s\n", (int)strcspn(line_a, "\n"), line_a, (int)strcspn(line_b, "\n"), line_b);
}

// --- modes -----------------------------------------------------------------------------------------------------------------
static int by_number(const void *a, const void *b) { uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b; return x < y ? -1 : x > y; }
static double median(uint64_t *v, int n) { if (!n) return 0; qsort(v, (size_t)n, sizeof *v, by_number); return (double)v[n / 2] / 1000; }
static double at_percent(uint64_t *v, int n, int percent) { if (!n) return 0; qsort(v, (size_t)n, sizeof *v, by_number); return (double)v[n * percent / 100] / 1000; }

static int rounds = 400, batch = 40, keep = 1, renew = 1, unchecked = 1;
static uint64_t seed;
static const char *only = "";

static char *events[64];
static size_t event_lengths[64];
static int event_count;
static struct rb r;

static void prepare(void) {
  start_template();
  // The library learns which pages to prefault after its first copy, when nothing is asked of it.
  struct worker w;
  new_worker(&w), end_worker(&w, 1, NULL);
  usleep(400000);
  new_worker(&w), end_worker(&w, 1, NULL);
}

static uint64_t snapshot_ns[256];
static unsigned snapshots;
static void take(struct worker *w) {
  new_worker(w);
  uint64_t t = wall();
  if (rb_snapshot(&r, w->pid, keep)) die("snapshot: %s", r.why);
  if (rb_resume(&r)) die("%s", r.why);
  snapshot_ns[snapshots++ % 256] = wall() - t;
}
static void drop(struct worker *w) { end_worker(w, 1, NULL), rb_free(&r); }

static void renew_frame(struct worker *w) { if (renew) send_frame(w->socket, RENEW, NULL, 0, NULL, 0); }

enum { KINDS = 4, MAX_ROUNDS = 40000 };
// Batches take turns: fork per request; rollback; rollback without checks; the same process again, with nothing in between.
static void bench(void) {
  static const char *const names[KINDS] = {"fork per request", "rollback", "rollback, unchecked", "reuse, no isolation"};
  static uint64_t latency[KINDS][MAX_ROUNDS], wall_ns[KINDS][4000], cpu_ns[KINDS][4000], stage[RB_STAGES][MAX_ROUNDS], back[MAX_ROUNDS], ratio[4000];
  int n[KINDS] = {0}, batches = rounds / batch, thrown = 0, tainted = 0, grown = 0, undone = 0, maps = 0, done = 0, backs = 0;
  prepare();
  char last[256] = "";
  for (int b = 0; b < batches; b++) {
    for (int turn = 0; turn < KINDS; turn++) {
      int kind = (turn + b) % KINDS;
      if (kind == 2 && !unchecked) continue;
      struct worker w;
      uint64_t template_before = cpu_of(template_pid), own_before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), t0, copies = 0, started;
      if (kind == 0) {
        new_worker(&w);
        template_before = cpu_of(template_pid), own_before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), t0 = wall();
        for (int i = 0; i < batch; i++) {
          uint64_t t = wall(), c;
          int e = (b * batch + i) % event_count;
          if (request(&w, NULL, events[e], event_lengths[e], 20) != END) die("answer: %s", answer);
          latency[0][n[0]++] = wall() - t;
          end_worker(&w, 0, &c);
          copies += c;
          new_worker(&w);
        }
        uint64_t last_cpu;
        wall_ns[0][b] = (wall() - t0) / (uint64_t)batch;
        cpu_ns[0][b] = (cpu_of(template_pid) - template_before + clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_before + copies) / (uint64_t)batch;
        end_worker(&w, 0, &last_cpu);
        continue;
      }
      if (kind == 3) new_worker(&w); else take(&w);
      // The first request of a process is not typical: pages it turns out to need are learned in it.
      for (int i = 0; i < 3; i++) {
        int e = i % event_count;
        if (request(&w, kind == 3 ? NULL : &r, events[e], event_lengths[e], 20) != END) die("answer: %s", answer);
        if (kind == 3) continue;
        int bad = rb_back(&r);
        if (bad) { snprintf(last, sizeof last, "%s", r.why); drop(&w), take(&w); continue; }
        grown += r.grown_pages;
        rb_resume(&r), renew_frame(&w);
      }
      r.checks = kind == 1;
      started = cpu_of(w.pid);
      own_before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), t0 = wall();
      uint64_t lost = 0;
      for (int i = 0; i < batch; i++) {
        uint64_t t = wall();
        int e = (b * batch + i) % event_count;
        if (request(&w, kind == 3 ? NULL : &r, events[e], event_lengths[e], 20) != END) die("answer: %s", answer);
        latency[kind][n[kind]++] = wall() - t;
        if (kind == 3) continue;
        t = wall();
        int bad = rb_back(&r);
        const char *left = bad ? NULL : leftovers(&w);
        if (kind == 1) done++;
        if (bad || left) {
          snprintf(last, sizeof last, "%s", bad ? r.why : left);
          thrown++, tainted += r.tainted;
          lost += cpu_of(w.pid) - started;
          drop(&w), take(&w), r.checks = kind == 1, started = cpu_of(w.pid);
          continue;
        }
        rb_resume(&r), renew_frame(&w);
        if (kind == 1) {
          back[backs] = wall() - t;
          for (int s = 0; s < RB_STAGES; s++) stage[s][backs] = r.ns[s];
          backs++;
          grown += r.grown_pages, undone += r.undone_pages, maps += r.undone_maps;
        }
      }
      wall_ns[kind][b] = (wall() - t0) / (uint64_t)batch;
      cpu_ns[kind][b] = (cpu_of(w.pid) - started + lost + clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_before) / (uint64_t)batch;
      if (b == batches - 1 && kind == 1)
        printf("memory: %zu + %zu pages written back, %zu kept beside, %d mappings of %zu pages, %d descriptors\n", r.own.count, r.locked.count, r.inherited.count, r.before.count, r.pages, r.fd_count);
      if (kind == 3) end_worker(&w, 1, NULL); else drop(&w);
    }
  }
  printf("%-22s %12s %12s %12s %12s %14s %10s\n", "", "latency p50", "latency p90", "CPU/request", "wall/request", "requests/s", "CPU ratio");
  for (int k = 0; k < KINDS; k++) {
    if (!n[k]) continue;
    for (int b = 0; b < batches; b++) ratio[b] = cpu_ns[k][b] * 1000000 / cpu_ns[0][b];
    double ratio_median = median(ratio, batches) / 1000, wall_median = median(wall_ns[k], batches);
    printf("%-22s %9.1f us %9.1f us %9.1f us %9.1f us %12.0f/s %10.3f\n", names[k], median(latency[k], n[k]), at_percent(latency[k], n[k], 90), median(cpu_ns[k], batches), wall_median, 1e6 / wall_median, ratio_median);
  }
  printf("a snapshot: %.1f us\n", median(snapshot_ns, snapshots < 256 ? (int)snapshots : 256));
  printf("of a rollback (%.1f us):", median(back, backs));
  for (int s = 0; s < RB_STAGES; s++) printf(" %s %.1f%s", rb_stage_names[s], median(stage[s], backs), s + 1 < RB_STAGES ? "," : "\n");
  printf("of %d: thrown away %d (by a call %d)%s%s; pages learned %d, new pages dropped %d, mappings removed %d\n", done, thrown, tainted, *last ? ", last: " : "", last, grown, undone, maps);
}

static void check(void) {
  enum { STATE = 1 << 20 };
  static char before[STATE], after[STATE], first_xstate[16384];
  size_t room = (size_t)512 << 20;
  char *memory = malloc(room), *then = malloc(room);
  size_t size = 0;
  int returned = 0, tainted = 0, refused = 0, ended = 0, full = 0, leaks = 0, fresh = 1, undone = 0, grown = 0, maps = 0;
  uint64_t state = seed;
  struct { char why[96]; int count; } reasons[64] = {{"", 0}};
  struct worker w;
  prepare();
  printf("seed %llu\n", (unsigned long long)seed);
  for (int i = 0; i < rounds; i++) {
    if (fresh) {
      new_worker(&w);
      if (rb_snapshot(&r, w.pid, keep)) die("snapshot: %s", r.why);
      size = all_memory(&r, memory, room);
      memcpy(first_xstate, r.xstate, sizeof first_xstate);
      kernel_state(&r, before, sizeof before);
      if (rb_registers(&r) || rb_resume(&r)) die("%s", r.why);
      fresh = 0;
    }
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    char event[160];
    int n = snprintf(event, sizeof event, "{\"seed\":%llu,\"only\":\"%s\"}", (unsigned long long)(state >> 12), only);
    int type = request(&w, &r, event, (size_t)n, 2);
    const char *why = NULL;
    if (strstr(answer, "LEAK")) { leaks++; printf("round %d, seed %llu: %s\n", i, (unsigned long long)(state >> 12), answer); }
    if (type != END && type != ERROR) why = type ? "no answer" : "it ended", ended++;
    else if (rb_back(&r)) { why = r.why; if (r.tainted) tainted++; else refused++; }
    else if ((why = leftovers(&w))) refused++;
    if (why) {
      char key[96];
      snprintf(key, sizeof key, "%.90s", why);
      char *bracket = strstr(key, " (");
      if (bracket) *bracket = 0;
      for (int k = 0; k < 64; k++) if (!reasons[k].count || !strcmp(reasons[k].why, key)) { strcpy(reasons[k].why, key), reasons[k].count++; break; }
      drop(&w), fresh = 1;
      continue;
    }
    returned++, undone += r.undone_pages, grown += r.grown_pages, maps += r.undone_maps;
    int look = returned % 4 == 0 || rb_blind;
    full++;
    size_t now = all_memory(&r, then, room);
    if (now != size || memcmp(memory, then, size)) {
      size_t at = 0, offset = 0;
      while (at < size && memory[at] == then[at]) at++;
      for (int v = 0; v < r.before.count; v++) {
        if (r.before.v[v].special) continue;
        size_t length = r.before.v[v].end - r.before.v[v].start;
        if (at < offset + length) { printf("round %d, seed %llu: MEMORY differs at %lx\n", i, (unsigned long long)(state >> 12), r.before.v[v].start + (at - offset)); break; }
        offset += length;
      }
      leaks++;
    }
    struct user_regs_struct g;
    static char x[16384];
    struct iovec io = {x, sizeof x};
    memset(x, 0, sizeof x);
    if (ptrace(PTRACE_GETREGS, w.pid, 0, &g) || memcmp(&g, &r.regs, sizeof g) || ptrace(PTRACE_GETREGSET, w.pid, (void *)NT_X86_XSTATE, &io) ||
        io.iov_len != r.xstate_length || memcmp(x, first_xstate, io.iov_len)) {
      leaks++;
      printf("round %d, seed %llu: REGISTERS differ\n", i, (unsigned long long)(state >> 12));
    }
    if (look) {
      kernel_state(&r, after, sizeof after);
      if (strcmp(before, after)) { leaks++; printf("round %d, seed %llu: STATE differs\n", i, (unsigned long long)(state >> 12)); first_difference(before, after); }
      if (rb_registers(&r)) die("%s", r.why);
    }
    if (leaks > 5) break;
    rb_resume(&r), renew_frame(&w);
  }
  printf("%d rounds: %d brought back and compared (every fourth with the kernel's state), %d given up for a call, %d for what was found, %d ended\n", rounds, returned, tainted, refused, ended);
  printf("new pages dropped %d, pages learned %d, mappings removed %d\n", undone, grown, maps);
  for (int k = 0; k < 64 && reasons[k].count; k++) printf("  %6d  %s\n", reasons[k].count, reasons[k].why);
  printf("%s: %d differences in %d comparisons\n", leaks ? "FAILED" : "held", leaks, full);
  if (leaks) { fflush(stdout); _exit(1); }
}

// What user code's generators draw in one request after the other.
static void draw(void) {
  struct worker w;
  prepare(), take(&w);
  for (int i = 0; i < 5; i++) {
    if (request(&w, &r, "{\"draw\":1}", 10, 5) != END) die("answer: %s", answer);
    printf("%s\n", answer);
    if (rb_back(&r)) { printf("%s\n", r.why), drop(&w), take(&w); continue; }
    rb_resume(&r), renew_frame(&w);
  }
}

static void run_draw(void) { draw(); }
static void run_bench(void) { bench(); }
static void run_check(void) { check(); }

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 6) {
    fprintf(stderr, "usage: harness bench|check|draw PATHS DRIVER TASK HANDLER [rounds=N] [batch=N] [keep=0|1] [renew=0|1] [seed=N] [unchecked=0|1] [verbose=1] [blind=BITS] [only=OPERATION] [event=FILE]...\n");
    return 2;
  }
  path_list = argv[2], driver = argv[3], task = argv[4], handler = argv[5];
  seed = wall() ^ (uint64_t)getpid() << 32;
  for (int i = 6; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (!value) continue;
    *value++ = 0;
    if (!strcmp(argv[i], "rounds")) rounds = atoi(value);
    else if (!strcmp(argv[i], "batch")) batch = atoi(value);
    else if (!strcmp(argv[i], "keep")) keep = atoi(value);
    else if (!strcmp(argv[i], "renew")) renew = atoi(value);
    else if (!strcmp(argv[i], "seed")) seed = strtoull(value, NULL, 10);
    else if (!strcmp(argv[i], "unchecked")) unchecked = atoi(value);
    else if (!strcmp(argv[i], "only")) only = value;
    else if (!strcmp(argv[i], "blind")) rb_blind = atoi(value);
    else if (!strcmp(argv[i], "verbose")) verbose = atoi(value);
    else if (!strcmp(argv[i], "event") && event_count < 64) {
      int fd = open(value, O_RDONLY);
      struct stat st;
      if (fd < 0 || fstat(fd, &st)) die("%s", value);
      events[event_count] = malloc((size_t)st.st_size + 1);
      if (read(fd, events[event_count], (size_t)st.st_size) != st.st_size) die("%s", value);
      event_lengths[event_count++] = (size_t)st.st_size;
      close(fd);
    }
  }
  if (!event_count) events[event_count] = "{}", event_lengths[event_count++] = 2;
  if (rounds > MAX_ROUNDS && !strcmp(argv[1], "bench")) rounds = MAX_ROUNDS;
  signal(SIGPIPE, SIG_IGN);
  enter_sandbox(!strcmp(argv[1], "check") ? run_check : !strcmp(argv[1], "draw") ? run_draw : run_bench);
}
