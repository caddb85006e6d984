/* point.c - numbers from a command line or a file: where a function is checked. */
#include "point.h"

#include "engine/check/local_check.h"
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool complain(const char *what, const char *word) {
    return option_complain("gradcheck", what, word);
}

static bool append(point *p, double x) {
    if (p->n == p->room) {
        const size_t room = p->room == 0 ? 16 : 2 * p->room;
        double      *more = realloc(p->x, room * sizeof *more);
        if (more == NULL) return fputs("gradcheck: out of memory\n", stderr), false;
        p->x = more, p->room = room;
    }
    p->x[p->n++] = x;
    return true;
}

/* The end of the numbers between commas that the word begins with: at its \0 if it is nothing else.
 * NULL: out of memory. */
static const char *numbers(const char *word, point *p) {
    for (const char *at = word;; at++) {
        char        *end;
        const double x = strtod(at, &end);
        if (end == at || isspace((unsigned char)*at)) return word;
        if (p != NULL && !append(p, x)) return NULL;
        if (*end != ',') return end;
        at = end;
    }
}

static bool is_list(const char *word) {
    return *word != '\0' && *numbers(word, NULL) == '\0';
}

bool point_list(const char *word, point *p) {
    if (!is_list(word)) return complain("expected numbers between commas", word);
    return numbers(word, p) != NULL;
}

/* ---- files ----------------------------------------------------------------------------------- */

static char *read_text(const char *path, FILE *from) {
    size_t length = 0, room = 0;
    char  *text = NULL;
    do {
        char *more = realloc(text, (room = 2 * room + 4096) + 1);
        if (more == NULL) break;
        text = more;
        length += fread(text + length, 1, room - length, from);
    } while (length == room);
    if (text == NULL || length == room || ferror(from)) {
        complain(ferror(from) ? strerror(errno) : "out of memory", path);
        free(text);
        return NULL;
    }
    text[length] = '\0';
    if (strlen(text) == length) return text;
    complain("is no text: it holds a byte 0", path);
    free(text);
    return NULL;
}

static bool complain_line(const char *path, size_t line, const char *at) {
    char         word[41];
    const size_t length = strcspn(at, " \t\r\n,");
    snprintf(word, sizeof word, "%.*s", length < 40 ? (int)length : 40, at);
    fprintf(stderr, "gradcheck: %s: line %zu: expected a number%s%s\n", option_shown(path), line,
            *word ? ", not " : " beside a comma", option_shown(word));
    return false;
}

/* A comma stands between two numbers of a line; blanks and the end of a line do too. */
static bool read_numbers(const char *path, const char *text, point *p) {
    size_t line = 1;
    bool   comma = false;
    for (const char *at = text;; at++) {
        while (isspace((unsigned char)*at)) {
            if (*at == '\n' && comma) return complain_line(path, line, at);
            line += *at++ == '\n';
        }
        if (*at == '\0') return comma ? complain_line(path, line, at) : true;
        char        *end;
        const double x = strtod(at, &end);
        if (end == at || (*end != ',' && *end != '\0' && !isspace((unsigned char)*end)))
            return complain_line(path, line, at);
        if (!append(p, x)) return false;
        while (*end == ' ' || *end == '\t') end++;
        comma = *end == ',';
        at = comma ? end : end - 1;
    }
}

bool point_list_or_file(const char *word, point *p) {
    if (is_list(word)) return numbers(word, p) != NULL;
    FILE *from = fopen(word, "r");
    if (from == NULL) {
        char what[200];
        snprintf(what, sizeof what, "--at takes numbers between commas or a file: %s",
                 strerror(errno));
        return complain(what, word);
    }
    char        *text = read_text(word, from);
    const size_t before = p->n;
    bool         good = text != NULL && read_numbers(word, text, p);
    if (good && p->n == before) good = complain("there is no number in it", word);
    free(text);
    fclose(from);
    return good;
}

bool point_random(size_t n, unsigned long long seed, point *p) {
    uint64_t state = seed;
    for (size_t i = 0; i < n; i++)
        if (!append(p, (double)(ad__random(&state) >> 11) * 0x1p-52 - 1)) return false;
    return true;
}

void point_free(point *p) {
    free(p->x);
}
