/* nasty.c - a graph whose names and scopes try to break out of every format, written in all of them
 * to the folder given; tests/pictures reads the files. */
#include "engine/ad.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const names[] = {
    "a\"quote",    "b<script>alert(1)</script>",
    "c\nnewline",  "d\\back{slash}|bar",
    "e&amp;'",     "f\xff\xfe, bad utf8",
    "g]]>--><!--", "h \xe2\x88\x82x",
    "@SVG@",       "\"",
};

enum { NAMES = sizeof names / sizeof *names };

typedef ad_status drawing(size_t n, const ad_var y[], const ad_view *view, FILE *to);

static void write(const char *folder, const char *name, drawing *draw, ad_var y) {
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *to = fopen(path, "w");
    if (to == NULL || draw(1, &y, NULL, to) != AD_OK || fclose(to) != 0) {
        fprintf(stderr, "%s was not written\n", path);
        exit(1);
    }
}

int main(int count, char *arguments[]) {
    if (count != 2) return 2;
    ad_tape *tape = ad_tape_new();
    ad_var   x[NAMES];
    for (size_t i = 0; i < NAMES; i++) {
        x[i] = ad_input(tape, (double)i + 0.5);
        ad_name(x[i], names[i]);
    }
    ad_scope(tape, names[1]);
    ad_scope(tape, names[3]);
    ad_var y = ad_logsumexp(NAMES, x);
    ad_name(y, names[0]);
    ad_scope_end(tape);
    y = ad_mul(y, ad_log(ad_neg(x[0])));
    ad_scope_end(tape);
    ad_name(y, names[2]);
    write(arguments[1], "nasty.json", ad_explain_json, y);
    write(arguments[1], "nasty.dot", ad_draw_dot, y);
    write(arguments[1], "nasty.svg", ad_draw_svg, y);
    write(arguments[1], "nasty.html", ad_draw_html, y);
    ad_tape_free(tape);
    return 0;
}
