/* Waiting for a lock: see locks.c. */
#ifndef BELLJAR_LOCKS_H
#define BELLJAR_LOCKS_H

#include <Python.h>

/* on_wait(function): sets what is called, with the seconds that are left or
 * None, when somebody has to wait for a lock. */
PyObject *locks_on_wait(PyObject *module, PyObject *function);

#endif
