/* verdict.c - where the report of gradcheck goes, and the exit status that says the same. */
#include "verdict.h"

#include "options.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

bool verdict_format(const char *word, ad_format *format) {
    static const char *const name[] = {"--text", "--json", "--csv", "--junit", "--tap"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        if (strcmp(word, name[i]) != 0) continue;
        *format = (ad_format)i;
        return true;
    }
    return false;
}

static int status_of(ad_verdict verdict) {
    switch (verdict) {
    case AD_PASS:
    case AD_WEAK: return 0;
    case AD_FAIL: return FAILED;
    default: return OPEN;
    }
}

typedef struct page {
    const ad_check_report *report;
    const verdict_output  *how;
} page;

static bool put(FILE *to, void *context) {
    const page     *p = context;
    const ad_format format = p->how->format;
    return (format == AD_JUNIT || format == AD_TAP
                ? ad_check_print_suite(1, &p->report, &p->how->name, format, to)
                : ad_check_print(p->report, format, to)) == AD_OK;
}

static bool print(const ad_check_report *report, const verdict_output *how) {
    page p = {report, how};
    if (how->file == NULL) return put(stdout, &p);
    const bool whole = report_whole("gradcheck", how->file, put, &p);
    const bool text = report->status != AD_OK || ad_check_print(report, AD_TEXT, stdout) == AD_OK;
    return whole && text;
}

int verdict_print(const ad_check_report *report, const verdict_output *to) {
    if (!print(report, to)) return BAD_USE;
    return report->status == AD_OK ? status_of(report->verdict) : BAD_USE;
}

int verdict_end(ad_check_report *report, const verdict_output *to) {
    const int status = verdict_print(report, to);
    ad_check_free(report);
    return status;
}

int verdict_refuse(ad_status why, const char *sentence, int status, const verdict_output *to) {
    fprintf(stderr, "gradcheck: %s\n", sentence);
    if (to->format == AD_TEXT && to->file == NULL) return status;
    ad_check_report *report = ad_check_refused(why, sentence);
    const bool       printed = report != NULL && print(report, to);
    ad_check_free(report);
    return printed ? status : BAD_USE;
}
