/* Calls to the host: see calls.c. */
#ifndef BELLJAR_CALLS_H
#define BELLJAR_CALLS_H

#include <Python.h>

PyObject *call_begin(PyObject *module, PyObject *args);
PyObject *call_wait(PyObject *module, PyObject *left);

#endif
