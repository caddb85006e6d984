/* notes.c - names, scopes and places in source files; see notes.h. Lists grow by doubling; a note
 * on the newest node, the usual case, is appended without moving anything. */
#include "base/notes.h"

#include <stdlib.h>
#include <string.h>

ad__notes ad__notes_none(void) {
    return (ad__notes){.open = AD__NO_SCOPE};
}

void ad__notes_free(ad__notes *notes) {
    ad__notes_forget(notes, 0);
    for (uint32_t i = 0; i < notes->texts; i++) free(notes->scope[i].text);
    free(notes->name);
    free(notes->scope);
    free(notes->source);
}

size_t ad__notes_bytes(const ad__notes *notes) {
    size_t bytes = notes->name_room * sizeof *notes->name +
                   notes->scope_room * sizeof *notes->scope +
                   notes->source_room * sizeof *notes->source;
    for (uint32_t i = 0; i < notes->names; i++) bytes += strlen(notes->name[i].text) + 1;
    for (uint32_t i = 0; i < notes->texts; i++) bytes += strlen(notes->scope[i].text) + 1;
    return bytes;
}

/* Makes room for one more entry; returns the list, which may have moved, or NULL if memory is
 * out. */
static void *space(void *list, uint32_t count, uint32_t *room, size_t bytes) {
    if (count < *room) return list;
    if (*room > UINT32_MAX / 2) return NULL;
    const uint32_t twice = *room == 0 ? 16 : 2 * *room;
    if ((uint64_t)twice * bytes > SIZE_MAX / 2) return NULL;
    void *grown = realloc(list, twice * bytes);
    if (grown != NULL) *room = twice;
    return grown;
}

static char *copy(const char *text) {
    char *copied = malloc(strlen(text) + 1);
    return copied == NULL ? NULL : strcpy(copied, text);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The index of a node's name in the list, or where it would be inserted. */
static uint32_t name_place(const ad__notes *notes, uint32_t node) {
    uint32_t low = 0, high = notes->names;
    if (high > 0 && notes->name[high - 1].node < node) return high;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (notes->name[middle].node < node) low = middle + 1;
        else high = middle;
    }
    return low;
}

const char *ad__notes_name_of(const ad__notes *notes, uint32_t node) {
    const uint32_t place = name_place(notes, node);
    return place < notes->names && notes->name[place].node == node ? notes->name[place].text : NULL;
}

bool ad__notes_name(ad__notes *notes, uint32_t node, const char *text) {
    const uint32_t place = name_place(notes, node);
    const bool     old = place < notes->names && notes->name[place].node == node;
    char          *copied = copy(text);
    ad__name      *name =
        old ? notes->name : space(notes->name, notes->names, &notes->name_room, sizeof *name);
    if (name != NULL) notes->name = name;
    if (name == NULL || copied == NULL) {
        free(copied);
        return false;
    }
    if (old) free(name[place].text);
    else memmove(name + place + 1, name + place, (notes->names++ - place) * sizeof *name);
    name[place] = (ad__name){node, copied};
    return true;
}

/* ---- places in source files ------------------------------------------------------------------ */

const ad__line *ad__notes_source_of(const ad__notes *notes, uint32_t node) {
    uint32_t low = 0, high = notes->sources;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (notes->source[middle].last < node) low = middle + 1;
        else high = middle;
    }
    return low < notes->sources && notes->source[low].first <= node ? &notes->source[low] : NULL;
}

/* The innermost call is the first to note where a node comes from, and is kept. */
bool ad__notes_source(ad__notes *notes, ad__line source) {
    if (notes->sources > 0 && notes->source[notes->sources - 1].last >= source.last) return true;
    ad__line *list = space(notes->source, notes->sources, &notes->source_room, sizeof *list);
    if (list == NULL) return false;
    notes->source = list;
    if (notes->sources > 0 && list[notes->sources - 1].last >= source.first)
        source.first = list[notes->sources - 1].last + 1;
    list[notes->sources++] = source;
    return true;
}

/* ---- scopes ---------------------------------------------------------------------------------- */

bool ad__notes_open(ad__notes *notes, uint32_t node, const char *text) {
    const uint32_t at = notes->scopes;
    ad__scope     *scope = space(notes->scope, at, &notes->scope_room, sizeof *scope);
    if (scope == NULL) return false;
    notes->scope = scope;
    char *own = at < notes->texts ? scope[at].text : NULL;
    if (own == NULL || strcmp(own, text) != 0) {
        char *copied = copy(text);
        if (copied == NULL) return false;
        free(own);
        own = copied;
        if (at == notes->texts) notes->texts++;
    }
    scope[at] = (ad__scope){node, UINT32_MAX, notes->open, own};
    notes->open = notes->scopes++;
    return true;
}

bool ad__notes_close(ad__notes *notes, uint32_t node) {
    if (notes->open == AD__NO_SCOPE) return false;
    ad__scope *scope = &notes->scope[notes->open];
    scope->end = node;
    notes->open = scope->parent;
    return true;
}

/* The last scope that starts at or before the node, or the nearest of its ancestors that contains
 * it. */
uint32_t ad__notes_scope_of(const ad__notes *notes, uint32_t node) {
    uint32_t low = 0, high = notes->scopes;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (notes->scope[middle].start <= node) low = middle + 1;
        else high = middle;
    }
    uint32_t at = low == 0 ? AD__NO_SCOPE : low - 1;
    while (at != AD__NO_SCOPE && notes->scope[at].end <= node) at = notes->scope[at].parent;
    return at;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

void ad__notes_forget(ad__notes *notes, uint32_t from) {
    while (notes->names > 0 && notes->name[notes->names - 1].node >= from)
        free(notes->name[--notes->names].text);
    while (notes->sources > 0 && notes->source[notes->sources - 1].last >= from) notes->sources--;
    while (notes->scopes > 0 && notes->scope[notes->scopes - 1].start >= from) notes->scopes--;
    notes->open = AD__NO_SCOPE;
    for (uint32_t i = 0; i < notes->scopes; i++) {
        if (notes->scope[i].end > from) notes->scope[i].end = UINT32_MAX;
        if (notes->scope[i].end == UINT32_MAX) notes->open = i;
    }
}

/* Forgotten entries are still in the array, with their texts. An open scope has an open parent, so
 * all of these have no end. */
void ad__notes_reopen(ad__notes *notes, uint32_t scopes, uint32_t open) {
    notes->scopes = scopes, notes->open = open;
    for (uint32_t i = open; i != AD__NO_SCOPE; i = notes->scope[i].parent)
        notes->scope[i].end = UINT32_MAX;
}
