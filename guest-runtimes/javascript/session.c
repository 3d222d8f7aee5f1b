/* The files of `session/`, in the order in which each finds what it needs. */
#include "session.h"

/* The engine wants a zero behind what it parses. */
static const char begin_js[] = {
#embed "session/begin.js"
    , 0};
static const char inspect_js[] = {
#embed "session/inspect.js"
    , 0};
static const char path_js[] = {
#embed "session/path.js"
    , 0};
static const char encoding_js[] = {
#embed "session/encoding.js"
    , 0};
static const char buffer_js[] = {
#embed "session/buffer.js"
    , 0};
static const char events_js[] = {
#embed "session/events.js"
    , 0};
static const char timers_js[] = {
#embed "session/timers.js"
    , 0};
static const char calls_js[] = {
#embed "session/calls.js"
    , 0};
static const char fs_js[] = {
#embed "session/fs.js"
    , 0};
static const char console_js[] = {
#embed "session/console.js"
    , 0};
static const char process_js[] = {
#embed "session/process.js"
    , 0};
static const char web_js[] = {
#embed "session/web.js"
    , 0};
static const char url_js[] = {
#embed "session/url.js"
    , 0};
static const char util_js[] = {
#embed "session/util.js"
    , 0};
static const char modules_js[] = {
#embed "session/modules.js"
    , 0};
static const char display_js[] = {
#embed "session/display.js"
    , 0};
static const char runner_js[] = {
#embed "session/runner.js"
    , 0};

#define FILE_OF(name) {"internal:" #name, name##_js, sizeof name##_js - 1}

const struct session_file session_files[] = {
    FILE_OF(begin),
    FILE_OF(inspect),
    FILE_OF(path),
    FILE_OF(encoding),
    FILE_OF(buffer),
    FILE_OF(events),
    FILE_OF(timers),
    FILE_OF(calls),
    FILE_OF(fs),
    FILE_OF(console),
    FILE_OF(process),
    FILE_OF(web),
    FILE_OF(url),
    FILE_OF(util),
    FILE_OF(modules),
    FILE_OF(display),
    FILE_OF(runner),
    {NULL, NULL, 0},
};
