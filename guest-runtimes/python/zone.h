/* Local time in a zone that the run chose; see zone.c. */
#ifndef BELLJAR_ZONE_H
#define BELLJAR_ZONE_H
#include <Python.h>

/* set_zone(None) or set_zone([(since, offset, is_dst, name), ...]): the zone
 * that localtime_r() and mktime() use from now on. `since` and `offset` are
 * seconds; the first entry also holds for everything before it. */
PyObject *zone_set(PyObject *module, PyObject *periods);

#endif
