/* Local time for a C library that only knows UTC.
 *
 * wasi-libc has no time zones. The linker's --wrap sends CPython's calls of
 * localtime_r() and mktime() here; without a zone they pass straight on, so a
 * run in UTC pays nothing. The table of a zone comes from Python, which reads
 * it from the tzdata inside the image.
 */
#define PY_SSIZE_T_CLEAN
#include "zone.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* More than any abbreviation in tzdata ("+0530", "AEST"), with its NUL. */
#define NAME_SIZE 16

struct period {
    int64_t since;
    int32_t offset;
    int32_t is_dst;
    char name[NAME_SIZE];
};

static struct period *periods;
static size_t period_count;

struct tm *__real_localtime_r(const time_t *when, struct tm *parts);
time_t __real_mktime(struct tm *parts);

PyObject *
zone_set(PyObject *Py_UNUSED(module), PyObject *list)
{
    struct period *table = NULL;
    Py_ssize_t count = 0;
    if (list != Py_None) {
        if (!PyList_Check(list)) {
            PyErr_SetString(PyExc_TypeError, "a list of periods is wanted");
            return NULL;
        }
        count = PyList_GET_SIZE(list);
        table = calloc(count > 0 ? (size_t)count : 1, sizeof *table);
        if (table == NULL) {
            return PyErr_NoMemory();
        }
        for (Py_ssize_t i = 0; i < count; i++) {
            long long since;
            int offset, is_dst;
            const char *name;
            if (!PyArg_ParseTuple(PyList_GET_ITEM(list, i), "Lips", &since, &offset, &is_dst, &name)) {
                free(table);
                return NULL;
            }
            table[i].since = since;
            table[i].offset = offset;
            table[i].is_dst = is_dst;
            strncpy(table[i].name, name, NAME_SIZE - 1);
        }
    }
    free(periods);
    periods = table;
    period_count = (size_t)count;
    Py_RETURN_NONE;
}

static const struct period *
period_at(int64_t when)
{
    size_t low = 0, high = period_count;
    /* The last period that has begun, or the first one of all. */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (periods[middle].since <= when) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &periods[low];
}

struct tm *
__wrap_localtime_r(const time_t *when, struct tm *parts)
{
    if (period_count == 0) {
        return __real_localtime_r(when, parts);
    }
    const struct period *period = period_at(*when);
    time_t shifted = *when + period->offset;
    if (__real_localtime_r(&shifted, parts) == NULL) {
        return NULL;
    }
    parts->tm_isdst = period->is_dst;
    parts->__tm_gmtoff = period->offset;
    parts->__tm_zone = period->name;
    return parts;
}

/* Of the two instants that a repeated hour stands for, tm_isdst chooses; when
 * it is negative or does not fit, the earlier one is meant. An hour that is
 * skipped counts with the offset from before the change. */
time_t
__wrap_mktime(struct tm *parts)
{
    if (period_count == 0) {
        return __real_mktime(parts);
    }
    int wanted = parts->tm_isdst;
    struct tm utc = *parts;
    time_t wall = __real_mktime(&utc);
    const int64_t day = 24 * 60 * 60;
    const struct period *before = period_at((int64_t)wall - day);
    const struct period *after = period_at((int64_t)wall + day);
    time_t early = wall - before->offset, late = wall - after->offset;
    int early_fits = period_at(early) == before;
    int late_fits = period_at(late) == after;
    time_t answer = early;
    if (late_fits && (!early_fits || (wanted >= 0 && (after->is_dst != 0) == (wanted > 0)
                                      && (before->is_dst != 0) != (wanted > 0)))) {
        answer = late;
    }
    if (__wrap_localtime_r(&answer, parts) == NULL) {
        return (time_t)-1;
    }
    return answer;
}
