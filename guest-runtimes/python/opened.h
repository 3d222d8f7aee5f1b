/* Whether the program opened a file to write to: see opened.c. */
#ifndef BELLJAR_OPENED_H
#define BELLJAR_OPENED_H

/* A file is opened with these flags. */
void opened_note(int flags);
int opened_a_file(void);
void opened_begin_run(void);

#endif
