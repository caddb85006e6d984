/* explain.c - the time to explain a graph of 40 nodes, in words and as a page, into memory. */
#include "bench.h"

enum { NODES = 40, RUNS = 15 };

typedef ad_status writer(size_t n, const ad_var y[], const ad_view *view, FILE *to);

/* A chain in which every step also uses the input, so that each node has more than one path. */
static ad_var record(ad_tape *tape) {
    ad_var x = ad_input(tape, 0.5), y = ad_input(tape, 2), z = y;
    while (ad_tape_length(tape) < NODES)
        z = ad_tape_length(tape) % 2 == 0 ? ad_mul(z, x) : ad_tanh(z);
    return z;
}

static void measure(const char *label, writer *write, ad_var y) {
    double seconds[RUNS];
    for (int i = 0; i < RUNS; i++) {
        char        *text = NULL;
        size_t       size = 0;
        const double t0 = bench_now();
        FILE        *to = open_memstream(&text, &size);
        if (to == NULL || write(1, &y, NULL, to) != AD_OK || fclose(to) != 0) exit(1);
        seconds[i] = bench_now() - t0;
        free(text);
    }
    bench_row(label, RUNS, seconds, 1e3, "ms");
}

int main(void) {
    ad_tape     *tape = ad_tape_new();
    const ad_var y = record(tape);
    printf("a graph of %d nodes explained (wanted: at most 50 ms)\n  %-24s %9s %9s %9s\n", NODES,
           "", "min", "median", "max");
    measure("in words, checked", ad_explain_all, y);
    measure("as JSON", ad_explain_json, y);
    measure("as a page", ad_draw_html, y);
    ad_tape_free(tape);
}
