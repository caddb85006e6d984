/* status.c - the texts of errors and verdicts; the lists themselves are in ad.h. */
#include "ad.h"

const char *ad_status_text(ad_status status) {
    static const char *const texts[] = {
#define TEXT(name, text) text,
        AD_STATUS_LIST(TEXT)
#undef TEXT
    };
    return (unsigned)status < AD_STATUS_COUNT ? texts[status] : "unknown status";
}

const char *ad_verdict_text(ad_verdict verdict) {
    static const char *const texts[] = {
#define TEXT(name, text, meaning) text,
        AD_VERDICT_LIST(TEXT)
#undef TEXT
    };
    return (unsigned)verdict < AD_VERDICT_COUNT ? texts[verdict] : "no verdict";
}

const char *ad_verdict_meaning(ad_verdict verdict) {
    static const char *const meanings[] = {
#define MEANING(name, text, meaning) meaning,
        AD_VERDICT_LIST(MEANING)
#undef MEANING
    };
    return (unsigned)verdict < AD_VERDICT_COUNT ? meanings[verdict] : "no verdict";
}
