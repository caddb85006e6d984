/* custom.c - recording custom operations. How their values and partials are evaluated later is in
 * reduce.c, with the other operations of any number of operands.
 *
 * A node refers to its operation by an index into the tape's list of operations in use. The list is
 * ascending in the first node that used each, so that a rewind cuts it back. */
#include "tape/custom.h"

#include "base/text.h"
#include "tape/reduce.h"

enum { LATEST = 16 };

bool ad__check_op(ad_tape *tape, const char *what, const ad_custom_op *op) {
    if (op == NULL) ad__fail(tape, AD_BAD_ARGUMENT, "%s: the operation is NULL", what);
    else if (!ad__check_reserved(tape, what, "ad_custom_op", op->reserved, op + 1)) return false;
    else if (op->name == NULL)
        ad__fail(tape, AD_BAD_ARGUMENT, "%s: the operation has no name", what);
    else if (op->value == NULL || op->partials == NULL)
        ad__fail(tape, AD_BAD_ARGUMENT, "%s: the operation \"%.*s\" has no %s", what,
                 ad__shown_bytes(op->name), op->name, op->value == NULL ? "value" : "partials");
    return tape->status == AD_OK;
}

/* The index in the list of operations in use; AD__NO_NODE after an error. Only the latest entries
 * are searched, so that a new context for every node does not cost a search through all of them. */
static uint32_t place_of(ad_tape *tape, const ad_custom_op *op, void *context) {
    const uint32_t n = tape->used.n;
    for (uint32_t i = n; i-- > (n > LATEST ? n - LATEST : 0);)
        if (tape->used.op[i].op == op && tape->used.op[i].context == context) return i;
    return ad__add_own_op(tape, &tape->used, (ad__own_op){op, context, tape->length})
             ? tape->used.n - 1
             : AD__NO_NODE;
}

static bool all_numbers(size_t n, const ad_var x[]) {
    for (size_t i = 0; i < n; i++)
        if (x[i].tape != NULL) return false;
    return true;
}

/* Operands that are all numbers give a number; they are gathered where a node's operands would
 * be. */
static ad_var folded(ad_tape *tape, const ad_custom_op *op, size_t n, const ad_var x[],
                     void *context) {
    if (!ad__scratch(tape, n + 1)) return ad__failed(tape);
    for (size_t i = 0; i < n; i++) tape->scratch[i] = ad__number_of(x[i]);
    return ad_num(op->value(n, tape->scratch, context));
}

ad_var ad_custom(ad_tape *tape, const ad_custom_op *op, size_t n, const ad_var x[], void *context) {
    if (tape == NULL) return ad_num(NAN);
    if (tape->status != AD_OK || !ad__check_op(tape, "ad_custom", op)) return ad__failed(tape);
    if (op->operands != SIZE_MAX && op->operands != n) {
        ad__fail(tape, AD_BAD_ARGUMENT, "%.*s: %zu operands, not %zu", ad__shown_bytes(op->name),
                 op->name, n, op->operands);
        return ad__failed(tape);
    }
    if (all_numbers(n, x)) return folded(tape, op, n, x, context);
    const uint32_t used = tape->used.n, place = place_of(tape, op, context);
    if (place == AD__NO_NODE) return ad__failed(tape);
    const ad_var y = ad__reduce_record(tape, AD__custom, op->name, n, n, x, 0, NULL, place);
    if (tape->status != AD_OK) tape->used.n = used; /* no node uses it */
    return y;
}

bool ad__define(ad_tape *tape, const ad_custom_op *op, void *context) {
    for (uint32_t i = 0; i < tape->defined.n; i++) {
        if (strcmp(tape->defined.op[i].op->name, op->name) != 0) continue;
        tape->defined.op[i] = (ad__own_op){op, context, 0};
        return true;
    }
    return ad__add_own_op(tape, &tape->defined, (ad__own_op){op, context, 0});
}

const ad__own_op *ad__defined(const ad_tape *tape, const char *name, size_t length) {
    for (uint32_t i = 0; i < tape->defined.n; i++) {
        const char *known = tape->defined.op[i].op->name;
        if (strlen(known) == length && memcmp(known, name, length) == 0)
            return &tape->defined.op[i];
    }
    return NULL;
}
