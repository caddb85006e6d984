/* json.c - the trace as JSON. Every number is written so that it reads back to the bit. */
#include "explain/json.h"

#include "base/text.h"
#include "explain/fold.h"
#include "tape/reduce.h"

#include <stdlib.h>

static void write_args(const ad_tape *tape, uint32_t node, FILE *to) {
    const size_t n = ad__edges(tape, node);
    for (size_t i = 0; i < n; i++) {
        const ad__edge edge = ad__edge_of(tape, node, i);
        if (i > 0) fputc(',', to);
        if (edge.to != AD__NO_NODE) {
            fprintf(to, "%lu", (unsigned long)edge.to);
        } else {
            fputs("{\"value\":", to);
            ad__json_number(edge.value, to);
            fputc('}', to);
        }
    }
}

static void write_node(const ad_tape *tape, uint32_t node, FILE *to) {
    char           text[AD__HEADLINE];
    const char    *name = ad__name_of(tape, node);
    const uint32_t scope = ad__notes_scope_of(&tape->notes, node);
    fprintf(to, "{\"id\":%lu,\"op\":", (unsigned long)node);
    ad__json_text(ad__node_name(tape, node), to);
    fputs(",\"name\":", to);
    ad__json_text(name == NULL ? "" : name, to);
    fputs(",\"scope\":", to);
    ad__scope_label(tape, scope, sizeof text, text);
    ad__json_text(text, to);
    fputs(",\"shown\":", to);
    ad__what(tape, node, sizeof text, text);
    ad__json_text(text, to);
    fputs(",\"numbers\":", to);
    ad__what_numbers(tape, node, sizeof text, text);
    ad__json_text(text, to);
    fprintf(to, ",\"words\":\"%s\",\"args\":[", ad__code_words(tape->code[node]));
    write_args(tape, node, to);
    fputs("],\"value\":", to);
    ad__json_number(tape->value[node], to);
    fputc('}', to);
}

static const char *fault_name(ad__fault fault) {
    return fault == AD__LOST ? "lost" : fault == AD__LATE ? "late" : "left";
}

static void write_sent(const ad__sent *s, FILE *to) {
    fprintf(to, "{\"to\":%lu,\"local\":", (unsigned long)s->to);
    ad__json_number(s->local, to);
    fputs(",\"contribution\":", to);
    ad__json_number(s->contribution, to);
    fputs(",\"before\":", to);
    ad__json_number(s->before, to);
    fputs(",\"after\":", to);
    ad__json_number(s->after, to);
    if (s->fault != AD__SOUND) fprintf(to, ",\"fault\":\"%s\"", fault_name(s->fault));
    fputc('}', to);
}

/* right: the pass without the bug; NULL if there is none. */
static void write_step(const ad__pass *pass, const ad__step *step, const ad__pass *right,
                       FILE *to) {
    fprintf(to, "{\"node\":%lu,\"upstream\":", (unsigned long)step->node);
    ad__json_number(step->upstream, to);
    if (right != NULL) {
        fputs(",\"right\":", to);
        ad__json_number(right->adjoint[step->node], to);
    }
    fputs(",\"edges\":[", to);
    for (size_t i = 0; i < step->count; i++) {
        if (i > 0) fputc(',', to);
        write_sent(&pass->sent[step->first + i], to);
    }
    fputs("]}", to);
}

/* Is this the first input of its name? Others are written by number, so that no key occurs twice;
 * so are those whose name looks like a number or is not UTF-8, as different ones may be written the
 * same. */
static bool first_of_name(const ad_tape *tape, const ad__pass *pass, uint32_t node) {
    const char *name = ad__name_of(tape, node);
    if (name == NULL || name[0] == '#' || !ad__is_utf8(name)) return false;
    for (uint32_t k = 0; k < tape->notes.names && tape->notes.name[k].node < node; k++) {
        const uint32_t other = tape->notes.name[k].node;
        if (tape->code[other] == AD__input && pass->used[other] &&
            strcmp(tape->notes.name[k].text, name) == 0)
            return false;
    }
    return true;
}

static void write_key(const ad_tape *tape, const ad__pass *pass, uint32_t input, FILE *to) {
    if (first_of_name(tape, pass, input)) ad__json_text(ad__name_of(tape, input), to);
    else fprintf(to, "\"#%lu\"", (unsigned long)input);
}

/* The derivatives that a pass ends with. */
static void write_derivatives(const ad_tape *tape, const ad__pass *pass, FILE *to) {
    bool first = true;
    fputc('{', to);
    for (uint32_t i = 0; i <= pass->last; i++) {
        if (!pass->used[i] || tape->code[i] != AD__input) continue;
        if (!first) fputc(',', to);
        first = false;
        write_key(tape, pass, i, to);
        fputc(':', to);
        ad__json_number(pass->adjoint[i], to);
    }
    fputc('}', to);
}

/* The names of the inputs whose derivatives differences contradict, in this pass or in the one
 * without the bug. */
static void write_disagreeing(const ad_tape *tape, const ad__pass *pass, const ad__comparison *c,
                              bool right, FILE *to) {
    bool first = true;
    for (size_t k = 0; k < c->inputs; k++) {
        const ad__compared *input = &c->input[k];
        if (right ? !input->right_refuted : input->open || input->agrees) continue;
        if (!first) fputc(',', to);
        first = false;
        write_key(tape, pass, input->node, to);
    }
}

/* What differences say. */
static void write_check(const ad_tape *tape, const ad__pass *pass, const ad__comparison *c,
                        ad_bug bug, FILE *to) {
    char said[AD__CONCLUSION];
    if (!c->checked) return;
    fputs(",\n \"differences\":{", to);
    for (size_t k = 0; k < c->inputs; k++) {
        if (k > 0) fputc(',', to);
        write_key(tape, pass, c->input[k].node, to);
        fputc(':', to);
        ad__json_number(c->input[k].difference, to);
    }
    fputs("},\"disagree\":[", to);
    write_disagreeing(tape, pass, c, false, to);
    if (c->right_refuted > 0) {
        fputs("],\"right_disagrees\":[", to);
        write_disagreeing(tape, pass, c, true, to);
    }
    ad__compare_said(c, bug, said);
    fprintf(to, "],\"check\":\"%s\"", said);
}

static void write_pass(const ad_tape *tape, const ad__traced *t, const ad__comparison compared[],
                       size_t i, FILE *to) {
    const ad__pass *pass = &t->pass[i], *right = t->right == NULL ? NULL : &t->right[i];
    fprintf(to, "\"output\":%lu,\"steps\":[", (unsigned long)pass->last);
    for (size_t k = 0; k < pass->steps; k++) {
        fputs(k > 0 ? ",\n  " : "\n  ", to);
        write_step(pass, &pass->step[k], right, to);
    }
    fputs("],\n \"result\":", to);
    write_derivatives(tape, pass, to);
    if (right != NULL) {
        fputs(",\n \"right\":", to);
        write_derivatives(tape, right, to);
    }
    if (compared != NULL) write_check(tape, pass, &compared[i], t->bug, to);
}

void ad__json_trace(const ad_tape *tape, const ad__traced *t, const ad__comparison compared[],
                    FILE *to) {
    bool first = true;
    fputs("{\"format\":\"tapir-trace/1\",\n ", to);
    if (t->old) fputs("\"old\":true,\n ", to);
    if (t->right != NULL)
        fprintf(to, "\"bug\":\"%s\",\"does\":\"%s\",\n ", ad__bug_name(t->bug),
                ad__bug_does(t->bug));
    fputs("\"nodes\":[", to);
    for (uint32_t i = 0; i < t->selection.length; i++) {
        if (!t->selection.used[i]) continue;
        fputs(first ? "\n  " : ",\n  ", to);
        first = false;
        write_node(tape, i, to);
    }
    fputs("],\n ", to);
    write_pass(tape, t, compared, 0, to);
    if (t->n > 1) fputs(",\n \"more\":[", to);
    for (size_t i = 1; i < t->n; i++) {
        fputs(i > 1 ? ",\n {" : "{", to);
        write_pass(tape, t, compared, i, to);
        fputc('}', to);
    }
    fputs(t->n > 1 ? "]}\n" : "}\n", to);
}

ad_status ad_explain_json(size_t n, const ad_var y[], const ad_view *view, FILE *to) {
    ad_status       status;
    ad_tape        *tape = ad__results("ad_explain_json", n, y, view, to, &status);
    ad__traced      t;
    ad__comparison *compared = NULL;
    if (tape == NULL) return status;
    if (ad__trace_make(tape, n, y, view, &t) &&
        ad__compare_all(tape, &t, view == NULL || !view->bare, &compared)) {
        const ad__locale locale = ad__locale_enter();
        ad__json_trace(tape, &t, compared, to);
        ad__locale_leave(locale);
    }
    ad__compare_all_free(n, compared);
    ad__trace_free(&t);
    return tape->status != AD_OK ? tape->status : ad__written(to);
}
