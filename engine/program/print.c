/* print.c - a compiled program in words, for the curious. */
#include "program/plan.h"
#include "program/program.h"
#include "program/single.h"

#include "base/text.h"

enum { LABEL = 32, MOST_OPERANDS = 8, MOST_LINES = 2000 };

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

static void print_operands(const ad_program *p, const uint32_t *word, size_t n, FILE *to) {
    char text[LABEL];
    for (size_t i = 0; i < n && i < MOST_OPERANDS; i++)
        fprintf(to, "%s%s", i > 0 ? ", " : "", label(p, word[i], text));
    if (n > MOST_OPERANDS) fprintf(to, ", ... %zu more", n - MOST_OPERANDS);
}

static void print_layer(const ad_program *p, const ad__layer *l, FILE *to) {
    fprintf(to, "  layer %lu x %lu: ", (unsigned long)l->m, (unsigned long)l->n);
    print_operands(p, p->word + l->output, l->m, to);
    fputs(" = weights * (", to);
    print_operands(p, p->word + l->input, l->n, to);
    fputs(")\n", to);
}

static void print_step(const ad_program *p, uint32_t i, FILE *to) {
    const ad__node *node = &p->node[i];
    if (node->code == AD__LAYER_DOT) {
        print_layer(p, &p->layer[node->x], to);
        return;
    }
    if (node->code == AD__ROW_INPUT) return;
    const ad__row_number row = ad__code_row(node->code);
    char name[LABEL], x[LABEL], y[LABEL] = "", shown[4 * LABEL], operation[AD__SHOWN_NAME];
    fprintf(to, "  %-10s %s  ", label(p, i, name), class_of(node));
    if (row < AD__ROWS) {
        if (ad__rows[row].operands == 2) label(p, node->y, y);
        fputs(ad__shown(sizeof shown, shown, ad__rows[row].shown, label(p, node->x, x), y), to);
    } else {
        fprintf(to, "%s(", ad__shown_name(ad__value_name(p, i), operation));
        print_operands(p, p->word + node->x, node->y, to);
        if (ad__is_paired(node->code)) {
            fputs("; ", to);
            print_operands(p, p->word + node->x + node->y, node->y, to);
        }
        fputs(")", to);
    }
    fputc('\n', to);
}

static const char *name_of(uint32_t code) {
    return code == AD__TERM ? "+=" : code == AD__PRODUCT ? "+= *" : ad__code_name((uint8_t)code);
}

/* What a repetition does, by name, and how often. */
static void print_roll(const ad_program *p, const ad__roll *roll, FILE *to) {
    fprintf(to, "  roll       %lu times (", (unsigned long)roll->count);
    for (uint32_t j = 0; j < roll->length && j < MOST_OPERANDS; j++)
        fprintf(to, "%s%s", j > 0 ? ", " : "", name_of(p->body[roll->first + j].code));
    if (roll->length > MOST_OPERANDS)
        fprintf(to, ", ... %lu more", (unsigned long)(roll->length - MOST_OPERANDS));
    fprintf(to, ") in blocks of %lu, %lu results kept inside\n", (unsigned long)roll->lanes,
            (unsigned long)roll->rows);
}

static void print_rolls(const ad_program *p, FILE *to) {
    const unsigned long alone = p->instructions - p->rolls;
    fprintf(to, "rolls      %lu, of %zu uniform instructions in all; %lu stay alone\n",
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
    fprintf(to, "dead       %zu nodes of the tape, of which %zu lead to the outputs\n", n->tape,
            n->alive);
    fprintf(to, "fold       %zu nodes -> %zu values: %zu were known, %zu equal to others\n",
            n->alive, n->values, n->folded, n->shared);
    fprintf(to, "fuse       %zu values -> %zu: %zu went into sums and dots\n", n->values, n->fused,
            n->absorbed);
    fprintf(to, "layers     %zu values -> %zu steps: %zu dots in %lu layers, with %zu weights\n",
            n->fused, steps, members, (unsigned long)p->layers, p->packed);
}

static void print_fixed(const ad_program *p, FILE *to) {
    fprintf(to, "constants  %lu", (unsigned long)p->constants);
    if (p->fixed_leaves > 0) fprintf(to, "; leaves in no list:");
    for (size_t i = 0; i < p->fixed_leaves && i < MOST_OPERANDS; i++) {
        const ad__fixed *leaf = &p->fixed[i];
        char             name[AD__SHOWN_NAME];
        if (leaf->name != NULL)
            fprintf(to, "%s %s = %.6g", i > 0 ? "," : "", ad__shown_name(leaf->name, name),
                    leaf->value);
        else
            fprintf(to, "%s #%lu = %.6g", i > 0 ? "," : "", (unsigned long)leaf->node, leaf->value);
    }
    if (p->fixed_leaves > MOST_OPERANDS)
        fprintf(to, ", ... %zu more", p->fixed_leaves - MOST_OPERANDS);
    fputc('\n', to);
}

static void print_summary(const ad_program *p, FILE *to) {
    print_passes(p, to);
    fprintf(to, "leaves     %zu params, %zu inputs (%zu active); %zu outputs, %lu guards\n",
            p->params, p->inputs, p->active, p->outputs, (unsigned long)p->guards);
    print_fixed(p, to);
    fprintf(to, "steps      %lu uniform, once a call; %lu varying, once a block\n",
            (unsigned long)p->uniform_steps, (unsigned long)(p->steps - p->uniform_steps));
    const ad__plan *plan = ad__plan_for(p, p->params > 0 ? AD__GRADIENT : AD__JACOBIAN);
    if (plan != NULL)
        fprintf(to,
                "%s   %zu moves forward, %zu in reverse over %zu rows: %zu bytes a lane, %zu lanes "
                "a block\n",
                p->params > 0 ? "gradient" : "jacobian", plan->forwards, plan->moves, plan->rows,
                plan->rows * sizeof(double), plan->block);
    const ad__single *single = p->params > 0 ? ad__single_for(p) : NULL;
    if (single != NULL && single->teams > 0)
        fprintf(to, "single     one row: its %lu varying steps side by side in %zu teams\n",
                (unsigned long)(p->steps - p->uniform_steps), single->teams);
    if (plan != NULL)
        fprintf(to,
                "block      %zu lanes take %zu KiB: %d, halved while over %d and past %d MiB, or "
                "over %d and past %d MiB\n",
                plan->block, (plan->block * plan->rows * sizeof(double) + 1023) / 1024,
                AD__MOST_LANES, AD__ENOUGH_LANES, AD__CACHE >> 20, AD__LEAST_LANES,
                AD__MEMORY >> 20);
    fprintf(to, "kernels    %s\n", p->kernels->name);
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
