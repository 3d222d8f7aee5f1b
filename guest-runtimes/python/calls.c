/* Calls to the host, as ../README.md describes them. What they mean is the
 * business of `session/calls.py`. */
#define PY_SSIZE_T_CLEAN
#include "calls.h"
#include <errno.h>
#include <stdint.h>
#include <wasi/api.h>

#define HOST(name) __attribute__((import_module("belljar"), import_name(#name))) extern

HOST(call_begin) int32_t
host_call_begin(const char *name, uint32_t name_size, const char *bytes, uint32_t size);
HOST(call_wait) int32_t
host_call_wait(int64_t timeout, uint32_t told[3]);
HOST(call_take) int32_t
host_call_take(uint32_t call, char *bytes, uint32_t size);

/* call_begin(name, bytes) -> the number of the call, or -1 while as many are in
 * flight as may be. */
PyObject *
call_begin(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name, *bytes;
    Py_ssize_t name_size, size;
    if (!PyArg_ParseTuple(args, "s#y#", &name, &name_size, &bytes, &size)) {
        return NULL;
    }
    int32_t answer = host_call_begin(name, (uint32_t)name_size, bytes, (uint32_t)size);
    if (answer >= 0 || answer == -__WASI_ERRNO_AGAIN) {
        return PyLong_FromLong(answer >= 0 ? answer : -1);
    }
    return PyErr_Format(PyExc_OSError, "the host does not take calls now (%d)", (int)-answer);
}

/* call_wait(seconds or None) -> (number, kind, bytes) of a call that was
 * answered, None when none was until then, False when there is none to wait for. */
PyObject *
call_wait(PyObject *Py_UNUSED(module), PyObject *left)
{
    int64_t timeout = -1;
    if (left != Py_None) {
        double seconds = PyFloat_AsDouble(left);
        if (seconds == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        /* What no clock reaches is for ever. */
        timeout = seconds <= 0 ? 0 : seconds < 9e9 ? (int64_t)(seconds * 1e9) : -1;
    }
    uint32_t told[3];
    int32_t error = host_call_wait(timeout, told);
    if (error == __WASI_ERRNO_SUCCESS) {
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, told[2]);
        if (bytes == NULL) {
            /* Nobody can have it, and its place is wanted. */
            host_call_take(told[0], NULL, 0);
            return NULL;
        }
        host_call_take(told[0], PyBytes_AS_STRING(bytes), told[2]);
        return Py_BuildValue("IIN", told[0], told[1], bytes);
    }
    if (error == __WASI_ERRNO_BADF || error == __WASI_ERRNO_NOTSUP) {
        Py_RETURN_FALSE;
    }
    if (PyErr_CheckSignals() != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
