/* tape.h - the layout of a tape, for the files of the engine that read and write nodes.
 *
 * A node is a column through four arrays: code (1 byte), arg (8), value (8), adjoint (8): 25 bytes
 * an operation. The arrays are separate because a sweep then reads only what it needs, in order.
 * The meaning of arg.x and arg.y follows from the code:
 *
 *   rows of one operand       x: node
 *   rows of two               x, y: nodes; if the form says "number", the index of a double in
 *                             `list`
 *   input                     nothing;   branch: x is the node of the condition
 *   reductions                x: index of the operand record in `list`, y: number of operands
 *
 * `list` is an array of 32-bit words that grows with the tape and is cut back with it. It holds
 * plain numbers (two words each, at even indices, so that a run of them is an array of double) and
 * operand records. Numbers are shared where possible: a loop that multiplies by 2 stores one 2.
 *
 * Invariants: an operand stands to the left of its user. Only tape.c allocates and forgets nodes.
 * `room` is the capacity, but 0 while an error is held: so the single test `length < room` in the
 * recording functions checks both that there is space and that there is no error. */
#ifndef TAPIR_TAPE_H
#define TAPIR_TAPE_H

#include "ad.h"
#include "base/handle.h"
#include "base/notes.h"
#include "base/ops.h"
#include "base/vector.h"

#include <string.h>

/* Node numbers are 32 bits and the last is no node; a test build sets a smaller limit. */
#ifndef AD_NODE_LIMIT
#define AD_NODE_LIMIT UINT32_MAX
#endif
#define AD__NO_NODE UINT32_MAX

typedef struct ad__arg {
    uint32_t x, y;
} ad__arg;

/* Nodes from `start` to the next segment were recorded in `era`. */
typedef struct ad__segment {
    uint32_t start, era;
} ad__segment;

/* A custom operation with its context. `node` is the first node that used it; in the list of
 * definitions it is not used. */
typedef struct ad__own_op {
    const ad_custom_op *op;
    void               *context;
    uint32_t            node;
} ad__own_op;

typedef struct ad__own_ops {
    ad__own_op *op;
    uint32_t    n, room;
} ad__own_ops;

enum { AD__SHARED_NUMBERS = 64, AD__MESSAGE = 1024 };

struct ad_tape {
    uint32_t  length, room; /* nodes; see above */
    uint32_t  era, stable;  /* era: the current one; nodes below `stable` were never forgotten */
    uint8_t  *code;
    ad__arg  *arg;
    double   *value, *adjoint;
    uint32_t *list;
    uint32_t  list_length, list_room;
    uint32_t  capacity; /* of the node arrays */
    uint32_t  leaves;   /* nodes 0..leaves-1 are inputs: sweeps skip them */
    uint32_t  dirty;    /* adjoints from this node on are still 0, as recorded */
    uint32_t  swept;    /* adjoints of nodes below this are those of the last sweep; 0: none */
    /* indices of numbers in `list`, by hash; verified when used */
    uint32_t  shared[AD__SHARED_NUMBERS];
    uint32_t  run, run_count; /* index and count of the last run of numbers */

    const ad__vector *vector;  /* kernels for this machine */
    void             *block;   /* the memory of the node arrays */
    double           *scratch; /* operands of a reduction, gathered; see ad__scratch */
    size_t            scratch_room;
    double           *tangent;      /* by node; allocated on first use */
    size_t            tangent_room; /* in doubles */
    struct ad__rules *rules;        /* of derivatives, made on first use; one block of memory */
    size_t            rules_bytes;

    ad__segment *segment; /* ascending in start; at least one */
    uint32_t     segments, segment_room;
    ad__notes    notes;

    ad__own_ops used, defined; /* `used` is ascending in node, and cut back with the nodes */

    ad_status status;
    char      message[AD__MESSAGE];
};

/* Is the node of this handle still the one that it was made for? (The handle must be of this
 * tape.) */
bool               ad__valid_slow(const ad_tape *tape, ad_var x);
static inline bool ad__valid(const ad_tape *tape, ad_var x) {
    return ad__era_of(x) == tape->era || ad__node_of(x) < tape->stable || ad__valid_slow(tape, x);
}
/* The fast half of ad__valid: may return false for a valid handle, never true for an invalid
 * one. */
static inline bool ad__fresh(const ad_tape *tape, ad_var x) {
    const uint32_t era = ad__era_of(x), node = ad__node_of(x);
    return (era == tape->era) | (node < tape->stable);
}

/* A handle for a node recorded just now or never forgotten. */
static inline ad_var ad__handle(ad_tape *tape, uint32_t node) {
    return ad__node_handle(tape, node, tape->era);
}

/* A handle for any node of the tape, with the era in which it was recorded. */
ad_var ad__handle_of(ad_tape *tape, uint32_t node);

/* What a failed operation returns: a handle of the tape that refers to no node (no era is 0). */
static inline ad_var ad__failed(ad_tape *tape) {
    return ad__node_handle(tape, AD__NO_NODE, 0);
}

/* Keep an error, if it is the first. The text is printf's. */
__attribute__((format(printf, 3, 4))) void ad__fail(ad_tape *tape, ad_status status,
                                                    const char *format, ...);

/* Is the spare room of a caller's struct, a `type`, all 0? Otherwise the error is kept. */
bool ad__check_reserved(ad_tape *tape, const char *what, const char *type, const uint64_t *reserved,
                        const void *end);

/* True if x can be used on this tape as operand number `position` of the operation `what`;
 * otherwise the error is kept (on both tapes if x belongs to another). Not for plain numbers. */
bool ad__operand_valid(ad_tape *tape, ad_var x, const char *what, size_t position);

/* Is every x a node of the tape, something to differentiate by? Otherwise the error is kept. */
bool ad__nodes_valid(ad_tape *tape, const char *what, size_t n, const ad_var x[]);

/* Make room for one more node, for words of the list, for doubles to gather operands in. False if
 * memory is out (AD_NO_MEMORY), the limit is reached (AD_TAPE_FULL) or, for the first two, an error
 * is held. */
bool ad__grow(ad_tape *tape);
bool ad__list_grow(ad_tape *tape, uint64_t words);
bool ad__scratch_grow(ad_tape *tape, size_t doubles);

static inline bool ad__node_room(ad_tape *tape) {
    return tape->length < tape->room || ad__grow(tape);
}
/* One word more than asked for: numbers start at even indices. */
static inline bool ad__list_room(ad_tape *tape, uint64_t words) {
    return (tape->status == AD_OK && tape->list_length + words + 1 <= tape->list_room) ||
           ad__list_grow(tape, words);
}
static inline bool ad__scratch(ad_tape *tape, size_t doubles) {
    return doubles <= tape->scratch_room || ad__scratch_grow(tape, doubles);
}

/* Make room for one tangent per node, or for several columns of them, ad__tangent_column doubles
 * apart; the old contents are lost. False: out of memory. */
bool   ad__tangent_room(ad_tape *tape, size_t columns);
size_t ad__tangent_column(const ad_tape *tape);

/* Both halves in one store: gcc 12 makes two of an assignment. */
static inline void ad__put_arg(ad__arg *arg, uint32_t x, uint32_t y) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t both = (uint64_t)y << 32 | x;
#else
    const uint64_t both = (uint64_t)x << 32 | y;
#endif
    memcpy(arg, &both, sizeof both);
}

/* Appends a node. The caller has made room: length < room, or ad__grow returned true. The adjoint
 * is set to 0 here, where the processor waits for the values of operands anyway: a separate pass
 * before the sweep cost more. */
static inline ad_var ad__push(ad_tape *tape, uint8_t code, uint32_t x, uint32_t y, double value) {
    const uint32_t node = tape->length;
    tape->length = node + 1;
    tape->value[node] = value;
    tape->adjoint[node] = 0;
    ad__put_arg(&tape->arg[node], x, y);
    tape->code[node] = code;
    return ad__handle(tape, node);
}

/* Records a row by its number; y is ignored by rows of one operand. */
ad_var ad__record_row(ad__row_number row, ad_var x, ad_var y);

/* The index in the list of a run of n plain numbers; AD__NO_NODE after an error. */
uint32_t ad__numbers(ad_tape *tape, size_t n, const ad_var x[]);

/* Are these the plain numbers of the last run? The units of a layer ask for the same run one after
 * another. */
bool ad__same_run(const ad_tape *tape, size_t n, const ad_var x[]);

/* Numbers are written and read through memcpy, so that the words may be read as doubles. */
static inline double ad__number_at(const ad_tape *tape, uint32_t place) {
    double number;
    memcpy(&number, tape->list + place, sizeof number);
    return number;
}
static inline const double *ad__numbers_at(const ad_tape *tape, uint32_t place) {
    return (const double *)(const void *)(tape->list + place);
}

/* The index in the list of one plain number; AD__NO_NODE after an error. A recently used number is
 * found again by its hash: whatever wrote the words at that index, they are the same bits. */
uint32_t               ad__new_number(ad_tape *tape, double number, uint32_t *shared);
static inline uint32_t ad__number(ad_tape *tape, double number) {
    uint64_t bits, have;
    memcpy(&bits, &number, sizeof bits);
    /* Fibonacci hashing, 6 bits */
    uint32_t *shared = &tape->shared[bits * 0x9E3779B97F4A7C15u >> 58];
    if (*shared + 2 > tape->list_length) return ad__new_number(tape, number, shared);
    memcpy(&have, tape->list + *shared, sizeof have);
    return have == bits ? *shared : ad__new_number(tape, number, shared);
}

/* Nodes from `first` to `last` come from this line. */
void ad__source_span(ad_tape *tape, uint32_t first, uint32_t last, const char *file, int line);

/* Recomputes the values of nodes from..end-1. The caller has checked that no error is held. */
void ad__replay_range(ad_tape *tape, uint32_t from, uint32_t end);

/* Appends a custom operation to a list of this tape. False, with the error kept: out of memory. */
bool ad__add_own_op(ad_tape *tape, ad__own_ops *list, ad__own_op op);

/* ad_gradient with the adjoints in the tape's space for tangents, so that those of the last
 * ad_backward survive. False with the error kept. */
bool ad__gradient_aside(ad_var y, size_t n, const ad_var x[], double grad[]);

/* The name given to a node, or NULL. */
const char *ad__name_of(const ad_tape *tape, uint32_t node);

/* Are these nodes a, a+1, ... a+n-1 of this tape, all recorded in one era? Then checking the two
 * ends is enough. */
static inline bool ad__consecutive(const ad_tape *tape, size_t n, const ad_var x[]) {
    return n > 0 && x[0].tape == tape &&
           ad__node_of(x[n - 1]) - ad__node_of(x[0]) == (uint32_t)(n - 1) &&
           tape->vector->in_row(n, x) && ad__valid(tape, x[0]) && ad__valid(tape, x[n - 1]);
}

#endif
