// Seccomp: an allow-list modelled on moby's default profile, without what a function never needs. Unknown calls answer
// ENOSYS so that libraries fall back; known dangerous ones EPERM.
#include "csandbox.h"
// libseccomp's argument macros leave trailing fields out.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const allowed[] = {
    "accept", "accept4", "access", "alarm", "arch_prctl", "bind", "brk", "capget", "capset", "chdir", "chmod", "chown",
    "clock_getres", "clock_gettime", "clock_nanosleep", "close", "close_range", "connect", "copy_file_range", "creat", "dup",
    "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2",
    "epoll_wait", "eventfd", "eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2", "fadvise64",
    "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "fcntl", "fdatasync", "fgetxattr",
    "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate", "futex",
    "futex_waitv", "futimesat", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "geteuid", "getgid", "getgroups",
    "getitimer", "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid",
    "getresuid", "getrlimit", "get_robust_list", "getrusage", "getsid", "getsockname", "getsockopt", "get_thread_area",
    "gettid", "gettimeofday", "getuid", "getxattr", "inotify_add_watch", "inotify_init", "inotify_init1",
    "inotify_rm_watch", "ioctl", "ioprio_get", "ioprio_set",
    "kill", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lgetxattr",
    "link", "linkat", "listen", "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "madvise",
    "membarrier", "memfd_create", "mincore", "mkdir", "mkdirat", "mlock", "mlock2", "mlockall", "mmap", "mprotect",
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "mremap", "msgctl", "msgget",
    "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap", "nanosleep", "newfstatat", "open", "openat", "openat2",
    "pause", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll",
    "ppoll", "prctl", "pread64", "preadv", "preadv2", "prlimit64", "process_mrelease", "pselect6", "pwrite64", "pwritev",
    "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "recvfrom", "recvmmsg", "recvmsg",
    "remap_file_pages", "removexattr", "rename", "renameat", "renameat2", "restart_syscall", "rmdir", "rseq",
    "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_getaffinity", "sched_getattr", "sched_getparam",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getscheduler", "sched_rr_get_interval",
    "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "seccomp", "select",
    "semctl", "semget", "semop", "semtimedop", "sendfile", "sendmmsg", "sendmsg", "sendto", "setfsgid", "setfsuid",
    "setgid", "setgroups", "setitimer", "setpgid", "setpriority", "setregid", "setresgid", "setresuid", "setreuid",
    "setrlimit", "set_robust_list", "setsid", "setsockopt", "set_thread_area", "set_tid_address", "setuid", "setxattr",
    "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaltstack", "signalfd", "signalfd4", "socketpair", "splice",
    "stat", "statfs", "statx", "symlink", "symlinkat", "sync_file_range", "sysinfo", "tee", "tgkill",
    "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create",
    "timerfd_gettime", "timerfd_settime", "times", "tkill", "truncate", "umask", "uname", "unlink", "unlinkat", "utime",
    "utimensat", "utimes", "vfork", "wait4", "waitid", "waitpid", "write", "writev",
};
static const char *const denied[] = {
    "acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime", "delete_module", "fanotify_init",
    "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter", "io_uring_register",
    "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mknod",
    "mknodat", "mount", "mount_setattr", "move_mount", "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at",
    "open_tree", "perf_event_open", "personality", "pidfd_getfd", "pivot_root", "process_madvise", "process_vm_readv",
    "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key", "setdomainname", "sethostname",
    "setns", "settimeofday", "swapoff", "swapon", "syslog", "umount2", "unshare", "uselib", "userfaultfd", "vhangup",
    "vmsplice",
};
static const unsigned long namespace_flags =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

static int add(scmp_filter_ctx c, uint32_t action, const char *name) {
  int number = seccomp_syscall_resolve_name(name);
  return number < 0 ? 0 : seccomp_rule_add(c, action, number, 0); // a call this architecture lacks needs no rule
}

static int build(struct sock_fprog *out, int is_template) {
  scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
  if (!c) return -ENOMEM;
  int r = seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS); // i386 and x32 entry points
  // A binary tree: loading is a third of a linear list's price, because the kernel runs it once for every call number.
  if (!r) seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (size_t i = 0; !r && i < sizeof allowed / sizeof *allowed; i++) r = add(c, SCMP_ACT_ALLOW, allowed[i]);
  for (size_t i = 0; !r && i < sizeof denied / sizeof *denied; i++) {
    const char *n = denied[i];
    if (is_template && (!strcmp(n, "mount") || !strcmp(n, "unshare") || !strcmp(n, "setns"))) continue;
    if (!strcmp(n, "personality") || !strcmp(n, "mknod") || !strcmp(n, "mknodat")) continue;
    r = add(c, SCMP_ACT_ERRNO(EPERM), n);
  }
  // clone3 hides its flags behind a pointer; the default ENOSYS makes C libraries use clone.
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespace_flags | CLONE_PARENT, 0));
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_EQ, 0));
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_EQ, 0xffffffff));
  // FIFOs, sockets and plain files only.
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mknod), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0170000, 0010000));
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mknodat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, 0170000, 0010000));
  // Nothing a function writes is on a disk, and flushing the host's would slow down everybody.
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ERRNO(0), SCMP_SYS(sync), 0);
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ERRNO(0), SCMP_SYS(syncfs), 0);
  // Socket families a function has use for; no packet, vsock, alg, bluetooth. Of IP only what needs no other kernel module:
  // TCP, UDP and MPTCP.
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
  static const int families[] = {AF_INET, AF_INET6}, protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP, 262 /* MPTCP */};
  for (size_t i = 0; !r && i < 8; i++)
    r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, families[i / 4]), SCMP_A2(SCMP_CMP_EQ, protocols[i % 4]));
  // Routing queries only (getaddrinfo and getifaddrs ask them).
  if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, 0));
  if (is_template) {
    // Exactly what making and isolating a copy takes.
    if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_EQ, CLONE_PARENT | CLONE_NEWPID | CLONE_CHILD_SETTID | 17 /* SIGCHLD */));
    if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(unshare), 1, SCMP_A0(SCMP_CMP_EQ, CLONE_NEWNS | CLONE_NEWIPC));
    if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(setns), 1, SCMP_A1(SCMP_CMP_EQ, CLONE_NEWNET));
    if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mount), 1, SCMP_A3(SCMP_CMP_EQ, MS_NOSUID | MS_NODEV));
    if (!r) r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mount), 1, SCMP_A3(SCMP_CMP_EQ, MS_NOSUID | MS_NODEV | MS_NOEXEC));
  }
  int fd = r ? -1 : memfd_create("filter", MFD_CLOEXEC);
  if (!r && (fd < 0 || seccomp_export_bpf(c, fd))) r = -EIO;
  if (!r) {
    off_t size = lseek(fd, 0, SEEK_END);
    struct sock_filter *f = malloc(size);
    if (!f || pread(fd, f, size, 0) != size) r = -EIO;
    else *out = (struct sock_fprog){.len = size / sizeof *f, .filter = f};
  }
  if (fd >= 0) close(fd);
  seccomp_release(c);
  return r;
}

int csb_build_filters(struct sock_fprog *template_filter, struct sock_fprog *child_filter) {
  int r = build(template_filter, 1);
  return r ? r : build(child_filter, 0);
}

int csb_disable(const char *names) {
  struct sock_filter program[64];
  int n = 0;
  program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  static const struct { const char *name; int first, last; } known[] = {
      {"landlock", SYS_landlock_create_ruleset, SYS_landlock_restrict_self}, {"clone3", SYS_clone3, SYS_clone3},
      {"mount_setattr", SYS_mount_setattr, SYS_mount_setattr}, {"madv_populate", SYS_madvise, SYS_madvise}};
  const char *at = names;
  while (*at) {
    size_t length = strcspn(at, ",");
    int found = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
      if (strlen(known[i].name) != length || strncmp(known[i].name, at, length)) continue;
      found = 1;
      for (int call = known[i].first; call <= known[i].last; call++) {
        if (call == SYS_madvise) {
          program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 5);
          program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]));
          program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 22, 1, 0);
          program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 23, 0, 1);
          program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
          program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        } else {
          program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1);
          program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
        }
      }
    }
    if (!found) return -EINVAL;
    at += length;
    if (*at == ',') at++;
  }
  program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog prog = {.len = (unsigned short)n, .filter = program};
  // As an ordinary user this needs no_new_privs; as root it must not lose its capabilities.
  if (geteuid() != 0) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) ? -errno : 0;
}

int csb_landlock_abi(void) {
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : (int)abi;
}
