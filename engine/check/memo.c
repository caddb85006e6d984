/* memo.c - a function of many values, called at most once for each point.
 *
 * The differences of each value, and of each sum of values, ask for the same points: steps and
 * spacings depend on x alone. Points are told apart by 128 bits of a hash of theirs. */
#include "check/memo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64, MOST_NUMBERS = 1 << 24 }; /* 128 MB of values */

bool ad__memo_open(ad__memo *memo, ad__many *f, void *context, size_t n, size_t m) {
    *memo = (ad__memo){.f = f, .context = context, .n = n, .m = m, .slots = FIRST_SLOTS};
    memo->most = m < MOST_NUMBERS ? MOST_NUMBERS / (m + 1) + 1 : 1;
    memo->slot = calloc(memo->slots, sizeof *memo->slot);
    memo->x = malloc((n + 1) * sizeof *memo->x);
    return memo->slot != NULL && memo->x != NULL;
}

void ad__memo_close(ad__memo *memo) {
    free(memo->slot);
    free(memo->x);
    free(memo->value);
}

void ad__memo_call(ad__memo *memo, const double x[], double y[]) {
    memcpy(memo->x, x, memo->n * sizeof *x);
    for (size_t i = 0; i < memo->m; i++) y[i] = NAN;
    memo->evaluations++;
    memo->f(memo->n, memo->x, memo->m, y, memo->context);
}

/* ---- the table ------------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t h) {
    h = (h ^ (h >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    return h ^ (h >> 32);
}

static void hash(size_t n, const double x[], uint64_t key[2]) {
    key[0] = n, key[1] = ~(uint64_t)n;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        key[0] = mixed(key[0] ^ bits) + UINT64_C(0x9E3779B97F4A7C15);
        key[1] = (key[1] + bits) * UINT64_C(0x2545F4914F6CDD1D);
        key[1] ^= key[1] >> 29;
    }
}

static ad__memo_point *find(const ad__memo *memo, const uint64_t key[2]) {
    size_t i = key[0] & (memo->slots - 1);
    while (memo->slot[i].row > 0 &&
           (memo->slot[i].key[0] != key[0] || memo->slot[i].key[1] != key[1]))
        i = (i + 1) & (memo->slots - 1);
    return &memo->slot[i];
}

static bool more_slots(ad__memo *memo) {
    if (2 * memo->points < memo->slots) return true;
    ad__memo larger = *memo;
    larger.slots = 2 * memo->slots;
    larger.slot = calloc(larger.slots, sizeof *larger.slot);
    if (larger.slot == NULL) return false;
    for (size_t i = 0; i < memo->slots; i++)
        if (memo->slot[i].row > 0) *find(&larger, memo->slot[i].key) = memo->slot[i];
    free(memo->slot);
    *memo = larger;
    return true;
}

static bool more_room(ad__memo *memo) {
    if (memo->points < memo->room) return true;
    size_t room = memo->room == 0 ? 8 : 2 * memo->room;
    if (room > memo->most) room = memo->most;
    if (memo->m > SIZE_MAX / sizeof(double) / room) return false;
    double *value = realloc(memo->value, (room * memo->m + 1) * sizeof *value);
    if (value == NULL) return false;
    memo->value = value, memo->room = room;
    return true;
}

const double *ad__memo_at(ad__memo *memo, const double x[]) {
    uint64_t key[2];
    hash(memo->n, x, key);
    const ad__memo_point *known = find(memo, key);
    if (known->row > 0) return memo->value + (known->row - 1) * memo->m;
    if (memo->points == memo->most) {
        memset(memo->slot, 0, memo->slots * sizeof *memo->slot);
        memo->points = 0;
    }
    if (!more_slots(memo) || !more_room(memo)) return NULL;
    double *y = memo->value + memo->points * memo->m;
    ad__memo_call(memo, x, y);
    *find(memo, key) = (ad__memo_point){{key[0], key[1]}, ++memo->points};
    return y;
}
