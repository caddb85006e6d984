/* layout.c - a layered drawing; see layout.h.
 *
 * Vertices are the boxes, then the joints of long edges, one in each layer that an edge passes
 * through. Each layer is an array of vertices from top to bottom. The order is improved by sweeps
 * to the right and to the left; then heights, by moving every vertex to the mean of its neighbours
 * as far as the order and the gaps allow. */
#include "explain/layout.h"

#include "tape/trace.h"

#include <stdlib.h>

enum { ORDER_SWEEPS = 12, PLACE_SWEEPS = 16, MOST_JOINTS = 40000 };

static const double LAYER_GAP = 64, BOX_GAP = 18, JOINT_GAP = 10, MARGIN = 24;

/* ---- links ----------------------------------------------------------------------------------- */

static int by_ends(const void *a, const void *b) {
    const ad__link *x = a, *y = b;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* Collects every edge between two boxes, then merges those with the same ends. */
static void collect(const ad_tape *tape, const ad__fold *fold, ad__layout *layout) {
    size_t all = 0, n = 0;
    for (uint32_t i = 0; i < fold->length; i++) {
        if (fold->of[i] == UINT32_MAX) continue;
        const size_t edges = ad__edges(tape, i);
        for (size_t k = 0; k < edges; k++) {
            const ad__edge edge = ad__edge_of(tape, i, k);
            if (edge.to == AD__NO_NODE || fold->of[edge.to] == fold->of[i]) continue;
            layout->link[all++] = (ad__link){fold->of[edge.to], fold->of[i], edge.local, 0, 0};
        }
    }
    qsort(layout->link, all, sizeof *layout->link, by_ends);
    for (size_t k = 0; k < all; k++) {
        if (n > 0 && by_ends(&layout->link[n - 1], &layout->link[k]) == 0)
            layout->link[n - 1].local += layout->link[k].local;
        else layout->link[n++] = layout->link[k];
    }
    layout->links = n;
}

bool ad__layout_links(const ad_tape *tape, const ad__fold *fold, ad__layout *layout) {
    size_t edges = 0;
    *layout = (ad__layout){.width = 0};
    for (uint32_t i = 0; i < fold->length; i++)
        if (fold->of[i] != UINT32_MAX) edges += ad__edges(tape, i);
    layout->link = malloc((edges + 1) * sizeof *layout->link);
    if (layout->link == NULL) return false;
    collect(tape, fold, layout);
    return true;
}

void ad__layout_free(ad__layout *layout) {
    free(layout->spot);
    free(layout->link);
    free(layout->point);
}

/* ---- vertices -------------------------------------------------------------------------------- */

typedef struct drawing {
    ad__layout *layout;
    uint32_t    boxes, vertices, layers;
    uint32_t   *layer; /* by vertex */
    /* by layer: its first index in `order`; vertices, top to bottom */
    uint32_t   *start, *order;
    double     *y, *target;                              /* by vertex; target: where it should be */
    uint32_t   *left_start, *left, *right_start, *right; /* neighbours in the adjacent layers */
    uint32_t (*pair)[2];                                 /* neighbours, left and right */
    size_t pairs;
    bool   joints;
} drawing;

/* The layer after that of the last operand; leaves as close to their first user as possible. */
static void choose_layers(drawing *d) {
    const ad__layout *l = d->layout;
    for (size_t k = 0; k < l->links; k++)
        if (d->layer[l->link[k].to] < d->layer[l->link[k].from] + 1)
            d->layer[l->link[k].to] = d->layer[l->link[k].from] + 1;
    uint32_t *nearest = d->order; /* not yet in use, and large enough */
    bool     *leaf = (bool *)(void *)d->target;
    for (uint32_t k = 0; k < d->boxes; k++) nearest[k] = UINT32_MAX, leaf[k] = true;
    for (size_t k = 0; k < l->links; k++) {
        leaf[l->link[k].to] = false;
        if (d->layer[l->link[k].to] < nearest[l->link[k].from])
            nearest[l->link[k].from] = d->layer[l->link[k].to];
    }
    for (uint32_t k = 0; k < d->boxes; k++) {
        if (leaf[k] && nearest[k] != UINT32_MAX) d->layer[k] = nearest[k] - 1;
        if (d->layer[k] + 1 > d->layers) d->layers = d->layer[k] + 1;
    }
}

/* Assigns layers to joints and points to links, and lists the pairs of neighbours. */
static void cut_links(drawing *d) {
    ad__layout *l = d->layout;
    uint32_t    vertex = d->boxes, point = 0;
    for (size_t k = 0; k < l->links; k++) {
        ad__link      *link = &l->link[k];
        const uint32_t from = d->layer[link->from], to = d->layer[link->to];
        uint32_t       before = link->from;
        link->first = point;
        /* a joint is as wide as its layer */
        link->points = 2 + (d->joints ? 2 * (to - from - 1) : 0);
        point += link->points;
        for (uint32_t layer = from + 1; d->joints && layer < to; layer++) {
            d->layer[vertex] = layer;
            d->pair[d->pairs][0] = before, d->pair[d->pairs++][1] = vertex;
            before = vertex++;
        }
        d->pair[d->pairs][0] = before, d->pair[d->pairs++][1] = link->to;
    }
}

static void group(uint32_t n, size_t pairs, uint32_t (*pair)[2], int key, uint32_t start[],
                  uint32_t list[]) {
    memset(start, 0, ((size_t)n + 1) * sizeof *start);
    for (size_t k = 0; k < pairs; k++) start[pair[k][key] + 1]++;
    for (uint32_t i = 0; i < n; i++) start[i + 1] += start[i];
    for (size_t k = pairs; k-- > 0;) {
        const uint32_t at = pair[k][key];
        list[--start[at + 1]] = pair[k][1 - key];
    }
    /* start[at + 1] is now where the list of `at` begins: shift by one */
    for (uint32_t i = 0; i < n; i++) start[i] = start[i + 1];
    start[n] = (uint32_t)pairs;
}

static void fill_layers(drawing *d) {
    memset(d->start, 0, ((size_t)d->layers + 1) * sizeof *d->start);
    for (uint32_t i = 0; i < d->vertices; i++) d->start[d->layer[i] + 1]++;
    for (uint32_t i = 0; i < d->layers; i++) d->start[i + 1] += d->start[i];
    uint32_t *next = d->left; /* not yet in use */
    memcpy(next, d->start, d->layers * sizeof *next);
    for (uint32_t i = 0; i < d->vertices; i++) d->order[next[d->layer[i]]++] = i;
}

/* ---- order and heights ----------------------------------------------------------------------- */

/* The mean height of the neighbours on one side or both; the vertex's own height if there are
 * none. */
static double mean(const drawing *d, uint32_t i, bool left, bool right) {
    double   sum = 0;
    uint32_t n = 0;
    for (uint32_t k = d->left_start[i]; left && k < d->left_start[i + 1]; k++, n++)
        sum += d->y[d->left[k]];
    for (uint32_t k = d->right_start[i]; right && k < d->right_start[i + 1]; k++, n++)
        sum += d->y[d->right[k]];
    return n == 0 ? d->y[i] : sum / n;
}

/* Merge sort: stable, so that equal ones stay in the order of the tape. */
static void sort_by_target(const double target[], uint32_t n, uint32_t x[], uint32_t room[]) {
    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t low = 0; low < n; low += 2 * width) {
            const uint32_t middle = low + width < n ? low + width : n,
                           high = middle + width < n ? middle + width : n;
            uint32_t a = low, b = middle;
            for (uint32_t k = low; k < high; k++)
                room[k] =
                    b == high || (a < middle && target[x[a]] <= target[x[b]]) ? x[a++] : x[b++];
        }
        memcpy(x, room, n * sizeof *x);
    }
}

static void order_layer(drawing *d, uint32_t layer, bool left, uint32_t room[]) {
    uint32_t      *x = d->order + d->start[layer];
    const uint32_t n = d->start[layer + 1] - d->start[layer];
    for (uint32_t k = 0; k < n; k++) d->target[x[k]] = mean(d, x[k], left, !left);
    sort_by_target(d->target, n, x, room);
    for (uint32_t k = 0; k < n; k++) d->y[x[k]] = k - 0.5 * n;
}

static double gap(const drawing *d, uint32_t a, uint32_t b, double height) {
    const bool box = a < d->boxes, other = b < d->boxes;
    return (box ? 0.5 * height : 0) + (other ? 0.5 * height : 0) +
           (box || other ? BOX_GAP : JOINT_GAP);
}

/* Moves every vertex to its target, pushed apart once from the top down and once from the bottom
 * up; the mean of the two keeps the gaps and favours neither side. */
static void place_layer(drawing *d, uint32_t layer, bool left, bool right, double height,
                        double room[]) {
    const uint32_t *x = d->order + d->start[layer], n = d->start[layer + 1] - d->start[layer];
    for (uint32_t k = 0; k < n; k++) d->target[x[k]] = mean(d, x[k], left, right);
    for (uint32_t k = 0; k < n; k++) {
        const double least = k == 0 ? -INFINITY : room[k - 1] + gap(d, x[k - 1], x[k], height);
        room[k] = d->target[x[k]] > least ? d->target[x[k]] : least;
    }
    double below = INFINITY;
    for (uint32_t k = n; k-- > 0;) {
        const double most = k + 1 == n ? INFINITY : below - gap(d, x[k], x[k + 1], height);
        below = d->target[x[k]] < most ? d->target[x[k]] : most;
        d->y[x[k]] = 0.5 * (room[k] + below);
    }
}

static void arrange(drawing *d, double height, uint32_t room[], double heights[]) {
    for (uint32_t layer = 0; layer < d->layers; layer++)
        for (uint32_t k = d->start[layer]; k < d->start[layer + 1]; k++)
            d->y[d->order[k]] = k - d->start[layer] - 0.5 * (d->start[layer + 1] - d->start[layer]);
    for (int sweep = 0; sweep < ORDER_SWEEPS; sweep++)
        for (uint32_t k = 0; k < d->layers; k++)
            order_layer(d, sweep % 2 == 0 ? k : d->layers - 1 - k, sweep % 2 == 0, room);
    for (uint32_t i = 0; i < d->vertices; i++) d->y[i] *= height + BOX_GAP;
    for (int sweep = 0; sweep < PLACE_SWEEPS; sweep++)
        for (uint32_t k = 0; k < d->layers; k++)
            place_layer(d, sweep % 2 == 0 ? k : d->layers - 1 - k, sweep % 2 == 0 || sweep > 8,
                        sweep % 2 == 1 || sweep > 8, height, heights);
}

/* ---- points ---------------------------------------------------------------------------------- */

static void place_boxes(drawing *d, const double width[], double height, ad__point *x_of) {
    ad__layout *l = d->layout;
    double      x = MARGIN, top = INFINITY, bottom = -INFINITY;
    for (uint32_t layer = 0; layer < d->layers; layer++) { /* x_of: where a layer begins and ends */
        double widest = 0;
        for (uint32_t k = d->start[layer]; k < d->start[layer + 1]; k++)
            if (d->order[k] < d->boxes && width[d->order[k]] > widest) widest = width[d->order[k]];
        x_of[layer] = (ad__point){x, x + widest};
        x += widest + LAYER_GAP;
    }
    for (uint32_t i = 0; i < d->vertices; i++) {
        const double half = i < d->boxes ? 0.5 * height : 0;
        if (d->y[i] - half < top) top = d->y[i] - half;
        if (d->y[i] + half > bottom) bottom = d->y[i] + half;
    }
    for (uint32_t i = 0; i < d->vertices; i++) d->y[i] += MARGIN - top;
    for (uint32_t k = 0; k < d->boxes; k++)
        l->spot[k] = (ad__spot){0.5 * (x_of[d->layer[k]].x + x_of[d->layer[k]].y), d->y[k],
                                width[k], height};
    l->width = x - LAYER_GAP + MARGIN;
    l->height = bottom - top + 2 * MARGIN;
}

static double before_end(const ad__layout *l, size_t k) {
    return l->point[l->link[k].first + l->link[k].points - 2].y;
}

/* Edges that end at one box arrive below each other, in the order of where they come from. */
static void place_ends(drawing *d) {
    ad__layout *l = d->layout;
    for (size_t first = 0, end; first < l->links; first = end) {
        for (end = first + 1; end < l->links && l->link[end].to == l->link[first].to;) end++;
        const ad__spot *to = &l->spot[l->link[first].to];
        const double n = (double)(end - first), apart = n > 1 ? fmin(14, (to->height - 12) / n) : 0;
        for (size_t k = first; k < end; k++) {
            /* of very many: in the order of the tape */
            size_t above = end - first <= 64 ? 0 : k - first;
            for (size_t j = first; j < end && end - first <= 64; j++) {
                const double mine = before_end(l, k), other = before_end(l, j);
                above += other < mine || (other == mine && j < k);
            }
            ad__point *p = l->point + l->link[k].first;
            p[l->link[k].points - 1] = (ad__point){to->x - 0.5 * to->width,
                                                   to->y + ((double)above - 0.5 * (n - 1)) * apart};
        }
    }
}

static void place_lines(drawing *d, const ad__point x_of[]) {
    ad__layout *l = d->layout;
    uint32_t    joint = d->boxes;
    for (size_t k = 0; k < l->links; k++) {
        const ad__link *link = &l->link[k];
        const ad__spot *from = &l->spot[link->from];
        ad__point      *p = l->point + link->first;
        p[0] = (ad__point){from->x + 0.5 * from->width, from->y};
        for (uint32_t i = 1; i + 1 < link->points; i += 2, joint++) {
            p[i] = (ad__point){x_of[d->layer[joint]].x, d->y[joint]};
            p[i + 1] = (ad__point){x_of[d->layer[joint]].y, d->y[joint]};
        }
    }
    place_ends(d);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static size_t count_joints(const drawing *d) {
    size_t n = 0;
    for (size_t k = 0; k < d->layout->links; k++)
        n += d->layer[d->layout->link[k].to] - d->layer[d->layout->link[k].from] - 1;
    return n;
}

static void *numbers(bool *good, size_t n, size_t bytes) {
    void *memory = calloc(n + 1, bytes);
    *good = *good && memory != NULL;
    return memory;
}

static bool draw(drawing *d, const double width[], double height) {
    bool         good = true;
    const size_t n = d->vertices;
    ad__point   *x_of = numbers(&good, d->layers, sizeof *x_of);
    double      *heights = numbers(&good, n, sizeof *heights);
    uint32_t    *room = numbers(&good, n, sizeof *room);
    if (good) {
        fill_layers(d);
        group(d->vertices, d->pairs, d->pair, 1, d->left_start, d->left);
        group(d->vertices, d->pairs, d->pair, 0, d->right_start, d->right);
        arrange(d, height, room, heights);
        place_boxes(d, width, height, x_of);
        place_lines(d, x_of);
    }
    free(x_of);
    free(heights);
    free(room);
    return good;
}

bool ad__layout_make(const ad_tape *tape, const ad__fold *fold, const double width[], double height,
                     ad__layout *layout) {
    if (!ad__layout_links(tape, fold, layout)) return false;
    bool      good = true;
    drawing   d = {.layout = layout, .boxes = fold->boxes};
    uint32_t *layer = numbers(&good, (size_t)d.boxes, sizeof *layer);
    d.layer = layer;
    d.order = numbers(&good, d.boxes, sizeof *d.order);
    d.target = numbers(&good, d.boxes, sizeof *d.target);
    layout->spot = numbers(&good, d.boxes, sizeof *layout->spot);
    size_t joints = 0;
    if (good) {
        choose_layers(&d);
        joints = count_joints(&d);
        d.joints = joints <= MOST_JOINTS;
        if (!d.joints) joints = 0;
    }
    d.vertices = d.boxes + (uint32_t)joints;
    free(d.order);
    free(d.target);
    const size_t pairs = layout->links + joints, n = d.vertices;
    d.layer = numbers(&good, n, sizeof *d.layer);
    d.start = numbers(&good, d.layers, sizeof *d.start);
    d.order = numbers(&good, n, sizeof *d.order);
    d.y = numbers(&good, n, sizeof *d.y), d.target = numbers(&good, n, sizeof *d.target);
    d.left_start = numbers(&good, n + 1, sizeof *d.left_start),
    d.left = numbers(&good, pairs + d.layers, sizeof *d.left);
    d.right_start = numbers(&good, n + 1, sizeof *d.right_start),
    d.right = numbers(&good, pairs, sizeof *d.right);
    d.pair = numbers(&good, pairs, sizeof *d.pair);
    layout->point = numbers(&good, 2 * layout->links + 2 * joints, sizeof *layout->point);
    if (good) {
        memcpy(d.layer, layer, d.boxes * sizeof *layer);
        cut_links(&d);
        good = draw(&d, width, height);
    }
    free(layer), free(d.layer), free(d.start), free(d.order), free(d.y), free(d.target);
    free(d.left_start), free(d.left), free(d.right_start), free(d.right), free(d.pair);
    return good;
}
