/* formula.c - a formula and its values: both passes as the page steps through them. */
#include "play.h"

#include <stdlib.h>
#include <string.h>

void play_formula(const play_request *r, FILE *to) {
    const char *text = play_text(r, "text"), *names = play_text(r, "names");
    size_t      n;
    double     *value = play_numbers(r, "values", &n);
    ad_tape    *tape = ad_tape_new();
    ad_var     *x = calloc(n + 1, sizeof *x);
    for (size_t i = 0; i < n && x != NULL; i++) x[i] = ad_input(tape, value[i]);
    const ad_var y = ad_parse(tape, text != NULL ? text : "", n, names != NULL ? names : "", x);
    if (ad_tape_status(tape) != AD_OK) play_write_error(ad_tape_message(tape), to);
    else ad_explain_json(1, &y, NULL, to);
    free(x);
    free(value);
    ad_tape_free(tape);
}
