/* A run: the program, then its jobs and timers until nothing is left to wait
 * for, then the reply.
 *
 * An error that the engine calls uncatchable passes every handler of the program.
 * Interrupts are such errors, and so is the end by process.exit(): what comes
 * back here is looked at by `has_ended()`, whatever the error says of itself.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

#include "paths.h"

/* What tracebacks call the program. */
#define PROGRAM "/workspace/main.js"

enum state {
    DONE,
    FAILED,
    /* The top level waits for what nothing will settle. */
    UNSETTLED,
};

static struct hooks {
    JSValue begin, ticks, step, rejections, track, result, report, end, reply;
} hooks;

static uint32_t (*interrupt_reason)(void);
/* Whether interrupts are listened to: while the reply is made, one would only
 * lose it. */
static int armed;
static int has_exited;
static int32_t exit_code;
static int has_ticks;
/* The promise of the program; its rejection is the error of the run. */
static void *program_promise;

static int
was_interrupted(void)
{
    return interrupt_reason() != 0;
}

static int
has_ended(void)
{
    return has_exited || was_interrupted();
}

static int
on_poll(JSRuntime *runtime, void *opaque)
{
    (void)runtime, (void)opaque;
    return armed && has_ended();
}

static void
on_rejection(JSContext *context, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque)
{
    (void)opaque;
    if (JS_VALUE_GET_PTR(promise) == program_promise) {
        return;
    }
    JSValue told = JS_NewBool(context, is_handled);
    JSValue done = JS_Call(context, hooks.track, JS_UNDEFINED, 3, (JSValueConst[]){promise, reason, told});
    if (JS_IsException(done)) {
        JS_FreeValue(context, JS_GetException(context));
    }
}

static JSValue
hook(JSContext *context, JSValueConst session, const char *name)
{
    JSValue function = JS_GetPropertyStr(context, session, name);
    if (!JS_IsFunction(context, function)) {
        abort();
    }
    return function;
}

void
run_prepare(JSContext *context, JSValueConst session, uint32_t (*reason)(void))
{
    interrupt_reason = reason;
    hooks.begin = hook(context, session, "begin");
    hooks.ticks = hook(context, session, "ticks");
    hooks.step = hook(context, session, "step");
    hooks.rejections = hook(context, session, "rejections");
    hooks.track = hook(context, session, "track");
    hooks.result = hook(context, session, "result");
    hooks.report = hook(context, session, "report");
    hooks.end = hook(context, session, "end");
    hooks.reply = hook(context, session, "reply");
    JSRuntime *runtime = JS_GetRuntime(context);
    JS_SetInterruptHandler(runtime, on_poll, NULL);
    JS_SetHostPromiseRejectionTracker(runtime, on_rejection, NULL);
}

JSValue
run_exit(JSContext *context, int32_t code)
{
    has_exited = 1;
    exit_code = code;
    JSValue error = JS_NewError(context);
    JS_SetUncatchableError(context, error);
    return JS_Throw(context, error);
}

void
run_has_ticks(void)
{
    has_ticks = 1;
}

static JSValue
call(JSContext *context, JSValueConst function, int count, JSValueConst *arguments)
{
    return JS_Call(context, function, JS_UNDEFINED, count, arguments);
}

/* ---- the program ---- */

/* The first of `code` that is neither blank nor a comment. */
static const char *
beginning(const char *code)
{
    for (;;) {
        code += strspn(code, " \t\r\n");
        const char *end = NULL;
        if (strncmp(code, "//", 2) == 0) {
            end = strchr(code, '\n');
        } else if (strncmp(code, "/*", 2) == 0 && (end = strstr(code + 2, "*/")) != NULL) {
            end += 2;
        }
        if (end == NULL) {
            return code;
        }
        code = end;
    }
}

/* The promise of the program, or an exception. What begins like a block is an
 * object if it can be one: `{a: 1}`. */
static JSValue
evaluate(JSContext *context, const char *code, size_t size)
{
    int flags = JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_ASYNC | JS_EVAL_FLAG_CELL;
    if (*beginning(code) == '{') {
        JSValue object = JS_Eval(context, code, size, PROGRAM,
                                 flags | JS_EVAL_FLAG_EXPRESSION | JS_EVAL_FLAG_COMPILE_ONLY);
        if (!JS_IsException(object)) {
            return JS_EvalFunction(context, object);
        }
        JS_FreeValue(context, JS_GetException(context));
    }
    return JS_Eval(context, code, size, PROGRAM, flags);
}

/* Does what waits, until nothing is left or the run ends. Answers -1 with an
 * exception when something was thrown that nobody caught. */
static int
run_loop(JSContext *context, JSValueConst promise)
{
    JSRuntime *runtime = JS_GetRuntime(context);
    JSContext *of_job;
    for (;;) {
        if (has_ticks) {
            has_ticks = 0;
            JSValue done = call(context, hooks.ticks, 0, NULL);
            if (JS_IsException(done)) {
                return -1;
            }
        }
        while (!has_ended() && JS_IsJobPending(runtime)) {
            if (JS_ExecutePendingJob(runtime, &of_job) < 0) {
                return -1;
            }
        }
        if (has_ended() || JS_PromiseState(context, promise) == JS_PROMISE_REJECTED) {
            return 0;
        }
        if (has_ticks) {
            continue;
        }
        JSValue done = call(context, hooks.rejections, 0, NULL);
        if (JS_IsException(done)) {
            return -1;
        }
        JS_FreeValue(context, done);
        if (has_ticks || JS_IsJobPending(runtime)) {
            continue;
        }
        JSValue goes_on = call(context, hooks.step, 0, NULL);
        if (JS_IsException(goes_on)) {
            return -1;
        }
        if (!JS_ToBool(context, goes_on)) {
            return 0;
        }
    }
}

/* Runs the program; `*value` is its value, or what it threw. */
static enum state
run_program(JSContext *context, JSValueConst code, JSValue *value)
{
    size_t size;
    const char *text = JS_ToCStringLen(context, &size, code);
    JSValue promise = text ? evaluate(context, text, size) : JS_EXCEPTION;
    JS_FreeCString(context, text);
    if (JS_IsException(promise)) {
        *value = JS_GetException(context);
        return FAILED;
    }
    program_promise = JS_VALUE_GET_PTR(promise);
    enum state state = DONE;
    if (run_loop(context, promise) < 0) {
        *value = JS_GetException(context);
        state = FAILED;
    } else if (!has_ended()) {
        JSValue settled = JS_PromiseResult(context, promise);
        switch (JS_PromiseState(context, promise)) {
            case JS_PROMISE_FULFILLED:
                *value = JS_GetPropertyStr(context, settled, "value");
                JS_FreeValue(context, settled);
                break;
            case JS_PROMISE_REJECTED:
                *value = settled;
                state = FAILED;
                break;
            default:
                JS_FreeValue(context, settled);
                state = UNSETTLED;
        }
    }
    program_promise = NULL;
    JS_FreeValue(context, promise);
    return state;
}

/* ---- the reply ---- */

static struct run_reply
plain(const char *text)
{
    return (struct run_reply){text, strlen(text), NULL};
}

/* Whether an error is the engine's own for memory; no code is run for that. */
static int
is_out_of_memory(JSContext *context, JSValueConst error)
{
    JSPropertyDescriptor found;
    JSAtom name = JS_NewAtom(context, "message");
    int is_so = JS_IsNull(error);
    if (JS_IsError(error) && JS_GetOwnProperty(context, &found, error, name) > 0) {
        const char *message = JS_IsString(found.value) ? JS_ToCString(context, found.value) : NULL;
        is_so = message != NULL && strcmp(message, "out of memory") == 0;
        JS_FreeCString(context, message);
        JS_FreeValue(context, found.value);
        JS_FreeValue(context, found.getter);
        JS_FreeValue(context, found.setter);
    }
    JS_FreeAtom(context, name);
    return is_so;
}

/* Answers without the engine when it could not: there was no memory left even
 * for the reply, or the program spoiled what makes it. */
static struct run_reply
emergency_reply(JSContext *context)
{
    JSValue error = JS_GetException(context);
    int is_of_memory = is_out_of_memory(context, error);
    JS_FreeValue(context, error);
    if (was_interrupted()) {
        return plain("{\"exit_code\":1,\"result\":null,\"outputs\":[],\"error\":{\"name\":\"ExecutionTimeout\","
                     "\"value\":\"\",\"traceback\":\"ExecutionTimeout\\n\",\"cause\":\"interrupt\"}}");
    }
    if (!is_of_memory) {
        return plain("{\"exit_code\":1,\"result\":null,\"outputs\":[],\"error\":{\"name\":\"InternalError\","
                     "\"value\":\"the reply could not be made\","
                     "\"traceback\":\"InternalError: the reply could not be made\\n\",\"cause\":null}}");
    }
    return plain("{\"exit_code\":1,\"result\":null,\"outputs\":[],\"error\":{\"name\":\"InternalError\","
                 "\"value\":\"out of memory\",\"traceback\":\"InternalError: out of memory\\n\","
                 "\"cause\":\"memory\"}}");
}

static struct run_reply
copied(JSContext *context, JSValue text)
{
    size_t size;
    const char *bytes = JS_ToCStringLen(context, &size, text);
    char *owned = bytes ? malloc(size) : NULL;
    if (owned == NULL) {
        JS_FreeCString(context, bytes);
        JS_FreeValue(context, text);
        return emergency_reply(context);
    }
    memcpy(owned, bytes, size);
    JS_FreeCString(context, bytes);
    JS_FreeValue(context, text);
    return (struct run_reply){owned, size, owned};
}

/* The text of the value: code of the program may be called for that, so it is
 * interrupted like the program, and what it throws is the error of the run. */
static enum state
make_result(JSContext *context, JSValue *value, JSValue *result)
{
    *result = call(context, hooks.result, 1, (JSValueConst *)value);
    JS_FreeValue(context, *value);
    *value = JS_UNDEFINED;
    if (!JS_IsException(*result)) {
        return DONE;
    }
    *result = JS_UNDEFINED;
    *value = JS_GetException(context);
    return FAILED;
}

static struct run_reply
make_reply(JSContext *context, enum state state, JSValue *value)
{
    JSValue result = JS_UNDEFINED, error = JS_UNDEFINED;
    if (state == DONE && !has_ended()) {
        state = make_result(context, value, &result);
    }
    /* Handlers for the end of the process; they may call process.exit() too, which
     * does not undo an error. */
    int had_exited = has_exited;
    JSValue code = JS_NewInt32(context, has_exited ? exit_code : state == DONE ? -1 : 1);
    JSValue at_end = was_interrupted() ? JS_UNDEFINED : call(context, hooks.end, 1, (JSValueConst *)&code);
    if (JS_IsException(at_end)) {
        JSValue thrown = JS_GetException(context);
        if (!has_exited && state == DONE) {
            *value = thrown;
            state = FAILED;
        } else {
            JS_FreeValue(context, thrown);
        }
    } else if (!has_exited && JS_IsNumber(at_end)) {
        JS_ToInt32(context, &exit_code, at_end);
    }
    armed = 0;
    if (was_interrupted() || (state != DONE && !had_exited)) {
        JSValue reason = JS_NewInt32(context, (int32_t)interrupt_reason());
        JSValue unsettled = JS_NewBool(context, state == UNSETTLED);
        error = call(context, hooks.report, 3, (JSValueConst[]){*value, reason, unsettled});
        if (JS_IsException(error)) {
            return emergency_reply(context);
        }
        exit_code = 1;
    }
    JSValue number = JS_NewInt32(context, exit_code);
    JSValue text = call(context, hooks.reply, 3, (JSValueConst[]){number, result, error});
    JS_FreeValue(context, result);
    JS_FreeValue(context, error);
    return JS_IsException(text) ? emergency_reply(context) : copied(context, text);
}

struct run_reply
run_request(JSContext *context, char *text, size_t size)
{
    armed = has_exited = has_ticks = 0;
    exit_code = 0;
    JSValue request = JS_ParseJSON(context, text, size, "internal:request");
    JSValue code = JS_IsException(request) ? JS_EXCEPTION : call(context, hooks.begin, 1, (JSValueConst *)&request);
    JS_FreeValue(context, request);
    if (JS_IsException(code)) {
        return emergency_reply(context);
    }
    JSValue value = JS_UNDEFINED;
    armed = 1;
    enum state state = run_program(context, code, &value);
    JS_FreeValue(context, code);
    struct run_reply reply = make_reply(context, state, &value);
    JS_FreeValue(context, value);
    if (has_ended() || state != DONE) {
        /* What the program still wanted to do must not meet the next one. */
        JS_DropPendingJobs(JS_GetRuntime(context));
    }
    paths_end_run();
    return reply;
}
