// PID 1 of a sandbox: builds its root, then starts the template or environments, moves them into their cgroups, reaps
// them and reports their end. It never runs a line of user code, allocates no memory and takes no lock.
#include "init.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Static_assert(CSB_O_PATH == O_PATH, "declared for Swift");

// --- building the root -------------------------------------------------------------------------------------------------

static int bind_read_only(const char *source, const char *target) {
  if (mount(source, target, NULL, MS_BIND | MS_REC, NULL)) return -1;
  // noexec and the like of the source stay locked in a user namespace and must be kept: ask what is there.
  struct statvfs v;
  if (statvfs(target, &v)) return -1;
  unsigned long keep = (v.f_flag & ST_NOEXEC ? MS_NOEXEC : 0) | (v.f_flag & ST_NOATIME ? MS_NOATIME : 0) |
                       (v.f_flag & ST_NODIRATIME ? MS_NODIRATIME : 0) | (v.f_flag & ST_RELATIME ? MS_RELATIME : 0);
  return mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | keep, NULL);
}

// Step by step without following links: the server owns these folders and may not aim root's bind mount elsewhere. Opened
// here, because a descriptor from another mount namespace cannot be bound.
static int open_package(const char *data, const char *digest) {
  int folder = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int packages = folder < 0 ? -1 : openat(folder, "packages", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int package = packages < 0 ? -1 : openat(packages, digest, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int error = errno;
  if (packages >= 0) close(packages);
  if (folder >= 0) close(folder);
  errno = error;
  return package;
}

static int bind_package(const char *data, const char *digest, const char *target) {
  int package = open_package(data, digest);
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", package);
  int r = package < 0 ? -1 : bind_read_only(path, target);
  int error = errno;
  if (package >= 0) close(package);
  errno = error;
  return r;
}

int csb_package_mount(const char *data, const char *digest) {
  int package = open_package(data, digest);
  int tree = package < 0 ? -1 : (int)syscall(SYS_open_tree, package, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, .propagation = MS_PRIVATE};
  int r = tree < 0 ? -1 : (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
  int error = errno;
  if (package >= 0) close(package);
  if (r && tree >= 0) close(tree);
  errno = error;
  return r ? -1 : tree;
}

static int make_dev(const char *target, int rootless) {
  static const struct { const char *name; unsigned minor; } nodes[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};
  static const char *const links[][2] = {{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
                                         {"/proc/self/fd/2", "stderr"}, {"/tmp", "shm"}};
  char path[PATH_MAX], host[64];
  if (mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,nr_inodes=32,mode=755")) return -1;
  for (int i = 0; i < 5; i++) {
    snprintf(path, sizeof path, "%s/%s", target, nodes[i].name);
    if (rootless) {
      snprintf(host, sizeof host, "/dev/%s", nodes[i].name);
      int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
      if (fd < 0) return -1;
      close(fd);
      if (mount(host, path, NULL, MS_BIND, NULL)) return -1;
    } else if (mknod(path, S_IFCHR | 0666, makedev(1, nodes[i].minor)) || chmod(path, 0666)) return -1;
  }
  for (int i = 0; i < 5; i++) {
    snprintf(path, sizeof path, "%s/%s", target, links[i][1]);
    if (symlink(links[i][0], path)) return -1;
  }
  return mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL);
}

static struct mc_setup setup; // of this sandbox
static uint64_t data_limit;   // bytes, RLIMIT_DATA; 0: none

static int build_root(const struct csb_spec *s, const struct csb_root *root, const char *digest, const char *layers) {
  char options[96];
  snprintf(options, sizeof options, "size=%um,nr_inodes=%u,mode=1777", setup.tmp_megabytes, setup.tmp_inodes);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return S_PRIVATE;
  if (bind_read_only(root->skeleton, s->mount_point) || chdir(s->mount_point)) return S_SKELETON;
  for (int i = 0; i < root->op_count; i++) {
    const struct csb_op *op = &root->ops[i];
    switch (op->kind) {
    case CSB_BIND: if (bind_read_only(op->source, op->target)) return S_BIND; break;
    case CSB_TMPFS:
      if (mount("tmpfs", op->target, "tmpfs", MS_NOSUID | MS_NODEV, op->source ? op->source : options)) return S_TMPFS;
      break;
    case CSB_LAYERS: if (*layers && bind_package(s->data, layers, op->target)) return S_PACKAGE; break;
    case CSB_PACKAGE: if (*digest && bind_package(s->data, digest, op->target)) return S_PACKAGE; break;
    case CSB_DEV: if (make_dev(op->target, s->rootless)) return S_DEV; break;
    case CSB_PROC: if (mount("proc", op->target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) return S_PROC; break;
    }
  }
  // Entered through the mount just made, so that "." is the new root mount and not what lies under it.
  if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/")) return S_PIVOT;
  return 0;
}

static int setgroups_none(void) { return (int)syscall(SYS_setgroups, 0, NULL); }

// --- the lines -----------------------------------------------------------------------------------------------------------

int server_fd, helper_fd, descriptor_fd;
// Its own /proc and /tmp, held from before the template started: the template may mount something else at their paths.
int proc_fd = -1;
static int tmp_fd = -1;

void to_server(uint32_t op, uint32_t slot, int32_t value, uint64_t a, uint64_t b, uint64_t c, const char *text) {
  struct mc_message m = {.op = op, .slot = slot, .value = value, .a = a, .b = b, .c = c, .length = text ? (uint32_t)strlen(text) : 0};
  if (mc_send(server_fd, &m, text, NULL, 0)) _exit(0); // the server is gone: so is everything here
}

// --- slots ---------------------------------------------------------------------------------------------------------------

enum slot_state { UNKNOWN = 0, FREE, COPYING, RUNNING };
struct slot {
  enum slot_state state;
  pid_t pid;
  int procs[6], procs_count; // cgroup.procs of the slot, opened by root: writing a pid there needs no right of ours
  int peak, oom;             // descriptor or -1
  uint64_t oom_before;
  int killed, out_of_memory;
  int has_netns;
  struct netns netns;
};
static struct slot slots[MC_MAX_SLOTS];
static int slots_known;
// Why a slot's program could not be executed: written by the new process, which shares this memory with init until exec.
static int *exec_errors;
static int is_spare; // no function yet: there is time

static const struct csb_spec *spec;
static int log_fd, template_fd = -1, signal_fd, null_fd;
static pid_t template_pid;
static int own_procs = -1;  // cgroup.procs of init's own cgroup
static int warming;         // a template runs init; how many more times to keep the cgroup lock warm
static uint64_t template_cpu; // microseconds, of the last one that was reaped
static uint64_t spare_cpu;    // microseconds that the template took before this sandbox had a function
static uint64_t template_control_inode;
static char payload[MC_MAX_PAYLOAD + 1];

// Ends seen before the template has said which slot they belong to.
struct early { pid_t pid; int status; struct rusage usage; };
static struct early early[64];
static unsigned early_next;

static uint64_t oom_kills(int fd) {
  char text[512];
  ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
  if (n <= 0) return 0;
  text[n] = 0;
  for (char *line = text; line && *line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (!strncmp(line, "oom_kill ", 9)) return strtoull(line + 9, NULL, 10);
  }
  return 0;
}

static int attach(struct slot *s, pid_t pid) {
  char text[24];
  int n = snprintf(text, sizeof text, "%d", pid);
  s->oom_before = oom_kills(s->oom);
  if (s->peak >= 0 && pwrite(s->peak, "0", 1, 0) < 0) {} // v2 before 6.12 cannot reset its peak
  for (int i = 0; i < s->procs_count; i++)
    if (pwrite(s->procs[i], text, (size_t)n, 0) < 0) return -1;
  return 0;
}

static uint64_t cpu_microseconds(const struct rusage *u) {
  return (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000u + (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static void ended(struct slot *s, int status, const struct rusage *u) {
  uint32_t index = (uint32_t)(s - slots);
  int oom = s->out_of_memory || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !s->killed && oom_kills(s->oom) > s->oom_before);
  uint64_t cpu = cpu_microseconds(u);
  uint64_t flags = (uint64_t)(oom != 0) | (uint64_t)exec_errors[index] << 8;
  exec_errors[index] = 0;
  if (s->has_netns) netns_give_back(&s->netns);
  s->has_netns = 0, s->state = FREE, s->pid = 0, s->killed = 0, s->out_of_memory = 0;
  to_server(MC_EXITED, index, status, cpu, (uint64_t)u->ru_maxrss, flags, NULL);
}

static void reap(void) {
  int status;
  struct rusage usage;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    if (pid == template_pid) {
      template_pid = 0;
      if (template_fd >= 0) close(template_fd);
      template_fd = -1;
      template_cpu = cpu_microseconds(&usage);
      to_server(MC_EXITED, MC_TEMPLATE_SLOT, status, template_cpu, (uint64_t)usage.ru_maxrss, 0, NULL);
      for (int i = 0; i < slots_known; i++) { // copies it was asked for and can no longer announce
        if (slots[i].state != COPYING) continue;
        if (slots[i].has_netns) netns_give_back(&slots[i].netns);
        slots[i].has_netns = 0, slots[i].state = FREE;
        to_server(MC_FAILED, (uint32_t)i, EPIPE, 0, S_TEMPLATE, 0, NULL);
      }
      continue;
    }
    int found = 0;
    for (int i = 0; i < slots_known && !found; i++)
      if (slots[i].state == RUNNING && slots[i].pid == pid) ended(&slots[i], status, &usage), found = 1;
    if (!found) early[early_next++ % 64] = (struct early){pid, status, usage};
  }
}

// --- starting programs -----------------------------------------------------------------------------------------------------

static void limit(int what, uint64_t value) {
  struct rlimit now;
  if (getrlimit((__rlimit_resource_t)what, &now)) return;
  if (now.rlim_max != RLIM_INFINITY && now.rlim_max < value) value = now.rlim_max; // may only be lowered
  struct rlimit r = {value, value};
  setrlimit((__rlimit_resource_t)what, &r);
}

// Splits "argc envc" and NUL-terminated strings into the two vectors. The text comes from the server. The byte after it is lost.
static int vectors(char *text, uint32_t length, char **argv, char **envp, int room, int variables) {
  uint32_t counts[2];
  if (length < sizeof counts) return -1;
  memcpy(counts, text, sizeof counts);
  if (counts[0] < 1 || counts[0] >= (uint32_t)room || counts[1] >= (uint32_t)variables) return -1;
  char *at = text + sizeof counts, *end = text + length;
  *end = 0;
  for (uint32_t i = 0; i < counts[0] + counts[1]; i++) {
    if (at >= end) return -1;
    *(i < counts[0] ? &argv[i] : &envp[i - counts[0]]) = at;
    at += strlen(at) + 1;
  }
  argv[counts[0]] = NULL, envp[counts[1]] = NULL;
  return 0;
}

static void fail_child(int log, const char *what) {
  dprintf(log, "martlet: %s: %s\n", what, strerror(errno));
  _exit(126);
}

// In the new process, on the way to exec: descriptors in place, signals and limits as a program expects them.
static void prepare_exec(int worker, int control, int extension_log, int log) {
  // Lifted out of the way first: the targets 0…5 may be the numbers of what is still needed.
  int others[3] = {worker, control, extension_log}, l = fcntl(log, F_DUPFD, 20);
  for (int i = 0; i < 3; i++) if (others[i] >= 0) others[i] = fcntl(others[i], F_DUPFD, 20);
  dup2(null_fd, 0), dup2(l, 1), dup2(l, 2);
  for (int i = 0; i < 3; i++) if (others[i] >= 0) dup2(others[i], 3 + i); else close(3 + i);
  syscall(SYS_close_range, 6, ~0U, 0);
  // What the helper ignores would be ignored by the program, too, and by all it starts.
  // Past the C library, which keeps two for itself.
  static const struct { uintptr_t handler, flags, restorer, mask; } by_default = {0, 0, 0, 0};
  for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, &by_default, NULL, 8);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  umask(022);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, spec->open_files_limit);
  limit(RLIMIT_FSIZE, spec->file_size_limit);
  if (spec->process_limit) limit(RLIMIT_NPROC, spec->process_limit);
  if (data_limit) limit(RLIMIT_DATA, data_limit);
  if (chdir("/var/task")) fail_child(2, "entering /var/task");
}

static void load_filter(const struct sock_fprog *program) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  struct sock_fprog p = *program;
  if (syscall(SYS_seccomp, 1 /* SET_MODE_FILTER */, 0, &p)) fail_child(2, mc_stage(S_FILTER));
}

// Everything but CAP_SYS_ADMIN goes, and that survives exec only as an ambient capability.
static int keep_sys_admin(void) {
  for (int c = 0; c <= 63; c++)
    if (c != CAP_SYS_ADMIN && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) && errno == EINVAL) break;
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  uint32_t bit = 1u << CAP_SYS_ADMIN;
  struct __user_cap_data_struct data[2] = {{bit, bit, bit}, {0, 0, 0}};
  if (syscall(SYS_capset, &head, data)) return -1;
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0);
}

static void start_template(uint32_t length, int *fds, int nfds) {
  static char *argv[64], *envp[256];
  int control[2];
  struct stat st;
  if (template_pid || nfds != 2 || vectors(payload, length, argv, envp, 64, 256) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control)) {
    to_server(MC_FAILED, MC_TEMPLATE_SLOT, EINVAL, 0, S_TEMPLATE, 0, NULL);
    return;
  }
  if (netns_await_template()) {
    int error = errno;
    close(control[0]), close(control[1]);
    to_server(MC_FAILED, MC_TEMPLATE_SLOT, error, 0, S_NETNS, 0, NULL);
    return;
  }
  if (fstat(control[1], &st) == 0) template_control_inode = st.st_ino;
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    prepare_exec(fds[0], control[1], -1, fds[1]);
    if (keep_sys_admin()) fail_child(2, mc_stage(S_AMBIENT));
    load_filter(&spec->template_filter);
    execve(argv[0], argv, envp);
    fail_child(2, argv[0]);
  }
  int error = errno;
  close(control[1]);
  if (pid < 0) {
    close(control[0]);
    to_server(MC_FAILED, MC_TEMPLATE_SLOT, error, 0, S_CLONE, 0, NULL);
    return;
  }
  template_pid = pid, template_fd = control[0];
  warming = 500;
  to_server(MC_STARTED, MC_TEMPLATE_SLOT, 0, netns_of_template(), 0, 0, NULL);
}

// Moving a process into a cgroup waits for an RCU grace period, up to 10 ms, unless somebody did it a moment ago. While a
// template runs init there is time for that: init moves itself to where it is, so that the first copy need not wait.
static void keep_cgroup_lock_warm(void) {
  warming--;
  if (own_procs >= 0 && pwrite(own_procs, "1", 1, 0) < 0) warming = 0;
}

static struct slot *free_slot(uint32_t index) {
  return index < (uint32_t)slots_known && slots[index].state == FREE ? &slots[index] : NULL;
}

static void copy_template(uint32_t index, int *fds, int nfds) {
  struct slot *s = free_slot(index);
  warming = 0;
  int error = EINVAL, stage = S_TEMPLATE;
  if (s && nfds == 2 && template_fd >= 0) {
    if (netns_take(&s->netns)) error = errno, stage = S_NETNS;
    else {
      int all[3] = {fds[0], fds[1], s->netns.ns};
      struct mc_message m = {.op = MC_COPY, .slot = index, .a = setup.tmp_megabytes, .b = setup.tmp_inodes};
      struct pollfd room = {template_fd, POLLOUT, 0};
      // A template that does not read must not hold init up.
      int r = poll(&room, 1, 0) == 1 && room.revents & POLLOUT ? mc_send(template_fd, &m, NULL, all, 3) : -EAGAIN;
      if (r == 0) { s->has_netns = 1, s->state = COPYING; return; }
      error = -r;
      netns_give_back(&s->netns);
    }
  }
  to_server(MC_FAILED, index, error, 0, (uint64_t)stage, 0, NULL);
}

static void from_template(void) {
  struct mc_message m;
  // Its answers are sent whole, so they are here whole; anything else is hostile and is not waited for. Descriptors that
  // come along are dropped by the kernel.
  ssize_t r = recv(template_fd, &m, sizeof m, MSG_DONTWAIT);
  if (r < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (r != sizeof m) {
    if (template_pid) kill(template_pid, SIGKILL); // its end is reported when it is reaped
    close(template_fd);
    template_fd = -1;
    return;
  }
  struct slot *s = m.op == MC_COPIED && m.slot < (uint32_t)slots_known && slots[m.slot].state == COPYING ? &slots[m.slot] : NULL;
  if (!s) return;
  if (m.value > 0) {
    // The template says which process is its copy; it can only name a child of ours that has no slot yet.
    siginfo_t info = {0};
    int taken = m.value == template_pid;
    for (int i = 0; i < slots_known; i++) taken |= slots[i].state == RUNNING && slots[i].pid == m.value;
    if (!taken && waitid(P_PID, (id_t)m.value, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
      if (attach(s, m.value) == 0 || errno == ESRCH) {
        s->pid = m.value, s->state = RUNNING;
        to_server(MC_STARTED, m.slot, 0, s->netns.number, 0, 0, NULL);
        return;
      }
      int error = errno;
      kill(m.value, SIGKILL);
      netns_give_back(&s->netns), s->has_netns = 0, s->state = FREE;
      to_server(MC_FAILED, m.slot, error, 0, S_CGROUP, 0, NULL);
      return;
    }
    for (int i = 0; i < 64; i++) {
      if (early[i].pid != m.value) continue;
      early[i].pid = 0, s->pid = m.value, s->state = RUNNING;
      to_server(MC_STARTED, m.slot, 0, s->netns.number, 0, 0, NULL);
      ended(s, early[i].status, &early[i].usage);
      return;
    }
  }
  netns_give_back(&s->netns), s->has_netns = 0, s->state = FREE;
  to_server(MC_FAILED, m.slot, m.value < 0 ? -m.value : ECHILD, 0, S_CLONE, 0, NULL);
}

// The slot's network is its processes', but this socket is made by init, which runs none of their code.
static void give_socket(uint32_t index, struct slot *s) {
  errno = ESRCH;
  int made = s && s->state == RUNNING && s->has_netns ? netns_socket(&s->netns) : -1, error = errno;
  struct mc_message m = {.op = MC_SOCKET_MADE, .slot = index};
  int r = made < 0 ? -error : mc_send(descriptor_fd, &m, NULL, &made, 1);
  if (made >= 0) close(made);
  to_server(MC_SOCKET_MADE, index, -r, 0, 0, 0, NULL);
}

static void exec_environment(uint32_t index, int flags, uint32_t length, uint64_t first, int *fds, int nfds) {
  static char *argv[64], *envp[256], *extensions[MC_MAX_EXTENSIONS + 1], *extension_envp[256];
  struct slot *s = free_slot(index);
  int own = flags & MC_EXEC_EXTENSIONS ? 3 : 1;
  if (nfds < own) return;
  int worker = nfds > own ? fds[0] : -1, log = fds[nfds - 1];
  int control = own == 3 ? fds[nfds - 3] : -1, extension_log = own == 3 ? fds[nfds - 2] : -1;
  if (own == 1) first = length;
  // The second block before the first, whose end overwrites its beginning.
  if (!s || nfds > own + 1 || first > length ||
      (own == 3 && vectors(payload + first, length - (uint32_t)first, extensions, extension_envp, MC_MAX_EXTENSIONS + 1, 256)) ||
      vectors(payload, (uint32_t)first, argv, envp, 64, 256)) {
    to_server(MC_FAILED, index, EINVAL, 0, S_EXEC, 0, NULL);
    return;
  }
  if (netns_take(&s->netns)) { to_server(MC_FAILED, index, errno, 0, S_NETNS, 0, NULL); return; }
  if (flags & MC_EXEC_LISTENER) {
    // The Runtime API's socket belongs to the environment's own network namespace and to nobody else.
    int listener = netns_listener(&s->netns, MC_RUNTIME_API_PORT);
    struct mc_message m = {.op = MC_LISTENER, .slot = index};
    int r = listener < 0 ? -errno : mc_send(descriptor_fd, &m, NULL, &listener, 1);
    if (listener >= 0) close(listener);
    if (r) { netns_give_back(&s->netns); to_server(MC_FAILED, index, -r, 0, S_LISTENER, 0, NULL); return; }
    to_server(MC_LISTENER, index, 0, 0, 0, 0, NULL);
  }
  int gate[2] = {-1, -1};
  pid_t pid = pipe2(gate, O_CLOEXEC) ? -1 : (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    char go;
    close(gate[1]);
    if (read(gate[0], &go, 1) != 1) _exit(126); // in its cgroups before it does anything that costs
    int r = mc_child_namespaces(&setup, s->netns.ns);
    if (r < 0) fail_child(log, mc_stage(r));
    prepare_exec(worker, control, extension_log, log);
    for (int c = 0; c <= 63 && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0; c++) {}
    r = mc_child_restrict();
    if (r < 0) fail_child(2, mc_stage(r));
    load_filter(&spec->child_filter);
    r = mc_child_filter();
    if (r < 0) fail_child(2, mc_stage(r));
    if (control >= 0) {
      munmap(exec_errors, MC_MAX_SLOTS * sizeof *exec_errors);
      csb_supervise(&(struct csb_programs){argv, envp, extensions, extension_envp});
    }
    execve(argv[0], argv, envp);
    exec_errors[index] = errno;
    fail_child(2, argv[0]);
  }
  int error = errno, stage = S_CLONE;
  if (pid > 0 && attach(s, pid)) {
    error = errno, stage = S_CGROUP;
    kill(pid, SIGKILL); // reaped as a stranger
    pid = -1;
  }
  if (pid > 0) {
    s->pid = pid, s->state = RUNNING, s->has_netns = 1;
    to_server(MC_STARTED, index, 0, s->netns.number, 0, 0, NULL);
    if (write(gate[1], "g", 1) != 1) {}
  } else {
    netns_give_back(&s->netns);
    to_server(MC_FAILED, index, error, 0, (uint64_t)stage, 0, NULL);
  }
  if (gate[0] >= 0) close(gate[0]), close(gate[1]);
}

// --- audit -----------------------------------------------------------------------------------------------------------------
// Whether a copy of the template would share anything with it that one request could write and another read. Looked at
// from outside, through /proc, while the template waits in its fork server.

static char audit_text[400];
static uint32_t audit_found;

__attribute__((format(printf, 2, 3))) static void found(uint32_t finding, const char *format, ...) {
  if (audit_found & finding) return; // one example of each kind is enough
  audit_found |= finding;
  size_t used = strlen(audit_text);
  va_list arguments;
  va_start(arguments, format);
  if (used) used += (size_t)snprintf(audit_text + used, sizeof audit_text - used, "; ");
  if (used < sizeof audit_text) vsnprintf(audit_text + used, sizeof audit_text - used, format, arguments);
  va_end(arguments);
}

// /proc files are read with the system calls alone: a line may be longer than any buffer of ours, then its tail is skipped.
static void each_line(const char *path, void (*take)(char *line)) {
  static char buffer[16384];
  int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) { found(MC_FOUND_UNREADABLE, "/proc/%s cannot be read", path); return; }
  size_t have = 0;
  for (ssize_t n; (n = read(fd, buffer + have, sizeof buffer - 1 - have)) > 0;) {
    have += (size_t)n;
    buffer[have] = 0;
    char *line = buffer;
    for (char *newline; (newline = strchr(line, '\n')); line = newline + 1) *newline = 0, take(line);
    have -= (size_t)(line - buffer);
    memmove(buffer, line, have);
    if (have == sizeof buffer - 1) have = 0;
  }
  close(fd);
}

static int read_text(const char *path, char *to, size_t size) {
  int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, to, size - 1) : -1;
  if (fd >= 0) close(fd);
  to[n > 0 ? n : 0] = 0;
  return n > 0;
}

static char mapping_name[256];
static int mapping_shared;
static void take_smaps(char *line) {
  char permissions[8];
  int name = 0;
  if (sscanf(line, "%*x-%*x %7s %*s %*s %*s %n", permissions, &name) == 1 && strlen(permissions) == 4) {
    mapping_shared = permissions[3] == 's';
    snprintf(mapping_name, sizeof mapping_name, "%s", name && line[name] ? line + name : "anonymous");
  } else if (mapping_shared && !strncmp(line, "VmFlags:", 8) && strstr(line, " mw")) {
    // May be written, now or after an mprotect.
    found(!strncmp(mapping_name, "/SYSV", 5) ? MC_FOUND_SYSV : MC_FOUND_SHARED_MEMORY, "a shared writable mapping (%s)", mapping_name);
  }
}

static DIR *open_folder(int at, const char *path) {
  int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd); // the one library call that allocates; init is single-threaded and never runs user code
  if (!d && fd >= 0) close(fd);
  return d;
}

// Pipes that the runtime makes anew in its copies: only those within the template, which has both ends. Output that is
// caught elsewhere (the log) would still be that of all.
struct seen_pipe { dev_t device; ino_t inode; int fd, ends; };
static void audit_pipe(struct seen_pipe *pipes, int *count, int fd, const struct stat *of, mode_t link) {
  int i = 0, end = link & S_IWUSR ? 2 : 1;
  while (i < *count && (pipes[i].inode != of->st_ino || pipes[i].device != of->st_dev)) i++;
  if (i == 64) { found(MC_FOUND_DESCRIPTOR, "more than 64 pipes are open"); return; }
  if (i == *count) pipes[(*count)++] = (struct seen_pipe){of->st_dev, of->st_ino, fd, 0};
  pipes[i].ends |= end;
}

static void audit_descriptors(int whole) {
  char path[64], target[256];
  struct seen_pipe pipes[64];
  struct stat log = {0};
  int pipe_count = 0;
  snprintf(path, sizeof path, "%d/fd", template_pid);
  DIR *d = open_folder(proc_fd, path);
  if (!d) { found(MC_FOUND_UNREADABLE, "/proc/%s cannot be read", path); return; }
  int count = 0;
  if (fstat(log_fd, &log)) { found(MC_FOUND_UNREADABLE, "the log cannot be looked at"); closedir(d); return; }
  for (struct dirent *e; (e = readdir(d));) {
    int fd = atoi(e->d_name), at = dirfd(d);
    struct stat st, link;
    struct statvfs v;
    if (e->d_name[0] == '.' || fstatat(at, e->d_name, &st, 0)) continue;
    if (++count > 200) { found(MC_FOUND_DESCRIPTOR, "more than 200 descriptors are open"); break; } // copies open each anew
    if (fd == 1 || fd == 2) continue; // the init log, which copies replace
    if (fd == 4 && S_ISSOCK(st.st_mode) && st.st_ino == template_control_inode) continue;
    ssize_t n = readlinkat(at, e->d_name, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    if (fd == 3 && S_ISSOCK(st.st_mode)) continue; // its line to the server, closed before the first copy
    if (S_ISCHR(st.st_mode) && major(st.st_rdev) == 1) {
      unsigned m = minor(st.st_rdev);
      if (m == 3 || m == 5 || m == 7 || m == 8 || m == 9) continue;
    }
    if (whole && S_ISFIFO(st.st_mode) && (st.st_ino != log.st_ino || st.st_dev != log.st_dev) && fstatat(at, e->d_name, &link, AT_SYMLINK_NOFOLLOW) == 0) {
      audit_pipe(pipes, &pipe_count, fd, &st, link.st_mode);
      continue;
    }
    if (whole && (!strcmp(target, "anon_inode:[eventfd]") || !strcmp(target, "anon_inode:[eventpoll]"))) continue;
    // No folders: from one, ".." leads into the template's own mounts, which all copies would share.
    int probe = S_ISREG(st.st_mode) ? openat(at, e->d_name, O_PATH | O_CLOEXEC) : -1;
    // Read-only by its mount, not only by how it was opened: a memfd can be opened again for writing.
    int harmless = probe >= 0 && fstatvfs(probe, &v) == 0 && (v.f_flag & ST_RDONLY);
    if (probe >= 0) close(probe);
    if (!harmless) found(MC_FOUND_DESCRIPTOR, "descriptor %d is open (%s)", fd, target);
  }
  for (int i = 0; i < pipe_count; i++)
    if (pipes[i].ends != 3) found(MC_FOUND_DESCRIPTOR, "descriptor %d is one end of a pipe", pipes[i].fd);
  closedir(d);
}

static int entries_in(int at, const char *path) {
  DIR *d = open_folder(at, path);
  int n = 0;
  for (struct dirent *e; d && (e = readdir(d));)
    n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
  if (d) closedir(d);
  return n;
}

static void audit(int whole) {
  char path[64];
  mapping_shared = 0;
  if (!template_pid) found(MC_FOUND_UNREADABLE, "the template has ended");
  else {
    snprintf(path, sizeof path, "%d/task", template_pid);
    int threads = entries_in(proc_fd, path);
    if (threads != 1) found(MC_FOUND_THREADS, "%d threads run after init", threads - 1);
    DIR *d = open_folder(proc_fd, ".");
    for (struct dirent *e; d && (e = readdir(d));) {
      int pid = atoi(e->d_name);
      if (pid > 1 && pid != template_pid) { found(MC_FOUND_CHILDREN, "a process started by init still runs"); break; }
    }
    if (d) closedir(d);
    snprintf(path, sizeof path, "%d/smaps", template_pid);
    each_line(path, take_smaps);
    audit_descriptors(whole);
    if (entries_in(tmp_fd, "."))
      found(MC_FOUND_TMP_FILES, "init wrote files to /tmp");
  }
}

// What init of the function took: CPU microseconds of the template with what it waited for, its anonymous memory in KiB.
static void measure_template(uint64_t *cpu, uint64_t *anonymous) {
  *cpu = template_cpu, *anonymous = 0;
  char path[40], text[1024];
  struct timespec own;
  clockid_t clock;
  if (!template_pid || clock_getcpuclockid(template_pid, &clock) || clock_gettime(clock, &own)) return;
  *cpu = (uint64_t)own.tv_sec * 1000000u + (uint64_t)own.tv_nsec / 1000u;
  snprintf(path, sizeof path, "%d/stat", template_pid);
  unsigned long user = 0, system = 0;
  // The name in the second field may hold anything; the last parenthesis ends it.
  char *rest = read_text(path, text, sizeof text) ? strrchr(text, ')') : NULL;
  if (rest && sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
    *cpu += (user + system) * 1000000u / (unsigned long)sysconf(_SC_CLK_TCK);
  unsigned long resident = 0, shared = 0;
  snprintf(path, sizeof path, "%d/statm", template_pid);
  if (read_text(path, text, sizeof text) && sscanf(text, "%*u %lu %lu", &resident, &shared) == 2 && resident > shared)
    *anonymous = (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void audited(int flags) {
  uint64_t cpu, anonymous;
  audit_found = 0, audit_text[0] = 0;
  if (!(flags & MC_AUDIT_MEASURE)) audit(flags & MC_AUDIT_WHOLE);
  measure_template(&cpu, &anonymous);
  to_server(MC_AUDITED, MC_TEMPLATE_SLOT, 0, audit_found, cpu > spare_cpu ? cpu - spare_cpu : 0, anonymous, audit_text);
}

// --- a spare gets its function ---------------------------------------------------------------------------------------------

static void assign(int package, int connect) {
  uint64_t anonymous;
  reap(); // a runtime that has ended is of no use to anybody
  if (connect) netns_connect();
  errno = ECHILD;
  int r = template_pid ? (int)syscall(SYS_move_mount, package, "", AT_FDCWD, "/var/task", MOVE_MOUNT_F_EMPTY_PATH) : -1, stage = S_PACKAGE;
  if (r == 0) r = netns_await_template(), stage = S_WAY_OUT;
  int error = r ? errno : 0;
  measure_template(&spare_cpu, &anonymous);
  is_spare = 0;
  prctl(PR_SET_NAME, "martlet-init", 0, 0, 0);
  to_server(MC_ASSIGNED, MC_TEMPLATE_SLOT, error, 0, (uint64_t)stage, 0, NULL);
}

// --- memory past the function's size -------------------------------------------------------------------------------------
static void kill_largest(struct slot *s, uint64_t above) {
  static char text[65536];
  long best_pages = -1;
  pid_t best = 0;
  char path[40], statm[96];
  int procs = -1;
  // The slot's processes as this PID namespace sees them.
  if (s->procs_count) {
    snprintf(path, sizeof path, "self/fd/%d", s->procs[0]);
    procs = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
  }
  ssize_t n = procs >= 0 ? read(procs, text, sizeof text - 1) : -1;
  if (procs >= 0) close(procs);
  text[n > 0 ? n : 0] = 0;
  for (char *line = text; *line;) {
    pid_t pid = (pid_t)strtol(line, &line, 10);
    while (*line == '\n') line++;
    long size, resident, shared;
    snprintf(path, sizeof path, "%d/statm", pid);
    if (!read_text(path, statm, sizeof statm)) continue;
    if (sscanf(statm, "%ld %ld %ld", &size, &resident, &shared) == 3 && resident - shared > best_pages) best_pages = resident - shared, best = pid;
  }
  if (above && (best_pages < 0 || (uint64_t)best_pages * (uint64_t)sysconf(_SC_PAGESIZE) <= above)) return;
  if (!best) best = s->pid;
  if (best == s->pid) s->out_of_memory = 1;
  kill(best, SIGKILL);
}

// --- the loop --------------------------------------------------------------------------------------------------------------

void from_helper(void) {
  struct mc_message m;
  int fds[MC_MAX_FDS], n = MC_MAX_FDS;
  // None has a payload: a command of the server may be at work on ours.
  int r = mc_receive(helper_fd, &m, NULL, 0, fds, &n, 0);
  if (r <= 0 || m.op == MC_END) _exit(0);
  int used = 0, expect = m.value + (m.b & 1 ? 1 : 0) + (m.b & 2 ? 1 : 0);
  if (m.op == MC_SLOT && m.slot < MC_MAX_SLOTS && slots[m.slot].state == UNKNOWN && m.value >= 0 && m.value <= 6 && n == expect) {
    struct slot *s = &slots[m.slot];
    for (; used < m.value; used++) s->procs[used] = fds[used];
    s->procs_count = m.value;
    s->peak = m.b & 1 ? fds[used++] : -1;
    s->oom = m.b & 2 ? fds[used++] : -1;
    s->state = FREE;
    if ((int)m.slot >= slots_known) slots_known = (int)m.slot + 1;
  } else if (m.op == MC_PACKAGE && n == 1) assign(fds[0], m.a == 1);
  else if (m.op == MC_CONNECTED) netns_connected(m.slot, m.value);
  for (; used < n; used++) close(fds[used]);
}

static int readable(int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 0) == 1;
}

static void from_server(void) {
  struct mc_message m;
  int fds[MC_MAX_FDS], n = MC_MAX_FDS;
  while (readable(helper_fd)) from_helper(); // a slot is announced there before the server may name it
  int r = mc_receive(server_fd, &m, payload, MC_MAX_PAYLOAD, fds, &n, 0);
  if (r <= 0) _exit(0);
  struct slot *s = m.slot < (uint32_t)slots_known ? &slots[m.slot] : NULL;
  switch (m.op) {
  case MC_START_TEMPLATE: start_template(m.length, fds, n); break;
  case MC_FORK: copy_template(m.slot, fds, n); break;
  case MC_EXEC: exec_environment(m.slot, m.value, m.length, m.a, fds, n); break;
  case MC_SOCKET: give_socket(m.slot, s); break;
  case MC_AUDIT: audited(m.value); break;
  case MC_KILL:
    if (m.slot == MC_TEMPLATE_SLOT && template_pid) kill(template_pid, SIGKILL);
    else if (s && s->state == RUNNING) s->killed = 1, kill(s->pid, SIGKILL);
    break;
  case MC_TERMINATE: if (s && s->state == RUNNING) kill(s->pid, SIGTERM); break;
  case MC_KILL_LARGEST: if (s && s->state == RUNNING) kill_largest(s, m.a); break;
  default: break;
  }
  for (int i = 0; i < n; i++) close(fds[i]);
}

__attribute__((noreturn)) static void run(void) {
  for (;;) {
    struct pollfd p[4] = {{helper_fd, POLLIN, 0}, {server_fd, POLLIN, 0}, {signal_fd, POLLIN, 0}, {template_fd, POLLIN, 0}};
    // When nothing is asked of it, init makes network namespaces ahead.
    int idle = netns_wants_more() && (slots_known || is_spare);
    int n = poll(p, 4, idle ? 0 : warming > 0 ? 3 : -1);
    if (n < 0) { if (errno == EINTR) continue; _exit(72); }
    if (n == 0 && !idle) {
      keep_cgroup_lock_warm();
      continue;
    }
    if (n == 0) {
      netns_make_ahead();
      continue;
    }
    if (p[0].revents) from_helper();
    if (p[3].revents && template_fd >= 0) from_template(); // before reaping: says whose end the next one is
    if (p[2].revents) {
      struct signalfd_siginfo info[8];
      if (read(signal_fd, info, sizeof info) < 0 && errno != EAGAIN) _exit(73);
      reap();
    }
    if (p[1].revents) from_server();
  }
}

// --- from clone to the loop --------------------------------------------------------------------------------------------------

static void give_up(int sync, int stage) {
  struct csb_error e = {stage, errno};
  if (write(sync, &e, sizeof e) < 0) {}
  _exit(70);
}

__attribute__((noreturn)) static void child(const struct csb_spec *s, int helper, int sync) {
  spec = s;
  prctl(PR_SET_NAME, "martlet-embryo", 0, 0, 0);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  // Out of the helper's table into fixed places, first out of the way of each other, and nothing else comes along.
  int opened = open("/dev/null", O_RDWR | O_CLOEXEC);
  int high[3], from[3] = {helper, sync, opened};
  for (int i = 0; i < 3; i++) if (from[i] < 0 || (high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 512)) < 0) give_up(sync, S_FDS);
  int places[3] = {11, 14, 15};
  for (int i = 0; i < 3; i++) if (dup3(high[i], places[i], O_CLOEXEC) < 0) give_up(high[1], S_FDS);
  helper_fd = 11, sync = 14, null_fd = 15;
  dup2(null_fd, 0);
  syscall(SYS_close_range, 3, 10, 0);
  syscall(SYS_close_range, 12, 13, 0);
  syscall(SYS_close_range, 16, ~0U, 0);
  setsid();

  // An embryo until somebody needs a sandbox.
  struct mc_message become;
  int fds[MC_MAX_FDS], n = MC_MAX_FDS;
  int got = mc_receive(helper_fd, &become, payload, MC_MAX_PAYLOAD, fds, &n, 0);
  if (got <= 0) _exit(0);
  if (become.op != MC_BECOME || n < 3 || become.slot >= (uint32_t)s->root_count || (become.length && become.length != 64 && become.length != 128)) { errno = EINVAL; give_up(sync, S_FDS); }
  is_spare = (become.d & MC_BECOME_SPARE) != 0;
  prctl(PR_SET_NAME, is_spare ? "martlet-spare" : "martlet-init", 0, 0, 0);
  // The function's package, then its layers'.
  char digest[65] = "", layers[65] = "";
  if (become.length) memcpy(digest, payload, 64);
  if (become.length == 128) memcpy(layers, payload + 64, 64);
  setup = (struct mc_setup){(uint32_t)become.a, (uint32_t)become.b};
  data_limit = s->memory_by_rlimit ? become.c << 20 : 0;
  for (int i = 0; i < n; i++) {
    int lifted = fcntl(fds[i], F_DUPFD_CLOEXEC, 512);
    close(fds[i]);
    if (lifted < 0) give_up(sync, S_FDS);
    fds[i] = lifted;
  }
  server_fd = 10, descriptor_fd = 12, log_fd = 13;
  if (dup3(fds[0], server_fd, O_CLOEXEC) < 0 || dup3(fds[1], descriptor_fd, O_CLOEXEC) < 0 || dup3(fds[2], log_fd, O_CLOEXEC) < 0 ||
      dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0) give_up(sync, S_FDS);
  if (n > 3 && (own_procs = dup3(fds[3], 9, O_CLOEXEC)) < 0) give_up(sync, S_FDS);
  syscall(SYS_close_range, 512, ~0U, 0);

  // Before anything of the host goes: what sandboxes hold is given up first when the host runs out of memory. Written with
  // root's rights this is also the least that any process of the sandbox can set.
  int adjust = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (adjust >= 0 && write(adjust, "500", 3) < 0) {}
  if (adjust >= 0) close(adjust);

  int r;
  unsigned long spaces = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;
  const struct csb_root *root = &s->roots[become.slot];
  if (!s->rootless) {
    if (setgroups_none()) give_up(sync, S_IDS);
    if ((r = build_root(s, root, digest, layers))) give_up(sync, r);
    // Only now: what is mounted above becomes locked, and everything made from here on belongs to the user namespace.
    if (unshare(CLONE_NEWUSER | (int)spaces)) give_up(sync, S_UNSHARE);
  }
  struct csb_error asks = {0, 0};
  char go;
  if (write(sync, &asks, sizeof asks) != sizeof asks || read(sync, &go, 1) != 1) _exit(70);
  if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) || syscall(SYS_setresgid, s->inner_gid, s->inner_gid, s->inner_gid) ||
      syscall(SYS_setresuid, s->inner_uid, s->inner_uid, s->inner_uid)) give_up(sync, S_IDS);
  if (s->rootless && (r = build_root(s, root, digest, layers))) give_up(sync, r);
  if (sethostname(s->hostname, strlen(s->hostname)) && errno != EPERM) give_up(sync, S_UNSHARE);
  exec_errors = mmap(NULL, MC_MAX_SLOTS * sizeof *exec_errors, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (exec_errors == MAP_FAILED) give_up(sync, S_SIGNALS);
  // Not before the change of uid, which clears both.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if ((proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 || (tmp_fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
    give_up(sync, S_PROC);
  if (netns_begin()) give_up(sync, S_LOOPBACK);
  sigset_t chld;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  if ((signal_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) give_up(sync, S_SIGNALS);
  struct mc_message up = {.op = MC_UP};
  if (mc_send(helper_fd, &up, NULL, NULL, 0)) _exit(0);
  close(sync);
  if (become.d & MC_BECOME_CONNECTED) netns_connect();
  run();
}

pid_t csb_spawn(const struct csb_spec *s, int helper, int *pidfd, int *sync) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) return -1;
  unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_PIDFD | SIGCHLD;
  if (s->rootless) flags |= CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;
  pid_t pid = (pid_t)syscall(SYS_clone, flags, 0, pidfd, 0, 0);
  if (pid == 0) child(s, helper, pair[1]);
  int error = errno;
  close(pair[1]);
  if (pid < 0) close(pair[0]); else *sync = pair[0];
  errno = error;
  return pid;
}

int csb_await(int sync, int milliseconds, struct csb_error *error) {
  struct pollfd p = {sync, POLLIN, 0};
  int n;
  do n = poll(&p, 1, milliseconds); while (n < 0 && errno == EINTR);
  *error = (struct csb_error){S_MAPS, n == 0 ? ETIMEDOUT : errno};
  if (n <= 0) return -1;
  ssize_t r = read(sync, error, sizeof *error);
  if (r == sizeof *error) return error->stage ? -1 : 0;
  *error = (struct csb_error){S_MAPS, r == 0 ? ECHILD : errno};
  return -1;
}

const void *csb_find(const void *in, size_t length, const void *what, size_t what_length) { return memmem(in, length, what, what_length); }

int csb_new_mount_namespace(void) { return unshare(CLONE_NEWNS); }

int csb_release(int sync) { return write(sync, "g", 1) == 1 ? 0 : -1; }
