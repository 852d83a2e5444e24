// What a raw clone has to know of threads: the cached ID of the one that clones, and how all others come along.
//
// A thread is parked by a signal whose handler notes where it is and ends the kernel's thread, but not the C library's: its
// stack, its thread-local storage and its descriptor stay. A copy makes a kernel thread for each and lets it return from the
// handler, as if it had been stopped and let go on. Nothing is assumed of what a thread was doing, because nothing else runs
// meanwhile but the fork server, which takes no lock.
#include "internal.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// --- the thread's cached ID ------------------------------------------------------------------------------------------
// glibc keeps the thread ID in its thread descriptor, where locks that know their owner read it. fork() has the kernel
// rewrite it; so must we. Its place is found by looking for the ID, and proven with a mutex that records its owner.
pid_t *cf_cached_tid;

static int owner_is_right(void) {
  pthread_mutex_t mutex;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutex_lock(&mutex);
  int right = mutex.__data.__owner == (int)syscall(SYS_gettid);
  pthread_mutex_unlock(&mutex);
  pthread_mutex_destroy(&mutex);
  pthread_mutexattr_destroy(&attributes);
  return right;
}

int cf_find_cached_tid(void) {
  pid_t tid = (pid_t)syscall(SYS_gettid);
  char *descriptor = (char *)pthread_self();
  for (size_t at = 0; at < 2048; at += sizeof(pid_t)) {
    pid_t *candidate = (pid_t *)(descriptor + at);
    if (*candidate != tid) continue;
    // Only the true one changes what a lock records as its owner.
    *candidate = tid + 1;
    int moved = !owner_is_right();
    *candidate = tid;
    if (moved) { cf_cached_tid = candidate; return 0; }
  }
  return -1;
}

// --- parking -----------------------------------------------------------------------------------------------------------
#if defined(__x86_64__)

// The C library's own signal for changing the user of all threads: no thread can block it, and no program handles it.
enum { PARK_SIGNAL = 33, MOST_THREADS = 128 };
struct parked {
  void *place[5]; // __builtin_setjmp
  char *self;     // the C library's descriptor, which is the thread pointer
  void *robust;
  size_t robust_length;
};
static struct parked parked[MOST_THREADS];
static atomic_int parked_count;
static ptrdiff_t tid_offset, rseq_offset;

__attribute__((noinline)) static void park(int signal) {
  (void)signal;
  int error = errno, index = atomic_fetch_add(&parked_count, 1);
  if (index >= MOST_THREADS) { atomic_fetch_sub(&parked_count, 1); return; }
  struct parked *volatile p = &parked[index];
  p->self = (char *)pthread_self();
  p->robust = NULL;
  syscall(SYS_get_robust_list, 0, &p->robust, &p->robust_length);
  if (__builtin_setjmp(p->place) == 0) {
    // The kernel must not tell anybody of this end: no robust lock is lost, no join succeeds.
    syscall(SYS_set_robust_list, NULL, 3 * sizeof(void *));
    syscall(SYS_set_tid_address, NULL);
    for (;;) syscall(SYS_exit, 0);
  }
  if (p->robust) syscall(SYS_set_robust_list, p->robust, p->robust_length);
  if (rseq_offset) syscall(SYS_rseq, p->self + rseq_offset, 32, 0, 0x53053053);
  errno = error;
}

static int go_on(void *from) {
  struct parked *p = from;
  __builtin_longjmp(p->place, 1);
}

void cf_signal_return(void);
__asm__(".text\n.hidden cf_signal_return\n.globl cf_signal_return\ncf_signal_return: mov $15, %eax\nsyscall\n");
struct kernel_action { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long mask; };

// Signals every thread but this one that was not signalled yet. How many there are.
static int signal_others(pid_t *signalled, int *signalled_count) {
  char buffer[4096];
  pid_t process = (pid_t)syscall(SYS_getpid), own = (pid_t)syscall(SYS_gettid);
  int others = 0, d = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d < 0) return -1;
  for (long n; (n = syscall(SYS_getdents64, d, buffer, sizeof buffer)) > 0;) {
    struct entry { uint64_t inode; int64_t next; uint16_t size; uint8_t type; char name[]; } *e;
    for (long at = 0; at < n; at += e->size) {
      e = (struct entry *)(void *)(buffer + at);
      pid_t tid = atoi(e->name);
      if (tid <= 0 || tid == own) continue;
      others++;
      int known = 0;
      for (int i = 0; i < *signalled_count; i++) known |= signalled[i] == tid;
      if (known || *signalled_count == MOST_THREADS) continue;
      signalled[(*signalled_count)++] = tid;
      syscall(SYS_tgkill, process, tid, PARK_SIGNAL);
    }
  }
  close(d);
  return others;
}

const char *cf_park_threads(void) {
  static pid_t signalled[MOST_THREADS];
  int signalled_count = 0, left;
  tid_offset = (char *)cf_cached_tid - (char *)pthread_self();
  ptrdiff_t *offset = dlsym(RTLD_DEFAULT, "__rseq_offset");
  unsigned *size = dlsym(RTLD_DEFAULT, "__rseq_size");
  rseq_offset = offset && size && *size ? *offset : 0;
  struct kernel_action action = {park, SA_RESTART | 0x04000000 /* SA_RESTORER */, cf_signal_return, ~0ul}, before;
  if (syscall(SYS_rt_sigaction, PARK_SIGNAL, &action, &before, 8)) return "its threads cannot be stopped";
  for (int tries = 0; (left = signal_others(signalled, &signalled_count)) > 0 && tries < 10000; tries++)
    nanosleep(&(struct timespec){0, 50000}, NULL);
  syscall(SYS_rt_sigaction, PARK_SIGNAL, &before, NULL, 8);
  return left ? "one of its threads cannot be stopped" : NULL;
}

int cf_resume_threads(void) {
  static const unsigned long all = ~0ul;
  unsigned long mask;
  // Until it is back where it was, a thread has no mask of its own.
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &mask, 8);
  int failed = 0;
  for (int i = 0; i < parked_count && !failed; i++) {
    struct parked *p = &parked[i];
    pid_t *tid = (pid_t *)(void *)(p->self + tid_offset);
    // Starts a little below where it stopped, on its own stack.
    char *stack = (char *)(((uintptr_t)p->place[2] - 1024) & ~15ul);
    failed = clone(go_on, stack,
                   CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                       CLONE_CHILD_CLEARTID,
                   p, tid, p->self, tid) < 0;
  }
  int error = errno;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
  errno = error;
  return failed ? -1 : 0;
}

#else

// They stay, are found by the audit, and the function is not copied.
const char *cf_park_threads(void) { return NULL; }
int cf_resume_threads(void) { return 0; }

#endif
