/* isa.c - tests of engine/base/isa.c: what TAPIR_ISA asks for is given where the machine has it. */
#include "engine/base/isa.h"
#include "engine/base/vector.h"

#include "expect.h"
#include <stdio.h>
#include <stdlib.h>

static int best(void) {
    unsetenv("TAPIR_ISA");
    return ad__isa_level();
}

static int asked(const char *wish) {
    setenv("TAPIR_ISA", wish, 1);
    return ad__isa_level();
}

Test(isa, level_is_one_that_was_built) {
    cr_expect(best() == 0 || (best() >= 2 && best() <= 4), "%d", best());
}

Test(isa, lower_level_is_given_when_asked_for) {
    for (int level = 2; level <= best(); level++) {
        char wish[] = {'v', (char)('0' + level), '\0'};
        cr_expect_eq(asked(wish), level);
    }
}

Test(isa, level_above_the_machine_is_not_given) {
    const int highest = best();
    cr_expect_leq(asked("v4"), highest);
    cr_expect_leq(asked("v3"), highest);
    cr_expect_leq(asked("v2"), highest);
}

Test(isa, base_is_given_everywhere) {
    cr_expect_eq(asked("base"), 0);
}

Test(isa, wish_that_is_no_level_is_not_heard) {
    const char *wishes[] = {"", "v", "v1", "v5", "3", "V3", "v3 ", "avx2"};
    const int   highest = best();
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
        cr_expect_eq(asked(wishes[i]), highest, "TAPIR_ISA=%s", wishes[i]);
}

Test(isa, loops_are_those_of_the_level) {
    for (int level = best(); level >= 2; level--) {
        char name[] = {'v', (char)('0' + level), '\0'};
        setenv("TAPIR_ISA", name, 1);
        cr_expect_str_eq(ad__vector_choose()->name, name);
    }
    setenv("TAPIR_ISA", "base", 1);
    cr_expect_str_eq(ad__vector_choose()->name, "base");
    unsetenv("TAPIR_ISA");
    if (best() == 0) cr_expect_str_eq(ad__vector_choose()->name, "base");
}
