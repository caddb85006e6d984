/* checker.c - how good the gradient checker is, in figures: which spoiled rules it finds, whether
 * it ever accuses a right one, what it sees of an error of 1e-8, and what a node costs.
 *
 * Ends with 1 when a rule wrong by 1e-5 or more survives, or when a right gradient fails. */
#include "../spoils.h"

#include "bench.h"

enum { EXPRESSIONS = 2500, POINTS = 5 };

static size_t spoiled_rules(void) {
    spoil_count count[SPOIL_WAYS] = {{0}};
    size_t      done = 0, survived = 0;
    for (int row = 0; row < AD__ROWS; row++)
        for (int operand = 0; operand < ad__rows[row].operands; operand++)
            spoil_row(row, operand, POINTS, count, stdout);
    for (int code = AD__FIRST_REDUCTION; code < AD__custom; code++) {
        spoil_reductions_at(code, code == AD__dot ? 4 : 3, 5, count, stdout);
        if (code != AD__where) spoil_reductions_at(code, SPOIL_MOST, 6, count, stdout);
    }
    printf(
        "spoiled rules, one at a time, at %d points for each operand of each row, and reductions\n",
        POINTS);
    printf("  %-22s %9s %9s %9s %20s\n", "", "spoiled", "named", "survived", "below 1e-5, named");
    for (int way = 0; way < SPOIL_WAYS; way++) {
        const spoil_count *c = &count[way];
        printf("  %-22s %9zu %9zu %9zu %12zu of %zu\n", spoil_ways[way].name, c->done, c->caught,
               c->survived, c->small_caught, c->small);
        done += c->done, survived += c->survived;
    }
    printf("  %-22s %9zu %9zu %9zu\n\n", "all", done, done - survived, survived);
    return survived;
}

static size_t spoiled_sweeps(void) {
    static const char *const name[] = {
        "", "overwrite for add", "add twice", "skip an edge", "stale adjoints", "reversed order"};
    size_t survived = 0;
    printf("spoiled sweeps, on random expressions\n  %-22s %9s %9s %9s\n", "", "spoiled", "found",
           "survived");
    for (int step = AD__OVERWRITE; step <= AD__REVERSED; step++) {
        size_t counted = 0, lost = 0;
        for (uint64_t seed = 1; seed <= 60; seed++)
            for (size_t edge = 0; edge < (step == AD__SKIP ? 40 : 1); edge++)
                lost += !spoil_sweep((ad__spoil_step)step, edge, seed, &counted, stdout);
        printf("  %-22s %9zu %9zu %9zu\n", name[step], counted, counted - lost, lost);
        survived += lost;
    }
    printf("\n");
    return survived;
}

typedef struct figures {
    size_t verdict[AD_VERDICT_COUNT], local[AD_VERDICT_COUNT], failed_sweeps, nodes, wrong, caught;
} figures;

static void one_expression(uint64_t *seed, figures *f) {
    ad_tape         *tape = ad_tape_new();
    ad_var           x[EXPRESSION_INPUTS], y = expression(tape, seed, x);
    double           claimed[EXPRESSION_INPUTS];
    ad_check_report *r = ad_check(y, EXPRESSION_INPUTS, x, NULL, NULL);
    for (int v = 0; v < AD_VERDICT_COUNT; v++)
        f->verdict[v] += r->count[v], f->local[v] += r->local_count[v];
    f->failed_sweeps += r->sweep == AD_FAIL;
    f->nodes += r->nodes;
    if (ad_check_verdict(r) == AD_FAIL) ad_check_print(r, AD_TEXT, stdout);
    for (int i = 0; i < EXPRESSION_INPUTS; i++) {
        claimed[i] = r->line[i].claimed * (1 + 1e-8);
        f->wrong += claimed[i] != 0;
    }
    ad_check_free(r);
    r = ad_check(y, EXPRESSION_INPUTS, x, claimed, NULL);
    f->caught += r->count[AD_FAIL];
    ad_check_free(r);
    ad_tape_free(tape);
}

static size_t right_rules(void) {
    figures  f = {0};
    uint64_t seed = 1;
    for (int i = 0; i < EXPRESSIONS; i++) one_expression(&seed, &f);
    printf(
        "random expressions of all operations, right gradients: %d, %zu nodes\n  %-14s %11s %11s\n",
        EXPRESSIONS, f.nodes, "", "coordinates", "operands");
    for (int v = 0; v < AD_VERDICT_COUNT; v++)
        printf("  %-14s %11zu %11zu\n", ad_verdict_text((ad_verdict)v), f.verdict[v], f.local[v]);
    printf("  sweeps accused: %zu\n", f.failed_sweeps);
    printf("the same gradients, wrong by 1e-8: %zu of %zu coordinates FAIL (%.2f%%)\n\n", f.caught,
           f.wrong, 100 * (double)f.caught / (double)f.wrong);
    return f.verdict[AD_FAIL] + f.local[AD_FAIL] + f.failed_sweeps + (10 * f.caught < 9 * f.wrong);
}

/* A chain of all rows of one operand, so that nearly all time goes into the local layer. */
static void cost(void) {
    ad_tape *tape = ad_tape_new();
    ad_var   x = ad_input(tape, 0.4), y = x;
    uint64_t state = 1;
    for (int i = 0; i < 20000; i++) switch (expression_bits(&state) % 6) {
        case 0: y = ad_sin(ad_add(y, x)); break;
        case 1: y = ad_tanh(y); break;
        case 2: y = ad_mul(ad_exp(ad_neg(y)), x); break;
        case 3: y = ad_softplus(ad_mul(y, x)); break;
        case 4: y = ad_div(y, ad_add(ad_num(2), ad_mul(x, x))); break;
        default: y = ad_gelu(ad_sub(x, y));
        }
    double zero[1] = {0};
    double t[11];
    size_t nodes = 0;
    for (int i = 0; i < 11; i++) {
        const double     start = bench_now();
        ad_check_report *r = ad_check(y, 1, &x, NULL, &(ad_check_options){.direction = zero});
        t[i] = bench_now() - start;
        nodes = r->nodes;
        ad_check_free(r);
    }
    printf("local layer and sweep, a node of %zu (at most 100 microseconds wanted)\n  %-24s %9s "
           "%9s %9s\n",
           nodes, "", "min", "median", "max");
    bench_row("a node", 11, t, 1e6 / (double)nodes, "us");
    ad_tape_free(tape);
}

int main(void) {
    const size_t wrong = spoiled_rules() + spoiled_sweeps() + right_rules();
    cost();
    return wrong > 0;
}
