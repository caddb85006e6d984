/* command.c - the options of a demo; see command.h. */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPTIONS = 16, HELP_COLUMN = 20, COLUMNS = 80 };

/* ---- help ------------------------------------------------------------------------------------ */

static const char *value_word(command_kind kind) {
    static const char *const words[] = {
        [COMMAND_FLAG] = "",         [COMMAND_SEED] = " N",    [COMMAND_COUNT] = " N",
        [COMMAND_COUNTS] = " N,...", [COMMAND_RATE] = " X",    [COMMAND_FILE] = " FILE",
        [COMMAND_FOLDER] = " DIR",   [COMMAND_NAME] = " NAME",
    };
    return words[kind];
}

static void write_default(const command_option *o, FILE *to) {
    const command_counts *counts = o->value;
    switch (o->kind) {
    case COMMAND_FLAG: break;
    case COMMAND_SEED: fprintf(to, " (%llu)", (unsigned long long)*(uint64_t *)o->value); break;
    case COMMAND_COUNT: fprintf(to, " (%zu)", *(size_t *)o->value); break;
    case COMMAND_RATE: fprintf(to, " (%g)", *(double *)o->value); break;
    case COMMAND_FILE:
    case COMMAND_FOLDER:
    case COMMAND_NAME:
        if (*(const char **)o->value != NULL) fprintf(to, " (%s)", *(const char **)o->value);
        break;
    case COMMAND_COUNTS:
        for (size_t i = 0; i < counts->n; i++)
            fprintf(to, "%s%zu", i == 0 ? " (" : ",", counts->count[i]);
        fputs(")", to);
    }
}

/* Prints a text from column `column` on, broken between words before the edge of a terminal; its
 * own line breaks are spaces, but an empty line stays. */
static void wrap(const char *text, int column, int indent) {
    bool first = true; /* on its line */
    while (*text != '\0') {
        const size_t word = strcspn(text, " \n"), spaces = strspn(text + word, " \n");
        const bool   empty_line = strncmp(text + word, "\n\n", 2) == 0;
        const int    length = (int)word;
        if (!first && column + 1 + length > COLUMNS)
            column = indent, first = true, printf("\n%*s", indent, "");
        column += printf("%s%.*s", first ? "" : " ", length, text);
        first = empty_line;
        if (empty_line) printf("\n\n%*s", indent, ""), column = indent;
        text += word + spaces;
    }
    putchar('\n');
}

static void print_option(const command_option *o) {
    char     *help = NULL;
    size_t    length = 0;
    FILE     *to = open_memstream(&help, &length);
    const int width = printf("  --%s%s", o->name, value_word(o->kind));
    if (to == NULL) return;
    fputs(o->help, to);
    write_default(o, to);
    fclose(to);
    printf("%*s", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "");
    wrap(help, width < HELP_COLUMN ? HELP_COLUMN : width + 1, HELP_COLUMN);
    free(help);
}

static void print_help(const char *about, const command_option option[]) {
    printf("usage: %s [OPTION ...]\n\n", program_invocation_short_name);
    wrap(about, 0, 0);
    putchar('\n');
    for (const command_option *o = option; o->name != NULL; o++) print_option(o);
    printf("  %-*sthis text\n\n", HELP_COLUMN - 2, "--help");
    printf("Exits with 0, or with %d after an error, %d for wrong usage.\n", BAD_RUN, BAD_USE);
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool set_text(const char *program, const char *name, const command_option *o,
                     const char *word) {
    char       what[80];
    const bool control = o->kind != COMMAND_NAME && option_control(word);
    if (*word != '\0' && !control) {
        *(const char **)o->value = word;
        return true;
    }
    snprintf(what, sizeof what, "%s takes a %s%s", name,
             o->kind == COMMAND_FILE     ? "file"
             : o->kind == COMMAND_FOLDER ? "folder"
                                         : "name",
             control ? " without control characters" : "");
    return option_complain(program, what, control ? word : "(nothing)");
}

static bool set(const char *program, const command_option *o, const char *word) {
    char            name[32];
    command_counts *counts = o->value;
    snprintf(name, sizeof name, "--%s", o->name);
    switch (o->kind) {
    case COMMAND_FLAG: return *(bool *)o->value = true;
    case COMMAND_SEED: return option_seed(program, name, word, o->value);
    case COMMAND_COUNT: return option_count(program, name, word, o->least, o->most, o->value);
    case COMMAND_COUNTS:
        return option_counts(program, name, word, o->least, o->most, counts->most, counts->count,
                             &counts->n);
    case COMMAND_RATE: return option_rate(program, name, word, o->value);
    case COMMAND_FILE:
    case COMMAND_FOLDER:
    case COMMAND_NAME: return set_text(program, name, o, word);
    }
    return false;
}

/* getopt's table; it returns the index in ours plus 1. */
static void make_list(const command_option option[], struct option list[MOST_OPTIONS + 2]) {
    size_t n = 0;
    for (; option[n].name != NULL && n < MOST_OPTIONS; n++)
        list[n] = (struct option){option[n].name, option[n].kind != COMMAND_FLAG, NULL, (int)n + 1};
    list[n++] = (struct option){"help", no_argument, NULL, MOST_OPTIONS + 1};
    list[n] = (struct option){0};
}

bool command_read(const char *about, const command_option option[], int count, char *arguments[],
                  int *status) {
    const char   *program = program_invocation_short_name;
    struct option list[MOST_OPTIONS + 2];
    int           found;
    make_list(option, list);
    opterr = 0;
    *status = BAD_USE;
    while ((found = getopt_long(count, arguments, "+:", list, NULL)) != -1) {
        if (found == MOST_OPTIONS + 1) {
            *status = 0;
            print_help(about, option);
            return false;
        }
        if (found == ':')
            return option_complain(program, "this option needs a value", arguments[optind - 1]);
        if (found == '?') return option_complain(program, "unknown option", arguments[optind - 1]);
        if (!set(program, &option[found - 1], optarg)) return false;
    }
    if (optind < count) return option_complain(program, "unexpected argument", arguments[optind]);
    return true;
}
