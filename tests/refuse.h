/* refuse.h - an allocator that can fail, for tests of what happens when memory is out.
 *
 * It stands in front of the C library's in a program that includes this file, once: the n-th
 * request after arm(n, once) fails, or from there on all do, until disarm. It also counts the
 * blocks that are held, so that what is lost on the way is seen. Under a sanitizer, which has an
 * allocator of its own, CAN_REFUSE is false. */
#ifndef TAPIR_TESTS_REFUSE_H
#define TAPIR_TESTS_REFUSE_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static bool   armed, only_once, refused;
static size_t requests, first_refused;
/* Blocks that were given out and not taken back; not every program asks. */
static long   held __attribute__((unused));

static void arm(size_t n, bool once) {
    requests = 0;
    first_refused = n;
    only_once = once;
    refused = false;
    armed = true;
}
static void disarm(void) {
    armed = false;
}

#if defined(__GLIBC__) && !defined(SANITIZED)
#define CAN_REFUSE true

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void  __libc_free(void *memory);

static bool refuse(void) {
    if (!armed) return false;
    requests++;
    if (only_once ? requests != first_refused : requests < first_refused) return false;
    refused = true;
    errno = ENOMEM;
    return true;
}

static void *given(void *memory) {
    if (memory != NULL) __atomic_fetch_add(&held, 1, __ATOMIC_RELAXED);
    return memory;
}

void *malloc(size_t size) {
    return refuse() ? NULL : given(__libc_malloc(size));
}
void *calloc(size_t count, size_t size) {
    return refuse() ? NULL : given(__libc_calloc(count, size));
}
void *realloc(void *memory, size_t size) {
    if (refuse()) return NULL;
    return memory == NULL ? given(__libc_malloc(size)) : __libc_realloc(memory, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    return refuse() ? NULL : given(__libc_memalign(alignment, size));
}
int posix_memalign(void **to, size_t alignment, size_t size) {
    void *memory = aligned_alloc(alignment, size);
    if (memory == NULL) return ENOMEM;
    *to = memory;
    return 0;
}
void free(void *memory) {
    if (memory != NULL) __atomic_fetch_sub(&held, 1, __ATOMIC_RELAXED);
    __libc_free(memory);
}
#else
#define CAN_REFUSE false
#endif

/* Opened with a buffer of its own, so that writing asks for no memory. */
__attribute__((unused)) static FILE *nowhere(void) {
    static char buffer[BUFSIZ];
    FILE       *file = fopen("/dev/null", "w");
    if (file != NULL) setvbuf(file, buffer, _IOFBF, sizeof buffer);
    return file;
}

#endif
