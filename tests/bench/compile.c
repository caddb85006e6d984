/* compile.c - the time to compile, per node of the tape, for tapes of 10^4 to 10^7 nodes: a chain,
 * in which every step needs the one before; the sum of Rosenbrock; a network written as a textbook
 * does, s = s + w*x, with its weights as parameters and one example as inputs. Linear: the same
 * time a node for all sizes. */
#include "bench.h"

enum { SIZES = 4, KINDS = 3 };

typedef struct graph {
    ad_tape     *tape;
    ad_interface face;
    ad_var      *leaf, output;
} graph;

static void leaves(graph *g, size_t params, size_t inputs) {
    double *zero = bench_numbers(params + inputs);
    for (size_t i = 0; i < params + inputs; i++) zero[i] = 0.1 + 1e-9 * (double)i;
    g->leaf = bench_leaves(g->tape, params + inputs, zero);
    g->face = (ad_interface){.params = params,
                             .param = g->leaf,
                             .inputs = inputs,
                             .input = g->leaf + params,
                             .outputs = 1,
                             .output = &g->output};
    free(zero);
}

static void chain(graph *g, size_t n) {
    leaves(g, 2, 0);
    ad_var x = g->leaf[0];
    for (size_t i = 0; i < n; i += 4) x = ad_add(ad_sin(x), ad_mul(g->leaf[1], ad_tanh(x)));
    g->output = x;
}

static void rosenbrock(graph *g, size_t n) {
    leaves(g, n / 9, 0);
    const ad_var *x = g->leaf;
    ad_var        s = ad_num(0);
    for (size_t i = 0; i + 1 < n / 9; i++) {
        const ad_var t = ad_sub(x[i + 1], ad_mul(x[i], x[i])), u = ad_sub(ad_num(1), x[i]);
        s = ad_add(ad_add(s, ad_mul(ad_mul(ad_num(100), t), t)), ad_mul(u, u));
    }
    g->output = s;
}

static void network(graph *g, size_t n) {
    enum { LAYERS = 3 };
    /* units: m*m weights, products and sums a layer */
    const size_t m = (size_t)sqrt((double)n / (3 * LAYERS));
    leaves(g, LAYERS * m * m, m);
    ad_var *in = malloc(m * sizeof *in), *out = malloc(m * sizeof *out), total = ad_num(0);
    if (!in || !out) exit(1);
    for (size_t i = 0; i < m; i++) in[i] = g->leaf[LAYERS * m * m + i];
    for (size_t l = 0; l < LAYERS; l++) {
        for (size_t j = 0; j < m; j++) {
            ad_var s = ad_num(0);
            for (size_t i = 0; i < m; i++)
                s = ad_add(s, ad_mul(g->leaf[l * m * m + j * m + i], in[i]));
            out[j] = ad_tanh(s);
        }
        for (size_t j = 0; j < m; j++) in[j] = out[j];
    }
    for (size_t j = 0; j < m; j++) total = ad_add(total, out[j]);
    g->output = total;
    free(in), free(out);
}

int main(void) {
    static const struct {
        const char *name;
        void (*record)(graph *, size_t);
    } kind[KINDS] = {
        {"chain", chain},
        {"Rosenbrock", rosenbrock},
        {"network", network},
    };
    printf("compiling, ns a node of the tape (1000 at most)\n  %-24s %9s %9s %9s\n", "nodes", "min",
           "median", "max");
    for (int k = 0; k < KINDS; k++) {
        size_t n = 10000;
        for (int size = 0; size < SIZES; size++, n *= 10) {
            double    seconds[5];
            const int runs = size == SIZES - 1 ? 3 : 5;
            graph     g = {.tape = ad_tape_new()};
            char      label[60];
            kind[k].record(&g, n);
            for (int i = 0; i < runs; i++) {
                const double t0 = bench_now();
                ad_program  *program = bench_compile(g.tape, &g.face);
                seconds[i] = bench_now() - t0;
                ad_program_free(program);
            }
            snprintf(label, sizeof label, "%s %zu", kind[k].name, ad_tape_length(g.tape));
            bench_row(label, runs, seconds, 1e9 / (double)ad_tape_length(g.tape), "ns");
            fflush(stdout);
            free(g.leaf);
            ad_tape_free(g.tape);
        }
    }
    return 0;
}
