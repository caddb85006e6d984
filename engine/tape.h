/* tape.h - how a tape is laid out, for the files of the engine that read and write nodes.
 *
 * A node is a column through four arrays: code (1 byte), arg (8), value (8), adjoint (8): 25 bytes
 * an operation. Separate arrays, because a sweep reads just what it needs, in order. What arg.x and
 * arg.y mean follows from the code:
 *
 *   rows of one operand       x: node
 *   rows of two               x, y: nodes; where the form says "number", the place of a double in `list`
 *   input                     nothing;   branch: x is the node of the condition
 *   reductions                x: place of the operand record in `list`, y: number of operands
 *
 * `list` is an array of 32-bit words that grows with the tape and is cut back with it. It holds
 * plain numbers (two words each, at even places, so that a run of them is an array of double) and
 * operand records. Numbers are shared where they can be: a loop that multiplies by 2 stores one 2.
 *
 * Invariants: an operand stands to the left of its user. Only tape.c allocates and forgets nodes.
 * `room` is the capacity, but 0 while an error is held: so the one test `length < room` of the
 * recording functions asks both whether there is space and whether all is well. */
#ifndef TAPIR_TAPE_H
#define TAPIR_TAPE_H

#include "ad.h"
#include "handle.h"
#include "notes.h"
#include "ops.h"
#include "vector.h"

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

/* An operation of the user's with its context. In the list of those in use it stands with the first node that
 * used it; in the list of definitions the node counts for nothing. */
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
    uint32_t  length, room;          /* nodes; see above */
    uint32_t  era, stable;           /* now; nodes below `stable` were never forgotten */
    uint8_t  *code;
    ad__arg  *arg;
    double   *value, *adjoint;
    uint32_t *list;
    uint32_t  list_length, list_room;
    uint32_t  capacity;              /* of the node arrays */
    uint32_t  leaves;                /* nodes 0..leaves-1 are inputs: no sweep needs to look at them */
    uint32_t  dirty;                 /* adjoints of nodes from this on are 0, as they were recorded */
    uint32_t  swept;                 /* adjoints of nodes below this are those of the last sweep; 0: none */
    uint32_t  shared[AD__SHARED_NUMBERS];   /* places of numbers by hash; checked when used */
    uint32_t  run, run_count;        /* place and count of the last run of numbers */

    const ad__vector *vector;        /* kernels for this machine */
    void     *block;                 /* the memory of the node arrays */
    double   *scratch;               /* operands of a reduction, gathered; see ad__scratch */
    size_t    scratch_room;
    double   *tangent;               /* by node; made when first asked for */
    size_t    tangent_room;          /* in doubles */
    struct ad__rules *rules;         /* of derivatives, made ready when first asked for; one block of memory */
    size_t    rules_bytes;

    ad__segment *segment;            /* ascending in start; at least one */
    uint32_t  segments, segment_room;
    ad__notes notes;

    ad__own_ops used, defined;       /* `used` is ascending in node, and cut back with the nodes */

    ad_status status;
    char      message[AD__MESSAGE];
};

/* Is the node of this handle still the one it was made for? (The handle must be of this tape.) */
bool ad__valid_slow(const ad_tape *tape, ad_var x);
static inline bool ad__valid(const ad_tape *tape, ad_var x) {
    return ad__era_of(x) == tape->era || ad__node_of(x) < tape->stable || ad__valid_slow(tape, x);
}
/* The quick half of ad__valid: may say no to a good handle, never yes to a bad one. */
static inline bool ad__fresh(const ad_tape *tape, ad_var x) {
    const uint32_t era = ad__era_of(x), node = ad__node_of(x);
    return (era == tape->era) | (node < tape->stable);
}

/* A handle for a node recorded just now or never forgotten. */
static inline ad_var ad__handle(ad_tape *tape, uint32_t node) {
    return ad__node_handle(tape, node, tape->era);
}

/* A handle for any node of the tape, in the era that it was recorded in. */
ad_var ad__handle_of(ad_tape *tape, uint32_t node);

/* What a failed operation returns: a handle of the tape that names no node (no era is 0). */
static inline ad_var ad__failed(ad_tape *tape) {
    return ad__node_handle(tape, AD__NO_NODE, 0);
}

/* Keep an error, if it is the first. The text is printf's. */
__attribute__((format(printf, 3, 4)))
void ad__fail(ad_tape *tape, ad_status status, const char *format, ...);

/* Is the spare room of a caller's struct, a `type`, all 0? Otherwise the error is kept. */
bool ad__check_reserved(ad_tape *tape, const char *what, const char *type, const uint64_t *reserved,
                        const void *end);

/* True when x can be used on this tape as operand number `position` of the operation `what`; otherwise
 * the error is kept (on both tapes when x belongs to another). Plain numbers are not asked about. */
bool ad__check(ad_tape *tape, ad_var x, const char *what, size_t position);

/* Is every x a node of the tape, something to differentiate by? Otherwise the error is kept. */
bool ad__check_nodes(ad_tape *tape, const char *what, size_t n, const ad_var x[]);

/* Make space for one more node, for words of the list, for doubles to gather operands in. False when memory is out
 * (AD_NO_MEMORY), the limit is reached (AD_TAPE_FULL) or, for the first two, an error is held. */
bool ad__grow(ad_tape *tape);
bool ad__list_grow(ad_tape *tape, uint64_t words);
bool ad__scratch_grow(ad_tape *tape, size_t doubles);

static inline bool ad__node_room(ad_tape *tape) {
    return tape->length < tape->room || ad__grow(tape);
}
/* One word more than asked for: numbers stand at even places. */
static inline bool ad__list_room(ad_tape *tape, uint64_t words) {
    return (tape->status == AD_OK && tape->list_length + words + 1 <= tape->list_room) || ad__list_grow(tape, words);
}
static inline bool ad__scratch(ad_tape *tape, size_t doubles) {
    return doubles <= tape->scratch_room || ad__scratch_grow(tape, doubles);
}

/* Make space for one tangent of every node, or for several columns, ad__tangent_column doubles apart; what
 * stood there is lost. False: out of memory. */
bool   ad__tangent_room(ad_tape *tape, size_t columns);
size_t ad__tangent_column(const ad_tape *tape);

/* One node more. There is space: length < room was asked, or ad__grow said yes. Its adjoint starts from 0 here,
 * where the processor waits for the values of operands anyway: a pass of its own before the sweep cost more. */
static inline ad_var ad__push(ad_tape *tape, uint8_t code, uint32_t x, uint32_t y, double value) {
    const uint32_t node = tape->length;
    tape->length = node + 1;
    tape->value[node] = value;
    tape->adjoint[node] = 0;
    tape->arg[node] = (ad__arg){x, y};
    tape->code[node] = code;
    return ad__handle(tape, node);
}

/* A row by its number, recorded; y is not looked at by rows of one operand. */
ad_var ad__record_row(ad__row_number row, ad_var x, ad_var y);

/* The place in the list of a run of n plain numbers; AD__NO_NODE after an error. */
uint32_t ad__numbers(ad_tape *tape, size_t n, const ad_var x[]);

/* Are these the plain numbers of the last run? The units of a layer ask for the same run one by one. */
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

/* The place in the list of one plain number; AD__NO_NODE after an error. A number used lately is found
 * again by its hash: whatever wrote the words that stand there, they are the same bits. */
uint32_t ad__new_number(ad_tape *tape, double number, uint32_t *shared);
static inline uint32_t ad__number(ad_tape *tape, double number) {
    uint64_t bits, have;
    memcpy(&bits, &number, sizeof bits);
    uint32_t *shared = &tape->shared[bits*0x9E3779B97F4A7C15u >> 58];       /* Fibonacci hashing, 6 bits */
    if (*shared + 2 > tape->list_length) return ad__new_number(tape, number, shared);
    memcpy(&have, tape->list + *shared, sizeof have);
    return have == bits ? *shared : ad__new_number(tape, number, shared);
}

/* Nodes from `first` to `last` come from this line. */
void ad__source_span(ad_tape *tape, uint32_t first, uint32_t last, const char *file, int line);

/* Values again of the nodes from..end-1. No error is held. */
void ad__replay_range(ad_tape *tape, uint32_t from, uint32_t end);

/* One more operation of the user's in a list of this tape. False, with the error kept: out of memory. */
bool ad__add_own_op(ad_tape *tape, ad__own_ops *list, ad__own_op op);

/* ad_gradient with the adjoints in the tape's space for tangents, so that those of the last ad_backward stay.
 * False with the error kept. */
bool ad__gradient_aside(ad_var y, size_t n, const ad_var x[], double grad[]);

/* The name given to a node, or NULL. */
const char *ad__name_of(const ad_tape *tape, uint32_t node);

/* Nodes a, a+1, ... a+n-1 of this tape, all recorded in one era? Then the ends speak for all. */
static inline bool ad__consecutive(const ad_tape *tape, size_t n, const ad_var x[]) {
    return n > 0 && x[0].tape == tape && ad__node_of(x[n - 1]) - ad__node_of(x[0]) == (uint32_t)(n - 1) &&
           tape->vector->in_row(n, x) && ad__valid(tape, x[0]) && ad__valid(tape, x[n - 1]);
}

#endif
