/* options.c - parses command-line arguments; see options.h. */
#include "options.h"

#include "nn/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *option_shown(const char *word) {
    static char   text[8][1024];
    static size_t calls;
    return nn__printable(sizeof *text, text[calls++ % 8], word, false);
}

bool option_control(const char *word) {
    while (*word != '\0' && !iscntrl((unsigned char)*word)) word++;
    return *word != '\0';
}

/* A failed write shows in ferror, in fflush, or on some file systems only in fclose. A standard
 * output that was closed from the start is no error if nothing was printed. */
int output_end(int status, int bad) {
    errno = 0;
    bool failed = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (fclose(stdout) != 0 && errno != EBADF) failed = true;
    if (!failed) return status;
    fprintf(stderr, "%s: standard output cannot be written%s%s\n", program_invocation_short_name,
            errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    return bad;
}

bool option_complain(const char *program, const char *what, const char *word) {
    fprintf(stderr, "%s: %s: %s\n(see %s --help)\n", program, what, option_shown(word), program);
    return false;
}

size_t option_name(const char *word) {
    size_t n = 0;
    if (isalpha((unsigned char)*word) || *word == '_')
        while (isalnum((unsigned char)word[n]) || word[n] == '_') n++;
    return n;
}

static bool digits(const char *word, uint64_t *number, char **end) {
    errno = 0;
    *number = strtoull(word, end, 10);
    return isdigit((unsigned char)*word) && errno == 0;
}

static bool complain_count(const char *program, const char *option, size_t least, size_t most,
                           const char *many, const char *word) {
    char what[160];
    if (most == SIZE_MAX)
        snprintf(what, sizeof what, "%s takes whole numbers of at least %zu%s", option, least,
                 many);
    else
        snprintf(what, sizeof what, "%s takes whole numbers from %zu to %zu%s", option, least, most,
                 many);
    return option_complain(program, what, word);
}

bool option_count(const char *program, const char *option, const char *word, size_t least,
                  size_t most, size_t *count) {
    char    *end;
    uint64_t number;
    if (!digits(word, &number, &end) || *end != '\0' || number < least || number > most)
        return complain_count(program, option, least, most, "", word);
    *count = (size_t)number;
    return true;
}

bool option_seed(const char *program, const char *option, const char *word, uint64_t *seed) {
    char *end;
    if (digits(word, seed, &end) && *end == '\0') return true;
    return complain_count(program, option, 0, SIZE_MAX, "", word);
}

bool option_rate(const char *program, const char *option, const char *word, double *rate) {
    char what[80], *end;
    *rate = strtod(word, &end);
    if (end != word && *end == '\0' && isfinite(*rate) && *rate > 0) return true;
    snprintf(what, sizeof what, "%s takes a finite number above 0", option);
    return option_complain(program, what, word);
}

bool option_counts(const char *program, const char *option, const char *word, size_t least,
                   size_t most, size_t room, size_t count[], size_t *n) {
    const char *at = word;
    for (*n = 0; *n < room;) {
        char    *end;
        uint64_t number;
        if (!digits(at, &number, &end) || number < least || number > most) break;
        count[(*n)++] = (size_t)number;
        if (*end == '\0') return true;
        if (*end != ',') break;
        at = end + 1;
    }
    return complain_count(program, option, least, most, ", separated by commas", word);
}
