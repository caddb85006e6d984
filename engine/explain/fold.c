/* fold.c - merges nodes into boxes; see fold.h. Every pass walks the boxes once, in the order of
 * the tape, and writes the remaining boxes to the beginning of the same array. */
#include "explain/fold.h"

#include "base/text.h"

#include <stdlib.h>

static bool start(uint32_t length, const bool used[], ad__fold *fold) {
    size_t count = 0;
    for (uint32_t i = 0; i < length; i++) count += used[i];
    *fold = (ad__fold){.box = malloc((count + 1) * sizeof *fold->box),
                       .of = malloc(((size_t)length + 1) * sizeof *fold->of),
                       .length = length};
    if (fold->box == NULL || fold->of == NULL) return false;
    for (uint32_t i = 0; i < length; i++)
        if (used[i]) fold->box[fold->boxes++] = (ad__box){i, i, 1, AD__NO_SCOPE};
    return true;
}

void ad__fold_free(ad__fold *fold) {
    free(fold->box);
    free(fold->of);
}

/* ---- scopes ---------------------------------------------------------------------------------- */

static uint32_t depth_of(const ad_tape *tape, uint32_t scope) {
    uint32_t depth = 0;
    for (; scope != AD__NO_SCOPE; scope = tape->notes.scope[scope].parent) depth++;
    return depth;
}

/* The scope at this depth that contains a box, or AD__NO_SCOPE. */
static uint32_t scope_at(const ad_tape *tape, const ad__box *box, uint32_t depth) {
    uint32_t scope = ad__notes_scope_of(&tape->notes, box->first);
    for (uint32_t deep = depth_of(tape, scope); deep > depth; deep--)
        scope = tape->notes.scope[scope].parent;
    return scope != AD__NO_SCOPE && depth_of(tape, scope) == depth ? scope : AD__NO_SCOPE;
}

/* Merges a box into the one before it; neither may contain a node that must stay alone. */
static void join(ad__box *to, const ad__box *box, uint32_t scope) {
    to->last = box->last;
    to->count += box->count;
    to->scope = scope;
}

static bool kept(const ad__box *box, const bool keep[]) {
    return box->count == 1 && keep[box->first];
}

static void fold_scopes(const ad_tape *tape, const bool keep[], uint32_t depth, ad__fold *fold) {
    uint32_t boxes = 0, open = AD__NO_SCOPE;
    for (uint32_t i = 0; i < fold->boxes; i++) {
        const ad__box  box = fold->box[i];
        const uint32_t scope = kept(&box, keep) ? AD__NO_SCOPE : scope_at(tape, &box, depth);
        if (scope != AD__NO_SCOPE && scope == open) join(&fold->box[boxes - 1], &box, scope);
        else fold->box[boxes++] = box;
        open = scope;
    }
    fold->boxes = boxes;
}

/* ---- stretches ------------------------------------------------------------------------------- */

/* Leaves and operations are not merged with each other, as long as few enough boxes remain. */
static bool alike(const ad_tape *tape, const ad__box *a, const ad__box *b) {
    return (tape->code[a->first] == AD__input) == (tape->code[b->first] == AD__input);
}

static void fold_stretches(const ad_tape *tape, const bool keep[], size_t chunk, bool apart,
                           ad__fold *fold) {
    uint32_t boxes = 0;
    size_t   joined = 0;
    for (uint32_t i = 0; i < fold->boxes; i++) {
        const ad__box box = fold->box[i];
        ad__box      *before = boxes > 0 ? &fold->box[boxes - 1] : NULL;
        if (before != NULL && joined > 0 && joined < chunk && !kept(&box, keep) &&
            (!apart || alike(tape, before, &box))) {
            join(before, &box, AD__NO_SCOPE);
            joined++;
        } else {
            fold->box[boxes++] = box;
            joined = kept(&box, keep) ? 0 : 1;
        }
    }
    fold->boxes = boxes;
}

static void number(ad__fold *fold) {
    memset(fold->of, 0xff, fold->length * sizeof *fold->of);
    for (uint32_t k = 0; k < fold->boxes; k++) {
        const ad__box *box = &fold->box[k];
        for (uint32_t i = box->first; i <= box->last; i++) fold->of[i] = k;
        if (box->count > 1) (*(box->scope != AD__NO_SCOPE ? &fold->scopes : &fold->stretches))++;
    }
}

bool ad__fold_make(const ad_tape *tape, uint32_t length, const bool used[], const bool keep[],
                   size_t most, ad__fold *fold) {
    if (!start(length, used, fold)) return false;
    uint32_t deepest = 0;
    for (uint32_t i = 0; i < tape->notes.scopes && fold->boxes > most; i++) {
        const uint32_t depth = depth_of(tape, i);
        if (depth > deepest) deepest = depth;
    }
    for (uint32_t depth = deepest; depth > 0 && fold->boxes > most; depth--)
        fold_scopes(tape, keep, depth, fold);
    const uint32_t all = fold->boxes;
    /* some boxes stay alone or end early; what is then still too much is merged in pairs */
    if (fold->boxes > most)
        fold_stretches(tape, keep, all / (most > 8 ? most - 4 : 1) + 1, true, fold);
    for (size_t times = 0; fold->boxes > most && times < 32; times++)
        fold_stretches(tape, keep, 2, times < 8, fold);
    number(fold);
    for (uint32_t i = 0; i < length; i++)
        if (!used[i]) fold->of[i] = UINT32_MAX;
    return true;
}

/* ---- in words -------------------------------------------------------------------------------- */

enum { DEEPEST_LABEL = 8 };

void ad__scope_label(const ad_tape *tape, uint32_t scope, size_t room, char text[]) {
    uint32_t around[DEEPEST_LABEL];
    int      depth = 0;
    for (; scope != AD__NO_SCOPE && depth < DEEPEST_LABEL; scope = tape->notes.scope[scope].parent)
        around[depth++] = scope;
    size_t length = 0;
    text[0] = '\0';
    while (depth-- > 0 && length < room) {
        char name[AD__SHOWN_NAME];
        length += (size_t)snprintf(text + length, room - length, "%s%s",
                                   ad__shown_name(tape->notes.scope[around[depth]].text, name),
                                   depth > 0 ? " / " : "");
    }
    if (length >= room && room > 0) ad__end_whole(text);
}

void ad__fold_label(const ad_tape *tape, const ad__box *box, size_t room, char text[]) {
    char        scope[128];
    const bool  inputs = tape->code[box->first] == AD__input && tape->code[box->last] == AD__input;
    const char *what = inputs ? "inputs" : "operations";
    if (box->scope != AD__NO_SCOPE) {
        ad__scope_label(tape, box->scope, sizeof scope, scope);
        snprintf(text, room, "%s: %lu %s", scope, (unsigned long)box->count, what);
    } else {
        snprintf(text, room, "#%lu ... #%lu: %lu %s", (unsigned long)box->first,
                 (unsigned long)box->last, (unsigned long)box->count, what);
    }
}

void ad__fold_said(const ad__fold *fold, size_t room, char text[]) {
    char scopes[48] = "", stretches[48] = "";
    if (fold->scopes > 0)
        snprintf(scopes, sizeof scopes, "%lu scope%s", (unsigned long)fold->scopes,
                 fold->scopes > 1 ? "s" : "");
    if (fold->stretches > 0)
        snprintf(stretches, sizeof stretches, "%lu stretch%s of nodes",
                 (unsigned long)fold->stretches, fold->stretches > 1 ? "es" : "");
    const bool both = scopes[0] != '\0' && stretches[0] != '\0';
    const bool one = fold->scopes + fold->stretches == 1;
    snprintf(text, room,
             fold->scopes + fold->stretches == 0 ? "%s%s%s"
             : one                               ? "%s%s%s is folded"
                                                 : "%s%s%s are folded",
             scopes, both ? " and " : "", stretches);
}
