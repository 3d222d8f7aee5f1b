/* Modules: see modules.c. */
#ifndef BELLJAR_MODULES_H
#define BELLJAR_MODULES_H

#include "quickjs.h"

/* `internal` has `resolve` and `load`, of `session/modules.js`. */
void modules_begin(JSRuntime *runtime, JSContext *context, JSValueConst internal);

#endif
