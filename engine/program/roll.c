/* roll.c - repetition found among the uniform values of a program, so that one row too runs as
 * lanes.
 *
 * A loop that a user wrote left its body on the tape many times over. Here the uniform values stand
 * in one line of items, and a *roll* is a stretch of it made of equal bodies, one after the other:
 * the same operations; operands from inside the body at the same place in it; operands from outside
 * anything that was there before the roll began. So no repetition looks at what another computed,
 * and all run side by side, a lane each. Where the homes of an outside operand advance by one, it
 * is read where it stands; where they do not move, as one number for all; else by a list.
 *
 * A long sum (or dot) would end such a loop without being part of it. Its terms are items of their
 * own, which add to the home of the sum: a term whose last operand nobody else wants stands right
 * after that operand, and is part of the body that made it.
 *
 * Homes are given in the order of the line, so that whatever a roll leaves for others stands side
 * by side by repetition, and the next roll finds it in a row. What only its own repetition reads
 * gets no home.
 *
 * Where repetitions do look at each other, but only at a part of the body (the difference of two
 * neighbours that is shared with the next repetition, or the state of a simulation beside what is
 * made of it), that part of all repetitions is put before the rest of all.
 *
 * To find the length of a body at an item, the distances to the next few items at which the same
 * four operations follow are tried, and the one that repeats most often is taken. The comparisons
 * are counted: each item adds SHARE to an account, each comparison that led to nothing takes one,
 * and without credit nothing is tried, so that compiling is linear whatever the graph. */
#include "program/roll.h"

#include "program/body.h"

#include <stdlib.h>

#define NONE UINT32_MAX

enum {
    LEAST = 8,           /* repetitions: fewer than a vector of lanes gain nothing */
    LONGEST = 1024,      /* items of a body */
    SLOTS = 4 * LONGEST, /* operands of a body */
    TRIES = 4,
    ENOUGH = 64, /* lengths tried; repetitions that need no better */
    SHARE = 16,
    WINDOW = 4,
    LEAST_BITS = 6,
    MOST_BITS = 16, /* operations compared at once; size of their table */
    SHORT = 8,      /* terms up to which a sum stays one item */
    CACHE = 32 * 1024,
    MOST_LANES = 512,
    LEAST_LANES = 64,
    /* rows of a block beside those of values and adjoints (body.h) */
    SPARE = AD__MOST_OPERANDS + AD__BODY_SPARE,
    ROUND = 8 /* lanes are used eight at a time */
};

typedef struct roller {
    ad_program      *p;
    ad__instruction *item; /* operands are values; becomes p->instruction in place */
    uint32_t         items;
    uint32_t        *place; /* by value: 1 + the last item that gives it; 0 for leaves */
    uint32_t        *uses;  /* by value */
    /* by item: one further on at which the same four operations may follow */
    uint32_t        *next;
    uint32_t        *dead;   /* by length: no start below this leads to a roll */
    int64_t         *stride; /* by operand of the body that is tried */
    bool            *ahead;  /* by item of the body that is tried: other repetitions look at it */
    uint32_t         whole;  /* nothing below this is split: it was, or it was tried */
    int64_t          credit;
    size_t           index_room, roll_room, body_room, source_room, indices, bodies, sources;
    bool             failed;
} roller;

static uint32_t operand(const roller *r, const ad__instruction *item, uint32_t i) {
    return ad__in_words(item->code) ? r->p->word[item->x + i] : i == 0 ? item->x : item->y;
}

static bool leaf(const ad__node *node) {
    return node->code == AD__CONSTANT || node->code == AD__PARAM;
}

static bool computed(const ad__node *node) {
    return !(node->flags & AD__VARYING) && !leaf(node);
}

static bool long_sum(const ad__node *node) {
    return (node->code == AD__sum || node->code == AD__dot) && node->y > SHORT;
}

/* Room for `more` elements at the end of an array that doubles. */
static bool reserve(roller *r, void *array, size_t *room, size_t used, size_t more, size_t bytes) {
    if (used + more <= *room) return true;
    size_t size = *room == 0 ? 64 : *room;
    while (size < used + more) size *= 2;
    void *old;
    memcpy(&old, array, sizeof old);
    void *memory = size >= NONE ? NULL : realloc(old, size * bytes);
    if (memory == NULL) return !(r->failed = true);
    memcpy(array, &memory, sizeof memory);
    *room = size;
    return true;
}

/* ---- the line of items ----------------------------------------------------------------------- */

static void use(roller *r, uint32_t value) {
    r->uses[value]++;
}

/* Varying values and layers are users too: what they read needs a home. */
static void count_uses(roller *r) {
    const ad_program *p = r->p;
    for (uint32_t i = 0; i < p->nodes; i++) {
        const ad__node       *node = &p->node[i];
        const ad__instruction item = {node->code, node->x, node->y, 0};
        if (node->code == AD__LAYER_DOT) continue;
        for (uint32_t k = ad__operand_count(node->code, node->y); k-- > 0;)
            use(r, operand(r, &item, k));
    }
    for (uint32_t k = 0; k < p->layers; k++)
        for (size_t i = 0; i < (size_t)p->layer[k].m * p->layer[k].n; i++)
            use(r, p->word[p->layer[k].weight + i]);
    for (uint32_t g = 0; g < p->guards; g++) {
        const ad__node *node = &p->node[p->guard[g].value];
        use(r, p->guard[g].value);
        if (ad__guard_sides(p, g)) use(r, node->x), use(r, node->y);
    }
    for (size_t k = 0; k < p->outputs; k++) use(r, p->output[k]);
}

/* A term of a long sum: its operands, the second NONE in a sum. */
static uint32_t factor(const ad_program *p, const ad__node *sum, uint32_t k, int which) {
    if (which == 0) return p->word[sum->x + k];
    return sum->code == AD__dot ? p->word[sum->x + sum->y + k] : NONE;
}

/* The operand right after which a term may stand: computed last, and wanted by nobody else; else
 * NONE. */
static uint32_t owner(const roller *r, const ad__node *sum, uint32_t k) {
    const ad_program *p = r->p;
    const uint32_t    x = factor(p, sum, k, 0), y = factor(p, sum, k, 1);
    const uint32_t    last = y == NONE || x > y ? x : y;
    if (!computed(&p->node[last]) || long_sum(&p->node[last])) return NONE;
    return r->uses[last] == (x == y ? 2u : 1u) ? last : NONE;
}

static void add_item(roller *r, ad__instruction item) {
    r->item[r->items++] = item;
    r->place[item.home] = r->items;
}

static void add_term(roller *r, uint32_t sum, uint32_t k) {
    const ad__node *node = &r->p->node[sum];
    add_item(r, (ad__instruction){node->code == AD__dot ? AD__PRODUCT : AD__TERM,
                                  factor(r->p, node, k, 0), factor(r->p, node, k, 1), sum});
}

/* Which term of which sum stands right after a value. */
typedef struct owned {
    uint32_t sum, term;
} owned;

static void write_line(roller *r, const owned after[]) {
    ad_program *p = r->p;
    for (uint32_t i = 0; i < p->nodes; i++) {
        const ad__node *node = &p->node[i];
        if (!computed(node)) continue;
        p->step[p->uniform_steps++] = i;
        if (!long_sum(node)) {
            add_item(r, (ad__instruction){node->code, node->x, node->y, i});
            if (after != NULL && after[i].sum != NONE) add_term(r, after[i].sum, after[i].term);
            continue;
        }
        for (uint32_t k = 0; k < node->y; k++)
            if (owner(r, node, k) == NONE) add_term(r, i, k);
    }
}

/* Only where there are long sums; NULL too when memory is out. */
static owned *find_owned(const roller *r) {
    const ad_program *p = r->p;
    owned            *after = malloc((p->nodes + (size_t)1) * sizeof *after);
    if (after == NULL) return NULL;
    memset(after, 0xff, (p->nodes + (size_t)1) * sizeof *after);
    for (uint32_t i = 0; i < p->nodes; i++) {
        const ad__node *node = &p->node[i];
        for (uint32_t k = 0; computed(node) && long_sum(node) && k < node->y; k++) {
            const uint32_t last = owner(r, node, k);
            if (last != NONE) after[last] = (owned){i, k};
        }
    }
    return after;
}

static bool line_up(roller *r) {
    const ad_program *p = r->p;
    size_t            length = 0;
    for (uint32_t i = 0; i < p->nodes; i++)
        if (computed(&p->node[i])) length += long_sum(&p->node[i]) ? p->node[i].y : 1;
    owned *after = p->sums > 0 ? find_owned(r) : NULL;
    if (p->sums == 0 || after != NULL)
        r->item = length >= NONE ? NULL : malloc((length + 1) * sizeof *r->item);
    if (r->item != NULL) write_line(r, after);
    free(after);
    return r->item != NULL;
}

/* Where the same operations follow next, found from right to left. */
static bool link_windows(roller *r) {
    unsigned bits = LEAST_BITS;
    while (bits < MOST_BITS && (uint32_t)1 << bits < 4 * (uint64_t)r->items) bits++;
    const size_t size = (size_t)1 << bits;
    uint32_t    *table = malloc(size * sizeof *table);
    r->next = malloc((r->items + 1) * sizeof *r->next);
    if (table == NULL || r->next == NULL) {
        free(table);
        return false;
    }
    memset(table, 0xff, size * sizeof *table);
    for (uint32_t i = r->items; i-- > 0;) {
        uint32_t hash = 0;
        for (uint32_t k = i; k < i + WINDOW && k < r->items; k++)
            hash = (hash ^ r->item[k].code) * 0x9E3779B1u;
        uint32_t *last = &table[hash >> (32 - bits)];
        r->next[i] = *last;
        *last = i;
    }
    free(table);
    return true;
}

/* ---- finding bodies -------------------------------------------------------------------------- */

static bool rolls(const ad__instruction *item) {
    return item->code != AD__pick && item->code != AD__custom &&
           ad__operand_count(item->code, item->y) <= AD__MOST_OPERANDS;
}

static uint32_t home(const roller *r, uint32_t value) {
    return r->p->node[value].home;
}

typedef struct attempt {
    uint32_t start, length;
    bool     lists;         /* some operands advance as they like */
    bool     split, lagged; /* may repetitions look at each other? did one? */
    uint32_t dead;          /* no start below this does better */
} attempt;

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static bool adds(const ad__instruction *item) {
    return item->code == AD__TERM || item->code == AD__PRODUCT;
}

/* The same operations on the same kinds of operands? Terms must add to the same sum. */
static bool alike(const ad__instruction *a, const ad__instruction *b) {
    if (a->code != b->code) return false;
    if (adds(a)) return a->home == b->home;
    return !ad__in_words(a->code) || a->y == b->y;
}

/* A repetition looks at what item `at - 1` of another computed. */
static bool looks_across(roller *r, attempt *t, uint32_t f, uint32_t at, uint32_t dead) {
    t->lagged = true;
    t->dead = smaller(dead, f - t->length + 1);
    if (!t->split || adds(&r->item[at - 1])) return false;
    r->ahead[(at - 1 - t->start) % t->length] = true;
    return true;
}

/* Does operand `a` of repetition k, of item f, continue what `b` of the first began? */
static bool continues(roller *r, attempt *t, uint32_t k, uint32_t f, uint32_t a, uint32_t b,
                      int64_t *stride) {
    const uint32_t at = r->place[a], began = r->place[b];
    if (began > t->start) { /* inside the body */
        if (at == began + k * t->length) return true;
        if (at > t->start) return looks_across(r, t, f, at, t->start + 1);
        t->dead = smaller(t->start + 1, f - t->length + 1);
        return false;
    }
    if (at > t->start) return looks_across(r, t, f, at, at);
    if (t->lists || (home(r, a) < r->p->constants && home(r, b) < r->p->constants)) return true;
    const int64_t advanced = (int64_t)home(r, a) - (int64_t)home(r, b);
    if (k == 1) *stride = advanced;
    if (advanced == (int64_t)k * *stride) return true;
    if (k >= LEAST) return false;
    return t->lists = true;
}

/* What items that run ahead need of their own repetition runs ahead too. How many do? */
static uint32_t count_ahead(roller *r, const attempt *t) {
    uint32_t n = 0;
    for (uint32_t j = t->length; j-- > 0;) {
        const ad__instruction *item = &r->item[t->start + j];
        if (!r->ahead[j]) continue;
        n++;
        for (uint32_t i = ad__operand_count(item->code, item->y); i-- > 0;) {
            const uint32_t at = r->place[operand(r, item, i)];
            if (at > t->start) r->ahead[at - 1 - t->start] = true;
        }
    }
    return n;
}

/* How often the body of this length repeats from this start. */
static uint32_t repeats(roller *r, attempt *t) {
    const uint32_t start = t->start, length = t->length;
    for (uint32_t k = 1, f = start + length;; k++) {
        if (f + length > r->items) return k;
        if (t->split && k == LEAST && count_ahead(r, t) == length) return 0;
        size_t slot = 0;
        for (uint32_t j = 0; j < length; j++, f++) {
            const ad__instruction *a = &r->item[f], *b = &r->item[start + j];
            r->p->count.compared++;
            if (!rolls(a) || !alike(a, b)) {
                t->dead = f - length + 1;
                return k;
            }
            const uint32_t n = ad__operand_count(a->code, a->y);
            if (slot + n > SLOTS) return k;
            for (uint32_t i = 0; i < n; i++)
                if (!continues(r, t, k, f, operand(r, a, i), operand(r, b, i),
                               &r->stride[slot + i]))
                    return k;
            slot += n;
        }
    }
}

/* The items of one part of all repetitions, after one another from `to` on. */
static uint32_t gather_part(const roller *r, const attempt *t, uint32_t n, bool ahead,
                            uint32_t part, ad__instruction *to) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t j = 0; j < t->length; j++)
            if (r->ahead[j] == ahead) to[count++] = r->item[t->start + k * t->length + j];
    r->dead[part] = 0;
    return count;
}

/* Put the part of each repetition that others look at before the rest of all: the rest is then a
 * roll, and often the first part too. Both keep their order, and the first needs nothing of the
 * rest. */
static bool split(roller *r, attempt *t) {
    const size_t before = r->p->count.compared;
    memset(r->ahead, 0, LONGEST * sizeof *r->ahead);
    r->whole = t->start + LEAST * t->length;
    const uint32_t n = repeats(r, t), part = n < LEAST ? 0 : count_ahead(r, t),
                   end = t->start + n * t->length;
    ad__instruction *all =
        part == 0 || part == t->length ? NULL : malloc((size_t)n * t->length * sizeof *all);
    r->credit -= (int64_t)(r->p->count.compared - before);
    if (all == NULL) return false;
    const uint32_t rest = t->length - part,
                   middle = t->start + gather_part(r, t, n, true, part, all);
    gather_part(r, t, n, false, rest, all + (middle - t->start));
    memcpy(r->item + t->start, all, (size_t)n * t->length * sizeof *all);
    free(all);
    for (uint32_t i = t->start; i < end; i++) {
        const uint32_t step = i < middle ? part : rest, stop = i < middle ? middle : end;
        if (r->place[r->item[i].home] <= end) r->place[r->item[i].home] = i + 1;
        r->next[i] = i + step < stop ? i + step : NONE;
    }
    r->whole = end;
    return true;
}

/* The length of body that repeats most often from here, and how often; 1 for none. */
static uint32_t find(roller *r, uint32_t start, uint32_t *length) {
    uint32_t most = 1, lagged = 0;
    for (uint32_t q = r->next[start], tries = 0; tries < TRIES && q != NONE && q - start <= LONGEST;
         q = r->next[q], tries++) {
        attempt t = {.start = start, .length = q - start};
        if (start < r->dead[t.length] || r->credit < 0 || (lagged > 0 && t.length % lagged == 0))
            continue;
        const size_t   before = r->p->count.compared;
        const uint32_t n = repeats(r, &t);
        if (n < LEAST) {
            r->credit -= (int64_t)(r->p->count.compared - before);
            if (t.dead > r->dead[t.length]) r->dead[t.length] = t.dead;
            if (t.lagged && lagged == 0) lagged = t.length; /* and so would all its multiples be */
        } else if (n > most) {
            most = n;
            *length = t.length;
        }
        if (most >= ENOUGH) break;
    }
    attempt t = {.start = start, .length = lagged, .split = true};
    if (most == 1 && lagged > 0 && start >= r->whole && split(r, &t)) return find(r, start, length);
    return most;
}

/* ---- writing instructions -------------------------------------------------------------------- */

static uint32_t round_up(uint32_t n) {
    return (n + ROUND - 1) / ROUND * ROUND;
}

static bool add_index(roller *r, uint32_t at) {
    if (!reserve(r, &r->p->index, &r->index_room, r->indices, 1, sizeof *r->p->index)) return false;
    r->p->index[r->indices++] = at;
    return true;
}

static void write_single(roller *r, uint32_t i) {
    ad_program           *p = r->p;
    const ad__instruction item = r->item[i];
    ad__instruction       made = {item.code, 0, item.y, 0};
    if (!adds(&item)) p->node[item.home].home = p->uniforms++;
    made.home = home(r, item.home);
    if (ad__in_words(item.code)) {
        made.x = (uint32_t)r->indices;
        const uint32_t n = ad__operand_count(item.code, item.y);
        for (uint32_t k = 0; k < n; k++)
            if (!add_index(r, home(r, operand(r, &item, k)))) return;
        if (item.code == AD__pick && !add_index(r, item.home)) return;
        if (item.code == AD__custom && !add_index(r, p->word[item.x + n])) return;
    } else {
        made.x = home(r, item.x);
        if (ad__operand_count(item.code, 0) == 2) made.y = home(r, item.y);
    }
    r->item[p->instructions++] = made;
}

/* Does anything but its own repetition read what item j of the body gives? */
static bool wanted_outside(const roller *r, const ad__roll *roll, uint32_t start, uint32_t j,
                           uint32_t inside) {
    for (uint32_t k = 0; k < roll->count; k++)
        if (r->uses[r->item[start + k * roll->length + j].home] > inside) return true;
    return false;
}

/* Results: a run of homes for what is wanted outside, a row of the block for the rest. */
static void place_results(roller *r, ad__roll *roll, uint32_t start, uint32_t inside[]) {
    ad_program *p = r->p;
    memset(inside, 0, roll->length * sizeof *inside);
    for (uint32_t j = 0; j < roll->length; j++) {
        const ad__instruction *item = &r->item[start + j];
        for (uint32_t i = ad__operand_count(item->code, item->y); i-- > 0;) {
            const uint32_t at = r->place[operand(r, item, i)];
            if (at > start) inside[at - 1 - start]++;
        }
    }
    for (uint32_t j = 0; j < roll->length; j++) {
        const ad__instruction *item = &r->item[start + j];
        ad__body              *body = &p->body[roll->first + j];
        if (adds(item)) {
            body->result = (ad__source){home(r, item->home), AD__IN_ONE, false, false};
        } else if (wanted_outside(r, roll, start, j, inside[j])) {
            p->uniforms = round_up(p->uniforms);
            body->result = (ad__source){p->uniforms, AD__IN_RUN, false, false};
            for (uint32_t k = 0; k < roll->count; k++)
                p->node[r->item[start + k * roll->length + j].home].home = p->uniforms + k;
            p->uniforms += round_up(roll->count);
        } else {
            body->result = (ad__source){roll->rows++, AD__IN_ROW, false, false};
        }
    }
}

/* An operand from outside, by its homes in all repetitions. */
static bool outside_source(roller *r, const ad__roll *roll, uint32_t start, uint32_t j, uint32_t i,
                           ad__source *source) {
    const uint32_t constants = r->p->constants, place = (uint32_t)r->indices;
    bool           one = true, run = true, constant = true;
    uint32_t       first = 0;
    for (uint32_t k = 0; k < roll->count; k++) {
        const uint32_t at = home(r, operand(r, &r->item[start + k * roll->length + j], i));
        if (k == 0) first = at;
        one = one && at == first;
        run = run && at == first + k;
        constant = constant && at < constants;
    }
    if (!one && !run)
        for (uint32_t k = 0; k < roll->count; k++)
            if (!add_index(r, home(r, operand(r, &r->item[start + k * roll->length + j], i))))
                return false;
    *source = (ad__source){one || run ? first : place,
                           one   ? AD__IN_ONE
                           : run ? AD__IN_RUN
                                 : AD__IN_LIST,
                           false, constant};
    return true;
}

static bool write_sources(roller *r, ad__roll *roll, uint32_t start) {
    ad_program *p = r->p;
    for (uint32_t j = 0; j < roll->length; j++) {
        const ad__instruction *item = &r->item[start + j];
        const uint32_t         n = ad__operand_count(item->code, item->y);
        if (!reserve(r, &p->source, &r->source_room, r->sources, n, sizeof *p->source))
            return false;
        ad__body *body = &p->body[roll->first + j];
        body->code = item->code, body->count = n, body->operand = (uint32_t)r->sources;
        body->fold = body->fold_lanes = 0;
        for (uint32_t i = 0; i < n; i++, r->sources++) {
            const uint32_t at = r->place[operand(r, item, i)];
            if (at > start) p->source[r->sources] = p->body[roll->first + at - 1 - start].result;
            else if (!outside_source(r, roll, start, j, i, &p->source[r->sources])) return false;
        }
    }
    return true;
}

/* In reverse, the first contribution to a row sets it; a value that receives none has no_adjoint
 * set. */
static void mark_first(ad_program *p, const ad__roll *roll, uint32_t reached[]) {
    memset(reached, 0, roll->length * sizeof *reached);
    for (uint32_t j = roll->length; j-- > 0;) {
        ad__body *body = &p->body[roll->first + j];
        body->no_adjoint = body->result.place == AD__IN_ROW && !reached[body->result.at];
        for (uint32_t i = body->code == AD__where ? 1 : 0; i < body->count && !body->no_adjoint;
             i++) {
            ad__source *s = &p->source[body->operand + i];
            if (s->place != AD__IN_ROW) continue;
            s->first = !reached[s->at];
            reached[s->at] = 1;
        }
    }
}

static void choose_lanes(ad_program *p, ad__roll *roll) {
    uint32_t lanes = MOST_LANES;
    while (lanes > LEAST_LANES && (size_t)lanes * roll->rows * 2 * sizeof(double) > CACHE)
        lanes /= 2;
    roll->lanes = smaller(lanes, round_up(roll->count));
    const size_t space = ((size_t)roll->rows * 2 + SPARE) * roll->lanes;
    if (space > p->roll_space) p->roll_space = space;
}

static void write_roll(roller *r, uint32_t start, uint32_t length, uint32_t n) {
    ad_program    *p = r->p;
    uint32_t      *scratch = (uint32_t *)(void *)r->stride;
    const uint64_t homes = p->uniforms + (uint64_t)length * (n + 2 * ROUND);
    if (homes >= NONE - 2 * ROUND) r->failed = true; /* a home is a uint32_t */
    if (r->failed || !reserve(r, &p->roll, &r->roll_room, p->rolls, 1, sizeof *p->roll) ||
        !reserve(r, &p->body, &r->body_room, r->bodies, length, sizeof *p->body))
        return;
    ad__roll *roll = &p->roll[p->rolls];
    *roll = (ad__roll){.first = (uint32_t)r->bodies, .length = length, .count = n};
    r->bodies += length;
    place_results(r, roll, start, scratch);
    if (!write_sources(r, roll, start)) return;
    mark_first(p, roll, scratch);
    choose_lanes(p, roll);
    p->count.rolled += (size_t)length * n;
    r->item[p->instructions++] = (ad__instruction){AD__ROLL, p->rolls++, 0, 0};
}

static void write_all(roller *r) {
    for (uint32_t i = 0, length = 0; i < r->items && !r->failed;) {
        const uint32_t n = find(r, i, &length);
        if (n > 1) write_roll(r, i, length, n);
        else write_single(r, i);
        const uint32_t taken = n > 1 ? n * length : 1;
        r->credit += (int64_t)SHARE * taken;
        i += taken;
    }
}

/* ---- homes ----------------------------------------------------------------------------------- */

/* Constants, parameters as the caller has them, sums that terms add to, then what is computed, in
 * order. */
static void settle_leaves(ad_program *p) {
    p->uniforms = p->constants + (uint32_t)p->params;
    for (uint32_t i = 0; i < p->nodes; i++) {
        ad__node *node = &p->node[i];
        if (node->flags & AD__VARYING) continue;
        if (node->code == AD__CONSTANT) node->home = node->x;
        else if (node->code == AD__PARAM) node->home = p->constants + node->x;
        else if (long_sum(node)) node->home = p->uniforms++;
    }
    p->sums = p->uniforms - p->constants - (uint32_t)p->params;
}

static bool prepare(roller *r) {
    const size_t nodes = r->p->nodes + (size_t)1;
    r->place = calloc(nodes, sizeof *r->place);
    r->uses = calloc(nodes, sizeof *r->uses);
    r->dead = calloc(LONGEST + 1, sizeof *r->dead);
    r->stride = calloc(SLOTS, sizeof *r->stride);
    r->ahead = calloc(LONGEST, sizeof *r->ahead);
    if (r->place == NULL || r->uses == NULL || r->dead == NULL || r->stride == NULL ||
        r->ahead == NULL)
        return false;
    count_uses(r);
    return line_up(r) && link_windows(r);
}

bool ad__roll_up(ad_program *p) {
    roller r = {.p = p, .credit = LONGEST * LEAST};
    settle_leaves(p);
    r.failed = !prepare(&r);
    if (!r.failed) write_all(&r);
    p->uniforms = round_up(p->uniforms) + ROUND; /* the last lanes may lie behind the last value */
    free(r.place);
    free(r.uses);
    free(r.next);
    free(r.dead);
    free(r.stride);
    free(r.ahead);
    p->instruction = r.item;
    if (!r.failed && p->instructions < r.items) {
        ad__instruction *fewer = realloc(r.item, (p->instructions + (size_t)1) * sizeof *fewer);
        if (fewer != NULL) p->instruction = fewer;
    }
    return !r.failed;
}
