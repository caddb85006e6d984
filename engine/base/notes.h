/* notes.h - what callers say about nodes: names, scopes, places in source files.
 *
 * Three lists beside the nodes, each ascending in the node it refers to. A note is forgotten with
 * its node. A scope is the range of nodes recorded while it was open; scopes nest, and are stored
 * in the order in which they were opened, so that a parent comes before its children. */
#ifndef TAPIR_NOTES_H
#define TAPIR_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AD__NO_SCOPE UINT32_MAX

typedef struct ad__name {
    uint32_t node;
    char    *text;
} ad__name;

/* Nodes from start to before end, which is UINT32_MAX while the scope is open. The texts of
 * forgotten scopes are kept: what is recorded after a rewind is usually the same again, and then
 * allocates nothing. */
typedef struct ad__scope {
    uint32_t start, end, parent;
    char    *text;
} ad__scope;

/* Nodes first..last come from this line. The file's name is not copied: __FILE__ lives as long as
 * the program. */
typedef struct ad__line {
    uint32_t    first, last, line;
    const char *file;
} ad__line;

typedef struct ad__notes {
    ad__name  *name;
    ad__scope *scope;
    ad__line  *source;
    uint32_t   names, name_room, scopes, scope_room, sources, source_room;
    uint32_t   texts; /* scopes whose text is allocated, forgotten ones included */
    uint32_t   open;  /* the innermost open scope, or AD__NO_SCOPE */
} ad__notes;

/* All zeros except `open`. */
ad__notes ad__notes_none(void);
void      ad__notes_free(ad__notes *notes);
size_t    ad__notes_bytes(const ad__notes *notes);

/* Forget all notes on nodes from `from` on; a scope that was closed later than that is open
 * again. */
void ad__notes_forget(ad__notes *notes, uint32_t from);

/* After everything from the end of the tape on was forgotten: restores the scopes that were there
 * before but have no node yet. */
void ad__notes_reopen(ad__notes *notes, uint32_t scopes, uint32_t open);

/* False if memory is out; then nothing changed. Texts are copied. */
bool ad__notes_name(ad__notes *notes, uint32_t node, const char *text);
bool ad__notes_source(ad__notes *notes, ad__line source);
bool ad__notes_open(ad__notes *notes, uint32_t node, const char *text);
bool ad__notes_close(ad__notes *notes, uint32_t node); /* false: none was open */

const char     *ad__notes_name_of(const ad__notes *notes, uint32_t node);   /* NULL: none */
const ad__line *ad__notes_source_of(const ad__notes *notes, uint32_t node); /* NULL: none */
/* innermost one, or AD__NO_SCOPE */
uint32_t        ad__notes_scope_of(const ad__notes *notes, uint32_t node);

#endif
