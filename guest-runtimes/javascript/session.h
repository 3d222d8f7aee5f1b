/* The files of `session/`, in the order in which they are loaded: see session.c. */
#ifndef BELLJAR_SESSION_H
#define BELLJAR_SESSION_H

#include <stddef.h>

struct session_file {
    /* As stacks would call it; the engine leaves out of them what begins so. */
    const char *name;
    const char *text;
    size_t size;
};

/* Ends with a name that is NULL. */
extern const struct session_file session_files[];

#endif
