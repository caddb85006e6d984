/* status.c - tests of the list of errors. */
#include "engine/ad.h"

#include "expect.h"
#include <limits.h>
#include <string.h>

Test(status, every_status_has_a_text_of_its_own) {
    for (int i = 0; i < AD_STATUS_COUNT; i++) {
        const char *text = ad_status_text((ad_status)i);
        cr_assert_not_null(text);
        cr_expect(strlen(text) > 5, "status %d has the text \"%s\"", i, text);
        for (int j = 0; j < i; j++)
            cr_expect_str_neq(text, ad_status_text((ad_status)j), "statuses %d and %d", j, i);
    }
}

Test(status, text_is_the_one_of_the_list) {
#define ROW(name, text) cr_expect_str_eq(ad_status_text(name), text);
    AD_STATUS_LIST(ROW)
#undef ROW
}

Test(status, ok_is_zero) {
    cr_assert_eq(AD_OK, 0);
}

Test(status, number_that_is_no_status_has_a_text) {
    const int numbers[] = {AD_STATUS_COUNT, AD_STATUS_COUNT + 1, 255, INT_MAX, -1, INT_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cr_expect_str_eq(ad_status_text((ad_status)numbers[i]), "unknown status");
}

Test(status, number_that_is_no_verdict_has_a_text) {
    const int numbers[] = {AD_VERDICT_COUNT, AD_VERDICT_COUNT + 1, 255, INT_MAX, -1, INT_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        cr_expect_str_eq(ad_verdict_text((ad_verdict)numbers[i]), "no verdict");
        cr_expect_str_eq(ad_verdict_meaning((ad_verdict)numbers[i]), "no verdict");
    }
    cr_expect_str_eq(ad_verdict_text(AD_PASS), "PASS");
}
