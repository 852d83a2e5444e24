#pragma once
// The few names of CPython's stable ABI (PEP 384, PEP 652) that the module uses, declared here so that neither a compiler
// nor headers of any Python version are needed where functions are deployed.
#include <stddef.h>
#include <sys/types.h>

typedef struct PyObject PyObject;
typedef PyObject *(*PyCFunction)(PyObject *, PyObject *);
typedef ssize_t Py_ssize_t;
struct PyMethodDef { const char *name; PyCFunction method; int flags; const char *doc; };
struct PyModuleDef_Base { Py_ssize_t refcount; void *type; PyObject *(*init)(void); Py_ssize_t index; PyObject *copy; };
struct PyModuleDef {
  struct PyModuleDef_Base base; const char *name; const char *doc; Py_ssize_t size; struct PyMethodDef *methods;
  void *slots, *traverse, *clear, *free;
};
enum { METH_VARARGS = 1 };
PyObject *PyModule_Create2(struct PyModuleDef *, int);
int PyArg_ParseTuple(PyObject *, const char *, ...);
PyObject *Py_BuildValue(const char *, ...);
PyObject *PyBytes_FromStringAndSize(const char *, Py_ssize_t);
int PyBytes_AsStringAndSize(PyObject *, char **, Py_ssize_t *);
PyObject *Py_CompileString(const char *, const char *, int);
PyObject *PyObject_CallObject(PyObject *, PyObject *);
PyObject *PyErr_SetFromErrno(PyObject *);
void PyErr_Clear(void);
PyObject *PyErr_NoMemory(void);
void PyErr_SetString(PyObject *, const char *);
extern PyObject *PyExc_OSError, *PyExc_ValueError;
void Py_IncRef(PyObject *);
void Py_DecRef(PyObject *);
void PyOS_BeforeFork(void);
void PyOS_AfterFork_Parent(void);
void PyOS_AfterFork_Child(void);
void *PyEval_SaveThread(void);
void PyEval_RestoreThread(void *);
