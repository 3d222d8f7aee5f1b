/* `import`, for the engine: which module a name means and what is in it say
 * `resolve` and `load` of `session/modules.js`.
 *
 * What is not a module of JavaScript, such as `node:fs` and what was written for
 * `require`, becomes one here: its exports are the properties of an object.
 */
#include "modules.h"

#include <string.h>

static JSValue resolve, load;

static char *
normalize(JSContext *context, const char *base, const char *name, void *opaque)
{
    JSValue arguments[2] = {JS_NewString(context, name), JS_NewString(context, base)};
    JSValue answer = JS_Call(context, resolve, JS_UNDEFINED, 2, (JSValueConst *)arguments);
    JS_FreeValue(context, arguments[0]);
    JS_FreeValue(context, arguments[1]);
    const char *found = JS_IsException(answer) ? NULL : JS_ToCString(context, answer);
    char *copy = found ? js_strdup(context, found) : NULL;
    JS_FreeCString(context, found);
    JS_FreeValue(context, answer);
    return copy;
}

/* Gives the exports of an object their values. */
static int
fill(JSContext *context, JSModuleDef *module)
{
    JSValue exports = JS_GetModulePrivateValue(context, module);
    JSPropertyEnum *names;
    uint32_t count;
    int result = JS_GetOwnPropertyNames(context, &names, &count, exports, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY);
    for (uint32_t i = 0; result == 0 && i < count; i++) {
        const char *name = JS_AtomToCString(context, names[i].atom);
        JSValue value = JS_GetProperty(context, exports, names[i].atom);
        if (name == NULL || JS_IsException(value)) {
            result = -1;
        } else {
            result = JS_SetModuleExport(context, module, name, value);
        }
        JS_FreeCString(context, name);
    }
    if (result == 0 || count > 0) {
        JS_FreePropertyEnum(context, names, count);
    }
    JS_FreeValue(context, exports);
    return result;
}

static JSModuleDef *
from_object(JSContext *context, const char *name, JSValue exports)
{
    JSModuleDef *module = JS_NewCModule(context, name, fill);
    JSPropertyEnum *names;
    uint32_t count;
    if (module == NULL ||
        JS_GetOwnPropertyNames(context, &names, &count, exports, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0) {
        JS_FreeValue(context, exports);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *export = JS_AtomToCString(context, names[i].atom);
        if (export != NULL) {
            JS_AddModuleExport(context, module, export);
        }
        JS_FreeCString(context, export);
    }
    JS_FreePropertyEnum(context, names, count);
    JS_SetModulePrivateValue(context, module, exports);
    return module;
}

static JSModuleDef *
from_text(JSContext *context, const char *name, JSValueConst text)
{
    size_t size;
    const char *code = JS_ToCStringLen(context, &size, text);
    if (code == NULL) {
        return NULL;
    }
    JSValue compiled = JS_Eval(context, code, size, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    JS_FreeCString(context, code);
    if (JS_IsException(compiled)) {
        return NULL;
    }
    JSModuleDef *module = JS_VALUE_GET_PTR(compiled);
    /* The engine holds it by its name. */
    JS_FreeValue(context, compiled);
    JSValue meta = JS_GetImportMeta(context, module);
    JS_DefinePropertyValueStr(context, meta, "filename", JS_NewString(context, name), JS_PROP_C_W_E);
    const char *slash = strrchr(name, '/');
    size_t folder = slash && slash != name ? (size_t)(slash - name) : 1;
    JS_DefinePropertyValueStr(context, meta, "dirname", JS_NewStringLen(context, name, folder), JS_PROP_C_W_E);
    char *url = js_malloc(context, sizeof "file://" + strlen(name));
    if (url != NULL) {
        stpcpy(stpcpy(url, "file://"), name);
        JS_DefinePropertyValueStr(context, meta, "url", JS_NewString(context, url), JS_PROP_C_W_E);
        js_free(context, url);
    }
    JS_FreeValue(context, meta);
    return module;
}

static JSModuleDef *
load_module(JSContext *context, const char *name, void *opaque, JSValueConst attributes)
{
    JSValue text = JS_NewString(context, name);
    JSValue answer = JS_Call(context, load, JS_UNDEFINED, 1, (JSValueConst *)&text);
    JS_FreeValue(context, text);
    if (JS_IsException(answer)) {
        return NULL;
    }
    if (!JS_IsString(answer)) {
        return from_object(context, name, answer);
    }
    JSModuleDef *module = from_text(context, name, answer);
    JS_FreeValue(context, answer);
    return module;
}

void
modules_begin(JSRuntime *runtime, JSContext *context, JSValueConst internal)
{
    resolve = JS_GetPropertyStr(context, internal, "resolve");
    load = JS_GetPropertyStr(context, internal, "load");
    JS_SetModuleLoaderFunc2(runtime, normalize, load_module, NULL, NULL);
}
