/* readback.c - a program recorded on a tape again.
 *
 * A function that can only be called tells its noise by its values, and where those are level to the bit it tells nothing: p +
 * (t - p) has lost all of t when p is large. But a program is a list of operations in which operands stand before
 * users, so it can be recorded as it was, and a sweep over the recording prices each rounding (probe.h). */
#include "readback.h"

#include "probe.h"

#include <stdlib.h>

/* Operands of a value that has a list, from number `first` on. */
static const ad_var *listed(const ad__readback *b, const ad__node *node, size_t first, size_t n, ad_var operand[]) {
    for (size_t k = 0; k < n; k++) operand[k] = b->value[b->program->word[node->x + first + k]];
    return operand;
}

/* Weights of a layer are known by where they stand among the uniform values. */
static ad_var layer_dot(const ad__readback *b, const ad__node *node, const uint32_t at_home[], ad_var operand[]) {
    const ad_program *p = b->program;
    const ad__layer  *l = &p->layer[node->x];
    for (size_t k = 0; k < l->n; k++) {
        operand[k] = b->value[at_home[p->word[l->weight + (size_t)node->y*l->n + k]]];
        operand[l->n + k] = b->value[p->word[l->input + k]];
    }
    return ad_dot(l->n, operand, operand + l->n);
}

static ad_var custom(const ad__readback *b, const ad__node *node, ad_var operand[]) {
    const ad_program *p = b->program;
    const size_t      number = (size_t)p->constant[p->node[p->word[node->x]].x], n = node->y - 1;
    return ad_custom(b->tape, p->own[number].op, n, listed(b, node, 1, n, operand), p->own[number].context);
}

static ad_var again(const ad__readback *b, uint32_t i, const uint32_t at_home[], ad_var operand[]) {
    const ad_program *p = b->program;
    const ad__node   *node = &p->node[i];
    const size_t      n = ad__value_operands(p, node);
    switch (node->code) {
    case AD__CONSTANT:  return ad_num(p->constant[node->x]);
    case AD__PARAM:     return b->param[node->x];
    case AD__ROW_INPUT: return b->input[node->x];
    case AD__LAYER_DOT: return layer_dot(b, node, at_home, operand);
    case AD__custom:    return custom(b, node, operand);
    default: break;
    }
    if (ad__reduction_of(node->code) != NULL) return ad__record_reduction(node->code, n, listed(b, node, 0, n, operand));
    return ad__record_row(ad__code_row(node->code), b->value[node->x],
                          ad__rows[ad__code_row(node->code)].operands > 1 ? b->value[node->y] : ad_num(0));
}

static ad_status record(ad__readback *b, uint32_t at_home[]) {
    const ad_program *p = b->program;
    size_t            most = 2;
    for (uint32_t i = 0; i < p->nodes; i++) {
        const size_t operands = 2*ad__value_operands(p, &p->node[i]) + 2;
        if (operands > most) most = operands;
        if (!(p->node[i].flags & AD__VARYING)) at_home[p->node[i].home] = i;
    }
    ad_var *operand = malloc(most*sizeof *operand);
    for (uint32_t i = 0; operand != NULL && i < p->nodes; i++) b->value[i] = again(b, i, at_home, operand);
    free(operand);
    return operand == NULL ? AD_NO_MEMORY : ad_tape_status(b->tape);
}

ad_status ad__readback_open(ad__readback *b, const ad_program *program, const double param[], const double input[]) {
    *b = (ad__readback){.program = program, .tape = ad_tape_new()};
    b->param = malloc((program->params + 1)*sizeof *b->param);
    b->input = malloc((program->inputs + 1)*sizeof *b->input);
    b->value = malloc((program->nodes + 1)*sizeof *b->value);
    uint32_t  *at_home = calloc((size_t)program->uniforms + 1, sizeof *at_home);
    const bool room = b->tape != NULL && b->param != NULL && b->input != NULL && b->value != NULL && at_home != NULL;
    for (size_t i = 0; room && i < program->params; i++) b->param[i] = ad_input(b->tape, param[i]);
    for (size_t i = 0; room && i < program->inputs; i++) b->input[i] = ad_input(b->tape, input[i]);
    const ad_status status = room ? record(b, at_home) : AD_NO_MEMORY;
    free(at_home);
    return status;
}

void ad__readback_close(ad__readback *b) {
    ad_tape_free(b->tape);
    free(b->param), free(b->input), free(b->value);
}

/* Values at these parameters and this row. False: it has none; the error is forgotten. */
static bool move(ad__readback *b, const double param[], const double input[]) {
    for (size_t i = 0; i < b->program->params; i++) ad_set(b->param[i], param[i]);
    for (size_t i = 0; i < b->program->inputs; i++) ad_set(b->input[i], input[i]);
    ad_replay(b->tape);
    const bool whole = ad_tape_status(b->tape) == AD_OK;
    ad_tape_clear(b->tape);
    return whole;
}

double ad__readback_noise(ad__readback *b, const double param[], const double input[], size_t output) {
    const ad_var y = b->value[b->program->output[output]];
    if (y.tape == NULL || !move(b, param, input)) return 0;
    ad_backward(y);
    return ad__swept_noise(b->tape, y.at.in.node);
}

bool ad__readback_terms(ad__readback *b, const double param[], const double input[], double terms[]) {
    const ad_var y = b->value[b->program->output[0]];
    if (y.tape == NULL || !move(b, param, input)) return true;
    double *size = malloc(((size_t)y.at.in.node + 1)*sizeof *size);
    if (size == NULL) return false;
    ad__adjoint_sizes(b->tape, y.at.in.node, size);
    for (size_t i = 0; i < b->program->params; i++)
        if (b->param[i].at.in.node <= y.at.in.node) terms[i] += size[b->param[i].at.in.node];
    free(size);
    return true;
}
