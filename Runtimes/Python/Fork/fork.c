// The template's fork server and the frame I/O of a worker.
//
// A copy is made with one raw clone(CLONE_PARENT | CLONE_NEWPID): the sandbox's PID 1 becomes its parent, reaps it and
// reports its end, and the copy is PID 1 of a PID namespace of its own. What libc's fork() would do besides is done here:
// atfork handlers, the thread's cached ID, the robust list.
#include "stable_abi.h"
#include "cchild.h"
#include "martlet_fork.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// --- atfork handlers -------------------------------------------------------------------------------------------------
// The library is preloaded, so libraries that call pthread_atfork register here first; a raw clone can then run their
// handlers as fork() would.
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

// --- the thread's cached ID ------------------------------------------------------------------------------------------
// glibc keeps the thread ID in its thread descriptor, where locks that know their owner read it. fork() has the kernel
// rewrite it; so must we. Its place is found by looking for the ID, and proven with a mutex that records its owner.
static pid_t *cached_tid;

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

static int find_cached_tid(void) {
  pid_t tid = (pid_t)syscall(SYS_gettid);
  char *descriptor = (char *)pthread_self();
  for (size_t at = 0; at < 2048; at += sizeof(pid_t)) {
    pid_t *candidate = (pid_t *)(descriptor + at);
    if (*candidate != tid) continue;
    // Only the true one changes what a lock records as its owner.
    *candidate = tid + 1;
    int moved = !owner_is_right();
    *candidate = tid;
    if (moved) { cached_tid = candidate; return 0; }
  }
  return -1;
}

// --- read-only files opened at import ----------------------------------------------------------------------------------
// A copy shares the open file description, so its offset, with the template and its siblings: each copy opens them anew.
struct held { int fd; off_t offset; int cloexec; };
static struct held held[256];
static int held_count = -1;

static void note_held(int control) {
  held_count = 0;
  DIR *d = opendir("/proc/self/fd");
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    int fd = atoi(e->d_name);
    struct stat st;
    if (e->d_name[0] == '.' || fd <= 3 || fd == control || fd == dirfd(d) || held_count == 256 || fstat(fd, &st)) continue;
    held[held_count++] = (struct held){fd, lseek(fd, 0, SEEK_CUR), fcntl(fd, F_GETFD)};
  }
  closedir(d);
}

static void reopen_held(void) {
  for (int i = 0; i < held_count; i++) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", held[i].fd);
    int fresh = open(path, O_RDONLY | O_CLOEXEC);
    if (fresh < 0) { close(held[i].fd); continue; }
    if (held[i].offset > 0) lseek(fresh, held[i].offset, SEEK_SET);
    dup3(fresh, held[i].fd, held[i].cloexec & FD_CLOEXEC ? O_CLOEXEC : 0);
    close(fresh);
  }
}

// --- prefault ----------------------------------------------------------------------------------------------------------
// The pages one pass of the runtime's own code dirties, learned in a copy that never sees a request. Each later copy
// breaks copy-on-write on them before its request arrives.
struct range { uintptr_t start; uint32_t pages; };
struct learned { uint32_t count, read_count; struct range ranges[1020], read[1020]; };
static struct learned *learned;
static int populate_works = 1;

static void learn_pages(struct learned *out) {
  FILE *maps = fopen("/proc/self/maps", "r");
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  static uint64_t entries[4096];
  char line[512];
  while (maps && pagemap >= 0 && fgets(line, sizeof line, maps)) {
    unsigned long start, end;
    char permissions[8];
    if (sscanf(line, "%lx-%lx %7s", &start, &end, permissions) != 3 || permissions[3] == 's' || strstr(line, "[v")) continue;
    int writable = permissions[1] == 'w';
    uint32_t *count = writable ? &out->count : &out->read_count;
    struct range *ranges = writable ? out->ranges : out->read;
    for (unsigned long at = start; at < end;) {
      size_t pages = (end - at) / 4096;
      if (pages > 4096) pages = 4096;
      if (pread(pagemap, entries, pages * 8, (off_t)(at / 4096 * 8)) != (ssize_t)(pages * 8)) break;
      for (size_t i = 0; i < pages; i++) {
        if (!(entries[i] >> 63) || (writable && !(entries[i] >> 56 & 1))) continue; // present; if written, by this process alone
        struct range *last = *count ? &ranges[*count - 1] : NULL;
        if (last && last->start + last->pages * 4096ul == at + i * 4096) last->pages++;
        else if (*count < 1020) ranges[(*count)++] = (struct range){at + i * 4096, 1};
      }
      at += pages * 4096;
    }
  }
  if (maps) fclose(maps);
  if (pagemap >= 0) close(pagemap);
}

static void prefault(void) {
  for (uint32_t i = 0; learned && i < learned->count; i++) {
    char *start = (char *)learned->ranges[i].start;
    if (populate_works && madvise(start, learned->ranges[i].pages * 4096ul, 23 /* MADV_POPULATE_WRITE */) == 0) continue;
    if (errno == EINVAL || errno == ENOSYS) populate_works = 0;
    if (populate_works) continue;
    for (uint32_t p = 0; p < learned->ranges[i].pages; p++) {
      volatile char *page = start + p * 4096ul;
      *page = *page;
    }
  }
}

// fork() leaves out the page tables of file mappings, so that each copy would fault in the interpreter's code again; it
// copies them where a mapping holds a page of the process's own. So one page of each is written with what it holds.
static void keep_file_pages(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  while (maps && fgets(line, sizeof line, maps)) {
    unsigned long start, end, inode;
    char permissions[8];
    if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &start, &end, permissions, &inode) != 4 || !inode || permissions[0] != 'r' ||
        permissions[1] == 'w' || permissions[3] == 's' || end - start < 8 * 4096) continue;
    int protection = PROT_READ | (permissions[2] == 'x' ? PROT_EXEC : 0);
    volatile char *page = (volatile char *)(end - 4096);
    // The whole of it, or the kernel would keep the written page as a mapping apart; executable all the while, since it may
    // be the code that runs.
    if (mprotect((void *)start, end - start, protection | PROT_WRITE)) continue;
    *page = *page;
    mprotect((void *)start, end - start, protection);
  }
  if (maps) fclose(maps);
}

static void learn(PyObject *rehearse) {
  keep_file_pages();
  struct learned *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return;
  PyOS_BeforeFork();
  pid_t pid = fork();
  if (pid == 0) {
    PyOS_AfterFork_Child();
    PyObject *r = PyObject_CallObject(rehearse, NULL);
    if (r) learn_pages(shared);
    _exit(0);
  }
  PyOS_AfterFork_Parent();
  int status;
  if (pid > 0) while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (pid > 0 && shared->count > 0 && shared->count <= 1020) {
    // A private copy: a mapping shared with request copies would be a channel between them.
    learned = mmap(NULL, sizeof *learned, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (learned == MAP_FAILED) learned = NULL;
    else memcpy(learned, shared, sizeof *learned), mprotect(learned, sizeof *learned, PROT_READ);
    // What only copies run is mapped here, too.
    for (uint32_t i = 0; i < shared->read_count && i < 1020; i++)
      madvise((void *)shared->read[i].start, shared->read[i].pages * 4096ul, 22 /* MADV_POPULATE_READ */);
  }
  munmap(shared, sizeof *shared);
}

// --- the fork server -----------------------------------------------------------------------------------------------------
static void refuse(int socket, const char *what) {
  dprintf(2, "martlet: a copy could not be isolated: %s: %s\n", what, strerror(errno));
  shutdown(socket, SHUT_RDWR);
  _exit(70);
}

static int write_all(int fd, struct iovec *io, int n) {
  while (n) {
    ssize_t w = writev(fd, io, n);
    if (w < 0) { if (errno == EINTR) continue; return -1; }
    while (n && (size_t)w >= io->iov_len) w -= io->iov_len, io++, n--;
    if (n) io->iov_base = (char *)io->iov_base + w, io->iov_len -= w;
  }
  return 0;
}

enum { FRAME_END = 19, FRAME_ERROR = 20 };

static int write_frame_bytes(int fd, int type, const char *bytes, size_t n) {
  struct { uint32_t length; uint8_t type, flags; uint16_t extra; } head = {(uint32_t)n, (uint8_t)type, 0, 0};
  struct rusage usage;
  // With an answer: the highest resident memory, MiB.
  if ((type == FRAME_END || type == FRAME_ERROR) && getrusage(RUSAGE_SELF, &usage) == 0) {
    long megabytes = (usage.ru_maxrss + 1023) / 1024;
    head.extra = (uint16_t)(megabytes > 0xFFFF ? 0xFFFF : megabytes);
  }
  struct iovec io[2] = {{&head, sizeof head}, {(void *)(uintptr_t)bytes, n}};
  return write_all(fd, io, n ? 2 : 1);
}

static void become_worker(int worker, int log, int net, const struct mc_setup *setup) {
  int r = mc_child_namespaces(setup, net);
  if (r == 0) { reopen_held(); r = mc_child_restrict(); }
  if (r == 0) r = mc_child_filter();
  if (r < 0) refuse(worker, mc_stage(r));
  dup2(log, 1), dup2(log, 2);
  if (worker != 3) dup3(worker, 3, O_CLOEXEC);
  if (worker > 3) close(worker);
  if (log > 3) close(log);
  if (net > 3) close(net);
  prefault();
}

// Apart from serve(), because the template is looked at from the moment on in which it says that it is ready: it must not
// have a folder open then.
static PyObject *prepare(PyObject *self, PyObject *args) {
  (void)self;
  int control;
  if (!PyArg_ParseTuple(args, "i", &control)) return NULL;
  if (find_cached_tid()) { PyErr_SetString(PyExc_OSError, "this C library keeps the thread ID where it cannot be found"); return NULL; }
  note_held(control);
  return Py_BuildValue("");
}

static PyObject *serve(PyObject *self, PyObject *args) {
  (void)self;
  int control;
  PyObject *rehearse = NULL;
  if (!PyArg_ParseTuple(args, "i|O", &control, &rehearse)) return NULL;
  if (held_count < 0) { PyErr_SetString(PyExc_OSError, "prepare() comes first"); return NULL; }
  close(3); // the template's own line to the server ends with init
  int rehearsed = rehearse == NULL, copies = 0;
  struct mc_message m;
  for (;;) {
    if (!rehearsed && copies) {
      struct pollfd p = {control, POLLIN, 0};
      if (poll(&p, 1, 0) == 0) { rehearsed = 1; learn(rehearse); }
    }
    int fds[3], n = 3;
    int r = mc_receive(control, &m, NULL, 0, fds, &n, 0);
    if (r <= 0) _exit(0);
    if (m.op != MC_COPY || n != 3) { for (int i = 0; i < n; i++) close(fds[i]); continue; }
    struct mc_setup setup = {(uint32_t)m.a, (uint32_t)m.b};

    PyOS_BeforeFork();
    for (int i = registered_count - 1; i >= 0; i--) if (registered[i].prepare) registered[i].prepare();
    long robust_length = 0;
    void *robust = NULL;
    syscall(SYS_get_robust_list, 0, &robust, &robust_length);
    long pid = syscall(SYS_clone, CLONE_PARENT | CLONE_NEWPID | CLONE_CHILD_SETTID | SIGCHLD, 0, 0, cached_tid, 0);
    if (pid == 0) {
      if (robust) syscall(SYS_set_robust_list, robust, robust_length);
      for (int i = 0; i < registered_count; i++) if (registered[i].child) registered[i].child();
      PyOS_AfterFork_Child();
      close(control);
      become_worker(fds[0], fds[1], fds[2], &setup);
      return Py_BuildValue("");
    }
    int error = errno;
    for (int i = 0; i < registered_count; i++) if (registered[i].parent) registered[i].parent();
    PyOS_AfterFork_Parent();
    for (int i = 0; i < 3; i++) close(fds[i]);
    struct mc_message answer = {.op = MC_COPIED, .slot = m.slot, .value = pid < 0 ? -error : (int32_t)pid};
    if (mc_send(control, &answer, NULL, NULL, 0)) _exit(0);
    if (pid > 0) copies++;
  }
}

// --- frames ------------------------------------------------------------------------------------------------------------
static PyObject *write_frame(PyObject *self, PyObject *args) {
  (void)self;
  int fd, type;
  PyObject *bytes;
  char *start;
  Py_ssize_t n;
  if (!PyArg_ParseTuple(args, "iiO", &fd, &type, &bytes) || PyBytes_AsStringAndSize(bytes, &start, &n)) return NULL;
  void *state = n > 4096 ? PyEval_SaveThread() : NULL;
  int r = write_frame_bytes(fd, type, start, (size_t)n), error = errno;
  if (state) PyEval_RestoreThread(state);
  errno = error;
  if (r) return PyErr_SetFromErrno(PyExc_OSError);
  return Py_BuildValue("");
}

static int read_exactly(int fd, char *to, size_t n) { // 1, 0 at end of stream, -1
  while (n) {
    ssize_t r = read(fd, to, n);
    if (r == 0) return 0;
    if (r < 0) { if (errno == EINTR) continue; return -1; }
    to += r, n -= (size_t)r;
  }
  return 1;
}

static PyObject *read_frame(PyObject *self, PyObject *args) {
  (void)self;
  int fd;
  if (!PyArg_ParseTuple(args, "i", &fd)) return NULL;
  struct { uint32_t length; uint8_t type, flags; uint16_t zero; } head;
  void *state = PyEval_SaveThread();
  int r = read_exactly(fd, (char *)&head, sizeof head), error = errno;
  PyEval_RestoreThread(state);
  errno = error;
  if (r < 0) return PyErr_SetFromErrno(PyExc_OSError);
  if (r == 0) return Py_BuildValue("");
  if (head.length > 64u << 20) { PyErr_SetString(PyExc_ValueError, "frame longer than 64 MiB"); return NULL; }
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, head.length);
  char *start;
  Py_ssize_t n;
  if (!bytes || PyBytes_AsStringAndSize(bytes, &start, &n)) return NULL;
  state = PyEval_SaveThread();
  r = read_exactly(fd, start, head.length), error = errno;
  PyEval_RestoreThread(state);
  errno = error;
  if (r <= 0) { Py_DecRef(bytes); return r < 0 ? PyErr_SetFromErrno(PyExc_OSError) : Py_BuildValue(""); }
  PyObject *result = Py_BuildValue("(iO)", (int)head.type, bytes);
  Py_DecRef(bytes);
  return result;
}

// The builtin compile() first makes the hundred types of the ast module, 2 ms of a cold start; this does not.
static PyObject *compile_source(PyObject *self, PyObject *args) {
  (void)self;
  PyObject *source;
  const char *path;
  char *start;
  // Without a place for the length a source with a NUL in it is refused.
  if (!PyArg_ParseTuple(args, "Os", &source, &path) || PyBytes_AsStringAndSize(source, &start, NULL)) return NULL;
  return Py_CompileString(start, path, 257 /* Py_file_input */);
}

static struct PyMethodDef methods[] = {
    {"compile_source", compile_source, METH_VARARGS, "compile_source(bytes, path) -> the code of a module."},
    {"prepare", prepare, METH_VARARGS, "prepare(control_fd): what serve() must know; to be called before READY is sent."},
    {"serve", serve, METH_VARARGS, "serve(control_fd, rehearse=None): fork copies on command; returns in a copy only, whose descriptor 3 is its socket."},
    {"read_frame", read_frame, METH_VARARGS, "read_frame(fd) -> (type, payload), or None at the end of the stream."},
    {"write_frame", write_frame, METH_VARARGS, "write_frame(fd, type, payload)"},
    {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {.base = {.refcount = 1}, .name = "martlet_fork", .size = -1, .methods = methods};
__attribute__((visibility("default"))) PyObject *PyInit_martlet_fork(void);
PyObject *PyInit_martlet_fork(void) { return PyModule_Create2(&module, 3 /* PYTHON_ABI_VERSION */); }
