/* readback.c - a program recorded on a tape again.
 *
 * The noise of a function that can only be called is estimated from its values, and where those are
 * constant to the bit that estimate is 0: p + (t - p) has lost all of t if p is large. But a
 * program is a list of operations in which operands come before their users, so it can be recorded
 * again as it was, and a sweep over the recording bounds what each rounding may do (probe.h). */
#include "check/readback.h"

#include "check/probe.h"

#include <stdlib.h>

/* The operands of a value that has a list, starting with number `first`. */
static const ad_var *listed(const ad__readback *b, const ad__node *node, size_t first, size_t n,
                            ad_var operand[]) {
    for (size_t k = 0; k < n; k++) operand[k] = b->value[b->program->word[node->x + first + k]];
    return operand;
}

/* The weights of a layer are given by their slots among the uniform values. */
static ad_var layer_dot(const ad__readback *b, const ad__node *node, const uint32_t by_slot[],
                        ad_var operand[]) {
    const ad_program *p = b->program;
    const ad__layer  *l = &p->layer[node->x];
    for (size_t k = 0; k < l->n; k++) {
        operand[k] = b->value[by_slot[p->word[l->weight + (size_t)node->y * l->n + k]]];
        operand[l->n + k] = b->value[p->word[l->input + k]];
    }
    return ad_dot(l->n, operand, operand + l->n);
}

static ad_var custom(const ad__readback *b, const ad__node *node, ad_var operand[]) {
    const ad__own_op *own = ad__own_op_in(b->program, node);
    return ad_custom(b->tape, own->op, node->y, listed(b, node, 0, node->y, operand), own->context);
}

static ad_var record_node(const ad__readback *b, uint32_t i, const uint32_t by_slot[],
                          ad_var operand[]) {
    const ad_program *p = b->program;
    const ad__node   *node = &p->node[i];
    const size_t      n = ad__value_operands(p, node);
    switch (node->code) {
    case AD__CONSTANT: return ad_num(p->constant[node->x]);
    case AD__PARAM: return b->param[node->x];
    case AD__ROW_INPUT: return b->input[node->x];
    case AD__LAYER_DOT: return layer_dot(b, node, by_slot, operand);
    case AD__custom: return custom(b, node, operand);
    default: break;
    }
    if (ad__reduction_of(node->code) != NULL)
        return ad__record_reduction(node->code, n, listed(b, node, 0, n, operand));
    return ad__record_row(ad__code_row(node->code), b->value[node->x],
                          ad__rows[ad__code_row(node->code)].operands > 1 ? b->value[node->y]
                                                                          : ad_num(0));
}

static ad_status record(ad__readback *b, uint32_t by_slot[]) {
    const ad_program *p = b->program;
    size_t            most = 2;
    for (uint32_t i = 0; i < p->nodes; i++) {
        const size_t operands = 2 * ad__value_operands(p, &p->node[i]) + 2;
        if (operands > most) most = operands;
        if (!(p->node[i].flags & AD__VARYING)) by_slot[p->node[i].home] = i;
    }
    ad_var *operand = malloc(most * sizeof *operand);
    for (uint32_t i = 0; operand != NULL && i < p->nodes; i++)
        b->value[i] = record_node(b, i, by_slot, operand);
    free(operand);
    return operand == NULL ? AD_NO_MEMORY : ad_tape_status(b->tape);
}

ad_status ad__readback_open(ad__readback *b, const ad_program *program, const double param[],
                            const double input[]) {
    *b = (ad__readback){.program = program, .tape = ad_tape_new()};
    b->param = malloc((program->params + 1) * sizeof *b->param);
    b->input = malloc((program->inputs + 1) * sizeof *b->input);
    b->value = malloc((program->nodes + 1) * sizeof *b->value);
    uint32_t  *by_slot = calloc((size_t)program->uniforms + 1, sizeof *by_slot);
    const bool room = b->tape != NULL && b->param != NULL && b->input != NULL && b->value != NULL &&
                      by_slot != NULL;
    for (size_t i = 0; room && i < program->params; i++) b->param[i] = ad_input(b->tape, param[i]);
    for (size_t i = 0; room && i < program->inputs; i++) b->input[i] = ad_input(b->tape, input[i]);
    const ad_status status = room ? record(b, by_slot) : AD_NO_MEMORY;
    free(by_slot);
    return status;
}

void ad__readback_close(ad__readback *b) {
    ad_tape_free(b->tape);
    free(b->param), free(b->input), free(b->value);
}

/* Computes the values at these parameters and this row. False: there are none; the error is
 * cleared. */
static bool move(ad__readback *b, const double param[], const double input[]) {
    for (size_t i = 0; i < b->program->params; i++) ad_set(b->param[i], param[i]);
    for (size_t i = 0; i < b->program->inputs; i++) ad_set(b->input[i], input[i]);
    ad_replay(b->tape);
    const bool ok = ad_tape_status(b->tape) == AD_OK;
    ad_tape_clear(b->tape);
    return ok;
}

double ad__readback_noise(ad__readback *b, const double param[], const double input[],
                          size_t output) {
    const ad_var y = b->value[b->program->output[output]];
    if (y.tape == NULL || !move(b, param, input)) return 0;
    ad_backward(y);
    return ad__swept_noise(b->tape, ad__node_of(y));
}

bool ad__readback_terms(ad__readback *b, const double param[], const double input[],
                        double terms[]) {
    const ad_var y = b->value[b->program->output[0]];
    if (y.tape == NULL || !move(b, param, input)) return true;
    double *size = malloc(((size_t)ad__node_of(y) + 1) * sizeof *size);
    if (size == NULL) return false;
    ad__adjoint_sizes(b->tape, ad__node_of(y), size);
    for (size_t i = 0; i < b->program->params; i++)
        if (ad__node_of(b->param[i]) <= ad__node_of(y)) terms[i] += size[ad__node_of(b->param[i])];
    free(size);
    return true;
}
