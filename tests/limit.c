/* limit.c - the end of a tape. A plain program; the engine in it is compiled with
 * -DAD_NODE_LIMIT=1000, so that a test reaches what otherwise takes four thousand million nodes. */
#include "engine/ad.h"

#include <math.h>
#include <string.h>

static int failures;

static void check(bool good, const char *claim, const ad_tape *tape) {
    if (good) return;
    failures++;
    printf("FAILED: %s (length %zu, status %d: %s)\n", claim, ad_tape_length(tape),
           (int)ad_tape_status(tape), ad_tape_message(tape));
}

static void fill(ad_tape *tape, ad_var x) {
    while (ad_tape_length(tape) < 1000 && ad_tape_status(tape) == AD_OK) ad_add(x, ad_num(1));
}

/* Each way to ask for one node more. */
static ad_var one_more(ad_tape *tape, int way, ad_var x) {
    const ad_var two[] = {x, x};
    switch (way) {
    case 0: return ad_input(tape, 1);
    case 1: return ad_exp(x);
    case 2: return ad_mul(x, x);
    case 3: return ad_mul(x, ad_num(3));
    case 4: return ad_sum(2, two);
    case 5: return ad_dot(2, two, two);
    case 6: return ad_logsumexp(2, two);
    case 7: return ad_where(x, x, ad_num(2));
    case 8: return ad_pick(ad_num(1), 2, two);
    case 9: return ad_branch(x) ? x : ad_num(NAN);
    default: return ad_parse(tape, "x + 1", 1, "x", &x);
    }
}

int main(void) {
    for (int way = 0; way <= 10; way++) {
        ad_tape      *tape = ad_tape_new();
        ad_var        x = ad_input(tape, 2);
        const ad_mark mark = ad_tape_mark(tape);
        fill(tape, x);
        check(ad_tape_length(tape) == 1000 && ad_tape_status(tape) == AD_OK, "a thousand nodes fit",
              tape);
        ad_var last = one_more(tape, way, x);
        check(isnan(ad_value(last)), "the 1001st node is NaN", tape);
        check(ad_tape_status(tape) == AD_TAPE_FULL, "the 1001st node is AD_TAPE_FULL", tape);
        check(strlen(ad_tape_message(tape)) > 20, "there is a sentence", tape);
        check(strstr(ad_tape_message(tape), "1000") != NULL, "the sentence has the number of nodes",
              tape);
        check(ad_tape_length(tape) == 1000, "the tape is as long as before", tape);
        ad_tape_clear(tape);
        one_more(tape, way, x);
        check(ad_tape_status(tape) == AD_TAPE_FULL, "the tape is still full after clearing", tape);
        ad_tape_clear(tape);
        ad_tape_rewind(tape, mark);
        ad_var y = one_more(tape, way, x);
        check(ad_tape_status(tape) == AD_OK && !isnan(ad_value(y)),
              "there is space after rewinding", tape);
        ad_backward(ad_mul(x, x));
        check(ad_grad(x) == 4, "the tape is usable after rewinding", tape);
        ad_tape_free(tape);
    }
    return failures != 0;
}
