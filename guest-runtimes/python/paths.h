/* A /tmp inside the workspace; see paths.c. */
#ifndef BELLJAR_PATHS_H
#define BELLJAR_PATHS_H

/* Removes the folder behind /tmp if this run used it and left it empty. */
void paths_end_run(void);

#endif
