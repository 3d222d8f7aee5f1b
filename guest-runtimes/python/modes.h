/* What WASI's C library does not declare; see modes.c.
 *
 * Included before every file of CPython and SQLite, which choose what the
 * headers of the C library declare: so nothing is included here. */
#ifndef BELLJAR_MODES_H
#define BELLJAR_MODES_H

#ifndef __ASSEMBLER__
/* With mode_t as it is defined for WASI. */
unsigned umask(unsigned mask);

/* The next run begins with the usual umask. */
void modes_end_run(void);
#endif

#endif
