/* uniform.c - the values of a program that depend on its parameters alone; see uniform.h.
 *
 * They are numbers, one for each, computed once a call: operands stand before users, so one walk first to
 * last gives the values, one last to first the adjoints, which are complete when their value is visited. */
#include "uniform.h"

static double reduction(const ad_program *p, const double u[], uint32_t i, ad__failure *f) {
    const ad__node *node = &p->node[i];
    const uint32_t *word = p->word + node->x;
    const size_t    n = node->y;
#define U(k) u[p->node[word[k]].home]
    double total = 0, largest = -INFINITY;
    switch (node->code) {
    case AD__sum:
        for (size_t k = 0; k < n; k++) total += U(k);
        return total;
    case AD__dot:
        for (size_t k = 0; k < n; k++) total += U(k)*U(n + k);
        return total;
    case AD__where: return U(0) != 0 ? U(1) : U(2);
    case AD__pick: {
        const size_t at = ad__picked(U(0), n - 1);
        if (at < n - 1) return U(1 + at);
        ad__program_fail(f, AD_BAD_ARGUMENT, SIZE_MAX, i, U(0));
        return NAN;
    }
    default:
        for (size_t k = 0; k < n; k++)
            if (U(k) > largest || U(k) != U(k)) largest = U(k);
        if (!isfinite(largest)) return largest;
        for (size_t k = 0; k < n; k++) total += exp(U(k) - largest);
        return largest + log(total);
    }
#undef U
}

void ad__uniform_forward(const ad_program *p, const double param[], double u[], ad__failure *f) {
    if (p->constants > 0) memcpy(u, p->constant, p->constants*sizeof *u);
    if (p->params > 0) memcpy(u + p->constants, param, p->params*sizeof *u);
    for (uint32_t k = 0; k < p->uniform_steps; k++) {
        const uint32_t  i = p->step[k];
        const ad__node *node = &p->node[i];
        switch (node->code) {
#define R1(name, ...) \
        case AD__##name: u[node->home] = ad__value_##name(u[p->node[node->x].home]); break;
#define R2(name, ...) \
        case AD__##name: u[node->home] = ad__value_##name(u[p->node[node->x].home], u[p->node[node->y].home]); break;
#include "ops.def"
        default: u[node->home] = reduction(p, u, i, f);
        }
    }
}

static void push_reduction(const ad_program *p, const double u[], double adjoint[], const ad__node *node,
                           double a) {
    const uint32_t *word = p->word + node->x;
    const size_t    n = node->y;
    const double    v = u[node->home];
#define U(k) u[p->node[word[k]].home]
#define A(k) adjoint[p->node[word[k]].home]
    switch (node->code) {
    case AD__sum:
        for (size_t k = 0; k < n; k++) A(k) += a;
        return;
    case AD__dot:
        for (size_t k = 0; k < n; k++) {
            A(k) += a*U(n + k);
            A(n + k) += a*U(k);
        }
        return;
    case AD__where: A(U(0) != 0 ? 1 : 2) += a; return;
    case AD__pick:  A(1 + ad__picked(U(0), n - 1)) += a; return;
    default:
        for (size_t k = 0; k < n; k++) A(k) += a*exp(isinf(v) ? U(k) : U(k) - v);
    }
#undef U
#undef A
}

/* adjoint[x] += a*partial, unless the row selects and the partial is 0 */
#define PUSH(operand, d, side)                                               \
    do {                                                                             \
        const double partial = (d);                                                  \
        if (!AD__SELECTS(side) || partial != 0) adjoint[operand] += a*partial;       \
    } while (0)

void ad__uniform_reverse(const ad_program *p, const double u[], double adjoint[]) {
    for (uint32_t k = p->uniform_steps; k-- > 0;) {
        const ad__node *node = &p->node[p->step[k]];
        const double    a = adjoint[node->home], v = u[node->home];
        if (a == 0) continue;
        switch (node->code) {
#define R1(name, shown, words, value, dx, side)                                      \
        case AD__##name: {                                                           \
            const uint32_t xp = p->node[node->x].home;                               \
            PUSH(xp, ad__dx_##name(u[xp], v), side);                         \
            break;                                                                   \
        }
#define R2(name, shown, words, value, dx, dy, side)                                  \
        case AD__##name: {                                                           \
            const uint32_t xp = p->node[node->x].home, yp = p->node[node->y].home;   \
            PUSH(xp, ad__dx_##name(u[xp], u[yp], v), side);                  \
            PUSH(yp, ad__dy_##name(u[xp], u[yp], v), side);                  \
            break;                                                                   \
        }
#include "ops.def"
        default: push_reduction(p, u, adjoint, node, a);
        }
    }
}
