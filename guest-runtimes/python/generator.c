/* New state for the generator of the module `random`.
 *
 * Seeding it the usual way is a quarter of what a small program costs, most of it
 * for numbers that no program asks for.
 */
#include "generator.h"
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define WORDS 624
#define SEEDS 4

/* As Modules/_randommodule.c has it. */
typedef struct {
    PyObject_HEAD
    int index;
    uint32_t state[WORDS];
} Generator;

/* SplitMix64: each number of its sequence, which every seed enters somewhere. */
static uint64_t
next(uint64_t *seed)
{
    uint64_t mixed = *seed += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

PyObject *
generator_renew(PyObject *Py_UNUSED(module), PyObject *random)
{
    PyTypeObject *type = Py_TYPE(random);
    while (type != NULL && strcmp(type->tp_name, "_random.Random") != 0) {
        type = type->tp_base;
    }
    if (type == NULL || type->tp_basicsize != (Py_ssize_t)sizeof(Generator)) {
        return PyErr_Format(PyExc_TypeError, "not a generator that is known here: %R", random);
    }
    uint64_t seeds[SEEDS];
    if (getentropy(seeds, sizeof seeds) != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Generator *generator = (Generator *)random;
    for (int i = 0; i < WORDS / 2; i++) {
        uint64_t number = next(&seeds[i % SEEDS]);
        generator->state[2 * i] = (uint32_t)number;
        generator->state[2 * i + 1] = (uint32_t)(number >> 32);
    }
    /* All of these words are used up: the first number makes the next ones. */
    generator->index = WORDS;
    Py_RETURN_NONE;
}
