/* New state for a generator of random numbers: see generator.c. */
#ifndef BELLJAR_GENERATOR_H
#define BELLJAR_GENERATOR_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* renew_generator(random) -> None: a `random.Random` that nobody has seeded. */
PyObject *generator_renew(PyObject *module, PyObject *random);

#endif
