/* Waiting for a lock where there is one thread of execution.
 *
 * Whoever has to wait asks `_belljar.threads`, which lets other threads of the
 * program go on, or raises an error when none of them can.
 */
#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE 1
#include <Python.h>

#include "internal/pycore_lock.h"
#include "internal/pycore_time.h"

#include "locks.h"

static PyObject *wait_function;

PyObject *
locks_on_wait(PyObject *Py_UNUSED(module), PyObject *function)
{
    Py_XSETREF(wait_function, Py_NewRef(function));
    Py_RETURN_NONE;
}

PyLockStatus __real__PyMutex_LockTimed(PyMutex *lock, PyTime_t timeout, _PyLockFlags flags);

/* What `acquire` of a lock calls. `timeout` is in nanoseconds, negative when
 * there is none. */
PyLockStatus
__wrap__PyMutex_LockTimed(PyMutex *lock, PyTime_t timeout, _PyLockFlags flags)
{
    PyTime_t end = 0;
    for (;;) {
        PyLockStatus status = __real__PyMutex_LockTimed(lock, 0, flags);
        if (status == PY_LOCK_ACQUIRED || timeout == 0 || wait_function == NULL) {
            return status;
        }
        PyObject *waited;
        if (timeout < 0) {
            waited = PyObject_CallOneArg(wait_function, Py_None);
        }
        else {
            if (end == 0) {
                end = _PyDeadline_Init(timeout);
            }
            PyTime_t left = _PyDeadline_Get(end);
            if (left <= 0) {
                return PY_LOCK_FAILURE;
            }
            waited = PyObject_CallFunction(wait_function, "d", (double)left / 1e9);
        }
        if (waited == NULL) {
            /* The caller returns with the exception that is set. */
            return PY_LOCK_INTR;
        }
        Py_DECREF(waited);
    }
}
