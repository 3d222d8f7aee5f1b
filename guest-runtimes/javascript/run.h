/* One request from its text to its reply: see run.c. */
#ifndef BELLJAR_RUN_H
#define BELLJAR_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

struct run_reply {
    /* NULL when not even an error could be told. */
    const char *text;
    size_t size;
    /* For free(), or NULL. */
    char *owned;
};

/* `session` has the functions of `session/runner.js`; `reason` tells why the host
 * wants the run to end, or 0. */
void run_prepare(JSContext *context, JSValueConst session, uint32_t (*reason)(void));

/* `text` is followed by a zero. */
struct run_reply run_request(JSContext *context, char *text, size_t size);

/* Ends the run with this exit code; answers with what a native function that was
 * called must return. */
JSValue run_exit(JSContext *context, int32_t code);

/* Functions for process.nextTick wait. */
void run_has_ticks(void);

#endif
