/* tape.c - the memory of a tape: growth, leaves, marks and rewinding, names, the error that sticks.
 * The layout and its invariants are in tape.h.
 *
 * Forgotten nodes. A rewind ends an era. The tape remembers, as segments, which range of nodes was
 * recorded in which era; a handle is valid if its era is that of the segment that its node is in.
 * Rewinding to the same mark repeatedly does not add segments. Eras are 32 bits: a handle that was
 * forgotten exactly 2^32 rewinds ago would be taken for a new one. */
#include "tape/tape.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { FIRST_NODES = 64, FIRST_WORDS = 64, GAP = 136 };

/* Arrays of at least this size are aligned to it and ask for huge pages: fresh memory is the
 * largest cost of a first pass, and page table look-ups that of later ones. */
#define HUGE_PAGE ((size_t)2 << 20)

/* ---- memory ---------------------------------------------------------------------------------- */

static void *allocate(size_t bytes) {
    if (bytes < HUGE_PAGE) return malloc(bytes);
    void *memory = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
#ifdef MADV_HUGEPAGE
    if (memory != NULL) madvise(memory, bytes, MADV_HUGEPAGE); /* a hint: failing is no error */
#endif
    return memory;
}

/* More bytes than a size_t can count, which can happen on 32-bit machines. */
static bool too_large(uint32_t count, size_t bytes) {
    return (uint64_t)count * bytes > SIZE_MAX / 2;
}

ad_tape *ad_tape_new(void) {
    ad_tape *tape = calloc(1, sizeof *tape);
    if (tape == NULL) return NULL;
    tape->segment = malloc(sizeof *tape->segment);
    if (tape->segment == NULL) {
        free(tape);
        return NULL;
    }
    tape->segment[0] = (ad__segment){0, 1};
    tape->segments = tape->segment_room = 1;
    tape->era = 1;
    tape->stable = AD__NO_NODE;
    tape->notes = ad__notes_none();
    tape->vector = ad__vector_choose();
    return tape;
}

void ad_tape_free(ad_tape *tape) {
    if (tape == NULL) return;
    ad__notes_free(&tape->notes);
    free(tape->segment);
    free(tape->scratch);
    free(tape->tangent);
    free(tape->rules);
    free(tape->used.op);
    free(tape->defined.op);
    free(tape->list);
    free(tape->block);
    free(tape);
}

static size_t node_bytes(void) {
    return 2 * sizeof(double) + sizeof(ad__arg) + sizeof(uint8_t);
}

/* Lays the four arrays out in one block, so that growing succeeds or fails as a whole. Gaps between
 * them keep the columns of one node from sharing the low twelve bits of their addresses: a load
 * that follows a store with the same low bits waits for it (measured here: 15 ns). */
static bool set_capacity(ad_tape *tape, uint32_t capacity) {
    char *block = too_large(capacity, node_bytes())
                    ? NULL
                    : allocate(capacity * node_bytes() + 2 * GAP * sizeof(double));
    if (block == NULL) return false;
    double  *value = (double *)(void *)block, *adjoint = value + capacity + GAP;
    ad__arg *arg = (ad__arg *)(void *)(adjoint + capacity + GAP);
    uint8_t *code = (uint8_t *)(arg + capacity);
    if (tape->length > 0) {
        memcpy(value, tape->value, tape->length * sizeof *value);
        memcpy(adjoint, tape->adjoint, tape->length * sizeof *adjoint);
        memcpy(arg, tape->arg, tape->length * sizeof *arg);
        memcpy(code, tape->code, tape->length * sizeof *code);
    }
    free(tape->block);
    tape->block = block;
    tape->value = value, tape->adjoint = adjoint, tape->arg = arg, tape->code = code;
    tape->capacity = tape->room = capacity;
    return true;
}

/* Twice as much, but never more than the limit; 0 when the limit is reached. */
static uint32_t next_size(uint32_t now, uint32_t first, uint32_t limit) {
    if (now >= limit) return 0;
    const uint32_t twice = now == 0 ? first : now > limit / 2 ? limit : 2 * now;
    return twice < limit ? twice : limit;
}

bool ad__grow(ad_tape *tape) {
    if (tape->status != AD_OK) return false;
    if (tape->length < tape->capacity) return true;
    const uint32_t capacity = next_size(tape->capacity, FIRST_NODES, AD_NODE_LIMIT);
    if (capacity == 0)
        ad__fail(tape, AD_TAPE_FULL, "the tape is full: it holds %lu nodes, the most it can",
                 (unsigned long)tape->length);
    else if (!set_capacity(tape, capacity))
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for %lu nodes (%zu bytes each)",
                 (unsigned long)capacity, node_bytes());
    return tape->status == AD_OK;
}

bool ad__list_grow(ad_tape *tape, uint64_t words) {
    if (tape->status != AD_OK) return false;
    const uint64_t need = tape->list_length + words + 1;
    if (need > UINT32_MAX) {
        ad__fail(tape, AD_TAPE_FULL, "the tape is full: its operand list holds %lu words",
                 (unsigned long)tape->list_length);
        return false;
    }
    uint32_t room = tape->list_room;
    while (room < need) room = next_size(room, FIRST_WORDS, UINT32_MAX);
    uint32_t *list = too_large(room, sizeof *list) ? NULL : allocate(room * sizeof *list);
    if (list == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for %lu words of operands",
                 (unsigned long)room);
        return false;
    }
    if (tape->list_length > 0) memcpy(list, tape->list, tape->list_length * sizeof *list);
    free(tape->list);
    tape->list = list;
    tape->list_room = room;
    return true;
}

bool ad__scratch_grow(ad_tape *tape, size_t doubles) {
    double *scratch =
        doubles > SIZE_MAX / 2 / sizeof *scratch ? NULL : malloc(2 * doubles * sizeof *scratch);
    if (scratch == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to gather %zu operands", doubles);
        return false;
    }
    free(tape->scratch);
    tape->scratch = scratch;
    tape->scratch_room = 2 * doubles;
    return true;
}

size_t ad__tangent_column(const ad_tape *tape) {
    return (size_t)tape->capacity + GAP;
}

bool ad__tangent_room(ad_tape *tape, size_t columns) {
    const size_t room = columns * ad__tangent_column(tape);
    if (room <= tape->tangent_room) return true;
    double *tangent = too_large(tape->capacity + GAP, columns * sizeof *tangent)
                        ? NULL
                        : allocate(room * sizeof *tangent);
    if (tangent == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the tangents of %lu nodes",
                 (unsigned long)tape->capacity);
        return false;
    }
    free(tape->tangent);
    tape->tangent = tangent;
    tape->tangent_room = room;
    return true;
}

size_t ad_tape_length(const ad_tape *tape) {
    return tape == NULL ? 0 : tape->length;
}

size_t ad_tape_bytes(const ad_tape *tape) {
    if (tape == NULL) return 0;
    const size_t gaps = tape->block == NULL ? 0 : 2 * GAP * sizeof(double);
    return sizeof *tape + tape->capacity * node_bytes() + gaps +
           tape->list_room * sizeof *tape->list + tape->scratch_room * sizeof *tape->scratch +
           tape->tangent_room * sizeof *tape->tangent + tape->rules_bytes +
           (tape->used.room + tape->defined.room) * sizeof *tape->used.op +
           tape->segment_room * sizeof *tape->segment + ad__notes_bytes(&tape->notes);
}

/* ---- the error that sticks ------------------------------------------------------------------- */

void ad__fail(ad_tape *tape, ad_status status, const char *format, ...) {
    if (tape->status != AD_OK) return;
    tape->status = status;
    tape->room = 0;
    va_list list;
    va_start(list, format);
    ad__sentence(sizeof tape->message, tape->message, format, list);
    va_end(list);
}

bool ad__check_reserved(ad_tape *tape, const char *what, const char *type, const uint64_t *reserved,
                        const void *end) {
    if (ad__all_zero(reserved, end)) return true;
    ad__fail(tape, AD_BAD_ARGUMENT, AD__NOT_ZERO, what, type);
    return false;
}

ad_status ad_tape_status(const ad_tape *tape) {
    return tape == NULL ? AD_NO_MEMORY : tape->status;
}

const char *ad_tape_message(const ad_tape *tape) {
    if (tape == NULL) return "there is no tape: out of memory when it was made";
    return tape->message;
}

void ad_tape_clear(ad_tape *tape) {
    if (tape == NULL) return;
    tape->status = AD_OK;
    tape->message[0] = '\0';
    tape->room = tape->capacity;
}

void ad_tape_fail(ad_tape *tape, ad_status status, const char *sentence) {
    if (tape == NULL || status == AD_OK) return;
    const bool said = sentence != NULL && *sentence != '\0';
    if ((unsigned)status >= AD_STATUS_COUNT) status = AD_BAD_ARGUMENT;
    ad__fail(tape, status, "%s", said ? sentence : ad_status_text(status));
}

/* ---- marks, eras, handles -------------------------------------------------------------------- */

/* The last segment that starts at or before the node. */
static uint32_t segment_of(const ad_tape *tape, uint32_t node) {
    uint32_t low = 0, high = tape->segments;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (tape->segment[middle].start <= node) low = middle;
        else high = middle;
    }
    return low;
}

bool ad__valid_slow(const ad_tape *tape, ad_var x) {
    return ad__node_of(x) < tape->length &&
           tape->segment[segment_of(tape, ad__node_of(x))].era == ad__era_of(x);
}

ad_var ad__handle_of(ad_tape *tape, uint32_t node) {
    return ad__node_handle(tape, node, tape->segment[segment_of(tape, node)].era);
}

bool ad__operand_valid(ad_tape *tape, ad_var x, const char *what, size_t position) {
    if (x.tape != tape) {
        ad__fail(tape, AD_TWO_TAPES, "%s: operand %zu belongs to another tape", what, position);
        ad__fail(x.tape, AD_TWO_TAPES, "%s: operand %zu belongs to this tape, others do not", what,
                 position);
        return false;
    }
    if (ad__valid(tape, x)) return true;
    if (ad__node_of(x) == AD__NO_NODE && ad__era_of(x) == 0)
        ad__fail(
            tape, AD_NOT_RECORDED,
            "%s: operand %zu was never recorded: the operation that should have made it failed",
            what, position);
    else
        ad__fail(tape, AD_STALE,
                 "%s: operand %zu was node #%lu, forgotten when the tape was rewound", what,
                 position, (unsigned long)ad__node_of(x));
    return false;
}

bool ad__nodes_valid(ad_tape *tape, const char *what, size_t n, const ad_var x[]) {
    for (size_t i = 0; i < n; i++) {
        if (x[i].tape == NULL) {
            ad__fail(tape, AD_BAD_ARGUMENT, "%s: x[%zu] is the plain number %.17g, not a node",
                     what, i, ad__number_of(x[i]));
            return false;
        }
        if (!ad__operand_valid(tape, x[i], what, i + 1)) return false;
    }
    return true;
}

ad_mark ad_tape_mark(const ad_tape *tape) {
    return tape == NULL ? (ad_mark){0, 0, 0}
                        : (ad_mark){tape->length, tape->list_length, tape->era};
}

/* Segments that begin at or after the mark are replaced by one that begins there. There is room for
 * it unless the mark cuts the last segment in two. */
static bool begin_era(ad_tape *tape, uint32_t start) {
    uint32_t keep = tape->segments;
    while (keep > 0 && tape->segment[keep - 1].start >= start) keep--;
    if (keep > 0 && keep == tape->segment_room) { /* a tape has room for one from the start */
        const uint32_t room = 2 * keep;
        ad__segment   *segment = realloc(tape->segment, room * sizeof *segment);
        if (segment == NULL) return false;
        tape->segment = segment;
        tape->segment_room = room;
    }
    if (++tape->era == 0) tape->era = 1;
    tape->segment[keep] = (ad__segment){start, tape->era};
    tape->segments = keep + 1;
    return true;
}

/* Eras wrap around, so "later" is a difference, not a comparison. */
static bool later(uint32_t era, uint32_t than) {
    return era != than && era - than < UINT32_MAX / 2;
}

void ad_tape_rewind(ad_tape *tape, ad_mark mark) {
    if (tape == NULL) return;
    if (mark.node > tape->length || mark.list > tape->list_length) {
        ad__fail(tape, AD_BAD_ARGUMENT,
                 "ad_tape_rewind: the mark (node %lu) lies beyond the end of the tape (%lu nodes)",
                 (unsigned long)mark.node, (unsigned long)tape->length);
        return;
    }
    if (mark.node > 0 && later(tape->segment[segment_of(tape, mark.node - 1)].era, mark.era)) {
        ad__fail(tape, AD_STALE,
                 "ad_tape_rewind: the mark (node %lu) is from before the tape was rewound below it",
                 (unsigned long)mark.node);
        return;
    }
    if (mark.node < tape->length && !begin_era(tape, mark.node)) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: the tape was not rewound");
        return;
    }
    if (mark.node < tape->length && mark.node < tape->stable) tape->stable = mark.node;
    ad__notes_forget(&tape->notes, mark.node);
    while (tape->used.n > 0 && tape->used.op[tape->used.n - 1].node >= mark.node) tape->used.n--;
    tape->length = mark.node;
    tape->list_length = mark.list;
    if (tape->leaves > mark.node) tape->leaves = mark.node;
    if (tape->swept > mark.node) tape->swept = mark.node;
    if (tape->dirty > mark.node) tape->dirty = mark.node;
}

/* ---- leaves and numbers ---------------------------------------------------------------------- */

ad_var ad_num(double number) {
    return ad__number_handle(number);
}

ad_var ad_input(ad_tape *tape, double value) {
    if (tape == NULL) return ad_num(NAN);
    if (!ad__node_room(tape)) return ad__failed(tape);
    if (tape->leaves == tape->length) tape->leaves++;
    return ad__push(tape, AD__input, 0, 0, value);
}

double ad_value(ad_var x) {
    if (x.tape == NULL) return ad__number_of(x);
    if (ad__valid(x.tape, x)) return x.tape->value[ad__node_of(x)];
    ad__operand_valid(x.tape, x, "ad_value", 1);
    return NAN;
}

void ad_set(ad_var input, double value) {
    ad_tape *tape = input.tape;
    if (tape == NULL || tape->status != AD_OK || !ad__operand_valid(tape, input, "ad_set", 1))
        return;
    if (tape->code[ad__node_of(input)] == AD__input) tape->value[ad__node_of(input)] = value;
    else
        ad__fail(tape, AD_BAD_ARGUMENT, "ad_set: node #%lu is the result of %s, not an input",
                 (unsigned long)ad__node_of(input), ad__code_name(tape->code[ad__node_of(input)]));
}

static uint32_t put_words(ad_tape *tape, uint32_t place, const void *words, uint32_t count) {
    memcpy(tape->list + place, words, count * sizeof *tape->list);
    tape->list_length = place + count;
    return place;
}

/* Numbers start at even indices, where an array of double may begin. */
static uint32_t even(uint32_t place) {
    return place + place % 2;
}

uint32_t ad__new_number(ad_tape *tape, double number, uint32_t *shared) {
    if (!ad__list_room(tape, 2)) return AD__NO_NODE;
    return *shared = put_words(tape, even(tape->list_length), &number, 2);
}

bool ad__same_run(const ad_tape *tape, size_t n, const ad_var x[]) {
    return n == tape->run_count && tape->run + 2 * (uint64_t)n <= tape->list_length &&
           tape->vector->same_numbers(n, x, ad__numbers_at(tape, tape->run));
}

uint32_t ad__numbers(ad_tape *tape, size_t n, const ad_var x[]) {
    if (ad__same_run(tape, n, x)) return tape->run;
    if (!ad__list_room(tape, 2 * (uint64_t)n)) return AD__NO_NODE;
    const uint32_t place = even(tape->list_length);
    for (size_t i = 0; i < n; i++) {
        const double number = ad__number_of(x[i]);
        put_words(tape, place + 2 * (uint32_t)i, &number, 2);
    }
    tape->run = place;
    tape->run_count = (uint32_t)n;
    return place;
}

/* ---- custom operations ----------------------------------------------------------------------- */

bool ad__add_own_op(ad_tape *tape, ad__own_ops *list, ad__own_op op) {
    if (list->n == list->room) {
        const uint32_t room = next_size(list->room, 4, UINT32_MAX);
        ad__own_op    *grown = room == 0 || too_large(room, sizeof *grown)
                                 ? NULL
                                 : realloc(list->op, room * sizeof *grown);
        if (grown == NULL) {
            ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the operation \"%.*s\"",
                     ad__shown_bytes(op.op->name), op.op->name);
            return false;
        }
        list->op = grown;
        list->room = room;
    }
    list->op[list->n++] = op;
    return true;
}

/* ---- names, scopes, places in source files --------------------------------------------------- */

const char *ad__name_of(const ad_tape *tape, uint32_t node) {
    return ad__notes_name_of(&tape->notes, node);
}

void ad_name(ad_var x, const char *name) {
    ad_tape *tape = x.tape;
    if (tape == NULL || tape->status != AD_OK || !ad__operand_valid(tape, x, "ad_name", 1)) return;
    if (name == NULL) ad__fail(tape, AD_BAD_ARGUMENT, "ad_name: the name is NULL");
    else if (!ad__notes_name(&tape->notes, ad__node_of(x), name))
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the name \"%.*s\"",
                 ad__shown_bytes(name), name);
}

/* Newest first: a name that is given again in a later step refers to that step's node. */
ad_var ad_find(ad_tape *tape, const char *name) {
    if (tape == NULL) return ad_num(NAN);
    if (tape->status != AD_OK) return ad__failed(tape);
    for (uint32_t i = name == NULL ? 0 : tape->notes.names; i-- > 0;)
        if (strcmp(tape->notes.name[i].text, name) == 0)
            return ad__handle_of(tape, tape->notes.name[i].node);
    if (name == NULL) name = "";
    ad__fail(tape, AD_BAD_ARGUMENT, "ad_find: no node is called \"%.*s\"", ad__shown_bytes(name),
             name);
    return ad__failed(tape);
}

void ad_scope(ad_tape *tape, const char *name) {
    if (tape == NULL || tape->status != AD_OK) return;
    if (name == NULL) ad__fail(tape, AD_BAD_ARGUMENT, "ad_scope: the name is NULL");
    else if (!ad__notes_open(&tape->notes, tape->length, name))
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the scope \"%.*s\"",
                 ad__shown_bytes(name), name);
}

void ad_scope_end(ad_tape *tape) {
    if (tape == NULL || tape->status != AD_OK) return;
    if (!ad__notes_close(&tape->notes, tape->length))
        ad__fail(tape, AD_BAD_ARGUMENT, "ad_scope_end: no scope is open");
}

void ad__source_span(ad_tape *tape, uint32_t first, uint32_t last, const char *file, int line) {
    if (tape->status != AD_OK || file == NULL) return;
    if (!ad__notes_source(&tape->notes,
                          (ad__line){first, last, line < 0 ? 0 : (uint32_t)line, file}))
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the place in %.*s",
                 ad__cut_bytes(file, 80), file);
}

ad_var ad_source(ad_var x, const char *file, int line) {
    if (x.tape != NULL && ad__valid(x.tape, x))
        ad__source_span(x.tape, ad__node_of(x), ad__node_of(x), file, line);
    return x;
}
