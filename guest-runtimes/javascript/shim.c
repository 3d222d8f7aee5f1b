/* The entry points of the guest ABI (../README.md) around QuickJS.
 *
 * This file starts the engine, fills the interrupt block and hands requests to
 * `run.c`. What a run means is decided there and in `session/`, not here.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modules.h"
#include "natives.h"
#include "quickjs.h"
#include "run.h"
#include "session.h"

#define EXPORT(name) __attribute__((export_name(name), used))

#define ABI_VERSION 2
#define WORKSPACE "/workspace"

/* How much of the stack the engine may use before a program gets its
 * RangeError. The rest of what link.sh gives is for what runs above that. */
#define STACK_BYTES (3 * 1024 * 1024)

/* Garbage is looked for once that much was allocated since the last time: small
 * runs never get there, and looking writes to every object that there is. */
#define GARBAGE_BYTES (8 * 1024 * 1024)

/* Requests up to this size reuse one buffer that is part of the image. */
#define BUFFER_SIZE (64 * 1024)

/* Exported as the address of this object. QuickJS asks whether it should stop,
 * so the reason alone is enough, and there are no stores. */
__attribute__((used)) struct interrupt_block {
    uint32_t reason;
    uint32_t count;
} guest_interrupt;

static JSRuntime *runtime;
static JSContext *context;

static char *buffer;
static size_t buffer_size;
static char *reply;

/* The reason is written while the engine does not look. */
static uint32_t
interrupt_reason(void)
{
    return *(volatile uint32_t *)&guest_interrupt.reason;
}

static void
fail(const char *doing)
{
    fprintf(stderr, "guest: failed to %s\n", doing);
    JSValue error = JS_GetException(context);
    const char *text = JS_ToCString(context, error);
    JSValue stack = JS_GetPropertyStr(context, error, "stack");
    const char *where = JS_ToCString(context, stack);
    fprintf(stderr, "%s\n%s\n", text ? text : "", where ? where : "");
    abort();
}

/* The text of a file of `session/` with the globals of this moment as names of its
 * own: a program that declares its own `Map` must not change what the file means.
 * `NaN` and the like, which nobody can declare, are no names to bind. */
static const char with_globals[] =
    "(text) => {"
    "  const all = Object.entries(Object.getOwnPropertyDescriptors(globalThis));"
    "  const names = all.filter(([name, { configurable }]) => configurable && name !== 'eval').map(([name]) => name);"
    "  return `(({ ${names} }) => (${text}\n))(globalThis)`;"
    "}";

static JSValue
evaluate_file(const struct session_file *file)
{
    JSValue bind = JS_Eval(context, with_globals, sizeof with_globals - 1, "internal:globals", JS_EVAL_TYPE_GLOBAL);
    JSValue plain = JS_NewStringLen(context, file->text, file->size);
    JSValue bound = JS_Call(context, bind, JS_UNDEFINED, 1, (JSValueConst *)&plain);
    size_t size;
    const char *text = JS_ToCStringLen(context, &size, bound);
    JSValue function = text ? JS_Eval(context, text, size, file->name, JS_EVAL_TYPE_GLOBAL) : JS_EXCEPTION;
    JS_FreeCString(context, text);
    JS_FreeValue(context, bound);
    JS_FreeValue(context, plain);
    JS_FreeValue(context, bind);
    return function;
}

/* Each file of `session/` is a function that takes what C gives and what the
 * files before it have made. */
static JSValue
load_session(JSValueConst native, JSValueConst internal)
{
    JSValue last = JS_UNDEFINED;
    for (const struct session_file *file = session_files; file->name != NULL; file++) {
        JSValue function = evaluate_file(file);
        if (JS_IsException(function)) {
            fail(file->name);
        }
        JS_FreeValue(context, last);
        last = JS_Call(context, function, JS_UNDEFINED, 2, (JSValueConst[]){native, internal});
        JS_FreeValue(context, function);
        if (JS_IsException(last)) {
            fail(file->name);
        }
    }
    return last;
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
    runtime = JS_NewRuntime();
    context = runtime ? JS_NewContext(runtime) : NULL;
    if (context == NULL) {
        fputs("guest: failed to start the engine\n", stderr);
        abort();
    }
    JS_SetMaxStackSize(runtime, STACK_BYTES);
    JS_SetGCThreshold(runtime, (size_t)-1);
    /* Not earlier: a folder's times and inode number must not get into the image. */
    if (chdir(WORKSPACE) != 0) {
        fail("enter " WORKSPACE);
    }
    JSValue native = natives_new(context);
    JSValue internal = JS_NewObject(context);
    JSValue session = load_session(native, internal);
    modules_begin(runtime, context, internal);
    run_prepare(context, session, interrupt_reason);
    JS_FreeValue(context, session);
    JS_FreeValue(context, internal);
    JS_FreeValue(context, native);

    buffer_size = BUFFER_SIZE;
    buffer = malloc(buffer_size);
    if (buffer == NULL) {
        fail("allocate the request buffer");
    }
    JS_RunGC(runtime);
    JSMemoryUsage usage;
    JS_ComputeMemoryUsage(runtime, &usage);
    JS_SetGCThreshold(runtime, (size_t)usage.malloc_size + GARBAGE_BYTES);
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
    /* The engine wants a zero behind what it parses. */
    if (size >= buffer_size || buffer == NULL) {
        size_t wanted = size >= BUFFER_SIZE ? size + 1 : BUFFER_SIZE;
        char *larger = wanted > size ? malloc(wanted) : NULL;
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

EXPORT("guest_run") uint64_t
guest_run(size_t size)
{
    if (buffer == NULL || size >= buffer_size) {
        return 0;
    }
    free(reply);
    reply = NULL;
    guest_interrupt.reason = 0;
    JS_UpdateStackTop(runtime);
    buffer[size] = '\0';
    struct run_reply answer = run_request(context, buffer, size);
    if (buffer_size > BUFFER_SIZE) {
        free(buffer);
        buffer = NULL;
        buffer_size = 0;
    }
    reply = answer.owned;
    return answer.text ? packed(answer.text, answer.size) : 0;
}
