/* Python's object allocator without the detour over a table of functions.
 *
 * CPython reaches its allocator through pointers that tracemalloc and debug
 * builds replace; calling through a pointer is dear in WebAssembly, and nearly
 * every operation allocates. The linker's --wrap sends these calls here, and
 * while nothing was replaced they go straight on.
 */
#define Py_BUILD_CORE 1
#include <Python.h>

#include "internal/pycore_runtime.h"

void *__real_PyObject_Malloc(size_t size);
void __real_PyObject_Free(void *block);
extern void *_PyObject_Malloc(void *context, size_t size);
extern void _PyObject_Free(void *context, void *block);

#define STANDARD (_PyRuntime.allocators.standard.obj)

void *
__wrap_PyObject_Malloc(size_t size)
{
    if (__builtin_expect(STANDARD.malloc == _PyObject_Malloc && size <= PY_SSIZE_T_MAX, 1)) {
        return _PyObject_Malloc(NULL, size);
    }
    return __real_PyObject_Malloc(size);
}

void
__wrap_PyObject_Free(void *block)
{
    if (__builtin_expect(STANDARD.free == _PyObject_Free, 1)) {
        _PyObject_Free(NULL, block);
        return;
    }
    __real_PyObject_Free(block);
}
