#pragma once
// What a request's process does to itself between its creation and the first byte of user code it runs.
// Shared by PID 1 of a sandbox (environments that exec) and by the fork library in a template (copies).
// Nothing here allocates, takes a lock or returns to Swift.
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h> // Swift's view of the C library lacks it
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// A fixed-size message between init and the server, the helper or the template. Little more than an operation and a
// slot; `length` payload bytes follow on stream sockets. Descriptors travel with the first byte.
struct mc_message {
  uint32_t op;
  uint32_t slot;
  int32_t value;
  uint32_t length;
  uint64_t a, b, c, d;
};
_Static_assert(sizeof(struct mc_message) == 48, "wire format");

enum mc_op {
  // server -> init
  MC_START_TEMPLATE = 1, // payload: argv and environment block; fds: worker socket, log pipe
  MC_FORK = 2,           // fds: worker socket, log pipe
  MC_EXEC = 3,           // payload: argv and environment block; value: MC_EXEC_* flags; fds: [worker socket], with MC_EXEC_EXTENSIONS the
                         // supervisor's socket and the extensions' log pipe, log pipe. With MC_EXEC_EXTENSIONS the first a bytes
                         // of the payload are the runtime's block, the rest is another: the extensions' paths and environment
  MC_KILL = 4,           // slot or MC_TEMPLATE_SLOT
  MC_AUDIT = 5,          // value: MC_AUDIT_* flags
  MC_KILL_LARGEST = 6,   // the slot's largest process, if its anonymous memory is above a bytes: the memory size was passed
                         // without reaching the slot's own limit
  MC_TERMINATE = 7,      // SIGTERM to the slot's first process; MC_KILL follows where it does not end by itself
  MC_SOCKET = 12,        // a TCP socket of the slot's network namespace is wanted
  // helper -> init
  MC_SLOT = 16,          // slot; value: number of cgroup.procs fds; fds: those, then [peak], [oom] (b: bit 0, bit 1)
  MC_END = 17,
  MC_BECOME = 18,        // slot: index of the root; a: ephemeral storage MB; b: its inodes; c: memory MB; d: MC_BECOME_* flags; payload: the package's digest, or none;
                         // fds: server channel, descriptor channel, log pipe, [cgroup.procs of init's own cgroup]
  MC_PACKAGE = 19,       // a spare gets its function; a: 1 if its network namespaces get a way out; fds: a detached read-only mount of its package
  MC_CONNECTED = 20,     // slot: number of the question; value: 0 or errno: the namespace has a way out
  // init -> server
  MC_STARTED = 32,       // slot's process exists and is in its cgroups; a: number of its network namespace
  MC_EXITED = 33,        // value: wait status; a: CPU microseconds by rusage; b: max RSS KiB; c: bit 0 = out of memory, above bit 8 the errno of an exec that failed
  MC_FAILED = 34,        // value: errno, b: stage
  MC_AUDITED = 35,       // a: findings bit set (mc_finding); b: CPU microseconds of init; c: anonymous memory KiB; payload: one line of text
  MC_LISTENER = 36,      // slot's Runtime API socket waits on the descriptor channel; MC_TEMPLATE_SLOT's tells only that somebody asks
  MC_UP = 37,            // to the helper: init runs
  MC_ASSIGNED = 38,      // the package is at /var/task; value: 0 or errno, b: stage
  MC_CALLBACK = 39,      // the listener of network namespace number `slot`, for calls to the server, waits on the descriptor channel
  MC_CALLBACK_OVER = 40, // that network namespace is not used any more: its listener is to be closed
  MC_CONNECT = 41,       // to the helper: this network namespace wants a way out; slot: number of the question; fds: the namespace
  MC_SOCKET_MADE = 44,   // slot; value: 0, then it waits on the descriptor channel, or errno
  // server -> supervisor of an environment with extensions, and back. slot: 0 for the runtime, from 1 on for extensions
  MC_RUN = 56,           // the runtime may be started
  MC_SIGNAL = 57,        // value: the signal
  MC_ENDED = 58,         // value: wait status; a: errno of an exec that failed; b: max RSS KiB
  // init -> template and back
  MC_COPY = 48,          // fds: worker socket, log pipe, network namespace
  MC_COPIED = 49,        // value: the copy's pid in the sandbox's PID namespace, or -errno
};
#define MC_TEMPLATE_SLOT 0xFFFFFFFFu
enum { MC_MAX_SLOTS = 1024, MC_MAX_PAYLOAD = 65536, MC_MAX_FDS = 12 };
enum { MC_EXEC_LISTENER = 1, MC_EXEC_EXTENSIONS = 2 };
// Lambda allows ten; a supervisor is not asked to start more.
enum { MC_MAX_EXTENSIONS = 10 };
enum { MC_BECOME_SPARE = 1, MC_BECOME_CONNECTED = 2 }; // no function yet; network namespaces get a way out
// Ports on 127.0.0.1 of each network namespace: Lambda's Runtime API, where there is one, and the server's API.
enum { MC_RUNTIME_API_PORT = 9001, MC_CALLBACK_PORT = 9002 };
enum mc_audit {
  MC_AUDIT_MEASURE = 1, // only what init took
  MC_AUDIT_WHOLE = 2,   // the runtime makes pipes, eventfds and epoll descriptors anew in each copy
};
enum mc_finding {
  MC_FOUND_THREADS = 1, MC_FOUND_CHILDREN = 2, MC_FOUND_SHARED_MEMORY = 4, MC_FOUND_DESCRIPTOR = 8, MC_FOUND_SYSV = 16,
  MC_FOUND_TMP_FILES = 32, MC_FOUND_UNREADABLE = 64,
};

// Sends one message with its payload and descriptors; retries EINTR and, on a non-blocking stream, short writes of the
// payload by polling. Returns 0 or -errno (-EAGAIN only if nothing was sent).
int mc_send(int socket, const struct mc_message *m, const void *payload, const int *fds, int nfds);
// Receives exactly one message header and its descriptors (close-on-exec), then its payload.
// Returns 1, 0 at end of stream, -errno. Surplus descriptors are closed.
int mc_receive(int socket, struct mc_message *m, void *payload, size_t capacity, int *fds, int *nfds, int flags);

struct mc_setup {
  uint32_t tmp_megabytes;
  uint32_t tmp_inodes;
};

// Namespaces, private /tmp and /proc. Needs CAP_SYS_ADMIN in the own user namespace. Returns 0 or a negative stage with errno set.
int mc_child_namespaces(const struct mc_setup *setup, int netns);
// Drops every capability, then Landlock (writes only below /tmp and /dev; abstract sockets and signals only within), in
// this order because Landlock forbids mounts. A kernel without Landlock goes on without.
int mc_child_restrict(void);
// Filter 2: stacked on the sandbox's allow-list, denies what child set-up itself needed.
int mc_child_filter(void);
// syncfs(2), which Swift's view of the C library lacks.
int mc_syncfs(int fd);
// A stage's name for messages; init's own stages (init.c lists them in this order) begin at MC_INIT_STAGES.
enum { MC_INIT_STAGES = 100 };
const char *mc_stage(int stage);

// For the network-facing server after its change of user: no new privileges, no core dumps with secrets in them, no
// other process of the same user looking inside.
void mc_lock_process(void);
// Becomes the user for good, without supplementary groups, in all threads. 0 or -1 with errno.
int mc_become(uid_t uid, gid_t gid);

#ifdef __cplusplus
}
#endif
