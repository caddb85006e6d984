/* play.c - requests in, answers out: the engine as the page sees it.
 *
 * In WebAssembly the page writes a request into play_room(bytes) and calls play(). A native program
 * reads requests from standard input, each ended by an empty line, and writes the answers as a
 * sequence of JSON texts (RFC 7464): the test of the page's bits runs both. */
#include "play.h"

#include <stdlib.h>
#include <string.h>

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#define EXPORTED EMSCRIPTEN_KEEPALIVE
#else
#define EXPORTED
#endif

enum { MOST_ARGUMENTS = 64 };

struct play_request {
    char *command;
    char *key[MOST_ARGUMENTS], *value[MOST_ARGUMENTS];
    int   arguments;
};

static const struct {
    const char *name;
    void (*answer)(const play_request *request, FILE *to);
} commands[] = {
    {"formula", play_formula}, {"nudge", play_nudge}, {"curve", play_curve},
    {"second", play_second},   {"rules", play_rules}, {"lesson", play_lesson},
    {"train", play_train},     {"steps", play_steps}, {"batch", play_batch},
    {"grid", play_grid},
};

static char  *room, *answer;
static size_t answer_length;

/* ---- reading --------------------------------------------------------------------------------- */

/* Cuts the text into lines and keys; what is beyond MOST_ARGUMENTS is left out. */
static play_request read_request(char *text) {
    play_request r = {.command = text};
    char        *line = strchr(text, '\n');
    while (line != NULL) {
        *line++ = '\0';
        char *next = strchr(line, '\n');
        if (next != NULL) *next = '\0';
        char *space = strchr(line, ' ');
        if (*line != '\0' && r.arguments < MOST_ARGUMENTS) {
            if (space != NULL) *space = '\0';
            r.key[r.arguments] = line;
            r.value[r.arguments++] = space != NULL ? space + 1 : "";
        }
        if (next != NULL) *next = '\n';
        line = next;
    }
    return r;
}

const char *play_text(const play_request *r, const char *key) {
    for (int i = 0; i < r->arguments; i++)
        if (strcmp(r->key[i], key) == 0) return r->value[i];
    return NULL;
}

double play_number(const play_request *r, const char *key, double otherwise) {
    const char *text = play_text(r, key);
    char       *end;
    if (text == NULL) return otherwise;
    const double x = strtod(text, &end);
    return end == text ? otherwise : x;
}

size_t play_count(const play_request *r, const char *key, size_t otherwise) {
    const double x = play_number(r, key, (double)otherwise);
    return x >= 0 && x <= 1e9 ? (size_t)x : otherwise;
}

double *play_numbers(const play_request *r, const char *key, size_t *n) {
    const char *text = play_text(r, key);
    *n = 0;
    if (text == NULL) return NULL;
    double *x = malloc((strlen(text) / 2 + 1) * sizeof *x);
    char   *end;
    for (double next; x != NULL && (next = strtod(text, &end), end != text); text = end)
        x[(*n)++] = next;
    return x;
}

/* ---- writing --------------------------------------------------------------------------------- */

void play_write_numbers(size_t n, const double x[], FILE *to) {
    fputc('[', to);
    for (size_t i = 0; i < n; i++) {
        if (i > 0) fputc(',', to);
        ad__json_number(x[i], to);
    }
    fputc(']', to);
}

void play_write_error(const char *sentence, FILE *to) {
    fputs("{\"error\":", to);
    ad__json_text(sentence, to);
    fputc('}', to);
}

/* ---- the two ends ---------------------------------------------------------------------------- */

/* Where a request of so many bytes is written, its end included; NULL when memory is out. */
EXPORTED char *play_room(size_t bytes) {
    free(room);
    return room = malloc(bytes + 1);
}

/* The answer to the request in the room: valid until the next one. NULL when memory is out. */
EXPORTED const char *play(void) {
    const play_request r = read_request(room);
    free(answer);
    answer = NULL;
    FILE *to = open_memstream(&answer, &answer_length);
    if (to == NULL) return NULL;
    size_t k = 0;
    while (k < sizeof commands / sizeof *commands && strcmp(commands[k].name, r.command) != 0) k++;
    if (k < sizeof commands / sizeof *commands) commands[k].answer(&r, to);
    else play_write_error("no such command", to);
    return fclose(to) == 0 ? answer : NULL;
}

EXPORTED size_t play_length(void) {
    return answer_length;
}

#ifndef __EMSCRIPTEN__
int main(void) {
    char   *line = NULL, *text = NULL;
    size_t  size = 0, length = 0;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) >= 0) {
        if (n > 1) {
            char *more = realloc(text, length + (size_t)n + 1);
            if (more == NULL) return 1;
            text = more;
            memcpy(text + length, line, (size_t)n + 1);
            length += (size_t)n;
            continue;
        }
        if (length == 0) continue;
        text[length - 1] = '\0'; /* the last line's end */
        if (play_room(length) == NULL) return 1;
        memcpy(room, text, length);
        const char *said = play();
        if (said == NULL) return 1;
        printf("\x1e%s\n", said); /* RFC 7464: a sequence of JSON texts */
        length = 0;
    }
    free(line);
    free(text);
    free(room);
    free(answer);
    return ferror(stdout) || fflush(stdout) != 0;
}
#endif
