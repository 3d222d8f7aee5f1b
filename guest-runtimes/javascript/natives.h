/* What the files of `session/` get from C: see natives.c, files.c and calls.c. */
#ifndef BELLJAR_NATIVES_H
#define BELLJAR_NATIVES_H

#include "quickjs.h"

/* An object with all of these functions. */
JSValue natives_new(JSContext *context);

/* Each adds its functions to `native`. */
void files_add(JSContext *context, JSValueConst native);
void calls_add(JSContext *context, JSValueConst native);

/* The bytes of a Uint8Array, or NULL with an exception. */
uint8_t *natives_bytes(JSContext *context, size_t *size, JSValueConst value);

#endif
