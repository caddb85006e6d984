/* status.c - the texts of the errors; the list itself stands in ad.h. */
#include "ad.h"

const char *ad_status_text(ad_status status) {
    static const char *const texts[] = {
#define TEXT(name, text) text,
        AD_STATUS_LIST(TEXT)
#undef TEXT
    };
    return (unsigned)status < AD_STATUS_COUNT ? texts[status] : "unknown status";
}
