/* print.c - a compiled program in words, for the curious. */
#include "program/plan.h"
#include "program/program.h"
#include "program/single.h"

#include "base/text.h"

enum { LABEL = 32, MOST_OPERANDS = 8, MOST_LINES = 2000, LISTS = 640, INDENT = 11, BELOW = 13 };

static const char *class_of(const ad__node *node) {
    return node->flags & AD__VARYING ? "varying"
         : node->flags & AD__UNIFORM ? "uniform"
                                     : "constant";
}

/* A value as an operand: a number, a leaf, or %12. */
static const char *label(const ad_program *p, uint32_t i, char text[LABEL]) {
    const ad__node *node = &p->node[i];
    if (node->code == AD__CONSTANT) snprintf(text, LABEL, "%.6g", p->constant[node->x]);
    else if (node->code == AD__PARAM) snprintf(text, LABEL, "param[%lu]", (unsigned long)node->x);
    else if (node->code == AD__ROW_INPUT)
        snprintf(text, LABEL, "input[%lu]", (unsigned long)node->x);
    else snprintf(text, LABEL, "%%%lu", (unsigned long)i);
    return text;
}

/* Appends to a list of so many bytes already. */
static size_t append_operands(const ad_program *p, const uint32_t *word, size_t n, size_t length,
                              char text[LISTS]) {
    char operand[LABEL];
    for (size_t i = 0; i < n && i < MOST_OPERANDS; i++)
        length += (size_t)snprintf(text + length, LISTS - length, "%s%s", i > 0 ? ", " : "",
                                   label(p, word[i], operand));
    if (n > MOST_OPERANDS)
        length +=
            (size_t)snprintf(text + length, LISTS - length, ", ... %zu more", n - MOST_OPERANDS);
    return length;
}

static void print_layer(const ad_program *p, const ad__layer *l, FILE *to) {
    char outputs[LISTS] = "", inputs[LISTS] = "";
    append_operands(p, p->word + l->output, l->m, 0, outputs);
    append_operands(p, p->word + l->input, l->n, 0, inputs);
    ad__put_line(to, BELOW, "  layer %lu x %lu: %s = weights * (%s)", (unsigned long)l->m,
                 (unsigned long)l->n, outputs, inputs);
}

/* "sum(%1, %2)", "dot(%1; %2)" */
static void reduction_words(const ad_program *p, const ad__node *node, uint32_t i,
                            char text[LISTS]) {
    char   operation[AD__SHOWN_NAME];
    size_t length =
        (size_t)snprintf(text, LISTS, "%s(", ad__shown_name(ad__value_name(p, i), operation));
    length = append_operands(p, p->word + node->x, node->y, length, text);
    if (ad__is_paired(node->code)) {
        length += (size_t)snprintf(text + length, LISTS - length, "; ");
        length = append_operands(p, p->word + node->x + node->y, node->y, length, text);
    }
    snprintf(text + length, LISTS - length, ")");
}

static void print_step(const ad_program *p, uint32_t i, FILE *to) {
    const ad__node *node = &p->node[i];
    if (node->code == AD__LAYER_DOT) {
        print_layer(p, &p->layer[node->x], to);
        return;
    }
    if (node->code == AD__ROW_INPUT) return;
    const ad__row_number row = ad__code_row(node->code);
    char                 name[LABEL], x[LABEL], y[LABEL] = "", words[LISTS];
    if (row >= AD__ROWS) reduction_words(p, node, i, words);
    else {
        if (ad__rows[row].operands == 2) label(p, node->y, y);
        ad__shown(sizeof words, words, ad__rows[row].shown, label(p, node->x, x), y);
    }
    ad__put_line(to, BELOW, "  %-10s %s  %s", label(p, i, name), class_of(node), words);
}

static const char *name_of(uint32_t code) {
    return code == AD__TERM ? "+=" : code == AD__PRODUCT ? "+= *" : ad__code_name((uint8_t)code);
}

/* What a repetition does, by name, and how often. */
static void print_roll(const ad_program *p, const ad__roll *roll, FILE *to) {
    char   names[LISTS] = "";
    size_t length = 0;
    for (uint32_t j = 0; j < roll->length && j < MOST_OPERANDS; j++)
        length += (size_t)snprintf(names + length, LISTS - length, "%s%s", j > 0 ? ", " : "",
                                   name_of(p->body[roll->first + j].code));
    if (roll->length > MOST_OPERANDS)
        snprintf(names + length, LISTS - length, ", ... %lu more",
                 (unsigned long)(roll->length - MOST_OPERANDS));
    ad__put_line(to, BELOW, "  roll       %lu times (%s) in blocks of %lu, %lu results kept inside",
                 (unsigned long)roll->count, names, (unsigned long)roll->lanes,
                 (unsigned long)roll->rows);
}

static void print_rolls(const ad_program *p, FILE *to) {
    const unsigned long alone = p->instructions - p->rolls;
    ad__put_line(to, INDENT, "rolls      %lu, of %zu uniform instructions in all; %lu stay alone",
                 (unsigned long)p->rolls, p->count.rolled, alone);
    for (uint32_t k = 0; k < p->rolls && k < MOST_LINES; k++) print_roll(p, &p->roll[k], to);
    if (p->rolls > MOST_LINES)
        fprintf(to, "  ... and %lu rolls more\n", (unsigned long)(p->rolls - MOST_LINES));
}

static size_t layer_members(const ad_program *p) {
    size_t n = 0;
    for (uint32_t k = 0; k < p->layers; k++) n += p->layer[k].m;
    return n;
}

/* What each pass found and what it left. */
static void print_passes(const ad_program *p, FILE *to) {
    const ad__counts *n = &p->count;
    const size_t      steps = p->steps, members = layer_members(p);
    ad__put_line(to, INDENT, "dead       %zu nodes of the tape, of which %zu lead to the outputs",
                 n->tape, n->alive);
    ad__put_line(to, INDENT,
                 "fold       %zu nodes -> %zu values: %zu were known, %zu equal to others",
                 n->alive, n->values, n->folded, n->shared);
    ad__put_line(to, INDENT, "fuse       %zu values -> %zu: %zu went into sums and dots", n->values,
                 n->fused, n->absorbed);
    ad__put_line(to, INDENT,
                 "layers     %zu values -> %zu steps: %zu dots in %lu layers, with %zu weights",
                 n->fused, steps, members, (unsigned long)p->layers, p->packed);
}

static void print_fixed(const ad_program *p, FILE *to) {
    char name[AD__SHOWN_NAME], text[LISTS];
    snprintf(text, LISTS, "constants  %lu%s", (unsigned long)p->constants,
             p->fixed_leaves > 0 ? "; leaves in no list:" : "");
    int column = ad__flow(to, 0, INDENT, text);
    for (size_t i = 0; i < p->fixed_leaves && i < MOST_OPERANDS; i++) {
        const ad__fixed *leaf = &p->fixed[i];
        if (leaf->name == NULL) snprintf(name, sizeof name, "#%lu", (unsigned long)leaf->node);
        else ad__shown_name(leaf->name, name);
        snprintf(text, LISTS, "%s %s = %.6g", i > 0 ? "," : "", name, leaf->value);
        column = ad__flow(to, column, INDENT, text);
    }
    if (p->fixed_leaves > MOST_OPERANDS) {
        snprintf(text, LISTS, ", ... %zu more", p->fixed_leaves - MOST_OPERANDS);
        ad__flow(to, column, INDENT, text);
    }
    fputc('\n', to);
}

static void print_summary(const ad_program *p, FILE *to) {
    print_passes(p, to);
    ad__put_line(to, INDENT,
                 "leaves     %zu params, %zu inputs (%zu active); %zu outputs, %lu guards",
                 p->params, p->inputs, p->active, p->outputs, (unsigned long)p->guards);
    print_fixed(p, to);
    ad__put_line(to, INDENT, "steps      %lu uniform, once a call; %lu varying, once a block",
                 (unsigned long)p->uniform_steps, (unsigned long)(p->steps - p->uniform_steps));
    const ad__plan *plan = ad__plan_for(p, p->params > 0 ? AD__GRADIENT : AD__JACOBIAN);
    if (plan != NULL)
        ad__put_line(
            to, INDENT,
            "%s   %zu moves forward, %zu in reverse over %zu rows: %zu bytes a lane, %zu lanes "
            "a block",
            p->params > 0 ? "gradient" : "jacobian", plan->forwards, plan->moves, plan->rows,
            plan->rows * sizeof(double), plan->block);
    const ad__single *single = p->params > 0 ? ad__single_for(p) : NULL;
    if (single != NULL && single->teams > 0)
        ad__put_line(to, INDENT,
                     "single     one row: its %lu varying steps side by side in %zu teams",
                     (unsigned long)(p->steps - p->uniform_steps), single->teams);
    if (plan != NULL)
        ad__put_line(
            to, INDENT,
            "block      %zu lanes take %zu KiB: %d, halved while over %d and past %d MiB, or "
            "over %d and past %d MiB",
            plan->block, (plan->block * plan->rows * sizeof(double) + 1023) / 1024, AD__MOST_LANES,
            AD__ENOUGH_LANES, AD__CACHE >> 20, AD__LEAST_LANES, AD__MEMORY >> 20);
    ad__put_line(to, INDENT, "kernels    %s", p->kernels->name);
}

ad_status ad_program_print(const ad_program *p, FILE *to) {
    if (p == NULL || to == NULL) return AD_BAD_ARGUMENT;
    char             text[LABEL];
    const ad__locale locale = ad__locale_enter();
    print_summary(p, to);
    print_rolls(p, to);
    for (uint32_t k = 0; k < p->steps && k < MOST_LINES; k++) print_step(p, p->step[k], to);
    if (p->steps > MOST_LINES)
        fprintf(to, "  ... and %lu steps more\n", (unsigned long)(p->steps - MOST_LINES));
    for (size_t k = 0; k < p->outputs && k < MOST_LINES; k++)
        fprintf(to, "  output %zu = %s\n", k, label(p, p->output[k], text));
    for (uint32_t g = 0; g < p->guards && g < MOST_LINES; g++)
        fprintf(to, "  guard: %s is %s\n", label(p, p->guard[g].value, text),
                p->guard[g].taken ? "not 0" : "0");
    ad__locale_leave(locale);
    return ad__written(to);
}
