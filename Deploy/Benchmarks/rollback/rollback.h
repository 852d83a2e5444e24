#pragma once
// Brings a process that served one request back to what it was before, or says why that cannot be known to have worked.
// The tracer is the parent; it holds CAP_SYS_PTRACE over the process or has its uid, and runs no user code.
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

enum rb_stage { RB_STOP, RB_MAPS, RB_PAGEMAP, RB_ZERO, RB_STATUS, RB_FDS, RB_FILES, RB_UNDO, RB_WRITE, RB_REGS, RB_RESUME, RB_STAGES };
extern const char *const rb_stage_names[RB_STAGES];

// To show that the checker sees what a check is for: leaves it out.
enum { RB_BLIND_PAGES = 1, RB_BLIND_ZERO = 2, RB_BLIND_CALLS = 4, RB_BLIND_MAPS = 8, RB_BLIND_STATUS = 16, RB_BLIND_FDS = 32, RB_BLIND_XSTATE = 64, RB_BLIND_FLAGS = 128 };
extern int rb_blind;

enum { RB_VMAS = 2048, RB_FDS_MAX = 64, RB_REACH = 1024 };
struct rb_vma { unsigned long start, end; int writable, readable, anonymous, special; size_t first; const char *rest; size_t rest_length; };
struct rb_maps { char text[262144]; size_t length; struct rb_vma v[RB_VMAS]; int count; };
struct rb_watch { unsigned long start; size_t pages, first; int anonymous; };
struct rb_pages { unsigned long *at; char *bytes; size_t count, room; };

struct rb {
  pid_t pid;
  int pidfd, listener, maps_fd, pagemap_fd, status_fd, fd_folder, tmp_fd, mem_fd, hiwater_fd, children_fd;
  struct rb_maps before, now;
  unsigned char *classes;      // of each page of `before`
  size_t pages, watch_count, all_count;
  struct rb_watch *watch, *all;      // what has to be looked at
  struct rb_pages own, locked, inherited; // written back each time; its own, but read-only; what else was there, for pages that turn out to be needed
  struct user_regs_struct regs;
  unsigned long syscall_at, brk;
  char xstate[16384];
  size_t xstate_length;
  uint64_t mask;
  char status[4096];
  struct { int number, held; long position; int flags; char info[256]; int info_fd; } fds[RB_FDS_MAX];
  int fd_count;
  unsigned char tmp_state[128], cwd_state[32];
  int tainted, brk_moved, everywhere;      // by calls of this request
  int taint_call;              // the first
  int keep_inherited;          // whether pages outside `own` may be brought back (costs their memory)
  int undone_pages, grown_pages, undone_maps; // of the last rollback
  char why[256];
  uint64_t ns[RB_STAGES];
  int checks;                  // 0: only what is needed to write back
};

// `w` is stopped for the time of the call; it should wait in a system call that can be restarted. 0 or -1 (why).
int rb_snapshot(struct rb *r, pid_t w, int keep_inherited);
// Between: answers what the process waits for in the listener, and notes what it did.
void rb_notified(struct rb *r);
// Stops the process, checks, writes back. 0: as before and stopped (rb_resume lets it go on). -1: unknown (why), to be killed.
int rb_back(struct rb *r);
int rb_resume(struct rb *r);
void rb_free(struct rb *r);
// For the checker: a call in the stopped process; the process's memory.
long rb_inject(struct rb *r, long call, long a, long b, long c, long d, long e, long f);
int rb_read(struct rb *r, unsigned long at, void *to, size_t n);
int rb_stop(struct rb *r);
int rb_registers(struct rb *r);
