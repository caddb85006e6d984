/* plain_leaks.c - the scenario of the tests as a plain program, so that a leak sanitizer or
 * valgrind sees all of it. */
#include "support.h"

static int run(const char *what, ad_status got, ad_status want, const ad_tape *tape) {
    if (got == want) return 0;
    printf("FAILED: %s: status %d: %s\n", what, (int)got, ad_tape_message(tape));
    return 1;
}

int main(void) {
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere == NULL) return 2;
    ad_tape *tape = ad_tape_new();
    int      failures = run("the scenario", scenario(tape, SCENARIO_LONG, nowhere), AD_OK, tape);
    failures += run("the scenario again", scenario(tape, SCENARIO_LONG, nowhere), AD_OK, tape);
    ad_var x = ad_input(tape, 1);
    ad_name(x, "a name that is still there when the tape is freed");
    ad_name(x, "another one in its place");
    ad_parse(tape, "a = x*x; b = a*(sum(a, x, 2) + hypot(1, x)) +", 1, "x", &x);
    failures += run("a formula that cannot be read", ad_tape_status(tape), AD_BAD_FORMULA, tape);
    ad_tape_free(tape);
    ad_tape_free(ad_tape_new());
    fclose(nowhere);
    return failures != 0;
}
