/* trace.h - both passes as data: which nodes an operation used and with which local derivatives;
 * which nodes lead to a result; every step of the backward pass with what it sent where. Words,
 * JSON and pictures are made from this, and from nothing else. */
#ifndef TAPIR_TRACE_H
#define TAPIR_TRACE_H

#include "tape/tape.h"

typedef struct ad__edge {
    uint32_t to;    /* the operand's node, or AD__NO_NODE for a plain number */
    double   value; /* of the operand */
    double   local; /* partial derivative of the node in this operand */
    /* false: nothing is sent along it (an operation that selects, with partial 0; a number) */
    bool     open;
} ad__edge;

size_t   ad__edges(const ad_tape *tape, uint32_t node); /* operands, numbers included */
ad__edge ad__edge_of(const ad_tape *tape, uint32_t node, size_t i);

/* used[i] for i <= last: does node i lead to node last? An array of last + 1, to be freed, or NULL:
 * out of memory. */
bool *ad__leads_to(const ad_tape *tape, uint32_t last);

/* What is wrong with one contribution of a pass that is wrong on purpose. */
typedef enum ad__fault {
    AD__SOUND,
    AD__LOST, /* the previous adjoint was overwritten */
    AD__LATE, /* `to` was visited before, and has passed on less */
    AD__LEFT  /* the previous adjoint is from an earlier pass */
} ad__fault;

/* One contribution: to->adjoint went from before to after. */
typedef struct ad__sent {
    uint32_t  to;
    ad__fault fault;
    double    local, contribution, before, after;
} ad__sent;

/* A visit to a node: its adjoint then, and its contributions sent[first .. first + count - 1]. */
typedef struct ad__step {
    uint32_t node;
    double   upstream;
    size_t   first, count;
} ad__step;

/* One backward pass. */
typedef struct ad__pass {
    uint32_t  last;    /* the result */
    bool     *used;    /* last + 1 */
    double   *adjoint; /* last + 1, at the end of the pass */
    bool     *wrong;   /* last + 1: ad__is_wrong; NULL without a bug */
    ad__step *step;
    ad__sent *sent;
    size_t    steps, sents;
} ad__pass;

/* False, with the error on the tape: out of memory. Free it in any case. */
bool ad__pass_make(ad_tape *tape, uint32_t last, const ad_view *view, ad__pass *pass);
void ad__pass_free(ad__pass *pass);

/* Checks that these are results of one tape without an error. The tape, or NULL with *status saying
 * why not. */
ad_tape *ad__results(const char *what, size_t n, const ad_var y[], const ad_view *view, FILE *to,
                     ad_status *status);

/* used[i], i < length: does node i lead to a result? keep[i]: is it one? Free it in any case.
 * False: out of memory. */
typedef struct ad__selection {
    uint32_t length;
    bool    *used, *keep;
} ad__selection;
bool ad__select(const ad_tape *tape, size_t n, const ad_var y[], ad__selection *selection);
void ad__select_free(ad__selection *selection);

/* Would a replay give other values to nodes i < length with used[i]? True if an input was set and
 * nothing replayed since, and if a replay cannot be finished. The values stay what they are. False,
 * with the error on the tape: out of memory. */
bool ad__values_old(ad_tape *tape, uint32_t length, const bool used[], bool *old);
#define AD__OLD_VALUES \
    "inputs were set since these values were computed; ad_replay computes them again"

/* The selection and a backward pass for each result. If the view asks for a bug, also the same
 * passes without it: what would have been right. */
typedef struct ad__traced {
    ad__selection selection;
    ad_bug        bug;
    bool          old; /* ad__values_old */
    size_t        n;
    ad__pass     *pass, *right; /* right: NULL without a bug */
} ad__traced;

/* False, with the error on the tape: out of memory. Free it in any case. */
bool ad__trace_make(ad_tape *tape, size_t n, const ad_var y[], const ad_view *view,
                    ad__traced *traced);
void ad__trace_free(ad__traced *traced);

/* Does the adjoint of this node, at the end, differ from the right one? False without a bug. */
bool ad__is_wrong(const ad__pass *pass, uint32_t node);

/* A bug's name ("no-accumulate", ...), what it does, and what it teaches; "" for no bug. */
const char *ad__bug_name(ad_bug bug);
const char *ad__bug_does(ad_bug bug);
const char *ad__bug_lesson(ad_bug bug);

/* ---- how nodes are written ------------------------------------------------------------------- */

enum { AD__LABEL = 64, AD__HEADLINE = 512 };

/* NaN is printed without a sign, which means nothing. */
static inline double ad__tidy(double x) {
    return x != x ? NAN : x;
}

/* A node as an operand: its name, cut to 40 characters, else "#5". Returns text. */
const char *ad__label(const ad_tape *tape, uint32_t node, char text[AD__LABEL]);

/* What a node does, with its operands: "#2 * #3", "sum(a, b, #5)"; "" for an input. */
void ad__what(const ad_tape *tape, uint32_t node, size_t room, char text[]);

/* The same with the values of the operands: "2 * -3". */
void ad__what_numbers(const ad_tape *tape, uint32_t node, size_t room, char text[]);

/* "#4 e = #2 * #3", "#2 a + b", "#0 a". */
void ad__headline(const ad_tape *tape, uint32_t node, size_t room, char text[]);

#endif
