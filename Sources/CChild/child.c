#include "cchild.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ST_NET = 1, ST_UNSHARE, ST_TMP, ST_PROC, ST_CAPS, ST_LANDLOCK, ST_FILTER };

const char *mc_stage(int stage) {
  static const char *const child[] = {"", "joining the network namespace", "new mount and IPC namespaces", "mounting /tmp",
                                      "mounting /proc", "dropping capabilities", "Landlock",
                                      "the child's seccomp filter"};
  static const char *const init[] = {
      "arranging descriptors", "making mounts private", "binding the root folder", "binding a runtime folder", "mounting a tmpfs",
      "making /dev", "mounting /proc", "changing the root", "making the namespaces", "waiting for the uid map", "taking the sandbox's uid",
      "bringing up lo", "setting up signals", "joining a cgroup", "making a network namespace", "cloning", "starting the program",
      "talking to the template", "making the Runtime API socket", "loading the seccomp filter", "keeping one capability",
      "binding the package", "giving it a network"};
  if (stage < 0) stage = -stage;
  if (stage >= MC_INIT_STAGES && stage < MC_INIT_STAGES + (int)(sizeof init / sizeof *init)) return init[stage - MC_INIT_STAGES];
  return stage < (int)(sizeof child / sizeof *child) ? child[stage] : "unknown stage";
}

static int64_t milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int mc_send(int socket, const struct mc_message *m, const void *payload, const int *fds, int nfds) {
  union { char bytes[CMSG_SPACE(sizeof(int) * MC_MAX_FDS)]; struct cmsghdr align; } control;
  struct iovec io[2] = {{(void *)(uintptr_t)m, sizeof *m}, {(void *)(uintptr_t)payload, m->length}};
  struct msghdr h = {.msg_iov = io, .msg_iovlen = m->length ? 2 : 1};
  if (nfds > 0) {
    if (nfds > MC_MAX_FDS) return -EINVAL;
    memset(&control, 0, sizeof control);
    h.msg_control = control.bytes;
    h.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
  }
  size_t total = sizeof *m + m->length, sent = 0;
  while (sent < total) {
    ssize_t n = sendmsg(socket, &h, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN && sent > 0) { // the header is out: the rest must follow
        struct pollfd p = {socket, POLLOUT, 0};
        if (poll(&p, 1, 1000) <= 0) return -EPIPE;
        continue;
      }
      return -errno;
    }
    sent += n;
    h.msg_control = NULL, h.msg_controllen = 0;
    size_t skip = n;
    while (h.msg_iovlen && skip >= h.msg_iov[0].iov_len) skip -= h.msg_iov[0].iov_len, h.msg_iov++, h.msg_iovlen--;
    if (h.msg_iovlen) h.msg_iov[0].iov_base = (char *)h.msg_iov[0].iov_base + skip, h.msg_iov[0].iov_len -= skip;
  }
  return 0;
}

// Reads the rest of a stream message. Senders write each in one go, so it is here already; one that is not is waited for
// until `deadline` as a whole, or its sender could hold the reader up byte by byte.
static int read_rest(int socket, char *to, size_t n, int64_t deadline) {
  while (n) {
    ssize_t r = recv(socket, to, n, MSG_DONTWAIT);
    if (r == 0) return -EPIPE;
    if (r < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return -errno;
      int64_t left = deadline - milliseconds();
      struct pollfd p = {socket, POLLIN, 0};
      if (left <= 0 || poll(&p, 1, (int)left) == 0) return -EPIPE;
      continue;
    }
    to += r, n -= r;
  }
  return 0;
}

int mc_receive(int socket, struct mc_message *m, void *payload, size_t capacity, int *fds, int *nfds, int flags) {
  union { char bytes[CMSG_SPACE(sizeof(int) * MC_MAX_FDS)]; struct cmsghdr align; } control;
  struct iovec io = {m, sizeof *m};
  struct msghdr h = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  int room = nfds ? *nfds : 0;
  if (nfds) *nfds = 0;
  ssize_t n;
  do n = recvmsg(socket, &h, MSG_CMSG_CLOEXEC | flags); while (n < 0 && errno == EINTR);
  if (n == 0) return 0;
  if (n < 0) return -errno;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    int count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)), fd;
    for (int i = 0; i < count; i++) {
      memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      if (nfds && *nfds < room) fds[(*nfds)++] = fd; else close(fd);
    }
  }
  int64_t deadline = milliseconds() + 5000;
  int r = read_rest(socket, (char *)m + n, sizeof *m - n, deadline);
  if (r == 0 && m->length > capacity) r = -EMSGSIZE;
  if (r == 0) r = read_rest(socket, payload, m->length, deadline);
  if (r < 0) {
    for (int i = 0; nfds && i < *nfds; i++) close(fds[i]);
    if (nfds) *nfds = 0;
    return r;
  }
  return 1;
}

int mc_child_namespaces(const struct mc_setup *setup, int netns) {
  if (netns >= 0 && setns(netns, CLONE_NEWNET)) return -ST_NET;
  if (unshare(CLONE_NEWNS | CLONE_NEWIPC)) return -ST_UNSHARE;
  char options[96];
  snprintf(options, sizeof options, "size=%um,nr_inodes=%u,mode=1777", setup->tmp_megabytes, setup->tmp_inodes);
  // /dev/shm is a link to it: shared memory counts against the ephemeral storage.
  if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)) return -ST_TMP;
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) return -ST_PROC;
  return 0;
}

int mc_child_restrict(void) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -ST_CAPS;
  if (syscall(SYS_capset, &head, none)) return -ST_CAPS;

  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return errno == ENOSYS || errno == EOPNOTSUPP || errno == EINVAL ? 0 : -ST_LANDLOCK;
  // Own declaration: the build machine's header may be older than the running kernel.
  struct { uint64_t fs, net, scoped; } attributes = {0, 0, 0};
  uint64_t writes = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                    LANDLOCK_ACCESS_FS_MAKE_SYM;
  if (abi >= 2) writes |= 1ULL << 13; // REFER
  if (abi >= 3) writes |= 1ULL << 14; // TRUNCATE
  attributes.fs = writes;
  if (abi >= 6) attributes.scoped = 3; // abstract UNIX sockets and signals
  size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
  if (ruleset < 0) return -ST_LANDLOCK;
  static const char *const writable[] = {"/tmp", "/dev"};
  for (int i = 0; i < 2; i++) {
    struct landlock_path_beneath_attr beneath = {.allowed_access = writes, .parent_fd = open(writable[i], O_PATH | O_CLOEXEC)};
    long r = beneath.parent_fd < 0 ? -1 : syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    if (beneath.parent_fd >= 0) close(beneath.parent_fd);
    if (r) { close(ruleset); return -ST_LANDLOCK; }
  }
  long r = syscall(SYS_landlock_restrict_self, ruleset, 0);
  close(ruleset);
  return r ? -ST_LANDLOCK : 0;
}

#define NR(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, n))
#define DENY(nr, e) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (e))

int mc_child_filter(void) {
  // The allow-list below already denies everything a function never needs; this takes back what the template may do, and
  // what outlives a socket in its network namespace without a packet having been sent: multicast groups (reported a
  // second later) and IPv6 flow labels. Namespaces that look untouched are used again.
  static const struct sock_filter program[] = {
      NR(nr),
      DENY(SYS_unshare, EPERM), DENY(SYS_setns, EPERM), DENY(SYS_mount, EPERM), DENY(SYS_umount2, EPERM),
      DENY(SYS_clone3, ENOSYS),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 17),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_IP, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_IPV6, 6, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 35 /* IP_ADD_MEMBERSHIP */, 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 39 /* IP_ADD_SOURCE_MEMBERSHIP */, 9, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 42 /* MCAST_JOIN_GROUP */, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 46 /* MCAST_JOIN_SOURCE_GROUP */, 7, 6),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 20 /* IPV6_JOIN_GROUP */, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 27 /* IPV6_JOIN_ANYCAST */, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 32 /* IPV6_FLOWLABEL_MGR */, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 42, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 46, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
      // Any new namespace, or a child for the parent to reap.
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x7E020080u | CLONE_PARENT, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog prog = {.len = sizeof program / sizeof *program, .filter = (struct sock_filter *)(uintptr_t)program};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) ? -ST_FILTER : 0;
}

void mc_lock_process(void) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int mc_become(uid_t uid, gid_t gid) {
  return setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid) ? -1 : 0;
}

int mc_syncfs(int fd) { return syncfs(fd); }
