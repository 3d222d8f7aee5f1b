/* What JavaScript cannot do itself: time, randomness, text as bytes, and looks
 * into values that run no code of theirs. */
#include "natives.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

/* The most that one call gives (getentropy(3)). */
#define MOST_ENTROPY 256

uint8_t *
natives_bytes(JSContext *context, size_t *size, JSValueConst value)
{
    return JS_GetUint8Array(context, size, value);
}

/* monotonic() -> milliseconds of a clock that never goes back. */
static JSValue
monotonic(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return JS_NewFloat64(context, (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6);
}

/* sleep(milliseconds): until then, or until the run is interrupted. */
static JSValue
sleep_for(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    double milliseconds;
    if (JS_ToFloat64(context, &milliseconds, arguments[0]) < 0) {
        return JS_EXCEPTION;
    }
    if (milliseconds > 0) {
        struct timespec wanted = {
            .tv_sec = (time_t)(milliseconds / 1e3),
            .tv_nsec = (long)(fmod(milliseconds, 1e3) * 1e6),
        };
        clock_nanosleep(CLOCK_MONOTONIC, 0, &wanted, NULL);
    }
    return JS_UNDEFINED;
}

/* random(bytes): fills them. */
static JSValue
fill_random(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    size_t size;
    uint8_t *bytes = natives_bytes(context, &size, arguments[0]);
    if (bytes == NULL) {
        return JS_EXCEPTION;
    }
    for (size_t at = 0; at < size; at += MOST_ENTROPY) {
        size_t some = size - at < MOST_ENTROPY ? size - at : MOST_ENTROPY;
        if (getentropy(bytes + at, some) != 0) {
            return JS_ThrowInternalError(context, "there is no randomness (%d)", errno);
        }
    }
    return JS_UNDEFINED;
}

/* The state of Math.random(): xoshiro256**, by David Blackman and Sebastiano
 * Vigna. The engine's own would go on as it was when the image was built. */
static uint64_t generator[4] = {1, 2, 3, 4};

static uint64_t
rotated(uint64_t word, int by)
{
    return word << by | word >> (64 - by);
}

/* renew_generator(): begins Math.random() anew, from randomness of the host. */
static JSValue
renew_generator(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    uint64_t fresh[4];
    if (getentropy(fresh, sizeof fresh) == 0 && (fresh[0] | fresh[1] | fresh[2] | fresh[3]) != 0) {
        memcpy(generator, fresh, sizeof generator);
    }
    return JS_UNDEFINED;
}

static JSValue
next_random(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    uint64_t word = rotated(generator[1] * 5, 7) * 9;
    uint64_t shifted = generator[1] << 17;
    generator[2] ^= generator[0];
    generator[3] ^= generator[1];
    generator[1] ^= generator[2];
    generator[0] ^= generator[3];
    generator[2] ^= shifted;
    generator[3] = rotated(generator[3], 45);
    /* As many bits as a double has. */
    return JS_NewFloat64(context, (double)(word >> 11) * 0x1p-53);
}

/* encode(text) -> its bytes in UTF-8. */
static JSValue
encode(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    size_t size;
    const char *text = JS_ToCStringLen(context, &size, arguments[0]);
    if (text == NULL) {
        return JS_EXCEPTION;
    }
    JSValue bytes = JS_NewUint8ArrayCopy(context, (const uint8_t *)text, size);
    JS_FreeCString(context, text);
    return bytes;
}

/* decode(bytes) -> the text; what is not UTF-8 becomes U+FFFD. */
static JSValue
decode(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    size_t size;
    uint8_t *bytes = natives_bytes(context, &size, arguments[0]);
    return bytes ? JS_NewStringLen(context, (const char *)bytes, size) : JS_EXCEPTION;
}

/* write(descriptor, text): all of it. Answers with 0 or a number of an error. */
static JSValue
write_text(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    int32_t descriptor;
    size_t size;
    const char *text = JS_ToInt32(context, &descriptor, arguments[0]) < 0
        ? NULL : JS_ToCStringLen(context, &size, arguments[1]);
    if (text == NULL) {
        return JS_EXCEPTION;
    }
    int error = 0;
    for (size_t at = 0; at < size && error == 0;) {
        ssize_t written = write(descriptor, text + at, size - at);
        if (written < 0) {
            error = errno;
        } else {
            at += (size_t)written;
        }
    }
    JS_FreeCString(context, text);
    return JS_NewInt32(context, error);
}

/* kind(value) -> the name of its class in the engine, whatever it says of itself. */
static JSValue
kind(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    if (!JS_IsObject(arguments[0])) {
        return JS_UNDEFINED;
    }
    if (JS_IsProxy(arguments[0])) {
        return JS_NewString(context, "Proxy");
    }
    JSAtom name = JS_GetClassName(JS_GetRuntime(context), JS_GetClassID(arguments[0]));
    JSValue text = JS_AtomToString(context, name);
    JS_FreeAtom(context, name);
    return text;
}

/* promise(value) -> [state, result]: 0 pending, 1 fulfilled, 2 rejected. */
static JSValue
look_into_promise(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    JSPromiseStateEnum state = JS_PromiseState(context, arguments[0]);
    JSValue pair = JS_NewArray(context);
    int number = state == JS_PROMISE_FULFILLED ? 1 : state == JS_PROMISE_REJECTED ? 2 : 0;
    JS_SetPropertyUint32(context, pair, 0, JS_NewInt32(context, number));
    JS_SetPropertyUint32(context, pair, 1, number ? JS_PromiseResult(context, arguments[0]) : JS_UNDEFINED);
    return pair;
}

/* target(proxy) -> what it stands for. */
static JSValue
proxy_target(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    return JS_GetProxyTarget(context, arguments[0]);
}

/* exit(code): the end of the program. */
static JSValue
exit_program(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    int32_t code;
    return JS_ToInt32(context, &code, arguments[0]) < 0 ? JS_EXCEPTION : run_exit(context, code & 0xff);
}

/* has_ticks(): functions for process.nextTick wait. */
static JSValue
has_ticks(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    run_has_ticks();
    return JS_UNDEFINED;
}

/* compile(text, file name) -> what a script of this text evaluates to. */
static JSValue
compile(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    size_t size;
    const char *text = JS_ToCStringLen(context, &size, arguments[0]);
    const char *name = text ? JS_ToCString(context, arguments[1]) : NULL;
    JSValue value = name ? JS_Eval(context, text, size, name, JS_EVAL_TYPE_GLOBAL) : JS_EXCEPTION;
    JS_FreeCString(context, name);
    JS_FreeCString(context, text);
    return value;
}

/* memory() -> the size of the linear memory, in bytes. */
static JSValue
memory(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    return JS_NewFloat64(context, (double)__builtin_wasm_memory_size(0) * 65536);
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("monotonic", 0, monotonic),
    JS_CFUNC_DEF("sleep", 1, sleep_for),
    JS_CFUNC_DEF("random", 1, fill_random),
    JS_CFUNC_DEF("renew_generator", 0, renew_generator),
    JS_CFUNC_DEF("next_random", 0, next_random),
    JS_CFUNC_DEF("encode", 1, encode),
    JS_CFUNC_DEF("decode", 1, decode),
    JS_CFUNC_DEF("write", 2, write_text),
    JS_CFUNC_DEF("kind", 1, kind),
    JS_CFUNC_DEF("promise", 1, look_into_promise),
    JS_CFUNC_DEF("target", 1, proxy_target),
    JS_CFUNC_DEF("exit", 1, exit_program),
    JS_CFUNC_DEF("has_ticks", 0, has_ticks),
    JS_CFUNC_DEF("compile", 2, compile),
    JS_CFUNC_DEF("memory", 0, memory),
};

JSValue
natives_new(JSContext *context)
{
    JSValue native = JS_NewObject(context);
    JS_SetPropertyFunctionList(context, native, functions, sizeof functions / sizeof functions[0]);
    files_add(context, native);
    calls_add(context, native);
    return native;
}
