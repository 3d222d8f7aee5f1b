/* The entry points of the guest ABI (../README.md) around CPython.
 *
 * This file turns calls of the host into calls of `_belljar.runner`, fills the
 * interrupt block, and gives the Python side a small built-in module,
 * `_belljar_native`. What a run means is decided in `session/`, not here.
 */
#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE 1
#include <Python.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal/pycore_asdl.h"
#include "internal/pycore_ast.h"
#include "internal/pycore_ceval.h"
#include "internal/pycore_compile.h"
#include "internal/pycore_parser.h"
#include "internal/pycore_pyarena.h"
#include "internal/pycore_runtime.h"
#include "internal/pycore_signal.h"

#include "calls.h"
#include "derive.h"
#include "generator.h"
#include "locks.h"
#include "modes.h"
#include "opened.h"
#include "paths.h"
#include "zone.h"

#define EXPORT(name) __attribute__((export_name(name), used))

#define ABI_VERSION 2
#define WORKSPACE "/workspace"

/* The hash seed is part of the image: the same sources give the same bytes. */
#define HASH_SEED 1

/* Signals do not exist in WASI; CPython's bookkeeping for them does, and long
 * loops in C poll it. The host pretends that this one has arrived. It is the
 * highest number there is, which programs have no use for. */
#define INTERRUPT_SIGNAL (Py_NSIG - 1)

/* Requests up to this size reuse one buffer that is part of the image. */
#define BUFFER_SIZE (64 * 1024)

enum interrupt_reason {
    REASON_NONE = 0,
    REASON_WALL_TIME = 1,
    REASON_CPU_TIME = 2,
    REASON_FUEL = 3,
    REASON_CANCELLED = 4,
};

struct interrupt_store {
    uint32_t address;
    uint32_t clear;
    uint32_t set;
};

#define INTERRUPT_STORES 3

/* Exported as the address of this object. */
__attribute__((used)) struct interrupt_block {
    uint32_t reason;
    uint32_t count;
    struct interrupt_store store[INTERRUPT_STORES];
} guest_interrupt;

extern const struct _frozen belljar_frozen_modules[];

static PyThreadState *thread;
static PyObject *run_function;
static PyObject *interrupt_function;
static PyObject *execution_timeout;
static PyObject *reply;

static char *buffer;
static size_t buffer_size;

/* While the runner works on its own behalf, between the program and the
 * reply, an interrupt would only lose the reply. */
static int armed;
static int interrupted;

/* ---- the interrupt ---- */

static const char *
interrupt_message(uint32_t reason)
{
    switch (reason) {
        case REASON_WALL_TIME: return "the wall time limit of this run was reached";
        case REASON_CPU_TIME: return "the CPU time limit of this run was reached";
        case REASON_FUEL: return "the instruction limit (fuel) of this run was reached";
        case REASON_CANCELLED: return "the run was cancelled";
        default: return "the run was interrupted";
    }
}

/* The handler of INTERRUPT_SIGNAL. */
static PyObject *
raise_interrupt(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    interrupted = 1;
    if (!armed) {
        Py_RETURN_NONE;
    }
    uint32_t reason = guest_interrupt.reason;
    PyErr_SetString(reason == REASON_CANCELLED ? PyExc_KeyboardInterrupt : execution_timeout,
                    interrupt_message(reason));
    return NULL;
}

static void
prepare_interrupt_block(void)
{
    struct interrupt_store *store = guest_interrupt.store;
    store[0].address = (uint32_t)(uintptr_t)&_PyRuntime.signals.handlers[INTERRUPT_SIGNAL].tripped;
    store[0].set = 1;
    store[1].address = (uint32_t)(uintptr_t)&_PyRuntime.signals.is_tripped;
    store[1].set = 1;
    store[2].address = (uint32_t)(uintptr_t)&thread->eval_breaker;
    store[2].set = _PY_SIGNALS_PENDING_BIT;
    guest_interrupt.count = INTERRUPT_STORES;
}

/* Forgets an interrupt that came too late for the run before, and takes the
 * signal back in case the program gave it another handler. */
static void
clear_interrupt(void)
{
    if (interrupted || guest_interrupt.reason != REASON_NONE) {
        interrupted = 0;
        guest_interrupt.reason = REASON_NONE;
        _PyRuntime.signals.handlers[INTERRUPT_SIGNAL].tripped = 0;
        _PyRuntime.signals.is_tripped = 0;
        _Py_unset_eval_breaker_bit(thread, _PY_SIGNALS_PENDING_BIT);
    }
    if (_PyRuntime.signals.handlers[INTERRUPT_SIGNAL].func != interrupt_function) {
        Py_XSETREF(_PyRuntime.signals.handlers[INTERRUPT_SIGNAL].func,
                   Py_NewRef(interrupt_function));
    }
}

/* ---- _belljar_native: what the Python side cannot do itself ---- */

/* compile_cell(source, file name) -> (code of the statements or None,
 *                                     code of the last expression or None)
 *
 * The builtin compile() can do this only by way of a tree of Python objects,
 * which costs more than all the rest of a short run. */
static PyObject *
compile_cell(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *source, *filename;
    if (!PyArg_ParseTuple(args, "UU", &source, &filename)) {
        return NULL;
    }
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(source, &size);
    if (text == NULL) {
        return NULL;
    }
    if (strlen(text) != (size_t)size) {
        PyErr_SetString(PyExc_SyntaxError, "source code cannot contain null bytes");
        return NULL;
    }

    PyArena *arena = _PyArena_New();
    if (arena == NULL) {
        return NULL;
    }
    PyObject *statements = NULL, *expression = NULL, *result = NULL;
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    flags.cf_flags = PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE | PyCF_ALLOW_TOP_LEVEL_AWAIT;

    mod_ty tree = _PyParser_ASTFromString(text, filename, Py_file_input, &flags, arena);
    if (tree == NULL) {
        goto done;
    }
    asdl_stmt_seq *body = tree->v.Module.body;
    Py_ssize_t count = asdl_seq_LEN(body);
    mod_ty last = NULL;
    if (count > 0) {
        stmt_ty statement = (stmt_ty)asdl_seq_GET(body, count - 1);
        if (statement->kind == Expr_kind) {
            last = _PyAST_Expression(statement->v.Expr.value, arena);
            if (last == NULL) {
                goto done;
            }
            body->size = --count;
        }
    }
    if (count > 0) {
        statements = (PyObject *)_PyAST_Compile(tree, filename, &flags, -1, arena);
        if (statements == NULL) {
            goto done;
        }
    }
    if (last != NULL) {
        expression = (PyObject *)_PyAST_Compile(last, filename, &flags, -1, arena);
        if (expression == NULL) {
            goto done;
        }
    }
    result = PyTuple_Pack(2, statements ? statements : Py_None, expression ? expression : Py_None);
done:
    Py_XDECREF(statements);
    Py_XDECREF(expression);
    _PyArena_Free(arena);
    return result;
}

/* arm(on) -> None: whether an interrupt raises. Arming raises one that came
 * in between. */
static PyObject *
arm(PyObject *Py_UNUSED(module), PyObject *on)
{
    armed = on == Py_True;
    if (armed && interrupted) {
        return raise_interrupt(NULL, NULL);
    }
    Py_RETURN_NONE;
}

/* was_interrupted() -> whether the host interrupted this run. */
static PyObject *
was_interrupted(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    return PyBool_FromLong(interrupted);
}

/* enter_workspace() -> None: the working directory of a new run. */
static PyObject *
enter_workspace(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    char here[sizeof WORKSPACE];
    if (getcwd(here, sizeof here) == NULL || strcmp(here, WORKSPACE) != 0) {
        if (chdir(WORKSPACE) != 0) {
            return PyErr_SetFromErrnoWithFilename(PyExc_OSError, WORKSPACE);
        }
    }
    Py_RETURN_NONE;
}

/* SQLite's own way on Unix reads a device that is not here, and then takes the
 * clock. */
static int
sqlite_entropy(sqlite3_vfs *Py_UNUSED(vfs), int size, char *bytes)
{
    /* The most that one call gives (getentropy(3)). */
    const int most = 256;
    for (int at = 0; at < size; at += most) {
        int count = size - at < most ? size - at : most;
        if (getentropy(bytes + at, (size_t)count) != 0) {
            return at;
        }
    }
    return size;
}

/* renew_sqlite() -> None: random() and randomblob() start anew. */
static PyObject *
renew_sqlite(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (vfs != NULL) {
        vfs->xRandomness = sqlite_entropy;
    }
    sqlite3_randomness(0, NULL);
    Py_RETURN_NONE;
}

/* memory_bytes() -> the size of the linear memory. */
static PyObject *
memory_bytes(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    return PyLong_FromUnsignedLongLong((uint64_t)__builtin_wasm_memory_size(0) * 65536);
}

/* control_file(descriptor, command, value) -> fcntl(2) with a number. */
static PyObject *
control_file(PyObject *Py_UNUSED(module), PyObject *args)
{
    int descriptor, command, value;
    if (!PyArg_ParseTuple(args, "iii", &descriptor, &command, &value)) {
        return NULL;
    }
    int answer = fcntl(descriptor, command, value);
    return answer < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(answer);
}

/* files_were_opened() -> whether this run opened a file to write to. */
static PyObject *
files_were_opened(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    return PyBool_FromLong(opened_a_file());
}

static PyMethodDef native_methods[] = {
    {"compile_cell", compile_cell, METH_VARARGS, NULL},
    {"arm", arm, METH_O, NULL},
    {"call_begin", call_begin, METH_VARARGS, NULL},
    {"call_wait", call_wait, METH_O, NULL},
    {"was_interrupted", was_interrupted, METH_NOARGS, NULL},
    {"enter_workspace", enter_workspace, METH_NOARGS, NULL},
    {"set_zone", zone_set, METH_O, NULL},
    {"renew_generator", generator_renew, METH_O, NULL},
    {"renew_sqlite", renew_sqlite, METH_NOARGS, NULL},
    {"memory_bytes", memory_bytes, METH_NOARGS, NULL},
    {"control_file", control_file, METH_VARARGS, NULL},
    {"pbkdf2", derive_pbkdf2, METH_VARARGS, NULL},
    {"scrypt_mix", derive_scrypt_mix, METH_VARARGS, NULL},
    {"files_were_opened", files_were_opened, METH_NOARGS, NULL},
    {"on_wait", locks_on_wait, METH_O, NULL},
    {"raise_interrupt", raise_interrupt, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef native_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_belljar_native",
    .m_size = -1,
    .m_methods = native_methods,
};

static PyObject *
create_native_module(void)
{
    return PyModule_Create(&native_module);
}

/* ---- initialisation, before the image is taken ---- */

static void
fail(const char *doing)
{
    fprintf(stderr, "guest: failed to %s\n", doing);
    if (PyErr_Occurred()) {
        PyErr_Print();
    }
    abort();
}

static void
require(PyStatus status)
{
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
}

static void
start_interpreter(void)
{
    PyImport_FrozenModules = belljar_frozen_modules;
    if (PyImport_AppendInittab("_belljar_native", create_native_module) != 0) {
        fail("register _belljar_native");
    }

    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    require(Py_PreInitialize(&before));

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.use_hash_seed = 1;
    config.hash_seed = HASH_SEED;
    config.install_signal_handlers = 1;
    config.pathconfig_warnings = 0;
    /* The standard library is inside the image. The runner adds the program's
     * folder last: looking at a folder here would carry its times and inode
     * numbers into the image. */
    config.module_search_paths_set = 1;
    require(PyConfig_SetString(&config, &config.program_name, L"python"));
    require(PyConfig_SetString(&config, &config.executable, L"/usr/bin/python3"));
    require(PyConfig_SetString(&config, &config.home, L"/usr"));
    require(PyConfig_SetString(&config, &config.prefix, L"/usr"));
    require(PyConfig_SetString(&config, &config.exec_prefix, L"/usr"));
    require(PyConfig_SetString(&config, &config.base_prefix, L"/usr"));
    require(PyConfig_SetString(&config, &config.base_exec_prefix, L"/usr"));
    /* Nothing lies there: it is what modules say of themselves as __file__. */
    require(PyConfig_SetString(&config, &config.stdlib_dir, L"/usr/lib/python3.13"));
    require(Py_InitializeFromConfig(&config));
    PyConfig_Clear(&config);
}

/* Whatever initialisation left on the dead part of the C stack would be
 * carried in the image as noise. */
static __attribute__((noinline)) void
clear_dead_stack(void)
{
    extern unsigned char __stack_low;
    unsigned char *end = (unsigned char *)__builtin_frame_address(0);
    for (volatile unsigned char *byte = &__stack_low; byte < end; byte++) {
        *byte = 0;
    }
}

EXPORT("guest_initialize") void
guest_initialize(void)
{
    start_interpreter();
    thread = PyThreadState_Get();

    PyObject *preload = PyImport_ImportModule("_belljar.preload");
    PyObject *runner = PyImport_ImportModule("_belljar.runner");
    if (preload == NULL || runner == NULL) {
        fail("import the runner");
    }
    /* Not earlier: some modules look at the working directory, and a folder's
     * times and inode number must not get into the image. Now they lie on the
     * stack only, from where the padding of structures could carry them on. */
    if (chdir(WORKSPACE) != 0) {
        fail("enter " WORKSPACE);
    }
    clear_dead_stack();
    run_function = PyObject_GetAttrString(runner, "run");
    execution_timeout = PyObject_GetAttrString(runner, "ExecutionTimeout");
    PyObject *native = PyImport_ImportModule("_belljar_native");
    interrupt_function = native ? PyObject_GetAttrString(native, "raise_interrupt") : NULL;
    if (!run_function || !execution_timeout || !interrupt_function) {
        fail("find the functions of the runner");
    }
    prepare_interrupt_block();
    clear_interrupt();

    buffer_size = BUFFER_SIZE;
    buffer = malloc(buffer_size);
    if (buffer == NULL) {
        fail("allocate the request buffer");
    }

    PyObject *done = PyObject_CallMethod(runner, "warm_up", NULL);
    if (done == NULL) {
        fail("warm up");
    }
    Py_DECREF(done);
    Py_DECREF(preload);
    Py_DECREF(runner);
    Py_DECREF(native);
    clear_dead_stack();
}

/* ---- the ABI ---- */

EXPORT("guest_abi_version") int32_t
guest_abi_version(void)
{
    return ABI_VERSION;
}

EXPORT("guest_alloc") char *
guest_alloc(size_t size)
{
    if (size > buffer_size || buffer == NULL) {
        size_t wanted = size > BUFFER_SIZE ? size : BUFFER_SIZE;
        char *larger = malloc(wanted);
        if (larger == NULL) {
            return NULL;
        }
        free(buffer);
        buffer = larger;
        buffer_size = wanted;
    }
    return buffer;
}

static uint64_t
packed(const char *text, size_t size)
{
    return (uint64_t)(uintptr_t)text << 32 | (uint32_t)size;
}

/* Answers without Python when Python could not: there was no memory left even
 * for the reply, or an interrupt came at the one moment that is not guarded. */
static uint64_t
emergency_reply(void)
{
    static const char memory[] =
        "{\"exit_code\":1,\"result\":null,\"outputs\":[],\"error\":{\"name\":\"MemoryError\","
        "\"value\":\"\",\"traceback\":\"MemoryError\\n\",\"cause\":\"memory\"}}";
    static const char interrupt[] =
        "{\"exit_code\":1,\"result\":null,\"outputs\":[],\"error\":{\"name\":\"ExecutionTimeout\","
        "\"value\":\"\",\"traceback\":\"ExecutionTimeout\\n\",\"cause\":\"interrupt\"}}";
    int out_of_memory = PyErr_ExceptionMatches(PyExc_MemoryError);
    if (out_of_memory) {
        PyErr_Clear();
        return packed(memory, sizeof memory - 1);
    }
    if (interrupted) {
        PyErr_Clear();
        return packed(interrupt, sizeof interrupt - 1);
    }
    PyErr_Print();
    return 0;
}

EXPORT("guest_run") uint64_t
guest_run(size_t size)
{
    if (size > buffer_size) {
        return 0;
    }
    Py_CLEAR(reply);
    armed = 0;
    opened_begin_run();
    clear_interrupt();
    PyObject *request = PyUnicode_DecodeUTF8(buffer, (Py_ssize_t)size, "replace");
    /* A large request would otherwise stay in memory twice. */
    if (buffer_size > BUFFER_SIZE) {
        free(buffer);
        buffer = NULL;
        buffer_size = 0;
    }
    if (request != NULL) {
        reply = PyObject_CallOneArg(run_function, request);
        Py_DECREF(request);
    }
    armed = 0;
    paths_end_run();
    modes_end_run();
    if (reply == NULL) {
        return emergency_reply();
    }
    return packed(PyBytes_AS_STRING(reply), (size_t)PyBytes_GET_SIZE(reply));
}
