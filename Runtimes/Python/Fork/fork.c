// CPython's side of the fork server (Sources/CForkServer), and the frame I/O of a worker.
#include "stable_abi.h"
#include "cforkserver.h"
#include "martlet_fork.h"
#include <errno.h>
#include <unistd.h>

static PyObject *rehearsal;

static void rehearse(void) {
  if (!PyObject_CallObject(rehearsal, NULL)) _exit(1);
}

// Apart from serve(), because the template is looked at from the moment on in which it says that it is ready: it must not
// have a folder open then.
static int is_prepared;
static PyObject *prepare(PyObject *self, PyObject *args) {
  (void)self;
  int control;
  if (!PyArg_ParseTuple(args, "i", &control)) return NULL;
  const char *problem = cf_prepare(control, 0);
  if (problem) { PyErr_SetString(PyExc_OSError, problem); return NULL; }
  is_prepared = 1;
  return Py_BuildValue("");
}

static PyObject *serve(PyObject *self, PyObject *args) {
  (void)self;
  int control;
  if (!PyArg_ParseTuple(args, "i|O", &control, &rehearsal)) return NULL;
  if (!is_prepared) { PyErr_SetString(PyExc_OSError, "prepare() comes first"); return NULL; }
  close(3); // the template's own line to the server ends with init
  static struct cf_runtime runtime = {PyOS_BeforeFork, PyOS_AfterFork_Parent, PyOS_AfterFork_Child, NULL, 0, 0};
  if (rehearsal) runtime.rehearse = rehearse;
  cf_serve(control, &runtime);
  return Py_BuildValue("");
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
  int r = cf_write_frame(fd, type, start, (size_t)n), error = errno;
  if (state) PyEval_RestoreThread(state);
  errno = error;
  if (r) return PyErr_SetFromErrno(PyExc_OSError);
  return Py_BuildValue("");
}

static PyObject *read_frame(PyObject *self, PyObject *args) {
  (void)self;
  int fd;
  if (!PyArg_ParseTuple(args, "i", &fd)) return NULL;
  struct { uint32_t length; uint8_t type, flags; uint16_t zero; } head;
  void *state = PyEval_SaveThread();
  int r = cf_read_exactly(fd, (char *)&head, sizeof head), error = errno;
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
  r = cf_read_exactly(fd, start, head.length), error = errno;
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
