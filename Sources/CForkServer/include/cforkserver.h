#pragma once
// The template's half of making copies, whatever the runtime: a loop that clones the process on command, and what makes a
// clone a worker of its own. One raw clone(CLONE_PARENT | CLONE_NEWPID) makes a copy: the sandbox's PID 1 becomes its
// parent, reaps it and reports its end, and the copy is PID 1 of a PID namespace of its own.
#include <stddef.h>
#include <stdint.h>

struct cf_runtime {
  // The runtime's own preparation around a fork; any may be NULL.
  void (*before)(void), (*after_in_template)(void), (*after_in_copy)(void);
  // What each copy does whatever the function is: run once in a process that never sees a request, so that the pages it
  // writes to are known. NULL: nothing is learned.
  void (*rehearse)(void);
  // Copies are whole: threads come along (cf_prepare parks them), and pipes, eventfds and epoll descriptors are made anew.
  int whole;
  // Its executable is so large that copies are better off without the pages of it that start-up mapped.
  int is_large;
};

// Before the first copy. Returns NULL, or why this process cannot be copied. With `whole`, every other thread is stopped
// where it is and its kernel thread ends: the template has one thread, each copy has them all again.
const char *cf_prepare(int control, int whole);
// Copies on command; returns in a copy only, whose descriptor 3 is its socket.
void cf_serve(int control, const struct cf_runtime *runtime);

// Frames of the worker protocol (Runtimes/Python/README.md). 0 or -1 with errno.
enum { CF_FRAME_READY = 16, CF_FRAME_END = 19, CF_FRAME_ERROR = 20 };
int cf_write_frame(int fd, int type, const void *bytes, size_t n);
int cf_read_exactly(int fd, void *to, size_t n); // 1, 0 at end of stream, -1
