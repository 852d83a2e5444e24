#include "internal.h"
#include "cchild.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// --- atfork handlers -------------------------------------------------------------------------------------------------
// A library of ours that is preloaded sees all that call pthread_atfork; a raw clone can then run their handlers as fork()
// would.
struct handlers { void (*prepare)(void), (*parent)(void), (*child)(void); };
static struct handlers registered[64];
static int registered_count;

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso) {
  static int (*next)(void (*)(void), void (*)(void), void (*)(void), void *);
  if (!next) *(void **)&next = dlsym(RTLD_NEXT, "__register_atfork");
  if (registered_count < 64) registered[registered_count++] = (struct handlers){prepare, parent, child};
  return next ? next(prepare, parent, child, dso) : 0;
}

// --- copies ------------------------------------------------------------------------------------------------------------
static const struct cf_runtime *runtime;

// A process like this one: 0 in it, its ID here, or -1.
static long clone_process(unsigned long flags) {
  if (runtime->before) runtime->before();
  // Of a whole process no lock is held by a thread that would be missing.
  if (!runtime->whole) for (int i = registered_count - 1; i >= 0; i--) if (registered[i].prepare) registered[i].prepare();
  long robust_length = 0;
  void *robust = NULL;
  syscall(SYS_get_robust_list, 0, &robust, &robust_length);
  long pid = syscall(SYS_clone, flags | CLONE_CHILD_SETTID | SIGCHLD, 0, 0, cf_cached_tid, 0);
  int error = errno;
  if (pid == 0 && robust) syscall(SYS_set_robust_list, robust, robust_length);
  for (int i = 0; !runtime->whole && i < registered_count; i++) {
    void (*handler)(void) = pid == 0 ? registered[i].child : registered[i].parent;
    if (handler) handler();
  }
  void (*after)(void) = pid == 0 ? runtime->after_in_copy : runtime->after_in_template;
  if (after) after();
  errno = error;
  return pid;
}

// An ordinary child, to learn from.
static int clone_for_learning(void) {
  long pid = clone_process(0);
  if (pid == 0 && (cf_renew_descriptors() || (runtime->whole && cf_resume_threads()))) _exit(1);
  return (int)pid;
}

static void refuse(int socket, const char *what) {
  dprintf(2, "martlet: a copy could not be isolated: %s: %s\n", what, strerror(errno));
  shutdown(socket, SHUT_RDWR);
  _exit(70);
}

static void become_worker(int worker, int log, int net, const struct mc_setup *setup) {
  int r = mc_child_namespaces(setup, net);
  if (r < 0) refuse(worker, mc_stage(r));
  // First its own output: an epoll descriptor that watches it must watch this.
  dup2(log, 1), dup2(log, 2);
  if (cf_renew_descriptors()) refuse(worker, "descriptors of its own");
  if ((r = mc_child_restrict()) == 0) r = mc_child_filter();
  if (r < 0) refuse(worker, mc_stage(r));
  if (worker != 3) dup3(worker, 3, O_CLOEXEC);
  if (worker > 3) close(worker);
  if (log > 3) close(log);
  if (net > 3) close(net);
  cf_prefault();
  if (runtime->whole && cf_resume_threads()) refuse(3, "going on with its threads");
}

const char *cf_prepare(int control, int whole) {
  if (cf_find_cached_tid()) return "this C library keeps the thread ID where it cannot be found";
  if (!whole) {
    // What cannot be noted is more than the audit allows.
    cf_note_descriptors(control, 0);
    return NULL;
  }
  const char *problem = cf_park_threads();
  if (!problem) problem = cf_note_descriptors(control, 1);
  cf_mark_for_fork();
  // The audit looks from outside: this it finds, and reports by its name.
  if (problem && syscall(SYS_memfd_create, problem, 1 /* MFD_CLOEXEC */) < 0) return problem;
  return NULL;
}

void cf_serve(int control, const struct cf_runtime *of) {
  runtime = of;
  int rehearsed = runtime->rehearse == NULL, copies = 0;
  struct mc_message m;
  for (;;) {
    if (!rehearsed && copies) {
      struct pollfd p = {control, POLLIN, 0};
      if (poll(&p, 1, 0) == 0) { rehearsed = 1; cf_learn(runtime, clone_for_learning); }
    }
    int fds[3], n = 3;
    int r = mc_receive(control, &m, NULL, 0, fds, &n, 0);
    if (r <= 0) _exit(0);
    if (m.op != MC_COPY || n != 3) { for (int i = 0; i < n; i++) close(fds[i]); continue; }
    struct mc_setup setup = {(uint32_t)m.a, (uint32_t)m.b};
    long pid = clone_process(CLONE_PARENT | CLONE_NEWPID);
    if (pid == 0) {
      close(control);
      become_worker(fds[0], fds[1], fds[2], &setup);
      return;
    }
    int error = errno;
    for (int i = 0; i < 3; i++) close(fds[i]);
    struct mc_message answer = {.op = MC_COPIED, .slot = m.slot, .value = pid < 0 ? -error : (int32_t)pid};
    if (mc_send(control, &answer, NULL, NULL, 0)) _exit(0);
    if (pid > 0) copies++;
  }
}

// --- frames ------------------------------------------------------------------------------------------------------------
static int write_all(int fd, struct iovec *io, int n) {
  while (n) {
    ssize_t w = writev(fd, io, n);
    if (w < 0) { if (errno == EINTR) continue; return -1; }
    while (n && (size_t)w >= io->iov_len) w -= io->iov_len, io++, n--;
    if (n) io->iov_base = (char *)io->iov_base + w, io->iov_len -= w;
  }
  return 0;
}

int cf_write_frame(int fd, int type, const void *bytes, size_t n) {
  struct { uint32_t length; uint8_t type, flags; uint16_t extra; } head = {(uint32_t)n, (uint8_t)type, 0, 0};
  struct rusage usage;
  // With an answer: the highest resident memory, MiB.
  if ((type == CF_FRAME_END || type == CF_FRAME_ERROR) && getrusage(RUSAGE_SELF, &usage) == 0) {
    long megabytes = (usage.ru_maxrss + 1023) / 1024;
    head.extra = (uint16_t)(megabytes > 0xFFFF ? 0xFFFF : megabytes);
  }
  struct iovec io[2] = {{&head, sizeof head}, {(void *)(uintptr_t)bytes, n}};
  return write_all(fd, io, n ? 2 : 1);
}

int cf_read_exactly(int fd, void *to, size_t n) {
  while (n) {
    ssize_t r = read(fd, to, n);
    if (r == 0) return 0;
    if (r < 0) { if (errno == EINTR) continue; return -1; }
    to = (char *)to + r, n -= (size_t)r;
  }
  return 1;
}
