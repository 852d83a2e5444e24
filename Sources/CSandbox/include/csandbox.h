#pragma once
// The steps that build a sandbox and its PID 1, for the privileged helper. Everything from the clone on is C: between
// clone and exec no Swift may run, and PID 1 is a copy of the helper that never returns to it.
#include "cchild.h"
#include <linux/filter.h>
#include <sys/epoll.h>
#include <sys/types.h>

enum csb_op_kind {
  CSB_BIND = 1, // source, target; read-only, nosuid, nodev
  CSB_TMPFS,    // target, source = options; nosuid, nodev
  CSB_DEV,      // target: tmpfs with null, zero, full, random, urandom and the usual links, then read-only
  CSB_PROC,     // target: the new PID namespace's own
  CSB_LAYERS,   // target; the package it is given for layers, if it is, as CSB_PACKAGE
  CSB_PACKAGE,  // source: digest, a folder below packages/ of the data directory; target; read-only as CSB_BIND
};
// One step of building the root, in order; targets are relative to the new root. A CSB_PACKAGE without a source takes the
// package it is given, a CSB_TMPFS without one the sandbox's ephemeral storage.
struct csb_op { int kind; const char *source, *target; };

// A runtime's root: a folder with the empty mount points and links, read-only, and what is mounted on it.
struct csb_root { const char *skeleton; const struct csb_op *ops; int op_count; };

// What all sandboxes have in common. The memory lives as long as the helper.
struct csb_spec {
  const struct csb_root *roots;
  int root_count;
  const char *mount_point;  // folder to build on, in the sandbox's own mount namespace
  const char *data;         // the data directory; it belongs to the unprivileged server
  struct sock_fprog template_filter, child_filter;
  uint32_t inner_uid, inner_gid;
  uint64_t file_size_limit;  // bytes, RLIMIT_FSIZE
  uint32_t open_files_limit; // RLIMIT_NOFILE
  uint32_t process_limit;    // RLIMIT_NPROC, 0: none, because a pids cgroup bounds them
  int memory_by_rlimit;      // no memory cgroup: each process's data is bounded by the memory size instead (RLIMIT_DATA)
  int rootless;              // all namespaces at once, as an ordinary user must
  char hostname[64];
};

struct csb_error { int32_t stage, error; };

// What a supervisor runs, in an environment that has extensions. Null-terminated; all text outlives it.
struct csb_programs {
  char **argv, **envp;                // the runtime's
  char **extensions, **extension_envp; // a path for each extension
};
// The descriptors that it finds open, besides its output, which is the runtime's.
enum { CSB_WORKER_FD = 3, CSB_SUPERVISOR_FD = 4, CSB_EXTENSION_LOG_FD = 5 };
// Becomes the supervisor: starts the extensions at once and the runtime when it is told to, reports each end, and ends with
// its socket. Everything that restricts a function is in force already.
__attribute__((noreturn)) void csb_supervise(const struct csb_programs *programs);

// Clones a PID 1 ahead of need. It waits on its helper socket (`helper` is its end) for MC_BECOME and builds its sandbox
// then: joining its cgroups, which can take the kernel 10 ms, is over before anybody waits for it. On success returns its
// pid and fills pidfd and sync.
pid_t csb_spawn(const struct csb_spec *spec, int helper, int *pidfd, int *sync);
// Waits up to `milliseconds` for the child's request for its uid map. 0, or an error with its stage.
int csb_await(int sync, int milliseconds, struct csb_error *error);
// Lets the child go on.
int csb_release(int sync);

// Builds the seccomp programs with libseccomp. The memory stays allocated for the life of the process.
int csb_build_filters(struct sock_fprog *template_filter, struct sock_fprog *child_filter);
// Answers the named system calls with ENOSYS in this process and all its descendants: landlock, clone3, mount_setattr,
// madv_populate (comma separated). For proving the fallbacks. Returns 0 or -errno; -EINVAL for an unknown name.
int csb_disable(const char *names);
// Landlock's ABI version, 0 where the kernel has none.
int csb_landlock_abi(void);

// Feature-test macros hide these from Swift.
enum { CSB_O_PATH = 010000000 };
int csb_new_mount_namespace(void);
// A detached read-only mount of the package with this digest, to be sent to a sandbox; -1 with errno. Needs Linux 5.12.
int csb_package_mount(const char *data, const char *digest);
const void *csb_find(const void *in, size_t length, const void *what, size_t what_length); // memmem

// --- functions' networks -------------------------------------------------------------------------------------------------

// A virtual Ethernet pair between the host and one network namespace.
struct csb_link {
  char name[16];              // of the host's end: "mt", four digits for the server, "-", the address, hexadecimal; the other is eth0
  uint32_t address, gateway;  // of the inner end, and what it sends everything to; in network order
  uint32_t group;             // that csb_links_remove knows it by
};
// NETLINK_ROUTE, listening to `groups` (RTMGRP_*; then it does not block), or -1 with errno.
int csb_route_socket(uint32_t groups);
enum { CSB_GROUP_LINKS = 1, CSB_GROUP_NETCONF = 1 << 23 };
// Makes the pair with one end in `netns`, with address, route and neighbour on both sides, both up and without IPv6.
// 0 or -errno; -EEXIST where the name or the address is somebody's, -EALREADY where the namespace has an eth0. Nothing is left
// of one that failed.
int csb_link_make(int route, int own_netns, int netns, const struct csb_link *link);
// Brings up the host's end of one that was taken down, with all it lost by that. 0 or -errno; -EEXIST where the address is
// somebody's by now.
int csb_link_raise(int route, const struct csb_link *link);
void csb_link_remove(int route, const char *name);
// Whether the kernel can make such pairs: 0 or -errno. Made in a namespace that ends at once.
int csb_link_probe(int own_netns);
// All of the group together are removed, taken down, or let forward. 0 or -errno.
int csb_links_remove(int route, uint32_t group);
int csb_links_down(int route, uint32_t group);
int csb_links_forward(int route, uint32_t group);
// A pair that is gone, of whichever server: the number in its name, and its address in host order.
struct csb_gone { uint32_t server, address; };
// Forwarding of the host, or of an interface that is no sandbox's, was switched; of them: the host's was switched off.
enum { CSB_FORWARDING_CHANGED = 1, CSB_FORWARDING_NONE = 2 };
// Reads what has come: pairs that are gone, and CSB_FORWARDING_*. Returns how many, or -errno; -ENOBUFS if some were lost.
int csb_link_events(int events, struct csb_gone *gone, int room, int *forwarding);

// Listens to changes of nftables' tables, and does not block; or -1 with errno.
int csb_rules_socket(void);
struct csb_rule_changes {
  uint32_t own;     // transactions that changed the table
  int is_own_open;  // the next one does, as far as it was read
  int filter;       // iptables' table was changed
};
// Adds what has come, of the table with this name for all protocols. 0 or -errno; -ENOBUFS if some were lost.
int csb_rule_events(int events, const char *table, struct csb_rule_changes *changes);

// Deletes the connections of those `count` addresses from `first` on (host order) that are marked. How many, or -errno.
int csb_connections_forget(uint32_t first, uint32_t count, const unsigned char *is_gone);
// Runs a program of the host's (words end with NULL, the first is its path) and waits. Its exit status, or -errno; output
// and errors, as far as there is room, come as text.
int csb_run(char *const *words, const char *input, char *output, size_t room);
