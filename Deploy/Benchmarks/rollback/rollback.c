#include "rollback.h"
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int rb_blind;
const char *const rb_stage_names[RB_STAGES] = {"stop", "maps", "pages", "zero pages", "status", "descriptors", "tmp, cwd", "undo", "write back", "registers", "resume"};
enum { PAGE = 4096 };
enum { NONE, FROM_FILE, SHARED, OWN, UNKNOWN }; // what a page is

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static int fail(struct rb *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct rb *r, const char *format, ...) {
  va_list a;
  va_start(a, format);
  vsnprintf(r->why, sizeof r->why, format, a);
  va_end(a);
  return -1;
}

// --- the filter: what may be called without leaving a trace ---------------------------------------------------------------
// Everything not named here taints. Two sorts are named: calls that change nothing, and calls whose effects are looked at
// (mappings, descriptors) or restored (memory, signal mask) afterwards.
static const short clean[] = {
    SYS_read, SYS_write, SYS_close, SYS_stat, SYS_fstat, SYS_lstat, SYS_newfstatat, SYS_statx, SYS_poll, SYS_ppoll, SYS_select,
    SYS_pselect6, SYS_lseek, SYS_munmap, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev,
    SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_pipe, SYS_pipe2,
    SYS_sched_yield, SYS_mincore, SYS_dup, SYS_dup2, SYS_dup3, SYS_nanosleep, SYS_clock_nanosleep, SYS_getitimer, SYS_getpid,
    SYS_sendto, SYS_recvfrom, SYS_recvmsg, SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_uname, SYS_getcwd,
    SYS_readlink, SYS_readlinkat, SYS_gettimeofday, SYS_getrlimit, SYS_getrusage, SYS_sysinfo, SYS_times, SYS_getuid, SYS_getgid,
    SYS_geteuid, SYS_getegid, SYS_getppid, SYS_getpgrp, SYS_getpgid, SYS_getsid, SYS_getgroups, SYS_getresuid, SYS_getresgid,
    SYS_capget, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_statfs, SYS_fstatfs, SYS_getpriority, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_sched_rr_get_interval, SYS_gettid,
    SYS_time, SYS_sched_getaffinity, SYS_sched_getattr, SYS_epoll_create, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait,
    SYS_epoll_pwait, SYS_epoll_pwait2, SYS_getdents, SYS_getdents64, SYS_fadvise64, SYS_clock_gettime, SYS_clock_getres,
    SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_inotify_init, SYS_inotify_init1, SYS_inotify_add_watch,
    SYS_inotify_rm_watch, SYS_eventfd, SYS_eventfd2, SYS_signalfd, SYS_signalfd4, SYS_timerfd_create, SYS_timerfd_settime,
    SYS_timerfd_gettime, SYS_get_robust_list, SYS_getcpu, SYS_getrandom, SYS_memfd_create, SYS_ftruncate, SYS_close_range,
    SYS_ioprio_get, SYS_readahead, SYS_sendfile, SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr, SYS_listxattr, SYS_llistxattr,
    SYS_flistxattr, SYS_fsync, SYS_fdatasync, SYS_msync};

#define MAX_FILTER 512
static struct sock_filter program[MAX_FILTER];
static int length;
static void emit(unsigned short code, uint32_t k, unsigned char jt, unsigned char jf) { program[length++] = (struct sock_filter){code, jt, jf, k}; }
enum { LD = BPF_LD | BPF_W | BPF_ABS, EQ = BPF_JMP | BPF_JEQ | BPF_K, SET = BPF_JMP | BPF_JSET | BPF_K, AND = BPF_ALU | BPF_AND | BPF_K, RET = BPF_RET | BPF_K };
#define ARG(i) ((uint32_t)offsetof(struct seccomp_data, args[i]))
static void only_values(int call, int arg, uint32_t mask, const uint32_t *values, int n) {
  emit(EQ, (uint32_t)call, 0, (unsigned char)(1 + (mask != ~0u) + n * 2 + 1));
  emit(LD, ARG(arg), 0, 0);
  if (mask != ~0u) emit(AND, mask, 0, 0);
  for (int i = 0; i < n; i++) emit(EQ, values[i], 0, 1), emit(RET, SECCOMP_RET_ALLOW, 0, 0);
  emit(RET, SECCOMP_RET_USER_NOTIF, 0, 0);
}
static void without_bits(int call, int arg, uint32_t bits) {
  emit(EQ, (uint32_t)call, 0, 4);
  emit(LD, ARG(arg), 0, 0);
  emit(SET, bits, 1, 0);
  emit(RET, SECCOMP_RET_ALLOW, 0, 0);
  emit(RET, SECCOMP_RET_USER_NOTIF, 0, 0);
}
static void null_pointer(int call, int arg) {
  emit(EQ, (uint32_t)call, 0, 6);
  emit(LD, ARG(arg), 0, 0);
  emit(EQ, 0, 0, 3);
  emit(LD, ARG(arg) + 4, 0, 0);
  emit(EQ, 0, 0, 1);
  emit(RET, SECCOMP_RET_ALLOW, 0, 0);
  emit(RET, SECCOMP_RET_USER_NOTIF, 0, 0);
}

static void build_filter(unsigned long brk) {
  length = 0;
  emit(LD, offsetof(struct seccomp_data, nr), 0, 0);
  for (size_t i = 0; i < sizeof clean / sizeof *clean; i++) emit(EQ, (uint32_t)clean[i], 0, 1), emit(RET, SECCOMP_RET_ALLOW, 0, 0);
  // What an earlier request left in the kernel's restart block would run again: nobody calls this by hand.
  emit(EQ, SYS_restart_syscall, 0, 1), emit(RET, SECCOMP_RET_ERRNO | EPERM, 0, 0);
  without_bits(SYS_openat, 2, O_ACCMODE | O_CREAT | O_TRUNC | 020000000 /* O_TMPFILE */ | O_ASYNC);
  without_bits(SYS_open, 1, O_ACCMODE | O_CREAT | O_TRUNC | 020000000 | O_ASYNC);
  // No locked, huge, growing or droppable memory. No NORESERVE either, but where it cannot replace a mapping: no list shows it.
  emit(EQ, SYS_mmap, 0, 6);
  emit(LD, ARG(3), 0, 0);
  emit(SET, ~(uint32_t)(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_STACK | MAP_POPULATE | MAP_FIXED_NOREPLACE | MAP_NORESERVE), 3, 0);
  emit(SET, MAP_NORESERVE, 0, 1);
  emit(SET, MAP_FIXED, 1, 0);
  emit(RET, SECCOMP_RET_ALLOW, 0, 0);
  emit(RET, SECCOMP_RET_USER_NOTIF, 0, 0);
  only_values(SYS_madvise, 2, ~0u, (uint32_t[]){3, 4, 22, 23}, 4); // WILLNEED, DONTNEED, POPULATE
  // To where it was, or not at all.
  emit(EQ, SYS_brk, 0, 10);
  emit(LD, ARG(0), 0, 0), emit(EQ, 0, 4, 0);
  emit(EQ, (uint32_t)brk, 0, 2);
  emit(LD, ARG(0) + 4, 0, 0), emit(EQ, (uint32_t)(brk >> 32), 3, 0);
  emit(RET, SECCOMP_RET_USER_NOTIF, 0, 0);
  emit(LD, ARG(0) + 4, 0, 0), emit(EQ, 0, 0, 1);
  emit(RET, SECCOMP_RET_ALLOW, 0, 0);
  emit(RET, SECCOMP_RET_USER_NOTIF, 0, 0);
  // F_SETFL last: its argument counts, too.
  emit(EQ, SYS_fcntl, 0, 8);
  emit(LD, ARG(1), 0, 0);
  emit(EQ, F_SETFL, 0, 2);
  emit(LD, ARG(2), 0, 0);
  emit(SET, O_ASYNC, 2, 3);
  emit(BPF_JMP | BPF_JGE | BPF_K, F_SETFL, 0, 2);
  emit(EQ, F_DUPFD_CLOEXEC, 1, 0);
  emit(RET, SECCOMP_RET_USER_NOTIF, 0, 0);
  emit(RET, SECCOMP_RET_ALLOW, 0, 0);
  only_values(SYS_ioctl, 1, ~0u, (uint32_t[]){0x5401, 0x541B, 0x5421, 0x5451, 0x5450, 0x5413}, 6);
  null_pointer(SYS_rt_sigaction, 1), null_pointer(SYS_sigaltstack, 0), null_pointer(SYS_prlimit64, 2);
  only_values(SYS_futex, 1, 127, (uint32_t[]){0, 1, 3, 4, 5, 9, 10}, 7); // none that leaves an owner in the kernel
  only_values(SYS_membarrier, 0, ~0u, (uint32_t[]){0}, 1);
  only_values(SYS_prctl, 0, ~0u, (uint32_t[]){3, 16, 23, 27, 30, 39}, 6);
  only_values(SYS_socketpair, 0, ~0u, (uint32_t[]){1}, 1);
  only_values(SYS_personality, 0, ~0u, (uint32_t[]){0xffffffff}, 1);
  emit(RET, SECCOMP_RET_USER_NOTIF, 0, 0);
  if (length > MAX_FILTER) abort();
}

static int overlaps(const struct rb *r, uint64_t start, uint64_t n, int only_read_only) {
  for (int i = 0; i < r->before.count; i++) {
    const struct rb_vma *v = &r->before.v[i];
    if (start < v->end && start + n > v->start && !(only_read_only && v->writable)) return 1;
  }
  return start + n < start;
}

static void answer(struct rb *r, int judge) {
  struct seccomp_notif n;
  memset(&n, 0, sizeof n);
  if (ioctl(r->listener, SECCOMP_IOCTL_NOTIF_RECV, &n)) return;
  if (judge) {
    const uint64_t *a = (const uint64_t *)n.data.args;
    int taints = 1;
    switch (n.data.nr) {
    case SYS_brk: taints = 0, r->brk_moved = 1; break;
    // Moving pages that were there before could exchange two of them, and no list would show it. What is moved from
    // elsewhere may land where only mappings that cannot be written are expected.
    case SYS_mremap: taints = overlaps(r, a[0], (a[1] + PAGE - 1) & ~4095ull, 0) || (a[3] & MREMAP_FIXED) || (a[3] & 4) || r->everywhere & 2, r->everywhere |= 1; break;
    // A mapping that could not be written is not to be made so, nor a new one put in its place look like it. Memory that
    // was once writable is also counted by the kernel from then on.
    case SYS_mprotect: taints = (a[2] & ~7ull) || overlaps(r, a[0], a[1], 1) || (!(a[2] & PROT_WRITE) && r->everywhere & 1), r->everywhere |= a[2] & PROT_WRITE ? 4 : 2; break;
    default: break;
    }
    if (taints && !r->tainted && !(rb_blind & RB_BLIND_CALLS)) r->tainted = 1, r->taint_call = n.data.nr;
  }
  struct seccomp_notif_resp go = {.id = n.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  ioctl(r->listener, SECCOMP_IOCTL_NOTIF_SEND, &go);
}
void rb_notified(struct rb *r) { answer(r, 1); }

// --- the stopped process ------------------------------------------------------------------------------------------------

int rb_stop(struct rb *r) {
  int status;
  if (ptrace(PTRACE_SEIZE, r->pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) return fail(r, "cannot be traced: %s", strerror(errno));
  if (ptrace(PTRACE_INTERRUPT, r->pid, 0, 0)) return fail(r, "cannot be stopped");
  for (;;) {
    if (waitpid(r->pid, &status, __WALL) != r->pid || !WIFSTOPPED(status)) return fail(r, "ended (%x)", status);
    if (status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) == SIGTRAP) return 0;
    return fail(r, "stopped by signal %d", WSTOPSIG(status));
  }
}

static int next_stop(struct rb *r) {
  int status;
  if (ptrace(PTRACE_SYSCALL, r->pid, 0, 0)) return fail(r, "cannot go on");
  // The call may be one that asks the listener.
  for (pid_t p; (p = waitpid(r->pid, &status, __WALL | (r->listener >= 0 ? WNOHANG : 0))) != r->pid;) {
    if (p < 0) return fail(r, "lost");
    struct pollfd l = {r->listener, POLLIN, 0};
    if (poll(&l, 1, 0) == 1) answer(r, 0); else sched_yield();
  }
  if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80)) return fail(r, "stopped elsewhere (%x)", status);
  return 0;
}

long rb_inject(struct rb *r, long call, long a, long b, long c, long d, long e, long f) {
  struct user_regs_struct g = r->regs;
  g.rip = r->syscall_at, g.rax = (unsigned long)call, g.orig_rax = ~0ul;
  g.rdi = (unsigned long)a, g.rsi = (unsigned long)b, g.rdx = (unsigned long)c, g.r10 = (unsigned long)d, g.r8 = (unsigned long)e, g.r9 = (unsigned long)f;
  if (ptrace(PTRACE_SETREGS, r->pid, 0, &g) || next_stop(r) || next_stop(r) || ptrace(PTRACE_GETREGS, r->pid, 0, &g)) return -EIO;
  return (long)g.rax;
}

int rb_read(struct rb *r, unsigned long at, void *to, size_t n) { return pread(r->mem_fd, to, n, (off_t)at) == (ssize_t)n ? 0 : -1; }

static int read_maps(struct rb *r, struct rb_maps *m) {
  m->length = 0, m->count = 0;
  for (ssize_t n; (n = pread(r->maps_fd, m->text + m->length, sizeof m->text - 1 - m->length, (off_t)m->length)) > 0;) m->length += (size_t)n;
  m->text[m->length] = 0;
  return m->length > sizeof m->text - 4096 ? fail(r, "too many mappings") : 0;
}

static unsigned long hex(char **at) {
  unsigned long v = 0;
  for (;; (*at)++) {
    int c = **at;
    if (c >= '0' && c <= '9') v = v << 4 | (unsigned long)(c - '0'); else if (c >= 'a' && c <= 'f') v = v << 4 | (unsigned long)(c - 'a' + 10); else return v;
  }
}

static int parse_maps(struct rb *r, struct rb_maps *m) {
  size_t pages = 0;
  m->count = 0;
  for (char *line = m->text; *line;) {
    if (m->count == RB_VMAS) return fail(r, "too many mappings");
    struct rb_vma *v = &m->v[m->count++];
    v->start = hex(&line), line++;
    v->end = hex(&line), line++;
    char *end = strchr(line, '\n');
    v->rest = line, v->rest_length = (size_t)(end - line);
    v->readable = line[0] == 'r', v->writable = line[1] == 'w';
    char *name = memchr(line, '/', v->rest_length);
    v->anonymous = !name;
    char *bracket = memchr(line, '[', v->rest_length);
    // The kernel's own: not memory of the process. The vdso is: it can be written.
    v->special = bracket && (!strncmp(bracket, "[vvar", 5) || !strncmp(bracket, "[vsyscall", 9));
    v->first = pages;
    if (!v->special) pages += (v->end - v->start) / PAGE;
    line = end + 1;
  }
  r->pages = pages;
  return 0;
}

static int class_of(uint64_t e) {
  if (e >> 62 & 1) return UNKNOWN; // swapped or being moved
  if (!(e >> 63)) return e >> 58 & 1 ? UNKNOWN : NONE; // 58: a guard page
  if (e >> 61 & 1) return FROM_FILE;
  return e >> 56 & 1 ? OWN : SHARED;
}

struct scan { uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, give; };
struct region { uint64_t start, end, categories; };
static struct region regions[4096];
static uint64_t entries[16384];
// A page of zeros looks like one shared with the template in pagemap; only this tells them apart.
static int zero_pages(struct rb *r, int *count) {
  struct scan s = {.size = sizeof s, .start = 0, .end = 0x7ffffffff000, .vec = (uint64_t)(uintptr_t)regions, .vec_len = 4096, .mask = 1 << 5, .give = 1 << 5};
  *count = ioctl(r->pagemap_fd, _IOWR('f', 16, struct scan), &s);
  if (*count < 0) return fail(r, "PAGEMAP_SCAN: %s", strerror(errno));
  if (s.walk_end < s.end) return fail(r, "its pages of zeros lie too scattered");
  return 0;
}

static int class_index(const struct rb *r, unsigned long at, size_t *index) {
  int low = 0, high = r->before.count - 1;
  while (low <= high) {
    int middle = (low + high) / 2;
    const struct rb_vma *v = &r->before.v[middle];
    if (at < v->start) high = middle - 1;
    else if (at >= v->end) low = middle + 1;
    else return v->special ? -1 : (*index = v->first + (at - v->start) / PAGE, 0);
  }
  return -1;
}

static void add_page(struct rb_pages *p, unsigned long at) {
  if (p->count == p->room) {
    p->room = p->room ? p->room * 2 : 256;
    p->at = realloc(p->at, p->room * sizeof *p->at), p->bytes = realloc(p->bytes, p->room * PAGE);
  }
  p->at[p->count++] = at;
}

// Read through /proc/PID/mem: process_vm_readv pins pages, and pinning one that is shared copies it.
static int read_pages(struct rb *r, struct rb_pages *p) {
  for (size_t i = 0, run; i < p->count; i += run) {
    for (run = 1; i + run < p->count && p->at[i + run] == p->at[i] + run * PAGE; run++) {}
    if (rb_read(r, p->at[i], p->bytes + i * PAGE, run * PAGE)) return fail(r, "pages at %lx cannot be read", p->at[i]);
  }
  return 0;
}

static int write_pages(struct rb *r, struct rb_pages *p) {
  static struct iovec remote[RB_REACH];
  for (size_t i = 0; i < p->count;) {
    size_t first = i, n = 0, bytes = 0;
    while (i < p->count && n < RB_REACH) {
      size_t run = 1;
      while (i + run < p->count && p->at[i + run] == p->at[i] + run * PAGE) run++;
      remote[n++] = (struct iovec){(void *)p->at[i], run * PAGE};
      i += run, bytes += run * PAGE;
    }
    struct iovec local = {p->bytes + first * PAGE, bytes};
    if (process_vm_writev(r->pid, &local, 1, remote, n, 0) != (ssize_t)bytes) return fail(r, "pages at %lx cannot be written", p->at[first]);
  }
  return 0;
}

// Pages that the process cannot write itself; they are few.
static int write_locked(struct rb *r, struct rb_pages *p) {
  for (size_t i = 0, run; i < p->count; i += run) {
    for (run = 1; i + run < p->count && p->at[i + run] == p->at[i] + run * PAGE; run++) {}
    if (pwrite(r->mem_fd, p->bytes + i * PAGE, run * PAGE, (off_t)p->at[i]) != (ssize_t)(run * PAGE)) return fail(r, "page %lx cannot be written", p->at[i]);
  }
  return 0;
}

static const char *const watched[] = {"Name:", "Umask:", "FDSize:", "Threads:", "SigPnd:", "ShdPnd:", "SigIgn:", "SigCgt:", "Seccomp_filters:", "CapEff:", "NoNewPrivs:", "VmLck:"};
static void take_status(struct rb *r, char *to) {
  char text[4096], *out = to;
  ssize_t n = pread(r->status_fd, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = 0;
  size_t next = 0;
  for (char *line = text; *line;) {
    char *end = strchr(line, '\n');
    for (size_t k = next; k < sizeof watched / sizeof *watched; k++) {
      if (strncmp(line, watched[k], strlen(watched[k]))) continue;
      memcpy(out, line, (size_t)(end + 1 - line)), out += end + 1 - line;
      next = k + 1;
      break;
    }
    line = end + 1;
  }
  *out = 0;
}

static void take_files(struct rb *r, unsigned char *tmp, unsigned char *cwd) {
  struct stat s;
  struct statfs f;
  char path[40];
  memset(tmp, 0, sizeof r->tmp_state), memset(cwd, 0, sizeof r->cwd_state);
  if (fstat(r->tmp_fd, &s) == 0 && fstatfs(r->tmp_fd, &f) == 0) {
    long values[] = {s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec,
                     (long)s.st_nlink, (long)s.st_mode, (long)s.st_size, (long)f.f_bfree, (long)f.f_ffree};
    memcpy(tmp, values, sizeof values);
  }
  snprintf(path, sizeof path, "/proc/%d/cwd", r->pid);
  if (stat(path, &s) == 0) memcpy(cwd, &s.st_ino, 8), memcpy(cwd + 8, &s.st_dev, 8);
}

static int next_fd(int folder, char *buffer, size_t size, size_t *at, size_t *have) { // -1 at the end
  struct entry { uint64_t inode, offset; unsigned short length; unsigned char type; char name[]; };
  for (;;) {
    if (*at >= *have) {
      long n = syscall(SYS_getdents64, folder, buffer, size);
      if (n <= 0) return -1;
      *at = 0, *have = (size_t)n;
    }
    struct entry *e = (struct entry *)(buffer + *at);
    *at += e->length;
    if (e->name[0] != '.') return atoi(e->name);
  }
}

static int check_fds(struct rb *r) {
  char buffer[2048] __attribute__((aligned(8))), info[256];
  size_t at = 0, have = 0;
  int i = 0, fd;
  lseek(r->fd_folder, 0, SEEK_SET);
  for (; (fd = next_fd(r->fd_folder, buffer, sizeof buffer, &at, &have)) >= 0; i++)
    if (i >= r->fd_count || r->fds[i].number != fd) return fail(r, "descriptor %d %s", i < r->fd_count && r->fds[i].number < fd ? r->fds[i].number : fd, i < r->fd_count && r->fds[i].number < fd ? "is gone" : "is new");
  if (i != r->fd_count) return fail(r, "a descriptor is gone");
  for (i = 0; i < r->fd_count; i++) {
    // The very same open file: not another one of the same name.
    if (syscall(SYS_kcmp, getpid(), r->pid, 0 /* KCMP_FILE */, r->fds[i].held, r->fds[i].number)) return fail(r, "descriptor %d is another one", r->fds[i].number);
    ssize_t n = pread(r->fds[i].info_fd, info, sizeof info - 1, 0);
    info[n > 0 ? n : 0] = 0;
    if (strcmp(info, r->fds[i].info)) return fail(r, "descriptor %d has changed", r->fds[i].number);
  }
  return 0;
}

// --- snapshot ---------------------------------------------------------------------------------------------------------

static int open_of(struct rb *r, const char *name, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", r->pid, name);
  return open(path, flags | O_CLOEXEC);
}

static int load_filter(struct rb *r) {
  unsigned long place = (r->regs.rsp - 16384) & ~15ul;
  struct sock_fprog prog = {(unsigned short)length, (struct sock_filter *)(place + 16)};
  struct iovec local[2] = {{&prog, sizeof prog}, {program, (size_t)length * sizeof *program}};
  char saved[16 + sizeof program];
  size_t n = 16 + local[1].iov_len;
  if (rb_read(r, place, saved, n)) return fail(r, "no room on its stack");
  if (pwrite(r->mem_fd, &prog, 16, (off_t)place) != 16 || pwrite(r->mem_fd, program, local[1].iov_len, (off_t)place + 16) < 0) return fail(r, "its stack cannot be written");
  long fd = rb_inject(r, SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, (long)place, 0, 0, 0);
  if (fd < 0) return fail(r, "filter: %s", strerror((int)-fd));
  if (pwrite(r->mem_fd, saved, n, (off_t)place) < 0) return fail(r, "its stack cannot be written");
  r->listener = (int)syscall(SYS_pidfd_getfd, r->pidfd, (int)fd, 0);
  if (r->listener < 0) return fail(r, "listener: %s", strerror(errno));
  fcntl(r->listener, F_SETFD, FD_CLOEXEC);
  return rb_inject(r, SYS_close, fd, 0, 0, 0, 0, 0) == 0 ? 0 : fail(r, "listener stays open in it");
}

int rb_snapshot(struct rb *r, pid_t w, int keep_inherited) {
  memset(r, 0, offsetof(struct rb, before));
  r->pages = 0, r->watch_count = r->all_count = 0, r->classes = NULL, r->watch = r->all = NULL, r->own = r->locked = r->inherited = (struct rb_pages){0};
  r->pid = w, r->listener = -1, r->keep_inherited = keep_inherited, r->tainted = r->brk_moved = r->everywhere = 0, r->fd_count = 0, r->checks = 1;
  if ((r->pidfd = (int)syscall(SYS_pidfd_open, w, 0)) < 0) return fail(r, "pidfd");
  r->maps_fd = open_of(r, "maps", O_RDONLY), r->pagemap_fd = open_of(r, "pagemap", O_RDONLY), r->status_fd = open_of(r, "status", O_RDONLY);
  r->mem_fd = open_of(r, "mem", O_RDWR), r->fd_folder = open_of(r, "fd", O_RDONLY | O_DIRECTORY), r->tmp_fd = open_of(r, "root/tmp", O_RDONLY | O_DIRECTORY);
  r->hiwater_fd = open_of(r, "clear_refs", O_WRONLY);
  if (r->maps_fd < 0 || r->pagemap_fd < 0 || r->status_fd < 0 || r->mem_fd < 0 || r->fd_folder < 0 || r->tmp_fd < 0) return fail(r, "its /proc cannot be read: %s", strerror(errno));
  if (rb_stop(r)) return -1;
  struct iovec x = {r->xstate, sizeof r->xstate};
  if (ptrace(PTRACE_GETREGS, w, 0, &r->regs) || ptrace(PTRACE_GETREGSET, w, (void *)NT_X86_XSTATE, &x) || ptrace(PTRACE_GETSIGMASK, w, 8, &r->mask))
    return fail(r, "registers");
  r->xstate_length = x.iov_len;
  long result = (long)r->regs.rax;
  if ((long)r->regs.orig_rax < 0 || !(result == -512 || result == -513 || result == -514)) return fail(r, "it does not wait in a call that can be restarted");
  // Restarted by us and not by the kernel, which does it only on the way out of some stops.
  r->regs.rip -= 2, r->regs.rax = r->regs.orig_rax, r->regs.orig_rax = ~0ul;
  r->syscall_at = r->regs.rip;
  long brk = rb_inject(r, SYS_brk, 0, 0, 0, 0, 0, 0);
  r->brk = (unsigned long)brk;
  build_filter(r->brk);
  if (load_filter(r)) return -1;
  if (ptrace(PTRACE_SETREGS, w, 0, &r->regs)) return fail(r, "registers");

  if (read_maps(r, &r->before) || parse_maps(r, &r->before)) return -1;
  r->classes = malloc(r->pages);
  int zero;
  for (int i = 0; i < r->before.count; i++) {
    struct rb_vma *v = &r->before.v[i];
    if (v->special) continue;
    if (v->rest[3] == 's' && v->writable) return fail(r, "a shared mapping that can be written"); // the template's audit saw the others
    for (unsigned long at = v->start; at < v->end;) {
      size_t n = (v->end - at) / PAGE;
      if (n > 16384) n = 16384;
      if (pread(r->pagemap_fd, entries, n * 8, (off_t)(at / PAGE * 8)) != (ssize_t)(n * 8)) return fail(r, "pagemap");
      for (size_t k = 0; k < n; k++)
        if ((r->classes[v->first + (at - v->start) / PAGE + k] = (unsigned char)class_of(entries[k])) == UNKNOWN) return fail(r, "a page of it is swapped");
      at += n * PAGE;
    }
  }
  if (zero_pages(r, &zero)) return -1;
  for (int i = 0; i < zero; i++)
    for (uint64_t at = regions[i].start; at < regions[i].end; at += PAGE) {
      size_t index;
      if (class_index(r, at, &index) == 0) r->classes[index] = NONE;
    }
  for (int i = 0; i < r->before.count; i++) {
    struct rb_vma *v = &r->before.v[i];
    for (unsigned long at = v->start; !v->special && at < v->end; at += PAGE) {
      int c = r->classes[v->first + (at - v->start) / PAGE];
      if (c == OWN) add_page(v->writable ? &r->own : &r->locked, at);
      else if (c == SHARED && keep_inherited) add_page(&r->inherited, at);
    }
  }
  // Pages of mappings that cannot be written can only have been dropped, where there was one to drop: a call that makes
  // more possible taints, or has us look at all.
  r->watch = malloc((r->pages + 1) * sizeof *r->watch), r->all = malloc((r->pages + 1) * sizeof *r->all);
  for (int i = 0; i < r->before.count; i++) {
    struct rb_vma *v = &r->before.v[i];
    struct rb_watch *run = NULL, *part = NULL;
    for (unsigned long at = v->start; !v->special && at < v->end; at += PAGE) {
      size_t index = v->first + (at - v->start) / PAGE;
      if (!v->writable && r->classes[index] != SHARED) run = NULL;
      else if (run && run->pages < 8192) run->pages++;
      else *(run = &r->watch[r->watch_count++]) = (struct rb_watch){at, 1, index, v->anonymous};
      if (part && part->pages < 8192) part->pages++;
      else *(part = &r->all[r->all_count++]) = (struct rb_watch){at, 1, index, v->anonymous};
    }
  }
  if (read_pages(r, &r->own) || read_pages(r, &r->locked) || read_pages(r, &r->inherited)) return -1;

  char buffer[2048] __attribute__((aligned(8))), name[40];
  size_t at = 0, have = 0;
  for (int fd; (fd = next_fd(r->fd_folder, buffer, sizeof buffer, &at, &have)) >= 0;) {
    if (r->fd_count == RB_FDS_MAX) return fail(r, "too many descriptors");
    int i = r->fd_count++;
    snprintf(name, sizeof name, "fdinfo/%d", fd);
    r->fds[i].number = fd;
    r->fds[i].held = (int)syscall(SYS_pidfd_getfd, r->pidfd, fd, 0);
    r->fds[i].info_fd = open_of(r, name, O_RDONLY);
    fcntl(r->fds[i].held, F_SETFD, FD_CLOEXEC);
    ssize_t n = pread(r->fds[i].info_fd, r->fds[i].info, sizeof r->fds[i].info - 1, 0);
    if (r->fds[i].held < 0 || n <= 0) return fail(r, "descriptor %d", fd);
    r->fds[i].info[n] = 0;
  }
  take_status(r, r->status);
  take_files(r, r->tmp_state, r->cwd_state);
  return 0;
}

// --- and back ----------------------------------------------------------------------------------------------------------

// What is mapped now and was not before goes; what was there must be there, as it was.
static int undo_maps(struct rb *r) {
  struct rb_maps *m = &r->now;
  size_t pages = r->pages;
  if (r->brk_moved && rb_inject(r, SYS_brk, (long)r->brk, 0, 0, 0, 0, 0) != (long)r->brk) return fail(r, "the heap's end cannot be moved back");
  if (read_maps(r, m) || parse_maps(r, m)) return -1;
  r->pages = pages;
  int b = 0;
  for (int i = 0; i < m->count; i++) {
    unsigned long at = m->v[i].start;
    while (at < m->v[i].end) {
      while (b < r->before.count && r->before.v[b].end <= at) b++;
      unsigned long next = b < r->before.count ? r->before.v[b].start : ~0ul;
      if (next <= at) { at = r->before.v[b].end; continue; } // compared below, as a whole
      unsigned long end = next < m->v[i].end ? next : m->v[i].end;
      if (rb_inject(r, SYS_munmap, (long)at, (long)(end - at), 0, 0, 0, 0)) return fail(r, "a new mapping cannot be removed");
      r->undone_maps++;
      at = end;
    }
  }
  if (read_maps(r, m)) return -1;
  if (m->length == r->before.length && !memcmp(m->text, r->before.text, m->length)) return 0;
  size_t i = 0;
  while (m->text[i] && m->text[i] == r->before.text[i]) i++;
  while (i && m->text[i - 1] != '\n') i--;
  return fail(r, "mappings have changed (%.*s instead of %.*s)", (int)strcspn(m->text + i, "\n"), m->text + i, (int)strcspn(r->before.text + i, "\n"), r->before.text + i);
}

struct changes { int fresh_count, grown_count; struct { unsigned long start, end; } fresh[4096]; unsigned long grown[8192]; };
static int add_fresh(struct rb *r, struct changes *c, unsigned long page) {
  if (c->fresh_count && c->fresh[c->fresh_count - 1].end == page) c->fresh[c->fresh_count - 1].end += PAGE;
  else if (c->fresh_count < 4096) c->fresh[c->fresh_count].start = page, c->fresh[c->fresh_count++].end = page + PAGE;
  else return fail(r, "too many new pages");
  return 0;
}
static int add_grown(struct rb *r, struct changes *c, unsigned long page, int is) {
  if (!r->keep_inherited) return fail(r, "a page of the template's was %s (%lx)", is == OWN ? "written" : "dropped", page);
  if (c->grown_count == 8192) return fail(r, "too many pages of the template's were written");
  c->grown[c->grown_count++] = page;
  return 0;
}

// Each page that could have been written or dropped against what it was.
static int compare(struct rb *r, struct changes *c) {
  const struct rb_watch *watch = r->everywhere ? r->all : r->watch;
  size_t count = r->everywhere ? r->all_count : r->watch_count;
  for (size_t i = 0, next; i < count; i = next) {
    // Neighbours in one read, and small gaps with them.
    unsigned long from = watch[i].start, to = from + watch[i].pages * PAGE;
    for (next = i + 1; next < count && watch[next].start - to <= 16 * PAGE && watch[next].start + watch[next].pages * PAGE - from <= sizeof entries / 8 * PAGE; next++)
      to = watch[next].start + watch[next].pages * PAGE;
    size_t n = (to - from) / PAGE;
    if (pread(r->pagemap_fd, entries, n * 8, (off_t)(from / PAGE * 8)) != (ssize_t)(n * 8)) return fail(r, "pagemap");
    for (size_t w = i; w < next; w++) {
      const struct rb_watch *at = &watch[w];
      const uint64_t *now = entries + (at->start - from) / PAGE;
      const unsigned char *before = r->classes + at->first;
      for (size_t k = 0; k < at->pages; k++) {
        int was = before[k], is = class_of(now[k]);
        if (is == UNKNOWN) return fail(r, "a page is swapped");
        if (was == is || was == OWN || rb_blind & RB_BLIND_PAGES) continue;
        unsigned long page = at->start + k * PAGE;
        if (was == SHARED) { if (add_grown(r, c, page, is)) return -1; } // written, or dropped
        else if (is == OWN) { if (add_fresh(r, c, page)) return -1; }
        else if (is == SHARED && !at->anonymous) return fail(r, "a page of a file has become another's");
      }
    }
  }
  return 0;
}
static int compare_zero(struct rb *r, struct changes *c) {
  int zero;
  if (zero_pages(r, &zero)) return -1;
  for (int i = 0; i < zero; i++)
    for (uint64_t at = regions[i].start; at < regions[i].end; at += PAGE) {
      size_t index;
      if (class_index(r, at, &index) || r->classes[index] == NONE || r->classes[index] == OWN) continue;
      if (add_grown(r, c, at, NONE)) return -1;
    }
  return 0;
}

#define STEP(stage) (t1 = now_ns(), r->ns[stage] = t1 - t0, t0 = t1)

int rb_back(struct rb *r) {
  static struct changes changed;
  struct changes *c = &changed;
  c->fresh_count = c->grown_count = 0;
  uint64_t t0 = now_ns(), t1;
  memset(r->ns, 0, sizeof r->ns);
  r->undone_pages = r->grown_pages = r->undone_maps = 0;
  if (r->tainted) return fail(r, "system call %d", r->taint_call);
  if (rb_stop(r)) return -1;
  // What it called until it stopped counts, too.
  struct pollfd l = {r->listener, POLLIN, 0};
  if (poll(&l, 1, 0) == 1) return fail(r, "a call waits");
  STEP(RB_STOP);
  if (r->checks) {
    if (read_maps(r, &r->now)) return -1;
    STEP(RB_MAPS);
    if (!(rb_blind & RB_BLIND_MAPS) && (r->brk_moved || r->now.length != r->before.length || memcmp(r->now.text, r->before.text, r->now.length))) {
      if (undo_maps(r)) return -1;
    }
    STEP(RB_UNDO);
    if (compare(r, c)) return -1;
    STEP(RB_PAGEMAP);
    if (!(rb_blind & RB_BLIND_ZERO) && compare_zero(r, c)) return -1;
    STEP(RB_ZERO);
    char status[4096];
    take_status(r, status);
    if (!(rb_blind & RB_BLIND_STATUS) && strcmp(status, r->status)) {
      size_t i = 0;
      while (status[i] == r->status[i]) i++;
      while (i && status[i - 1] != '\n') i--;
      return fail(r, "status has changed: %.*s", (int)strcspn(status + i, ":"), status + i);
    }
    STEP(RB_STATUS);
    if (!(rb_blind & RB_BLIND_FDS) && check_fds(r)) return -1;
    STEP(RB_FDS);
    unsigned char tmp[sizeof r->tmp_state], cwd[sizeof r->cwd_state];
    take_files(r, tmp, cwd);
    if (memcmp(tmp, r->tmp_state, sizeof tmp)) return fail(r, "/tmp was touched");
    if (memcmp(cwd, r->cwd_state, sizeof cwd)) return fail(r, "the working folder has changed");
    STEP(RB_FILES);
  }
  for (int i = 0; i < c->fresh_count; i++) {
    if (rb_inject(r, SYS_madvise, (long)c->fresh[i].start, (long)(c->fresh[i].end - c->fresh[i].start), 4 /* DONTNEED */, 0, 0, 0)) return fail(r, "new pages cannot be dropped");
    r->undone_pages += (int)((c->fresh[i].end - c->fresh[i].start) / PAGE);
  }
  for (int i = 0; i < c->grown_count; i++) {
    size_t low = 0, high = r->inherited.count, index;
    while (low < high) { size_t middle = (low + high) / 2; if (r->inherited.at[middle] < c->grown[i]) low = middle + 1; else high = middle; }
    if (low == r->inherited.count || r->inherited.at[low] != c->grown[i]) return fail(r, "a page was not kept");
    // Only a mapping made anew in the place of the old one can be meant.
    int locked = 0;
    for (int k = 0; k < r->before.count; k++) locked |= c->grown[i] >= r->before.v[k].start && c->grown[i] < r->before.v[k].end && !r->before.v[k].writable;
    if (locked) return fail(r, "a page that cannot be written was replaced");
    struct rb_pages *to = &r->own;
    add_page(to, c->grown[i]);
    memcpy(to->bytes + (to->count - 1) * PAGE, r->inherited.bytes + low * PAGE, PAGE);
    if (class_index(r, c->grown[i], &index) == 0) r->classes[index] = OWN;
    r->grown_pages++;
  }
  if (r->checks) { t1 = now_ns(), r->ns[RB_UNDO] += t1 - t0, t0 = t1; }
  if (write_pages(r, &r->own) || write_locked(r, &r->locked)) return -1;
  STEP(RB_WRITE);
  struct user_regs_struct got;
  struct iovec x = {r->xstate, r->xstate_length};
  if (rb_blind & RB_BLIND_XSTATE) ptrace(PTRACE_GETREGSET, r->pid, (void *)NT_X86_XSTATE, &x);
  if (ptrace(PTRACE_SETREGS, r->pid, 0, &r->regs) || ptrace(PTRACE_SETREGSET, r->pid, (void *)NT_X86_XSTATE, &x) || ptrace(PTRACE_SETSIGMASK, r->pid, 8, &r->mask))
    return fail(r, "registers cannot be written");
  // Not every flag can: ID stays as user code left it.
  if (ptrace(PTRACE_GETREGS, r->pid, 0, &got) || (!(rb_blind & RB_BLIND_FLAGS) && memcmp(&got, &r->regs, sizeof got))) return fail(r, "registers differ");
  // The peak of its memory begins anew, or one request would be billed for another's.
  if (r->hiwater_fd >= 0 && pwrite(r->hiwater_fd, "5", 1, 0) < 0) {}
  STEP(RB_REGS);
  return 0;
}

int rb_registers(struct rb *r) { return ptrace(PTRACE_SETREGS, r->pid, 0, &r->regs) ? fail(r, "registers cannot be written") : 0; }

int rb_resume(struct rb *r) {
  uint64_t t0 = now_ns();
  r->tainted = r->brk_moved = r->everywhere = 0;
  int e = ptrace(PTRACE_DETACH, r->pid, 0, 0) ? fail(r, "cannot be left") : 0;
  r->ns[RB_RESUME] = now_ns() - t0;
  return e;
}

void rb_free(struct rb *r) {
  int all[] = {r->pidfd, r->listener, r->maps_fd, r->pagemap_fd, r->status_fd, r->fd_folder, r->tmp_fd, r->mem_fd, r->hiwater_fd};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) if (all[i] > 0) close(all[i]);
  for (int i = 0; i < r->fd_count; i++) close(r->fds[i].held), close(r->fds[i].info_fd);
  free(r->classes), free(r->watch), free(r->all), free(r->own.at), free(r->own.bytes), free(r->locked.at), free(r->locked.bytes), free(r->inherited.at), free(r->inherited.bytes);
}
