/* paths.c - a derivative as a sum over paths, and where a number that is not finite comes from.
 *
 * Paths are counted, not enumerated: the number from node i to y is the sum over its users. The k
 * paths with the largest products are found the same way: the list of a node is the best of its
 * users' lists, each entry extended by the edge to the user. Each entry refers to the one that it
 * extends, so a path is read off at the end. */
#include "base/text.h"
#include "tape/trace.h"

#include <stdlib.h>

enum { MOST_PATHS = 64, MOST_STEPS = 12, INDENT = 10, CHAIN = 42, FURTHER = 6 };

/* A path from a node to y: the product along it, the local derivative and user of its first edge,
 * and the rank of the rest of the path in that user's list. */
typedef struct path {
    double   product, local;
    uint32_t to, rank;
} path;

typedef struct path_search {
    const ad_tape *tape;
    uint32_t       from, last;
    size_t         most;
    double        *count; /* paths from a node to y */
    uint32_t      *kept;  /* how many of them are in its list */
    path          *list;  /* by node, `most` each, largest first */
} path_search;

static double rank_of(double product) {
    /* NaN first: it is what one is looking for */
    return product != product ? INFINITY : fabs(product);
}

static void insert(path_search *w, uint32_t node, path new) {
    path    *list = w->list + node * w->most;
    uint32_t at = w->kept[node];
    if (at == w->most && !(rank_of(new.product) > rank_of(list[at - 1].product))) return;
    if (at < w->most) w->kept[node]++;
    else at--;
    for (; at > 0 && rank_of(new.product) > rank_of(list[at - 1].product); at--)
        list[at] = list[at - 1];
    list[at] = new;
}

static void extend(path_search *w, uint32_t node) {
    const size_t edges = w->count[node] == 0 ? 0 : ad__edges(w->tape, node);
    for (size_t i = 0; i < edges; i++) {
        const ad__edge edge = ad__edge_of(w->tape, node, i);
        if (!edge.open || edge.to < w->from) continue;
        w->count[edge.to] += w->count[node];
        for (uint32_t k = 0; k < w->kept[node]; k++)
            insert(w, edge.to,
                   (path){edge.local * w->list[node * w->most + k].product, edge.local, node, k});
    }
}

static void find(path_search *w) {
    w->count[w->last] = 1;
    w->kept[w->last] = 1;
    w->list[w->last * w->most] = (path){1, 1, w->last, 0};
    for (uint32_t i = w->last; i > w->from; i--) extend(w, i);
}

/* "b -> #3 -> e 1 * 3 = 3"; the middle of a long path is left out. */
static void show(const path_search *w, path at, FILE *to) {
    char         text[AD__LABEL], chain[2048], factors[1024] = "the empty product";
    const double product = at.product;
    size_t       steps = 0, hidden = 0;
    int length = snprintf(chain, sizeof chain, "%s", ad__label(w->tape, w->from, text)), size = 0;
    uint32_t node = w->from;
    while (node != w->last) {
        node = at.to;
        if (steps++ < MOST_STEPS || node == w->last) {
            if (hidden > 0)
                length += snprintf(chain + length, sizeof chain - (size_t)length,
                                   " -> ... %zu more", hidden);
            if (hidden > 0)
                size += snprintf(factors + size, sizeof factors - (size_t)size, " * ...");
            hidden = 0;
            length += snprintf(chain + length, sizeof chain - (size_t)length, " -> %s",
                               ad__label(w->tape, node, text));
            size += snprintf(factors + size, sizeof factors - (size_t)size, "%s%.6g",
                             steps > 1 ? " * " : "", ad__tidy(at.local));
        } else {
            hidden++;
        }
        at = w->list[node * w->most + at.rank];
    }
    size = (int)strlen(factors);
    snprintf(factors + size, sizeof factors - (size_t)size, " = %.6g", ad__tidy(product));
    fputs("  ", to);
    const int column = ad__flow(to, 2, FURTHER, chain);
    ad__piece(to, column, FURTHER, column < CHAIN ? CHAIN + 2 - column : 2, factors);
    fputc('\n', to);
}

static void report(const path_search *w, double adjoint, FILE *to) {
    char           y[AD__LABEL], x[AD__LABEL];
    const uint32_t shown = w->kept[w->from];
    const double   count = w->count[w->from];
    ad__label(w->tape, w->last, y);
    ad__label(w->tape, w->from, x);
    ad__put_line(to, INDENT,
                 count < 0x1p64 ? "paths     from %s to %s: %.0f%s"
                                : "paths     from %s to %s: %.6g%s",
                 x, y, count, count > shown ? "; the largest are" : "");
    for (uint32_t k = 0; k < shown; k++) show(w, w->list[w->from * w->most + k], to);
    ad__put_line(to, INDENT, "sum       d%s/d%s = %.6g%s, the adjoint of %s", y, x,
                 ad__tidy(adjoint), count > shown ? " over all of them" : "", x);
}

static bool room(path_search *w) {
    const size_t nodes = (size_t)w->last + 1;
    w->count = calloc(nodes, sizeof *w->count);
    w->kept = calloc(nodes, sizeof *w->kept);
    w->list = nodes > SIZE_MAX / sizeof *w->list / w->most
                ? NULL
                : malloc(nodes * w->most * sizeof *w->list);
    return w->count != NULL && w->kept != NULL && w->list != NULL;
}

ad_status ad_explain_paths(ad_var y, ad_var x, size_t most, FILE *to) {
    const ad_var both[] = {y, x};
    ad_status    status;
    ad_tape     *tape = ad__results("ad_explain_paths", 2, both, NULL, to, &status);
    if (tape == NULL) return status;
    path_search w = {.tape = tape,
                     .from = ad__node_of(x),
                     .last = ad__node_of(y),
                     .most = most == 0         ? 8
                           : most > MOST_PATHS ? MOST_PATHS
                                               : most};
    ad__pass    pass = {.last = 0};
    if (w.from > w.last) {
        char a[AD__LABEL], b[AD__LABEL];
        ad__put_line(to, INDENT, "paths     from %s to %s: none, it was recorded later",
                     ad__label(tape, w.from, a), ad__label(tape, w.last, b));
        return ad__written(to);
    }
    bool old = false;
    if (room(&w) && ad__pass_make(tape, w.last, NULL, &pass) &&
        ad__values_old(tape, w.last + 1, pass.used, &old)) {
        const ad__locale locale = ad__locale_enter();
        find(&w);
        report(&w, pass.adjoint[w.from], to);
        if (old) ad__put_line(to, INDENT, "OLD       " AD__OLD_VALUES);
        ad__locale_leave(locale);
    } else {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the paths through %lu nodes",
                 (unsigned long)w.last + 1);
    }
    ad__pass_free(&pass);
    free(w.count);
    free(w.kept);
    free(w.list);
    return tape->status != AD_OK ? tape->status : ad__written(to);
}

/* ---- not finite ------------------------------------------------------------------------------ */

static void line(const ad_tape *tape, uint32_t node, const char *before, FILE *to) {
    char            head[AD__HEADLINE], place[300] = "";
    const ad__line *source = ad__notes_source_of(&tape->notes, node);
    ad__headline(tape, node, sizeof head, head);
    if (source != NULL)
        snprintf(place, sizeof place, "  (%s:%lu)", ad__file_name(source->file),
                 (unsigned long)source->line);
    ad__put_line(to, INDENT, "%s%s = %.6g%s", before, head, ad__tidy(tape->value[node]), place);
}

static void operands(const ad_tape *tape, uint32_t node, FILE *to) {
    enum { MOST = 8 };
    const size_t n = ad__edges(tape, node);
    char         text[AD__LABEL];
    for (size_t i = 0; i < n && i < MOST; i++) {
        const ad__edge edge = ad__edge_of(tape, node, i);
        if (edge.to == AD__NO_NODE) continue;
        fprintf(to, "          with %s = %.17g\n", ad__label(tape, edge.to, text), edge.value);
    }
    if (n > MOST)
        fprintf(to, "          and %zu operand%s more\n", n - MOST, n - MOST == 1 ? "" : "s");
}

/* Follows it from the first node: the next node that uses it and is not finite either, and so on to
 * y. */
static void onward(const ad_tape *tape, const bool used[], uint32_t node, uint32_t last, FILE *to) {
    enum { MOST = 20 };
    size_t shown = 0;
    for (uint32_t i = node + 1; i <= last && node != last; i++) {
        if (!used[i] || isfinite(tape->value[i])) continue;
        bool uses = false;
        for (size_t k = 0; k < ad__edges(tape, i) && !uses; k++)
            uses = ad__edge_of(tape, i, k).to == node;
        if (!uses) continue;
        node = i;
        if (shown++ < MOST || i == last) line(tape, i, "    then  ", to);
    }
    const size_t hidden = shown > MOST ? shown - MOST - (node == last) : 0;
    if (hidden > 0)
        fprintf(to, "          (%zu step%s left out)\n", hidden,
                hidden == 1 ? " in between is" : "s in between are");
    if (node != last && isfinite(tape->value[last]))
        fprintf(to, "          it goes no further: the result is finite\n");
}

bool ad_explain_nonfinite(ad_var y, FILE *to) {
    ad_status status;
    ad_tape  *tape = ad__results("ad_explain_nonfinite", 1, &y, NULL, to, &status);
    if (tape == NULL) return y.tape == NULL && !isfinite(ad__number_of(y));
    const uint32_t last = ad__node_of(y);
    bool          *used = ad__leads_to(tape, last);
    uint32_t       first = 0;
    bool           old = false;
    if (used == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space to explain %lu nodes",
                 (unsigned long)last + 1);
        return false;
    }
    while (first <= last && (!used[first] || isfinite(tape->value[first]))) first++;
    if (first <= last && ad__values_old(tape, last + 1, used, &old)) {
        const ad__locale locale = ad__locale_enter();
        line(tape, first, "first     ", to);
        operands(tape, first, to);
        onward(tape, used, first, last, to);
        if (old) ad__put_line(to, INDENT, "OLD       " AD__OLD_VALUES);
        ad__locale_leave(locale);
    }
    free(used);
    return first <= last && tape->status == AD_OK;
}
