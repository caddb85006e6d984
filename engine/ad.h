/* ad.h - Tapir, a scalar reverse-mode automatic differentiation engine: its whole public face.
 *
 * A *tape* keeps operations in the order in which they happened. Every operation on scalars made
 * through this header computes its value at once and leaves one *node* on the tape: what was done,
 * to which earlier nodes, with which result. Since operands always stand to the left of their
 * users, one walk from right to left (the reverse sweep, ad_backward) meets every node after all of
 * its users, and the chain rule gives the derivative of one result with respect to everything.
 *
 *     ad_tape *tape = ad_tape_new();
 *     ad_var a = ad_input(tape, 2), b = ad_input(tape, 1);
 *     ad_var e = ad_mul(ad_add(a, b), ad_add(b, ad_num(1)));
 *     ad_backward(e);
 *     printf("%g %g %g\n", ad_value(e), ad_grad(a), ad_grad(b));       6 2 5
 *     ad_tape_free(tape);
 *
 * Four conventions hold everywhere:
 *   - Numbers are IEEE doubles, angles are radians, counts are size_t and stand before their array,
 *     results stand last, matrices are row-major.
 *   - The first error sticks. A formula is written without checks inside it; what goes wrong first
 *     is kept on the tape with a sentence, operations after it return NaN and do nothing, and the
 *     caller asks once: ad_tape_status, ad_tape_message. ad_tape_clear forgets the error.
 *   - No hidden globals. A tape belongs to one thread at a time; two threads with two tapes never
 *     meet.
 *   - Sizes stay. Structs end in spare room, `reserved`. Later versions take their new fields from
 *     it, so that a program compiled with this header runs with them. In a struct that the caller
 *     fills it must be all 0, else AD_BAD_ARGUMENT and a sentence that names the struct: anything
 *     else was never cleared, or asks for what only a later version can do. So name the fields that
 *     you set, or begin with {0}, in C++ with {}. An initializer by position may stop before
 *     `reserved` (-Wmissing-field-initializers warns of that). In what the library fills it means
 *     nothing.
 *
 * C99 and later, and C++11 and later. */
#ifndef TAPIR_AD_H
#define TAPIR_AD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
#include <initializer_list>
extern "C" {
#endif

#if defined(__GNUC__)
#define AD_API __attribute__((visibility("default")))
#else
#define AD_API
#endif

/* ---- what can go wrong ----------------------------------------------------------------------- */

/* The one list of errors: name and text. */
/* clang-format off */
#define AD_STATUS_LIST(row)                                                  \
    row(AD_OK,             "no error")                                       \
    row(AD_NO_MEMORY,      "out of memory")                                  \
    row(AD_TAPE_FULL,      "the tape has reached its largest size")          \
    row(AD_TWO_TAPES,      "operands from two tapes")                        \
    row(AD_NOT_RECORDED,   "a variable that was never recorded")             \
    row(AD_STALE,          "a variable whose node was forgotten")            \
    row(AD_BAD_ARGUMENT,   "an argument that is not allowed")                \
    row(AD_BAD_FORMULA,    "a formula that cannot be read")                  \
    row(AD_BRANCH_CHANGED, "a branch that would now go the other way")       \
    row(AD_BAD_FILE,       "a file that cannot be read or written")          \
    row(AD_UNSUPPORTED,    "not available in this build")
/* clang-format on */

/* clang-format off */
typedef enum ad_status {
#define AD_STATUS_NAME(name, text) name,
    AD_STATUS_LIST(AD_STATUS_NAME)
#undef AD_STATUS_NAME
    AD_STATUS_COUNT
} ad_status;
/* clang-format on */

/* The general text of a status, never NULL ("unknown status" for a number that is none). What
 * exactly happened is in ad_tape_message. */
AD_API const char *ad_status_text(ad_status status);

/* ---- tapes ----------------------------------------------------------------------------------- */

typedef struct ad_tape ad_tape; /* operations, in the order they happened */

/* A place on a tape: the number of nodes and the length of the operand list at that moment, and the
 * count of rewinds, so that a mark whose place was itself forgotten is noticed. Handed back as it
 * was given. Whatever else a tape must forget it finds by the number of the node: no spare room. */
typedef struct ad_mark {
    uint32_t node, list, era;
} ad_mark;

#ifdef __cplusplus
namespace ad_handle_ { /* argument-dependent lookup must not find a caller's functions */
#endif

/* A scalar: a node of a tape, or a plain number when tape is NULL. Passed by value, never freed: a
 * pointer and a whole number, which the foreign-function interface of any language can pass. What
 * the bits say is the library's affair and may change; a program asks the functions below. */
typedef struct ad_var {
    ad_tape *tape;
    uint64_t bits;
} ad_var;

#ifdef __cplusplus
}
using ad_handle_::ad_var;
#endif

/* An empty tape, or NULL when memory is out. Every function allows a NULL tape, so that the caller
 * may check once, at the end: ad_tape_status(NULL) is AD_NO_MEMORY. */
AD_API ad_tape *ad_tape_new(void);
AD_API void     ad_tape_free(ad_tape *tape);

/* Mark a place, and later forget everything recorded after it (names too). Nodes before the mark
 * keep their handles, values and adjoints, and memory is kept for what comes next: recording,
 * sweeping and rewinding in a loop allocates nothing once warm. A mark beyond the end of the tape
 * is AD_BAD_ARGUMENT, one from before a rewind below it AD_STALE. Rewinding is allowed while an
 * error is held, and leaves the error. */
AD_API ad_mark ad_tape_mark(const ad_tape *tape);
AD_API void    ad_tape_rewind(ad_tape *tape, ad_mark mark);

AD_API ad_status   ad_tape_status(const ad_tape *tape); /* the first error, or AD_OK */
/* the same in a sentence; "" for AD_OK. Owned by the tape */
AD_API const char *ad_tape_message(const ad_tape *tape);
AD_API void        ad_tape_clear(ad_tape *tape); /* forget the error, keep the tape */

/* Put an error on the tape, as the functions here do, for libraries built on them: a status, and a
 * sentence, which is copied, cut at 1,023 bytes; NULL or "": the text of the status. A number that
 * is no status counts as AD_BAD_ARGUMENT. It is kept if it is the first. Of AD_OK, and with tape
 * NULL: nothing. */
AD_API void ad_tape_fail(ad_tape *tape, ad_status status, const char *sentence);

AD_API size_t ad_tape_length(const ad_tape *tape); /* nodes recorded; at most 2^32 - 1 */
AD_API size_t ad_tape_bytes(const ad_tape *tape);  /* memory held, in bytes */

/* ---- leaves ---------------------------------------------------------------------------------- */

AD_API ad_var ad_input(ad_tape *tape, double value); /* a leaf: something to differentiate by */
/* a plain number; operations on numbers alone fold to numbers */
AD_API ad_var ad_num(double number);
AD_API double ad_value(ad_var x); /* NaN, and the error on the tape, where x names no node */

/* Give an input another value. ad_value and operations recorded from now on see it at once, older
 * operations at the next ad_replay. For another node: AD_BAD_ARGUMENT; for a plain number:
 * nothing. */
AD_API void ad_set(ad_var input, double value);

/* Name a node for messages, explanations and pictures; the text is copied. A second name replaces
 * the first. On a plain number: nothing. In all text for people, messages included, control
 * characters, characters that change the direction of the text and bytes that are not UTF-8 are
 * written \x1b or \u202e; ad_find and the fields of a report have the name as it was given. */
AD_API void ad_name(ad_var x, const char *name);

/* The node of this name, of several the last on the tape; AD_BAD_ARGUMENT when there is none. */
AD_API ad_var ad_find(ad_tape *tape, const char *name);

/* Operations recorded between the two calls belong to a scope ("layer 0"); scopes nest. Pictures
 * draw a frame around a scope, and fold it into one box if there is too much to show. The name is
 * copied. Rewinding to before the first node of a scope forgets the scope; rewinding to a place
 * inside it opens it again. An end without a beginning is AD_BAD_ARGUMENT. */
AD_API void ad_scope(ad_tape *tape, const char *name);
AD_API void ad_scope_end(ad_tape *tape);

/* Note the place in a source file that x comes from, unless it or a later node has one; returns x.
 * With AD_TRACE_SOURCE defined before this header is included every operation does so by itself,
 * with __FILE__ and __LINE__, and messages about a node name the line. The file's name is not
 * copied. */
AD_API ad_var ad_source(ad_var x, const char *file, int line);

/* ---- operations ------------------------------------------------------------------------------ */

/* One function for each row of ops.def: ad_neg ad_add ad_sub ad_mul ad_div ad_pow ad_sqrt ad_cbrt
 * ad_exp ad_exp_sub ad_expm1 ad_exp2 ad_log ad_log1p ad_log2 ad_log10 ad_sin ad_cos ad_tan ad_asin
 * ad_acos ad_atan ad_sinh ad_cosh ad_tanh ad_asinh ad_acosh ad_atanh ad_atan2 ad_hypot ad_erf
 * ad_erfc ad_lgamma ad_tgamma ad_polygamma ad_sigmoid ad_softplus ad_relu ad_leaky_relu ad_elu
 * ad_gelu ad_silu ad_abs ad_min ad_max ad_scale ad_gate ad_floor ad_ceil ad_trunc ad_round ad_rint
 * ad_fmod ad_remainder ad_less ad_less_equal ad_equal ad_not_equal ad_both ad_either; and what
 * partials are made of: ad_pow_slope ad_asin_slope ad_atan_slope ad_atanh_slope ad_sigmoid_slope
 * ad_hypot_slope ad_doubt. Values and partial derivatives stand in the table. Plain numbers may be
 * operands everywhere. */
#define R1(name, ...) AD_API ad_var ad_##name(ad_var x);
#define R2(name, ...) AD_API ad_var ad_##name(ad_var x, ad_var y);
#include "ops.def"

/* Reductions: one node each, however many operands. Operands that stand next to each other on the
 * tape (the weights of a layer) are stored as one range and computed with vector instructions; so
 * are runs of plain numbers. The order of additions is fixed, but not left to right.
 * No operands: sum, dot and norm are the number 0, logsumexp and largest are -infinity.
 * Values and partial derivatives stand in reduce.def. */
AD_API ad_var ad_sum(size_t n, const ad_var x[]);
AD_API ad_var ad_dot(size_t n, const ad_var x[], const ad_var y[]); /* sum of x[i]*y[i] */
/* log of the sum of exp(x[i]), without overflow */
AD_API ad_var ad_logsumexp(size_t n, const ad_var x[]);

/* The square root of the sum of x[i]^2, whatever their size: neither overflow nor underflow on the
 * way. The partial derivatives are x[i]/norm; 0 where all operands are 0, as that of ad_abs; NaN in
 * an infinite operand. A NaN stays, even beside an infinity. */
AD_API ad_var ad_norm(size_t n, const ad_var x[]);

/* The largest operand; a NaN stays. Those that are equal to it share the adjoint evenly, as in
 * ad_max, and the others receive nothing. (ad_logsumexp is the smooth one.) */
AD_API ad_var ad_largest(size_t n, const ad_var x[]);

/* yes where condition is not 0, else no (NaN is not 0, as in C). Both are computed; the one not
 * taken receives no gradient, even when it is NaN, and the condition never does. */
AD_API ad_var ad_where(ad_var condition, ad_var yes, ad_var no);

/* x[index]: only that one receives the adjoint. An index that is not whole or not in 0..n-1, now or
 * in a replay, is AD_BAD_ARGUMENT. */
AD_API ad_var ad_pick(ad_var index, size_t n, const ad_var x[]);

/* For `if` in the caller's program: true when condition is not 0. The decision is noted on the
 * tape; a replay in which it would go the other way stops there with AD_BRANCH_CHANGED and a
 * message that has both sides of the comparison; later values stay as they were. false after an
 * error. */
AD_API bool ad_branch(ad_var condition);

/* ---- operations of your own ------------------------------------------------------------------ */

/* An operation that is not in the table: its value, its partials, and what else it can do. The
 * struct and the context must outlive the tapes and programs that use them; the functions may be
 * called from any thread, must not touch the tape, and must depend on their arguments alone.
 * What they return is used as it is: NaN is a value, and a partial that is not written is NaN. */
typedef struct ad_custom_op {
    const char *name;
    size_t      operands; /* SIZE_MAX: any number */
    double (*value)(size_t n, const double x[], void *context);
    /* partial[i] = dv/dx[i] where the value is v */
    void (*partials)(size_t n, const double x[], double v, double partial[], void *context);
    /* The same for `width` lanes of a program at once: x[k][lane], v[lane], partial[k][lane]. NULL:
     * lane by lane. Lanes whose adjoint is 0 may be included; in the others what is not written
     * counts as NaN. */
    void (*lane_values)(size_t n, size_t width, const double *const x[], double v[], void *context);
    void (*lane_partials)(size_t n, size_t width, const double *const x[], const double v[],
                          double *const partial[], void *context);
    /* The partials recorded from the handles it is given, on their tape. NULL: no second
     * derivative. */
    void (*record)(size_t n, const ad_var x[], ad_var v, ad_var partial[], void *context);
    uint64_t reserved[8];
} ad_custom_op;

/* One node. On plain numbers alone: the number. A wrong count, or an operation without name, value
 * or partials: AD_BAD_ARGUMENT. */
AD_API ad_var ad_custom(ad_tape *tape, const ad_custom_op *op, size_t n, const ad_var x[],
                        void *context);

/* Formulas on this tape may call it by its name, which must be a word that no function has; a
 * second definition of a name replaces the first. AD_OK, or the status that the tape now holds. */
AD_API ad_status ad_tape_define(ad_tape *tape, const ad_custom_op *op, void *context);

/* ---- formulas -------------------------------------------------------------------------------- */

/* Mathematics in C, without operators. The expression is kept as text; the names in it are bound to
 * the variables that follow:     ad_var y = ad_formula(tape, tanh(w*x + b), w, x, b);
 *
 * The language is C's expression syntax with ^ for powers (right-associative, tighter than unary
 * minus); comparisons, && || !, and ?: (recorded as ad_where); the names of the rows and C's names
 * for them (fabs, fmin, fmax, nearbyint, fma(a, b, c) as a*b + c); where(c, x, y); sum(...),
 * mean(...), prod(...), logsumexp(...), norm(...), largest(...), dot(first half, second half); pi.
 * Any number of `name = expression;` may stand before the last expression, each a node that keeps
 * its name; the last expression may be named too. Names are C postfix expressions (x[0], p.b),
 * spaces ignored. A number is an operand, not a node. Numbers are read as in the C locale. Nesting
 * over 1,000 deep is an error. Errors are AD_BAD_FORMULA; the message shows the text with a caret
 * under the place, says what other notations mean by it (ln, x**2, 2x, sin x), and of an unknown
 * name which names are bound. */
#define ad_formula(tape, expression, ...) AD_FORMULA_(tape, #expression, #__VA_ARGS__, __VA_ARGS__)

/* The function behind ad_formula: n names, separated by commas in one text, stand for vars[0..n-1].
 * For no variables: ad_parse(tape, text, 0, NULL, NULL). */
AD_API ad_var ad_parse(ad_tape *tape, const char *text, size_t n, const char *names,
                       const ad_var vars[]);

/* The same; notes that every node it records comes from this line, see ad_source. */
AD_API ad_var ad_parse_at(const char *file, int line, ad_tape *tape, const char *text, size_t n,
                          const char *names, const ad_var vars[]);

/* ---- values again, and derivatives ----------------------------------------------------------- */

AD_API void ad_replay(ad_tape *tape); /* recomputes every value, first node to last */

/* Adjoints dy/dnode of every node, last to first, from zero each time. A zero adjoint
 * contributes nothing, so that 0*inf does not make NaN where y does not depend on the node.
 * On a plain number: nothing (the derivative of a constant needs no sweep). */
AD_API void ad_backward(ad_var y);

/* dy/dx of the last ad_backward(y); NaN and AD_NOT_RECORDED before any, or after one that failed; 0
 * for a number. */
AD_API double ad_grad(ad_var x);

/* grad[i] = dy/dx[i], by one ad_backward. All 0 when y is a plain number; all NaN after an
 * error. */
AD_API void ad_gradient(ad_var y, size_t n, const ad_var x[], double grad[]);

/* The derivative of y when each x[i] moves by direction[i]: the sum of grad[i]*direction[i], by one
 * walk from the first node to the last, with the partials of the reverse sweep. Adjoints are left
 * alone. A tangent of zero contributes nothing. 0 when y is a plain number; NaN after an error. */
AD_API double ad_tangent(ad_var y, size_t n, const ad_var x[], const double direction[]);

/* j[i*n + k] = dy[i]/dx[k], m x n, by n walks forward or m in reverse, whichever are fewer; plain
 * numbers among the y have a row of zeros. Adjoints are left alone. All NaN after an error. */
AD_API void ad_jacobian(size_t m, const ad_var y[], size_t n, const ad_var x[], double j[]);

/* The reverse sweep recorded as nodes: grad[i] is dy/dx[i] as a variable, which a replay computes
 * again and which can be differentiated again, to any order:
 *
 *     ad_record_gradient(y, 1, &x, &dy);  ad_record_gradient(dy, 1, &x, &ddy);
 *
 * The partials are recorded from the texts of the rows; nodes that do not lead from some x to y are
 * left out. A derivative that is constant is a plain number, one that is a node of the caller's is
 * that node. The adjoint of a node with a name is named too: "d loss / d w". An adjoint that is 0,
 * now or in a replay, contributes nothing, as in ad_backward; if it is 0 at a kink, or before an
 * infinite partial, so that the next derivative cannot be determined, that derivative is NaN
 * (docs/derivatives.md). Only products and sums that are made here are simplified (0*a if a is
 * finite, 1*a, a + 0). For a derivative of the gradient, x must be inputs. After an error no node
 * is added, and grad are handles that name none. */
AD_API void ad_record_gradient(ad_var y, size_t n, const ad_var x[], ad_var grad[]);

/* Second derivatives of y, n x n, symmetric to the bit; and the Hessian times a direction, at the
 * cost of a few gradients whatever n is. x must be inputs (else AD_BAD_ARGUMENT). Nothing is
 * recorded and adjoints are left alone. 0 for a plain number y; all NaN after an error. At a kink
 * where the first derivative is still smooth (|x|^2 at 0) they are those of the side that the
 * direction, or +x[k], leads to; NaN if 0*inf occurs on the way. */
AD_API void ad_hessian(ad_var y, size_t n, const ad_var x[], double h[]);
AD_API void ad_hessian_times(ad_var y, size_t n, const ad_var x[], const double direction[],
                             double out[]);

/* ---- programs -------------------------------------------------------------------------------- */

/* A recorded piece of tape, compiled, to be run over many examples at once: record one example as
 * scalars, run it over a minibatch as lanes of vectors. Which leaves are shared by all rows
 * (weights) and which differ from row to row (an example) is given by ad_interface; a leaf in
 * neither list is a constant. */
typedef struct ad_program ad_program;

/* What a program takes and gives. */
typedef struct ad_interface {
    size_t        params;
    const ad_var *param; /* shared by all rows: weights */
    size_t        inputs;
    const ad_var *input; /* one set per row: an example */
    size_t        outputs;
    const ad_var *output; /* computed for each row; at least one */
    size_t        active; /* the Jacobian is in the first `active` inputs; 0: in all */
    uint64_t      reserved[8];
} ad_interface;

/* Params and inputs are distinct leaves of one tape; a count of 0 allows NULL for its array.
 * Branches noted before the last output become guards. The program does not need the tape any more.
 * NULL on failure, with the sentence on the tape of the first handle. */
AD_API ad_program *ad_compile(const ad_interface *interface);
AD_API void        ad_program_free(ad_program *program);

/* A program is constant while it runs: threads may share it. Rows are split into chunks that do not
 * depend on the number of threads (OpenMP, where it was found), and added in a fixed order, so that
 * the answer is the same to the bit for any number of them, within one instruction set. A child
 * forked from a process that had other threads uses one, for OpenMP's do not outlive a fork. What a
 * row gets does not depend on its place. Arrays of params have `params` numbers, inputs are rows x
 * inputs; a count of 0 allows NULL.
 *
 * AD_BRANCH_CHANGED: in some row a noted branch would go the other way; the message has both sides.
 * AD_BAD_ARGUMENT: NULL where an array is needed, sizes that overflow, an index of ad_pick out of
 * range. AD_NO_MEMORY. After any of these the results must not be used. */

/* rows x inputs -> rows x outputs. With rows = 0: AD_OK. */
AD_API ad_status ad_program_values(const ad_program *program, const double param[], size_t rows,
                                   const double input[], double output[]);
/* The mean over the rows of output 0, and its gradient in the parameters. rows = 0 is
 * AD_BAD_ARGUMENT. */
AD_API ad_status ad_program_gradient(const ad_program *program, const double param[], size_t rows,
                                     const double input[], double *mean, double grad[]);
/* rows x outputs x active: each row's own derivatives. With rows = 0: AD_OK. */
AD_API ad_status ad_program_jacobian(const ad_program *program, const double param[], size_t rows,
                                     const double input[], double jacobian[]);

/* The last failure in a sentence, with its row: copied into text, cut to fit; returns its whole
 * length. For NULL: "". */
AD_API size_t ad_program_message(const ad_program *program, size_t room, char text[]);

/* A stand-alone C99 file that needs math.h alone, with
 *     double NAME(const double *param, const double *input, double *grad)
 * which returns output 0 for one row and writes its gradient in the params to grad, unless grad is
 * NULL. Where a noted branch would go the other way or an index is out of range, value and gradient
 * are NaN. A NAME that is not an identifier, or is a keyword of C, a name that the C library uses
 * or reserves (strlen, size_t; all that begin with str, mem, wcs, is or to and contain no _), or a
 * macro of compilers (unix), is AD_BAD_ARGUMENT, a custom operation AD_UNSUPPORTED; then nothing is
 * written. AD_BAD_FILE: not all could be written. */
AD_API ad_status ad_program_emit_c(const ad_program *program, const char *name, FILE *to);

/* The instructions in words, what each pass of the compiler did, the memory of a lane and the block
 * chosen. */
AD_API ad_status ad_program_print(const ad_program *program, FILE *to);

/* ---- is this gradient right? ----------------------------------------------------------------- */

/* The one list of verdicts, better ones first: name, what is printed, what it means. */
/* clang-format off */
#define AD_VERDICT_LIST(row)                                                  \
    row(AD_PASS,         "PASS",                                              \
        "agrees with differences, and they could have shown an error")        \
    row(AD_WEAK,         "WEAK",                                              \
        "agrees, but is too small beside the noise to be resolved")           \
    row(AD_INCONCLUSIVE, "INCONCLUSIVE",                                      \
        "no differences good enough could be formed")                         \
    row(AD_KINK,         "KINK",                                              \
        "x is on a kink, and the claim lies between the slopes of its sides") \
    row(AD_DOMAIN,       "DOMAIN",                                            \
        "the function has no finite value at x, or on one side of it")        \
    row(AD_UNSTABLE,     "UNSTABLE",                                          \
        "the function gave two values for one x")                             \
    row(AD_FAIL,         "FAIL",                                              \
        "the claim is wrong")
/* clang-format on */

/* clang-format off */
typedef enum ad_verdict {
#define AD_VERDICT_NAME(name, text, meaning) name,
    AD_VERDICT_LIST(AD_VERDICT_NAME)
#undef AD_VERDICT_NAME
    AD_VERDICT_COUNT
} ad_verdict;
/* clang-format on */

AD_API const char *ad_verdict_text(ad_verdict verdict);    /* "PASS"; never NULL */
AD_API const char *ad_verdict_meaning(ad_verdict verdict); /* in a sentence; never NULL */

typedef enum ad_format { AD_TEXT, AD_JSON, AD_CSV, AD_JUNIT, AD_TAP } ad_format;

/* Consecutive x that belong together, as the weights of a layer do: shape[0] x ... x shape[rank -
 * 1] of them, row-major; rank 0 is one. Coordinates are then called NAME[i][j]. */
typedef struct ad_check_block {
    const char   *name;
    size_t        rank;
    const size_t *shape;
    uint64_t      reserved[8];
} ad_check_block;

/* All zeros: the defaults. */
typedef struct ad_check_options {
    double                rtol; /* a relative error that is allowed; 0: 1e-9 */
    uint64_t              seed; /* of random directions; 0: 42 */
    /* so many x are checked one by one, more of them along directions, to be bisected when one
     * fails; 0: 100 */
    size_t                coordinates;
    /* they must cover all n coordinates; 0: one block without a name */
    size_t                blocks;
    const ad_check_block *block;
    /* n numbers: the derivative along it is checked, nothing else; NULL: as above */
    const double         *direction;
    bool                  second; /* second derivatives too (ad_check) */
    /* Unit roundoff of the arithmetic in which a function that is called computes. 0: 2^-53,
     * double; 2^-24: float; 2^-11: half; AD_UNIT_MEASURED, or any number below 0: float or half if
     * all its values at 20 points near x are (of a function with several values: those of one of
     * them), else double. With fewer digits than a double the check is at x rounded to them, as the
     * message says if that is another x; f is called with such numbers alone; rtol 0 is then 64
     * units, if that is more than 1e-9; and PASS says that an error of sqrt(unit) would have shown.
     * A tape computes in double: ad_check and ad_check_program refuse other units. */
    double                unit;
    uint64_t              reserved[7];
} ad_check_options;

#define AD_UNIT_MEASURED -1.0

/* A coordinate, or a direction in which all coordinates of a block move (at random, on a sphere,
 * each scaled by max(1, |x|)): what is claimed, and what differences say. */
typedef struct ad_check_line {
    /* of the coordinate or the block; "all kinks together": the coordinates that are on one, along
     * a direction */
    const char *name;
    size_t      coordinate; /* SIZE_MAX for a direction */
    double      claimed;
    /* by differences, and what they may be off; NaN where none could be formed */
    double      estimate, error;
    double      left, right; /* one-sided slopes at a kink or an edge, else NaN */
    /* |claimed - estimate| (or the distance from [left, right]), and what was allowed */
    double      gap, tolerance;
    double      step; /* of the differences used */
    ad_verdict  verdict;
    /* in steps this short all change is noise; in steps this long the function turns. NaN or 0 if
     * not computed */
    double      drowned, turned;
    bool        steep;  /* slopes grow without bound as steps shrink: a jump, a vertical tangent */
    size_t      output; /* of a function with several values; SIZE_MAX: not of one */
    uint64_t    reserved[7];
} ad_check_line;

/* An operand of one operation whose rule was compared with differences of that operation alone. */
typedef struct ad_check_operand {
    size_t      node, operand; /* its number on the tape; which operand, from 0 */
    const char *operation;     /* "tanh": the row of ops.def, or the user's own name */
    const char *name;          /* given by ad_name; "" for none */
    const char *shown;         /* "tanh(#22)" */
    double      at;            /* the value of the operand */
    double      rule;          /* the partial derivative that the sweeps use */
    double      estimate, error, gap, tolerance, left, right;
    ad_verdict  verdict;
    const char *file; /* where it was recorded, if noted (ad_source); else NULL and 0. Not copied */
    int         line;
    uint64_t    reserved[8];
} ad_check_operand;

/* Everything that is printed, and what it was decided by. Owned by the report: read, never written.
 *
 * A failure is located by three layers. *local*: each operation's own partial derivatives against
 * differences of that operation at its operands. *sweep*: the derivative along random directions,
 * forward against reverse, over the same partials. *global*: differences of the whole function. */
typedef struct ad_check_report {
    ad_verdict           verdict; /* the worst of all */
    ad_status            status;  /* not AD_OK: nothing was checked, and message says why */
    /* the conclusion in a sentence or two, whatever the verdict; never "" */
    const char          *message;
    size_t               n;            /* coordinates */
    double               value, noise; /* f(x), and what rounding may have done to it */
    double               rtol;
    uint64_t             seed;
    size_t               evaluations; /* of the whole function */
    /* order of the error of f(x) + t*slope in t: 2 when right; NaN: unseen */
    double               taylor;
    size_t               count[AD_VERDICT_COUNT]; /* of the lines */
    size_t               lines;
    const ad_check_line *line;
    const unsigned char *coordinate; /* n verdicts; by ad_check_coordinate */

    /* local and sweep; of a tape */
    bool                    has_tape;
    size_t                  nodes, operands; /* that lead to y; operands checked */
    size_t                  local_count[AD_VERDICT_COUNT];
    size_t                  culprits; /* of the operands that failed the worst 8, worst first */
    const ad_check_operand *culprit;
    ad_verdict              sweep;
    /* derivative along the random direction with the largest gap */
    double                  forward, reverse;
    /* their difference; what rounding explains */
    double                  sweep_gap, sweep_tolerance;
    /* whose adjoint is not the sum of what its users send; SIZE_MAX: none */
    size_t                  sweep_node;
    bool                    repeatable; /* a second sweep gives the same adjoints, to the bit */

    /* second order, when asked for */
    bool                 has_second;
    size_t               second_count[AD_VERDICT_COUNT];
    size_t               second_lines;
    /* H*v by differences of gradients: "a, b" is d2y/(da db), "w.Hv" is w.H*v */
    const ad_check_line *second;
    double               symmetry, symmetry_tolerance; /* |v.H*w - w.H*v| */
    double               taylor_second;                /* 3 when right */
    ad_verdict           second_verdict;

    size_t   outputs; /* of a function with several values (`value` is NaN then); else 0 */
    double   unit;    /* of the function's arithmetic, given or measured; 0: double */
    uint64_t reserved[6];
} ad_check_report;

/* Is dy/dx[i] = claimed[i]? NULL: is what ad_gradient says right? The values of the leaves are
 * those set last, and all values and adjoints of the tape are afterwards what they were, to the
 * bit. NULL when memory is out. Anything wrong with the arguments or the tape is in `status`; x are
 * inputs. */
AD_API ad_check_report *ad_check(ad_var y, size_t n, const ad_var x[], const double claimed[],
                                 const ad_check_options *options);

/* The same for any C function, which need not know of tapes. It is called many times, with an array
 * of its own. */
AD_API ad_check_report *ad_check_function(double (*f)(size_t n, const double x[], void *context),
                                          void *context, size_t n, const double x[],
                                          const double claimed[], const ad_check_options *options);

/* The same for a function from n numbers to m: is dy[i]/dx[j] = claimed[i*n + j]? The lines are
 * called "y[2]/x[5]", or with the name in a block "y[2]/w[1][0]". If there are no more entries
 * than options->coordinates, each is checked by itself. More of them are checked along random
 * directions, in which a block of x moves and all y are added up with random weights (lines "all
 * of y/w"): what does not agree is bisected, into outputs along the same direction (lines "y[2]/w")
 * and then into coordinates; at most 8 culprits are looked up. All y of a point are used; f is not
 * called again for a point that it was called for (up to 128 MB of values are kept). An output
 * that has no finite value at x is a line "y[2]" (DOMAIN), and the others are checked; so write NaN
 * where there is no value. The verdict of a coordinate is the worst over all outputs. */
AD_API ad_check_report *ad_check_vector(void (*f)(size_t n, const double x[], size_t m, double y[],
                                                  void *context),
                                        void *context, size_t n, const double x[], size_t m,
                                        const double claimed[], const ad_check_options *options);

/* Claims about a Jacobian J (m x n) that are functions: the vector-Jacobian product g = u'J (n
 * numbers from m) and the Jacobian-vector product w = J v (m numbers from n). They get arrays of
 * their own and write all of g or w. */
typedef void ad_vjp(size_t n, const double x[], size_t m, const double u[], double g[],
                    void *context);
typedef void ad_jvp(size_t n, const double x[], const double v[], size_t m, double w[],
                    void *context);

/* Are these the products with the Jacobian of f? Either may be NULL. Each must be linear in u or v
 * (lines "vjp(2 u)", "vjp(-u)", "vjp(u + t)"); then it is compared with differences of f, as in
 * ad_check_vector: entry by entry if there are few ("vjp y[2]/x[5]"; m or n products), else along
 * random directions, and what does not agree is bisected by products with parts of these, down to
 * unit vectors. With both, u'(J v) = (u'J) v as far as rounding allows (line "u.(J v) = (u J).v").
 * All get the same context. */
AD_API ad_check_report *ad_check_products(void (*f)(size_t n, const double x[], size_t m,
                                                    double y[], void *context),
                                          ad_vjp *vjp, ad_jvp *jvp, void *context, size_t n,
                                          const double x[], size_t m,
                                          const ad_check_options *options);

/* Is h = H v the Hessian of a function times v, if `gradient` writes its gradient g (n numbers)?
 * hvp is compared with differences of the gradient, as a Jacobian-vector product: the line
 * "x[2], x[5]" is the second derivative in both. It must be linear in v, and H symmetric (line
 * "v.Hw = w.Hv", and the report's `symmetry`). That the gradient is right is another question. */
AD_API ad_check_report *ad_check_hessian_times(
    void (*gradient)(size_t n, const double x[], double g[], void *context), void *context,
    size_t n, const double x[],
    void (*hvp)(size_t n, const double x[], const double v[], double h[], void *context),
    const ad_check_options *options);

/* The mean gradient of a program in its parameters, at these rows (see ad_program_gradient); then
 * that of rows alone (the first, the one in the middle, the last) and of all but the last, along a
 * random direction each, or, where that settles nothing, in the coordinate with the worst verdict:
 * the lines "row 0 alone", "all rows but the last". The values of up to 65 rows are compared with
 * those they have alone; a line "value of row 3" says which is not the same, what it is among the
 * others (claimed) and alone (estimate). */
AD_API ad_check_report *ad_check_program(const ad_program *program, const double param[],
                                         size_t rows, const double input[],
                                         const ad_check_options *options);

/* A report that says only why nothing was checked, for checks built on these: not AD_OK, and a
 * sentence, which is copied. NULL when memory is out. */
AD_API ad_check_report *ad_check_refused(ad_status status, const char *sentence);

/* AD_INCONCLUSIVE for NULL, and for a coordinate that does not exist. */
AD_API ad_verdict ad_check_verdict(const ad_check_report *report);
AD_API ad_verdict ad_check_coordinate(const ad_check_report *report, size_t i);

/* A page of text, one JSON object, a CSV table of the lines with a header, or a suite of tests for
 * a build server (ad_check_print_suite). In JSON, NaN and the infinities are the strings "NaN",
 * "Infinity", "-Infinity", as in ad_explain_json; in CSV they are nan, inf, -inf. AD_OK,
 * AD_NO_MEMORY for NULL, AD_BAD_FILE when writing fails. Numbers are written in the C locale. */
AD_API ad_status ad_check_print(const ad_check_report *report, ad_format format, FILE *to);

/* n reports as one document that build servers read, report[i] under name[i] (NULL, or a name that
 * is NULL: "gradcheck"): AD_JUNIT, a testsuite of XML for each, or AD_TAP, version 13 with YAML
 * diagnostics. AD_BAD_ARGUMENT for the other formats. A line of the report is a test case, and so
 * are a culprit, the sweep and the symmetry of second derivatives; if none of them has the verdict
 * of the report, a case "conclusion" has it. FAIL is a failure. INCONCLUSIVE, KINK, DOMAIN and
 * UNSTABLE are errors in JUnit, "not ok" in TAP: nothing was shown to be right. PASS and WEAK pass.
 * What the verdict of the report does not depend on is skipped: a sweep that could not be judged,
 * the lines of a function that is UNSTABLE. A report that is not AD_OK is an error; alone in TAP,
 * "Bail out!". So a suite is all green if and only if its report is PASS or WEAK. There are no
 * times in it: equal reports are equal files. */
AD_API ad_status ad_check_print_suite(size_t n, const ad_check_report *const report[],
                                      const char *const name[], ad_format format, FILE *to);
AD_API void      ad_check_free(ad_check_report *report);

/* The experiment: how far differences are from a claimed derivative, against their step. A right
 * one draws a V, one that is wrong by 1e-3 a plateau at 1e-3, a kink at the distance d a cliff at
 * the step d. Errors and noise are relative to the derivative (absolute where that is 0). */
typedef struct ad_curve_point {
    double   step;                   /* h, from 1 to 1e-13, four to a decade */
    double   central, central_error; /* (f(x + h) - f(x - h))/2h, and |that - claimed| */
    double   romberg, romberg_error; /* extrapolated from steps 4h, 2h, h */
    double   noise;                  /* what rounding of f may do, divided by h */
    uint64_t reserved[8];
} ad_curve_point;

/* The error of a claimed derivative against the step, from large steps to small ones. */
typedef struct ad_curve {
    const char           *name; /* of x */
    /* the best that differences say, and what it may be off */
    double                claimed, estimate, error;
    size_t                points;
    const ad_curve_point *point;
    uint64_t              reserved[8];
} ad_curve;

typedef enum ad_picture { AD_TSV, AD_CHARACTERS, AD_SVG } ad_picture;

/* Of y against the input x; claimed NULL: what ad_gradient says. NULL with the error on the tape.
 * The tape is what it was, to the bit. */
AD_API ad_curve *ad_check_curve(ad_var y, ad_var x, const double *claimed);
/* as ad_check_print */
AD_API ad_status ad_curve_print(const ad_curve *curve, ad_picture picture, FILE *to);
AD_API void      ad_curve_free(ad_curve *curve);

/* ---- explanations and pictures --------------------------------------------------------------- */

/* The forward and the backward steps that lead to y, in words and numbers, then the derivatives
 * with respect to its inputs, each compared with differences of replayed values (which are restored
 * afterwards). If inputs were set and not replayed since, the text says so, and nothing is
 * compared. AD_OK, the status of the tape, or AD_BAD_FILE when writing fails. Numbers are written
 * in the C locale. */
AD_API ad_status ad_explain(ad_var y, FILE *to);

/* In which order the backward pass visits nodes: as they stand on the tape, last to first; or as a
 * depth-first search from the result finishes them, reversed, which is micrograd's. Both meet a
 * node after all its users. */
typedef enum ad_order { AD_ORDER_TAPE, AD_ORDER_DEPTH_FIRST } ad_order;

/* Three famous ways to get it wrong, for teaching; in texts they are called:
 *   no-accumulate   a contribution overwrites the adjoint instead of being added (AD_BUG_OVERWRITE)
 *   depth-first     a node passes on what it has when it is first reached, complete or not
 *   stale           adjoints of an earlier pass were not set to zero
 * Everything written about such a pass names the bug and shows, beside its derivatives, the right
 * ones (from the pass without the bug) and what differences say. */
typedef enum ad_bug { AD_BUG_NONE, AD_BUG_OVERWRITE, AD_BUG_DEPTH_FIRST, AD_BUG_STALE } ad_bug;

/* How to explain and what to draw; all zeros, or NULL in its place: the defaults. */
typedef struct ad_view {
    ad_order    order;
    ad_bug      bug; /* wrong on purpose */
    /* boxes shown before scopes, then stretches of nodes, are folded into one; 0: 200 in words, 60
     * in pictures, 2000 in pages */
    size_t      most;
    const char *title; /* of pictures and pages; NULL: the names of the results */
    bool        bare;  /* without the comparison with differences */
    uint64_t    reserved[8];
} ad_view;

/* The same as ad_explain for n results, which must be nodes: the forward pass once, a backward pass
 * for each. */
AD_API ad_status ad_explain_all(size_t n, const ad_var y[], const ad_view *view, FILE *to);

/* The trace as data:
 *   {"format":"tapir-trace/1",
 *    "nodes":[{"id","op","name","scope","shown","numbers","words","args","value"}],
 *              args: ids, or {"value"} for a plain number
 *    "output":id,
 *    "steps":[{"node","upstream","edges":[{"to","local","contribution","before","after"}]}],
 *    "result":{name: gradient}}
 * A node without a name has "#id" in its place in the result, as has one whose name is taken,
 * begins with # or is not UTF-8. If there are several results, this is the first; the others are in
 * "more":[{"output","steps","result"}]. JSON has no NaN and no infinity: they are the strings
 * "NaN", "Infinity", "-Infinity".
 *
 * With a bug there is more. At the top: "bug", its name, and "does", what it does, in words. In
 * each step: "right", what "upstream" is at the end of a pass without the bug. In an edge affected
 * by the bug, "fault": "lost", the previous adjoint was overwritten; "late", the node was visited
 * before, and has passed on less; "left", the previous adjoint is from an earlier pass. Beside each
 * "result": "right":{name: gradient} of the pass without the bug; and, unless the view is bare or
 * the graph too large, "differences":{name: number}, NaN if none could be formed,
 * "disagree":[name], the derivatives that they contradict, "right_disagrees":[name], those of
 * "right" that they contradict too, if any (a kink, a wrong rule), and "check", all that in words.
 * Without a bug "differences", "disagree" and "check" are present if a derivative might be wrong
 * (there is a custom operation, a kink or a jump, or something that is not finite) and they do not
 * all agree. "old": true means that inputs were set since the values were computed, and nothing was
 * replayed. */
AD_API ad_status ad_explain_json(size_t n, const ad_var y[], const ad_view *view, FILE *to);

/* dy/dx as the sum over the paths from x to y of the products of the local derivatives along them:
 * how many there are (counted, not walked), the `most` largest (64 at most; 0: 8), and the sum of
 * all. */
AD_API ad_status ad_explain_paths(ad_var y, ad_var x, size_t most, FILE *to);

/* Where NaN and infinity come from: the first node leading to y whose value is not finite, with its
 * operands, its name and, if noted, its line; then how it reaches y. False: everything is finite,
 * `to` is NULL, or the tape holds the error. For a plain number nothing is written. */
AD_API bool ad_explain_nonfinite(ad_var y, FILE *to);

/* The graph that leads to n results. Boxes hold name, value and gradient (of the first result),
 * edges the local derivative, frames are scopes. DOT is for Graphviz; SVG is laid out here, in
 * layers from left to right; HTML is one page that needs no network, to step through both passes
 * with a slider or the arrow keys. Names are escaped. The picture also says what was folded, which
 * bug there is, if values are old, and what a comparison with differences has to report (see
 * ad_explain_json). */
AD_API ad_status ad_draw_dot(size_t n, const ad_var y[], const ad_view *view, FILE *to);
AD_API ad_status ad_draw_svg(size_t n, const ad_var y[], const ad_view *view, FILE *to);
AD_API ad_status ad_draw_html(size_t n, const ad_var y[], const ad_view *view, FILE *to);

#ifdef __cplusplus
}
/* C++ has no compound literals; an initializer list holds the variables instead. */
inline ad_var ad_formula_(const char *file, int line, ad_tape *tape, const char *text,
                          const char *names, std::initializer_list<ad_var> vars) {
    return ad_parse_at(file, line, tape, text, vars.size(), names, vars.begin());
}
#define AD_FORMULA_(tape, text, names, ...) \
    ad_formula_(AD_HERE_, (tape), text, names, {__VA_ARGS__})
#else
#define AD_FORMULA_(tape, text, names, ...)                                                     \
    ad_parse_at(AD_HERE_, (tape), text, sizeof((const ad_var[]){__VA_ARGS__}) / sizeof(ad_var), \
                names, (const ad_var[]){__VA_ARGS__})
#endif

#ifdef AD_TRACE_SOURCE
#define AD_HERE_ __FILE__, __LINE__
#include "ad_source.h" /* made from both tables: every operation as a macro around itself */
#else
#define AD_HERE_ NULL, 0
#endif

#endif
