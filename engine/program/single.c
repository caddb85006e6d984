/* single.c - one example, its values in teams; see single.h.
 *
 * Teams are found by sorting: values by their depth, operation and number of operands. Within a
 * team they stand in the order of their first operand's homes, so that what was side by side in one
 * team is in the next, and is read as a run. */
#include "program/single.h"

#include "program/body.h"

#include <stdlib.h>

enum {
    BLOCK = 128, /* lanes computed at once; a multiple of 8 */
    GAIN = 2,    /* values of a team, on average, below which moves over blocks are better */
    AFTER = 8    /* homes behind the last: lanes are used eight at a time */
};

typedef struct entry {
    uint64_t major, minor;
    uint32_t value;
} entry;

typedef struct builder {
    const ad_program *p;
    ad__single       *s;
    uint32_t         *depth, *home; /* by value, of varying ones */
    entry            *entry;
    size_t            entries, sources, indices, source_room, index_room, team_room;
    uint64_t          one_by_one, together; /* rows that are touched, by moves and by teams */
    bool              failed, large;        /* large: more than can be numbered, so a block it is */
} builder;

static bool reserve(builder *b, void *array, size_t *room, size_t need, size_t bytes) {
    if (need <= *room) return true;
    size_t size = *room == 0 ? 64 : *room;
    while (size < need) size *= 2;
    b->large |= size > UINT32_MAX / 2;
    void **at = array, *memory = b->large ? NULL : realloc(*at, size * bytes);
    if (memory == NULL) {
        b->failed = true;
        return false;
    }
    *at = memory, *room = size;
    return true;
}

/* ---- values and their operands --------------------------------------------------------------- */

static bool varying(const ad_program *p, uint32_t i) {
    return (p->node[i].flags & AD__VARYING) != 0;
}

static uint32_t home_of(const builder *b, uint32_t i) {
    return varying(b->p, i) ? b->home[i] : b->p->node[i].home;
}

static uint32_t take_homes(builder *b, size_t n) {
    const size_t at = b->s->homes;
    b->s->homes += (n + 7) / 8 * 8;
    b->large |= b->s->homes > UINT32_MAX / 2;
    b->failed |= b->large;
    return (uint32_t)at;
}

static void measure_depths(builder *b) {
    const ad_program *p = b->p;
    for (uint32_t k = p->uniform_steps; k < p->steps; k++) {
        const uint32_t  i = p->step[k];
        const ad__node *node = &p->node[i];
        uint32_t        depth = 0;
        if (node->code == AD__ROW_INPUT) continue;
        for (size_t o = ad__value_operands(p, node); o-- > 0;) {
            const uint32_t x = ad__value_operand(p, node, o);
            if (varying(p, x) && b->depth[x] > depth) depth = b->depth[x];
        }
        const ad__layer *l = node->code == AD__LAYER_DOT ? &p->layer[node->x] : NULL;
        for (uint32_t j = 0; l != NULL && j < l->m; j++)
            b->depth[p->word[l->output + j]] = depth + 1;
        b->depth[i] = depth + 1;
        b->entry[b->entries++] = (entry){(uint64_t)(depth + 1) << 8 | node->code,
                                         l != NULL ? l->like : ad__value_operands(p, node), i};
    }
}

static int by_key(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->major != y->major) return x->major < y->major ? -1 : 1;
    if (x->minor != y->minor) return x->minor < y->minor ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

/* ---- teams ----------------------------------------------------------------------------------- */

static void add_index(builder *b, uint32_t home) {
    if (reserve(b, &b->s->index, &b->index_room, b->indices + 1, sizeof *b->s->index))
        b->s->index[b->indices++] = home;
}

static void add_source(builder *b, ad__source source) {
    if (reserve(b, &b->s->source, &b->source_room, b->sources + 1, sizeof *b->s->source))
        b->s->source[b->sources++] = source;
}

/* Operand k of all members: wherever it stands. */
static void add_operand(builder *b, const entry *member, size_t lanes, size_t k) {
    const ad_program *p = b->p;
    const uint32_t    list = (uint32_t)b->indices;
    bool              run = true, one = lanes > 1, wanted = false;
    for (size_t l = 0; l < lanes; l++) {
        const uint32_t i = ad__value_operand(p, &p->node[member[l].value], k), home = home_of(b, i);
        wanted |= (p->node[i].flags & AD__ON_PARAM) != 0;
        add_index(b, home);
        if (b->failed) return;
        run = run && home == b->s->index[list] + l;
        one = one && home == b->s->index[list];
    }
    ad__source source = {.at = list, .place = AD__IN_LIST, .constant = !wanted};
    if (run || one) {
        source.at = b->s->index[list], source.place = run ? AD__IN_RUN : AD__IN_ONE;
        b->indices = list;
    }
    add_source(b, source);
}

/* All that its members pick from, member by member; the operands of the body come down to the
 * index. */
static void add_choices(builder *b, ad__team *t, const entry *member) {
    const ad_program *p = b->p;
    t->number = (uint32_t)b->indices;
    for (size_t l = 0; l < t->lanes; l++)
        for (uint32_t k = 1; k < t->body.count; k++)
            add_index(b, home_of(b, ad__value_operand(p, &p->node[member[l].value], k)));
}

/* Output j of all members side by side, then the next. */
static void add_outputs(builder *b, ad__team *t, const entry *member) {
    const ad_program *p = b->p;
    const uint32_t    m = p->layer[t->number].m, home = take_homes(b, (size_t)m * t->lanes);
    for (uint32_t j = 0; j < m && !b->failed; j++) {
        add_source(b, (ad__source){.at = home + j * t->lanes, .place = AD__IN_RUN});
        for (uint32_t l = 0; l < t->lanes; l++)
            b->home[p->word[p->layer[p->node[member[l].value].x].output + j]] =
                home + j * t->lanes + l;
    }
}

static void add_result(builder *b, ad__team *t, const entry *member) {
    t->body.result = (ad__source){.at = take_homes(b, t->lanes), .place = AD__IN_RUN};
    if (ad__family_of(t->body.code) == AD__FOLDS && !t->body.no_adjoint) {
        t->body.fold = take_homes(b, t->lanes);
        t->body.fold_lanes = take_homes(b, t->lanes) - t->body.fold;
    }
    for (uint32_t l = 0; l < t->lanes; l++) b->home[member[l].value] = t->body.result.at + l;
}

/* Has a value anything to send back? A layer stands for all of its members, of which only the first
 * is looked at. */
static bool sends(const ad_program *p, const ad__node *node) {
    const ad__layer *l = node->code == AD__LAYER_DOT ? &p->layer[node->x] : NULL;
    return l != NULL ? l->on_param || l->operands_on_param : (node->flags & AD__ON_PARAM) != 0;
}

/* Members of one team, sorted by where their first operands stand. */
static void add_team(builder *b, entry *member, size_t lanes) {
    const ad_program *p = b->p;
    const ad__node   *first = &p->node[member[0].value];
    const size_t      count = ad__value_operands(p, first);
    const bool        layer = first->code == AD__LAYER_DOT, pick = first->code == AD__pick;
    ad__team          t = {.body = {.code = first->code,
                                    .operand = (uint32_t)b->sources,
                                    .count = (uint32_t)count,
                                    .no_adjoint = true},
                           .lanes = (uint32_t)lanes,
                           .number = layer ? first->x : 0};
    for (size_t l = 0; l < lanes; l++) {
        const ad__node *node = &p->node[member[l].value];
        member[l].major = home_of(b, ad__value_operand(p, node, 0));
        member[l].minor = count > 1 ? home_of(b, ad__value_operand(p, node, 1)) : 0;
        t.body.no_adjoint = t.body.no_adjoint && !sends(p, node);
    }
    qsort(member, lanes, sizeof *member, by_key);
    for (size_t k = 0; k < (pick ? 1 : count) && !b->failed; k++) add_operand(b, member, lanes, k);
    if (b->failed) return;
    if (pick) add_choices(b, &t, member);
    if (layer) add_outputs(b, &t, member);
    else add_result(b, &t, member);
    const uint64_t rows = 1 + (pick ? 1 : layer ? count + p->layer[first->x].m : count);
    b->together += layer && b->s->direct[first->x] ? (rows + 7) / 8 : rows * ((lanes + 7) / 8);
    b->one_by_one += rows * lanes;
    if (reserve(b, &b->s->team, &b->team_room, b->s->teams + 1, sizeof t))
        b->s->team[b->s->teams++] = t;
}

static bool together(const entry *a, const entry *b) {
    return a->major == b->major && a->minor == b->minor;
}

/* Weights that stand in a row, and are never those of two layers at once. */
static void find_direct(builder *b) {
    const ad_program *p = b->p;
    bool             *direct = b->s->direct;
    for (uint32_t k = 0; k < p->layers; k++) direct[k] = p->layer[k].straight != UINT32_MAX;
    for (size_t i = 1; i < b->entries; i++) {
        const ad__node *node = &p->node[b->entry[i].value];
        if (node->code == AD__LAYER_DOT && together(&b->entry[i - 1], &b->entry[i]))
            direct[p->layer[node->x].like] = false;
    }
    for (uint32_t k = 0; k < p->layers; k++) {
        direct[k] = direct[p->layer[k].like];
        b->s->packs |= !direct[k];
    }
}

static void find_teams(builder *b) {
    qsort(b->entry, b->entries, sizeof *b->entry, by_key);
    find_direct(b);
    for (size_t from = 0, to; from < b->entries && !b->failed; from = to) {
        for (to = from + 1; to < b->entries && together(&b->entry[from], &b->entry[to]); to++) {
        }
        add_team(b, b->entry + from, to - from);
    }
}

static void give_inputs_homes(builder *b) {
    const ad_program *p = b->p;
    b->s->homes = ((size_t)p->uniforms + 7) / 8 * 8;
    b->s->input = take_homes(b, p->inputs);
    for (uint32_t i = 0; i < p->nodes; i++)
        if (p->node[i].code == AD__ROW_INPUT) b->home[i] = b->s->input + p->node[i].x;
}

/* What layers take: operands, adjoints, zeros, and what is written; what bodies take: spare rows
 * and operands. */
static void size_up(builder *b) {
    const ad_program *p = b->p;
    ad__single       *s = b->s;
    size_t            rows = AD__BODY_SPARE + p->most_operands, most = p->most_operands;
    for (uint32_t k = 0; k < p->layers; k++) {
        const ad__layer *l = &p->layer[k];
        const size_t     wider = l->m > l->n ? l->m : l->n,
                     need = AD__BODY_SPARE + (size_t)l->m + l->n + 1 + wider;
        if (need > rows) rows = need;
        if (wider > most) most = wider;
    }
    s->space = rows * BLOCK;
    s->pointers = most + 1;
    s->homes += AFTER;
    s->order = malloc(s->pointers * sizeof *s->order);
    s->guard = malloc((p->guards + 1) * sizeof *s->guard);
    if (s->order == NULL || s->guard == NULL) {
        b->failed = true;
        return;
    }
    for (size_t k = 0; k < s->pointers; k++) s->order[k] = (uint32_t)k;
    for (uint32_t g = 0; g < p->guards; g++) s->guard[g] = home_of(b, p->guard[g].value);
    s->output = home_of(b, p->output[0]);
}

/* Output 0 has to depend on an input and a parameter; operations of the user's own see rows of
 * examples. */
static bool suits(const ad_program *p) {
    const uint8_t flags = p->node[p->output[0]].flags;
    return p->own == NULL && (flags & AD__VARYING) && (flags & AD__ON_PARAM);
}

static void make(builder *b) {
    const ad_program *p = b->p;
    const size_t      n = (size_t)p->nodes + 1;
    b->depth = calloc(n, sizeof *b->depth);
    b->home = calloc(n, sizeof *b->home);
    b->entry = malloc(n * sizeof *b->entry);
    b->s->direct = calloc(p->layers + 1, sizeof *b->s->direct);
    b->failed = b->depth == NULL || b->home == NULL || b->entry == NULL || b->s->direct == NULL;
    if (b->failed) return;
    give_inputs_homes(b);
    measure_depths(b);
    find_teams(b);
    if (!b->failed) size_up(b);
}

static ad__single *single_new(const ad_program *p) {
    builder b = {.p = p, .s = calloc(1, sizeof *b.s)};
    if (b.s == NULL) return NULL;
    if (suits(p)) make(&b);
    free(b.depth);
    free(b.home);
    free(b.entry);
    if (!b.failed && b.together * GAIN <= b.one_by_one) return b.s;
    ad__single_free(b.s);
    return b.failed && !b.large ? NULL : calloc(1, sizeof *b.s);
}

void ad__single_free(ad__single *s) {
    if (s == NULL) return;
    free(s->team);
    free(s->source);
    free(s->index);
    free(s->order);
    free(s->direct);
    free(s->guard);
    free(s);
}

/* Two threads may make it at once: the first to finish is kept. */
const ad__single *ad__single_for(const ad_program *program) {
    ad_program *p = (ad_program *)(uintptr_t)program; /* made when needed; its value is the same */
    ad__single *s = atomic_load(&p->single), *none = NULL;
    if (s != NULL) return s;
    s = single_new(p);
    if (s == NULL || atomic_compare_exchange_strong(&p->single, &none, s)) return s;
    ad__single_free(s);
    return none;
}

/* ---- layers ---------------------------------------------------------------------------------- */

typedef struct run {
    const ad_program      *p;
    const ad__single      *s;
    const ad__single_work *w;
    ad__lanes              b;
} run;

static double *row(const run *r, double *rows, size_t k) {
    return rows + k * r->b.n;
}

/* The lanes of the operands of a layer as rows, with zeros behind. */
static void copy_operands(const run *r, const ad__source *s, size_t n, double *rows) {
    for (size_t i = 0; i < n; i++) {
        double       *to = row(r, rows, i);
        const double *from = ad__lanes_of(&r->b, &s[i], to);
        if (from != to) memcpy(to, from, r->b.real * sizeof *to);
        for (size_t l = r->b.real; l < r->b.n; l++) to[l] = 0;
    }
}

/* Where the kernel reads what it adds to, zeros, and where it writes. */
static void aim(const run *r, size_t n, double *zeros, double *rows) {
    r->p->kernels->fill(r->b.n, 0, zeros);
    for (size_t i = 0; i < n; i++) r->w->from[i] = zeros, r->w->to[i] = row(r, rows, i);
}

static bool side_by_side(const ad__source *s, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (s[i].at != s[0].at + i) return false;
    return true;
}

/* The operands of a layer of one lane: where they stand, or together in `room`. */
static const double *numbers(const run *r, const ad__source *s, size_t n, double *room) {
    if (side_by_side(s, n)) return r->w->u + s[0].at;
    for (size_t i = 0; i < n; i++) room[i] = r->w->u[s[i].at];
    return room;
}

static void forward_direct(const run *r, const ad__team *t) {
    const ad__layer  *l = &r->p->layer[t->number];
    const ad__source *s = r->s->source + t->body.operand;
    r->p->layers_of->forward_one(l->m, l->n, r->w->u + l->straight,
                                 numbers(r, s, l->n, r->w->space), r->w->u + s[l->n].at);
}

static void reverse_direct(const run *r, const ad__team *t) {
    const ad__layer  *l = &r->p->layer[t->number];
    const ad__source *s = r->s->source + t->body.operand;
    const bool        row_of_homes = side_by_side(s, l->n);
    const double     *x = numbers(r, s, l->n, r->w->space);
    double *room = r->w->space + l->n, *down = row_of_homes ? r->w->adjoint + s[0].at : room;
    if (!row_of_homes) memset(room, 0, l->n * sizeof *room);
    r->p->layers_of->reverse_one(l->m, l->n, r->w->u + l->straight, r->w->adjoint + s[l->n].at, x,
                                 l->on_param ? r->w->adjoint + l->straight : NULL,
                                 l->operands_on_param ? down : NULL);
    for (size_t i = 0; !row_of_homes && i < l->n; i++) r->w->adjoint[s[i].at] += room[i];
}

static void forward_layer(const run *r, const ad__team *t) {
    const ad__layer  *l = &r->p->layer[t->number];
    const ad__source *s = r->s->source + t->body.operand;
    double           *x = r->w->space, *zeros = row(r, x, l->n);
    copy_operands(r, s, l->n, x);
    aim(r, l->m, zeros, zeros + r->b.n);
    r->p->layers_of->multiply(l->m, l->n, r->w->packed + l->packed, x, r->s->order, r->b.n,
                              r->w->to, r->w->from);
    for (uint32_t j = 0; j < l->m; j++)
        memcpy(r->w->u + s[l->n + j].at + r->b.first, r->w->to[j], r->b.real * sizeof(double));
}

static void reverse_layer(const run *r, const ad__team *t) {
    const ad__layer  *l = &r->p->layer[t->number];
    const ad__source *s = r->s->source + t->body.operand;
    double           *a = r->w->space + AD__BODY_SPARE * r->b.lanes, *x = row(r, a, l->m),
           *zeros = row(r, x, l->n);
    for (uint32_t j = 0; j < l->m; j++) {
        double *to = row(r, a, j);
        memcpy(to, r->w->adjoint + s[l->n + j].at + r->b.first, r->b.real * sizeof *to);
        for (size_t k = r->b.real; k < r->b.n; k++) to[k] = 0;
    }
    if (l->on_param) {
        copy_operands(r, s, l->n, x);
        for (uint32_t j = 0; j < l->m; j++) r->w->from[j] = row(r, a, j);
        for (uint32_t i = 0; i < l->n; i++) r->w->operand[i] = row(r, x, i);
        r->p->layers_of->gradient(l->m, l->n, r->w->from, r->w->operand, r->b.n,
                                  r->w->weight + l->packed);
    }
    aim(r, l->n, zeros, zeros + r->b.n);
    r->p->layers_of->multiply(l->n, l->m, r->w->turned + l->packed, a, r->s->order, r->b.n,
                              r->w->to, r->w->from);
    for (uint32_t i = 0; i < l->n; i++)
        if (!s[i].constant) ad__lanes_add(&r->b, &s[i], r->w->to[i]);
}

/* ---- picks ----------------------------------------------------------------------------------- */

/* The home that lane l picks; 0, that of a constant or parameter, with false when there is none. */
static bool picked(const run *r, const ad__team *t, const double *index, size_t l, uint32_t *home) {
    const size_t n = t->body.count - 1, at = ad__picked(index[l], n);
    if (at < n) *home = r->s->index[t->number + (r->b.first + l) * n + at];
    return at < n;
}

static const double *indices(const run *r, const ad__team *t) {
    return ad__lanes_of(&r->b, r->s->source + t->body.operand, r->w->space);
}

static bool forward_pick(const run *r, const ad__team *t) {
    const double *index = indices(r, t);
    double       *v = r->w->u + t->body.result.at + r->b.first;
    uint32_t      home;
    for (size_t l = 0; l < r->b.real; l++) {
        if (!picked(r, t, index, l, &home)) return false;
        v[l] = r->w->u[home];
    }
    return true;
}

static void reverse_pick(const run *r, const ad__team *t) {
    const double *index = indices(r, t), *a = r->w->adjoint + t->body.result.at + r->b.first;
    uint32_t      home;
    for (size_t l = 0; l < r->b.real; l++)
        if (picked(r, t, index, l, &home)) r->w->adjoint[home] += a[l];
}

/* ---- both walks ------------------------------------------------------------------------------ */

static void open_team(run *r, const ad__team *t) {
    const size_t lanes = ((size_t)t->lanes + 7) / 8 * 8;
    r->b.lanes = lanes < BLOCK ? lanes : BLOCK;
}

static bool forward(run *r) {
    for (const ad__team *t = r->s->team, *end = t + r->s->teams; t < end; t++) {
        open_team(r, t);
        for (size_t first = 0; first < t->lanes; first += r->b.lanes) {
            ad__lanes_from(&r->b, first, t->lanes);
            if (t->body.code == AD__LAYER_DOT)
                (r->s->direct[t->number] ? forward_direct : forward_layer)(r, t);
            else if (t->body.code != AD__pick) ad__body_forward(&r->b, &t->body);
            else if (!forward_pick(r, t)) return false;
        }
    }
    return true;
}

static void reverse(run *r) {
    for (const ad__team *t = r->s->team + r->s->teams; t-- > r->s->team;) {
        if (t->body.no_adjoint) continue;
        open_team(r, t);
        ad__body_begin_reverse(&r->b);
        for (size_t first = 0; first < t->lanes; first += r->b.lanes) {
            ad__lanes_from(&r->b, first, t->lanes);
            if (t->body.code == AD__LAYER_DOT)
                (r->s->direct[t->number] ? reverse_direct : reverse_layer)(r, t);
            else if (t->body.code == AD__pick) reverse_pick(r, t);
            else ad__body_reverse(&r->b, &t->body);
        }
    }
}

bool ad__single_gradient(const ad_program *p, const ad__single *s, const ad__single_work *w,
                         const double input[]) {
    run r = {p,
             s,
             w,
             {.p = p,
              .source = s->source,
              .index = s->index,
              .u = w->u,
              .adjoint = w->adjoint,
              .space = w->space,
              .operand = w->operand}};
    if (p->inputs > 0) memcpy(w->u + s->input, input, p->inputs * sizeof *input);
    if (!forward(&r)) return false;
    for (uint32_t g = 0; g < p->guards; g++)
        if ((w->u[s->guard[g]] != 0) != p->guard[g].taken) return false;
    memset(w->adjoint, 0, s->homes * sizeof *w->adjoint);
    if (s->packs) memset(w->weight, 0, p->packed * sizeof *w->weight);
    w->adjoint[s->output] = 1;
    reverse(&r);
    return !s->packs || p->kernels->finite(p->packed, w->weight);
}
