/* Whether the program opened a file to write to: see opened.c. */
#ifndef BELLJAR_OPENED_H
#define BELLJAR_OPENED_H

int opened_a_file(void);
void opened_begin_run(void);

#endif
