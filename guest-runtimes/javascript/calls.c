/* Calls to the host, as ../README.md describes them. What they mean is the
 * business of `session/calls.js`. */
#include <stdint.h>
#include <stdlib.h>
#include <wasi/api.h>

#include "natives.h"

#define HOST(name) __attribute__((import_module("belljar"), import_name(#name))) extern

HOST(call_begin) int32_t
host_call_begin(const char *name, uint32_t name_size, const char *bytes, uint32_t size);
HOST(call_wait) int32_t
host_call_wait(int64_t timeout, uint32_t told[3]);
HOST(call_take) int32_t
host_call_take(uint32_t call, char *bytes, uint32_t size);

/* call_begin(name, text) -> the number of the call, -1 while as many are in
 * flight as may be, -2 when the host takes none. */
static JSValue
call_begin(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    size_t name_size, size;
    const char *name = JS_ToCStringLen(context, &name_size, arguments[0]);
    const char *bytes = name ? JS_ToCStringLen(context, &size, arguments[1]) : NULL;
    if (bytes == NULL) {
        JS_FreeCString(context, name);
        return JS_EXCEPTION;
    }
    int32_t answer = host_call_begin(name, (uint32_t)name_size, bytes, (uint32_t)size);
    JS_FreeCString(context, bytes);
    JS_FreeCString(context, name);
    return JS_NewInt32(context, answer >= 0 ? answer : answer == -__WASI_ERRNO_AGAIN ? -1 : -2);
}

/* call_wait(milliseconds, or -1 for ever) -> [number, kind, text] of a call that
 * was answered, null when none was until then. */
static JSValue
call_wait(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    double milliseconds;
    if (JS_ToFloat64(context, &milliseconds, arguments[0]) < 0) {
        return JS_EXCEPTION;
    }
    /* What no clock reaches is for ever. */
    int64_t timeout = milliseconds >= 0 && milliseconds < 9e12 ? (int64_t)(milliseconds * 1e6) : -1;
    uint32_t told[3];
    if (host_call_wait(timeout, told) != __WASI_ERRNO_SUCCESS) {
        return JS_NULL;
    }
    char *bytes = malloc(told[2] > 0 ? told[2] : 1);
    if (bytes == NULL) {
        /* Nobody can have it, and its place is wanted. */
        host_call_take(told[0], NULL, 0);
        return JS_ThrowOutOfMemory(context);
    }
    host_call_take(told[0], bytes, told[2]);
    JSValue answer = JS_NewArray(context);
    JS_SetPropertyUint32(context, answer, 0, JS_NewUint32(context, told[0]));
    JS_SetPropertyUint32(context, answer, 1, JS_NewUint32(context, told[1]));
    JS_SetPropertyUint32(context, answer, 2, JS_NewStringLen(context, bytes, told[2]));
    free(bytes);
    return answer;
}

void
calls_add(JSContext *context, JSValueConst native)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("call_begin", 2, call_begin),
        JS_CFUNC_DEF("call_wait", 1, call_wait),
    };
    JS_SetPropertyFunctionList(context, native, functions, sizeof functions / sizeof functions[0]);
}
