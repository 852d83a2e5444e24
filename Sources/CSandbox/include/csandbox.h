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
