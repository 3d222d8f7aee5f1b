/* Keys from passwords: see derive.c. */
#ifndef BELLJAR_DERIVE_H
#define BELLJAR_DERIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* pbkdf2(name, key, salt, iterations, length) -> bytes, or None when `name` is
 * no hash that is known here. `key` is no longer than a block of the hash. */
PyObject *derive_pbkdf2(PyObject *module, PyObject *args);

/* scrypt_mix(blocks, n, r) -> bytes: the part of scrypt that needs memory, for
 * each 128 * r bytes of `blocks` (RFC 7914, scryptROMix). */
PyObject *derive_scrypt_mix(PyObject *module, PyObject *args);

#endif
