/* PBKDF2 and the core of scrypt over the hashes that CPython has.
 *
 * hashlib takes both from OpenSSL, which is not here. In Python a round costs
 * a hundred times as much as the hash itself, and passwords want 100,000.
 */
#include "derive.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "python_hacl_namespaces.h"
#include "internal/Hacl_Hash_MD5.h"
#include "internal/Hacl_Hash_SHA1.h"
#include "internal/Hacl_Hash_SHA2.h"

/* SHA-512's, the largest. */
#define BLOCK_MOST 128
#define DIGEST_MOST 64

/* How many rounds pass between looks at the interrupt. */
#define ROUNDS_PER_LOOK 1024

union state {
    uint32_t words[8];
    uint64_t longs[8];
};

struct hash {
    const char *name;
    size_t digest;
    size_t block;
    int little_endian;
    void (*start)(union state *state);
    void (*take)(union state *state, uint8_t *blocks, uint32_t count);
    void (*finish)(union state *state, uint8_t *digest);
};

/* Adapters, because a call through a pointer must have its exact type. */
#define ADAPTERS(name, member, start_call, take_call, finish_call) \
    static void name##_start(union state *state) { start_call(state->member); } \
    static void name##_take(union state *state, uint8_t *blocks, uint32_t count) { take_call; } \
    static void name##_finish(union state *state, uint8_t *digest) { finish_call(state->member, digest); }

ADAPTERS(md5, words, Hacl_Hash_MD5_init,
         Hacl_Hash_MD5_update_multi(state->words, blocks, count), Hacl_Hash_MD5_finish)
ADAPTERS(sha1, words, Hacl_Hash_SHA1_init,
         Hacl_Hash_SHA1_update_multi(state->words, blocks, count), Hacl_Hash_SHA1_finish)
ADAPTERS(sha224, words, Hacl_Hash_SHA2_sha224_init,
         Hacl_Hash_SHA2_sha256_update_nblocks(count * 64, blocks, state->words), Hacl_Hash_SHA2_sha224_finish)
ADAPTERS(sha256, words, Hacl_Hash_SHA2_sha256_init,
         Hacl_Hash_SHA2_sha256_update_nblocks(count * 64, blocks, state->words), Hacl_Hash_SHA2_sha256_finish)
ADAPTERS(sha384, longs, Hacl_Hash_SHA2_sha384_init,
         Hacl_Hash_SHA2_sha384_update_nblocks(count * 128, blocks, state->longs), Hacl_Hash_SHA2_sha384_finish)
ADAPTERS(sha512, longs, Hacl_Hash_SHA2_sha512_init,
         Hacl_Hash_SHA2_sha512_update_nblocks(count * 128, blocks, state->longs), Hacl_Hash_SHA2_sha512_finish)

#define HASH(name, digest, block, little) {#name, digest, block, little, name##_start, name##_take, name##_finish}

static const struct hash hashes[] = {
    HASH(md5, 16, 64, 1),   HASH(sha1, 20, 64, 0),    HASH(sha224, 28, 64, 0),
    HASH(sha256, 32, 64, 0), HASH(sha384, 48, 128, 0), HASH(sha512, 64, 128, 0),
};

static const struct hash *
hash_named(const char *name)
{
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        if (strcmp(hashes[i].name, name) == 0) {
            return &hashes[i];
        }
    }
    return NULL;
}

/* Writes the padding after `size` bytes in `block`, for a message of `total`
 * bytes. There must be room for it. */
static void
pad(const struct hash *hash, uint8_t *block, size_t size, uint64_t total)
{
    memset(block + size, 0, hash->block - size);
    block[size] = 0x80;
    uint64_t bits = total * 8;
    uint8_t *end = block + hash->block;
    for (int i = 0; i < 8; i++) {
        uint8_t byte = (uint8_t)(bits >> (8 * i));
        end[hash->little_endian ? i - 8 : -1 - i] = byte;
    }
}

/* The digest of one block that `state` has taken and the `size` bytes of
 * `message` after it. */
static void
digest_after_block(const struct hash *hash, union state state, const uint8_t *message, size_t size,
                   uint8_t *digest)
{
    uint8_t block[BLOCK_MOST];
    uint64_t total = hash->block + (uint64_t)size;
    while (size >= hash->block) {
        memcpy(block, message, hash->block);
        hash->take(&state, block, 1);
        message += hash->block;
        size -= hash->block;
    }
    if (size > 0) {
        memcpy(block, message, size);
    }
    /* Sixteen bytes of length for the wide hashes, eight for the others. */
    size_t room = hash->block - 1 - hash->block / 8;
    if (size > room) {
        memset(block + size, 0, hash->block - size);
        block[size] = 0x80;
        hash->take(&state, block, 1);
        pad(hash, block, 0, total);
        block[0] = 0;
    } else {
        pad(hash, block, size, total);
    }
    hash->take(&state, block, 1);
    hash->finish(&state, digest);
}

static void
keyed_state(const struct hash *hash, const uint8_t *key, size_t size, uint8_t filler, union state *state)
{
    uint8_t block[BLOCK_MOST];
    memset(block, filler, sizeof block);
    for (size_t i = 0; i < size; i++) {
        block[i] ^= key[i];
    }
    hash->start(state);
    hash->take(state, block, 1);
}

/* One block of the result: RFC 8018, 5.2. -1 when the run was interrupted. */
static int
derive_block(const struct hash *hash, const union state *inner, const union state *outer,
             const uint8_t *salt, size_t salt_size, unsigned long long iterations, uint8_t *result)
{
    uint8_t round[DIGEST_MOST];
    digest_after_block(hash, *inner, salt, salt_size, round);
    digest_after_block(hash, *outer, round, hash->digest, round);
    memcpy(result, round, hash->digest);
    for (unsigned long long i = 1; i < iterations; i++) {
        digest_after_block(hash, *inner, round, hash->digest, round);
        digest_after_block(hash, *outer, round, hash->digest, round);
        for (size_t at = 0; at < hash->digest; at++) {
            result[at] ^= round[at];
        }
        if (i % ROUNDS_PER_LOOK == 0 && PyErr_CheckSignals() != 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
derive_pbkdf2(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    Py_buffer key, salt;
    unsigned long long iterations;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "sy*y*Kn", &name, &key, &salt, &iterations, &length)) {
        return NULL;
    }
    PyObject *result = NULL;
    uint8_t *salted = NULL;
    const struct hash *hash = hash_named(name);
    if (hash == NULL) {
        result = Py_NewRef(Py_None);
        goto done;
    }
    if ((size_t)key.len > hash->block || length < 0) {
        PyErr_SetString(PyExc_ValueError, "the key is longer than a block, or the length negative");
        goto done;
    }
    salted = malloc((size_t)salt.len + 4);
    result = PyBytes_FromStringAndSize(NULL, length);
    if (salted == NULL || result == NULL) {
        Py_CLEAR(result);
        PyErr_NoMemory();
        goto done;
    }
    if (salt.len > 0) {
        memcpy(salted, salt.buf, (size_t)salt.len);
    }
    union state inner, outer;
    keyed_state(hash, key.buf, (size_t)key.len, 0x36, &inner);
    keyed_state(hash, key.buf, (size_t)key.len, 0x5c, &outer);
    uint8_t *to = (uint8_t *)PyBytes_AS_STRING(result);
    size_t left = (size_t)length;
    for (uint32_t index = 1; left > 0; index++) {
        for (int i = 0; i < 4; i++) {
            salted[salt.len + i] = (uint8_t)(index >> (24 - 8 * i));
        }
        uint8_t block[DIGEST_MOST];
        if (derive_block(hash, &inner, &outer, salted, (size_t)salt.len + 4, iterations, block) != 0) {
            Py_CLEAR(result);
            goto done;
        }
        size_t taken = left < hash->digest ? left : hash->digest;
        memcpy(to, block, taken);
        to += taken;
        left -= taken;
    }
done:
    free(salted);
    PyBuffer_Release(&key);
    PyBuffer_Release(&salt);
    return result;
}

/* ---- scrypt ---- */

#define ROTATED(x, by) (((x) << (by)) | ((x) >> (32 - (by))))

/* RFC 7914, 3: `block` becomes Salsa20/8 of itself. */
static void
salsa20_8(uint32_t block[16])
{
    uint32_t x[16];
    memcpy(x, block, sizeof x);
#define QUARTER(a, b, c, d) \
    x[b] ^= ROTATED(x[a] + x[d], 7); \
    x[c] ^= ROTATED(x[b] + x[a], 9); \
    x[d] ^= ROTATED(x[c] + x[b], 13); \
    x[a] ^= ROTATED(x[d] + x[c], 18);
    for (int round = 0; round < 8; round += 2) {
        QUARTER(0, 4, 8, 12)
        QUARTER(5, 9, 13, 1)
        QUARTER(10, 14, 2, 6)
        QUARTER(15, 3, 7, 11)
        QUARTER(0, 1, 2, 3)
        QUARTER(5, 6, 7, 4)
        QUARTER(10, 11, 8, 9)
        QUARTER(15, 12, 13, 14)
    }
#undef QUARTER
    for (int i = 0; i < 16; i++) {
        block[i] += x[i];
    }
}

/* RFC 7914, 4: from `from` to `to`, both 2 * r blocks of 16 words. */
static void
mix_blocks(const uint32_t *from, uint32_t *to, size_t r)
{
    uint32_t x[16];
    memcpy(x, from + (2 * r - 1) * 16, sizeof x);
    for (size_t i = 0; i < 2 * r; i++) {
        for (int j = 0; j < 16; j++) {
            x[j] ^= from[i * 16 + j];
        }
        salsa20_8(x);
        memcpy(to + (i / 2 + (i % 2) * r) * 16, x, sizeof x);
    }
}

/* RFC 7914, 5, on `words` words in place. WebAssembly is little-endian, as
 * scrypt is. -1 when the run was interrupted. */
static int
mix_with_memory(uint32_t *block, uint32_t *other, uint32_t *memory, size_t words, uint64_t n, size_t r)
{
    for (uint64_t i = 0; i < n; i++) {
        memcpy(memory + i * words, block, words * sizeof *block);
        mix_blocks(block, other, r);
        memcpy(block, other, words * sizeof *block);
        if (i % ROUNDS_PER_LOOK == 0 && PyErr_CheckSignals() != 0) {
            return -1;
        }
    }
    for (uint64_t i = 0; i < n; i++) {
        /* n is a power of two, so the lowest words decide. */
        const uint32_t *last = block + (2 * r - 1) * 16;
        uint64_t j = ((uint64_t)last[1] << 32 | last[0]) & (n - 1);
        const uint32_t *row = memory + j * words;
        for (size_t at = 0; at < words; at++) {
            block[at] ^= row[at];
        }
        mix_blocks(block, other, r);
        memcpy(block, other, words * sizeof *block);
        if (i % ROUNDS_PER_LOOK == 0 && PyErr_CheckSignals() != 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
derive_scrypt_mix(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer blocks;
    unsigned long long n, r;
    if (!PyArg_ParseTuple(args, "y*KK", &blocks, &n, &r)) {
        return NULL;
    }
    PyObject *result = NULL;
    uint32_t *memory = NULL;
    /* Bounds first, so that no product below can overflow. */
    if (r == 0 || r > (1U << 20) || n < 2 || n > (1U << 30) || (n & (n - 1)) != 0
        || (size_t)blocks.len % (128 * (size_t)r) != 0) {
        PyErr_SetString(PyExc_ValueError, "Invalid parameter combination for n, r, p, maxmem.");
        goto done;
    }
    size_t words = 32 * (size_t)r;
    uint64_t bytes = (n + 2) * words * sizeof *memory;
    memory = bytes > PY_SSIZE_T_MAX ? NULL : malloc((size_t)bytes);
    if (memory == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    result = PyBytes_FromStringAndSize(blocks.buf, blocks.len);
    if (result == NULL) {
        goto done;
    }
    uint32_t *block = memory + n * words, *other = block + words;
    for (Py_ssize_t at = 0; at < blocks.len; at += (Py_ssize_t)(words * sizeof *block)) {
        char *place = PyBytes_AS_STRING(result) + at;
        memcpy(block, place, words * sizeof *block);
        if (mix_with_memory(block, other, memory, words, n, (size_t)r) != 0) {
            Py_CLEAR(result);
            goto done;
        }
        memcpy(place, block, words * sizeof *block);
    }
done:
    free(memory);
    PyBuffer_Release(&blocks);
    return result;
}
