/* parse.c - any text as a formula: a sentence with a caret, or a node whose replay gives the same
 * bits. */
#include "fuzz.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) return 0;
    memcpy(text, bytes, size);
    text[size] = '\0';
    ad_tape     *tape = ad_tape_new();
    const ad_var x[] = {ad_input(tape, 0.75), ad_input(tape, -1.5), ad_num(3)};
    ad_var       y = ad_parse(tape, text, 3, "x, p.y, z[0]", x);
    if (ad_tape_status(tape) != AD_OK) {
        HOLDS(strlen(ad_tape_message(tape)) > 10, "no sentence for %s", text);
        HOLDS(isnan(ad_value(y)), "a value after an error");
        ad_tape_clear(tape);
    } else {
        const double value = ad_value(y);
        ad_backward(y);
        ad_replay(tape);
        HOLDS(ad_tape_status(tape) == AD_OK, "%s", ad_tape_message(tape));
        const double again = ad_value(y);
        HOLDS(memcmp(&value, &again, sizeof value) == 0 || isnan(value), "%.17g, then %.17g", value,
              again);
    }
    HOLDS(ad_value(ad_add(x[0], x[1])) == -0.75, "the tape is of no use any more");
    ad_tape_free(tape);
    free(text);
    return 0;
}
