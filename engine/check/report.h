/* report.h - a report under construction. The public struct comes first, so that a pointer to one
 * is a pointer to the other. */
#ifndef TAPIR_REPORT_H
#define TAPIR_REPORT_H

#include "check/estimate.h"

enum { AD__CULPRITS = 8, AD__NAME_ROOM = 128 };

typedef struct ad__lines {
    ad_check_line *line;
    size_t         count, room;
} ad__lines;

typedef struct ad__report {
    ad_check_report  page;
    ad__lines        first, second;
    ad_check_operand culprit[AD__CULPRITS];
    unsigned char   *coordinate;
    char             message[1400];   /* a sentence, which may quote a tape's message */
    char             no_second[1300]; /* why there are none; reported if nothing is wrong */
    /* for the names of lines and for what they are of: "y[2]/"; SIZE_MAX: not of one output */
    char             prefix[AD__NAME_ROOM];
    size_t           output;
    const char      *claim;     /* what it is called: "gradient" */
    size_t           undefined; /* the first output that has no value; SIZE_MAX: none */
    size_t           infinite;  /* the first coordinate of x that is not finite; SIZE_MAX: none */
    bool             rounded;   /* x is not the one that was given */
    bool             no_memory; /* sticks; the report is then discarded */
} ad__report;

ad__report *ad__report_new(size_t n); /* NULL: out of memory */
void        ad__report_line(ad__report *r, ad__lines *lines, const char *name, size_t coordinate,
                            double claimed, const ad__judgement *j);
bool        ad__report_has(const ad__report *r, ad_verdict verdict); /* in a line of the gradient */
/* texts are copied */
void        ad__report_culprit(ad__report *r, const ad_check_operand *operand);
__attribute__((format(printf, 3, 4))) void ad__report_say(ad__report *r, ad_status status,
                                                          const char *format, ...);

/* Computes the counts and the worst verdict from what was added. NULL, with everything freed, if
 * memory was out. */
ad_check_report *ad__report_done(ad__report *r);

#endif
