/* rules.c - the texts of partial derivatives as steps; see rules.h.
 *
 * The formula reader records a text on a tape of its own, whose first nodes are x, y and v. It
 * records as it reads, so the nodes of a condition, of its first side and of its second stand one
 * after the other before the `where` that joins them; that is where IF and ELSE are put in. Node
 * numbers become slots.
 *
 * The rules of a tape are one block of memory, and each is made when it is first asked for. */
#include "tape/rules.h"

#include "tape/reduce.h"

#include <float.h>
#include <stdlib.h>

/* Enough for the table as it stands, with space for as much again. A text that does not fit is
 * an error when its rule is made. A rule of 64 slots has fewer than 256 steps: one for each
 * slot, two more for a condition. */
enum { RULES = 2 * AD__ROWS + AD__REDUCTIONS, STEPS = 768, SLOTS = 1280, MOST_SLOTS = 64 };

struct ad__rules {
    ad__rule      rule[RULES];
    ad__rule_step step[STEPS];
    ad__dual      slot[SLOTS];
    size_t        steps, slots;
};

/* ---- from text to steps ---------------------------------------------------------------------- */

typedef struct maker {
    const ad_tape    *text; /* what the reader recorded */
    struct ad__rules *rules;
    ad__rule         *rule;
    ad__rule_step    *step;
    /* by node: the `where` whose IF or ELSE stands before it */
    uint32_t          condition[MOST_SLOTS], otherwise[MOST_SLOTS];
    const char       *fault;   /* why there can be no such rule, or NULL */
    ad__rule_step     nowhere; /* written after a fault */
} maker;

static const char TOO_LONG[] = "of names, numbers and operations it has more than 64";
static const char NO_SPACE[] = "the rules made before it have left no space";
static const char NO_CONDITION[] =
    "it decides by a name or a number, where only an operation may stand";

static uint8_t add_constant(maker *m, double number) {
    if (m->rule->slots == MOST_SLOTS) m->fault = TOO_LONG;
    else if (m->rules->slots + m->rule->slots == SLOTS) m->fault = NO_SPACE;
    if (m->fault != NULL) return 0;
    const uint8_t slot = m->rule->slots++;
    m->rule->slot[slot] = (ad__dual){number, 0};
    return slot;
}

static ad__rule_step *add_step(maker *m, unsigned code) {
    if (m->rules->steps + m->rule->steps == STEPS) m->fault = NO_SPACE;
    if (m->fault != NULL) return &m->nowhere;
    ad__rule_step *step = &m->step[m->rule->steps++];
    *step = (ad__rule_step){.code = (uint8_t)code};
    return step;
}

static uint8_t group_slot(maker *m, ad__group group, size_t i) {
    return ad__group_number(group, i) ? add_constant(m, ad__group_value(m->text, group, i))
                                      : (uint8_t)ad__group_place(group, i);
}

/* Where the sides of each condition begin. The steps of a side that is one name or number are
 * none. */
static void find_sides(maker *m) {
    for (uint32_t i = 3; i < m->text->length; i++) {
        if (m->text->code[i] != AD__where) continue;
        const ad__group g = ad__group_of(m->text, i, 0);
        const uint32_t  decided = ad__group_place(g, 0);
        if (ad__group_number(g, 0) || decided < 3) {
            m->fault = NO_CONDITION;
            return;
        }
        const bool steps = !ad__group_number(g, 1) && ad__group_place(g, 1) > decided;
        m->condition[decided + 1] = i;
        m->otherwise[steps ? ad__group_place(g, 1) + 1 : decided + 1] = i;
    }
}

static void begin_sides(maker *m, uint32_t node) {
    const uint32_t where = m->condition[node], other = m->otherwise[node];
    if (where != 0)
        add_step(m, AD__STEP_IF)->x = (uint8_t)ad__group_place(ad__group_of(m->text, where, 0), 0);
    if (other != 0)
        add_step(m, AD__STEP_ELSE)->x =
            (uint8_t)ad__group_place(ad__group_of(m->text, other, 0), 0);
}

/* The last IF and ELSE on this condition jump behind the ELSE and to the END. */
static void set_jumps(maker *m, const ad__rule_step *end) {
    const uint8_t place = (uint8_t)(end - m->step);
    uint8_t       behind = 0;
    for (uint8_t i = place; i-- > 0;) {
        ad__rule_step *step = &m->step[i];
        if (step->x != end->x || step->code < AD__STEP_IF || step->code > AD__STEP_ELSE) continue;
        if (step->code == AD__STEP_ELSE) step->jump = place, behind = (uint8_t)(i + 1);
        else step->jump = behind;
    }
}

static void make_step(maker *m, uint32_t node) {
    const ad_tape       *text = m->text;
    const ad__row_number row = ad__code_row(text->code[node]);
    if (row == AD__ROWS) {
        const ad__group g = ad__group_of(text, node, 0);
        ad__rule_step  *step = add_step(m, AD__STEP_END);
        step->to = (uint8_t)node;
        step->x = group_slot(m, g, 0), step->y = group_slot(m, g, 1), step->z = group_slot(m, g, 2);
        if (m->fault == NULL) set_jumps(m, step);
        return;
    }
    const ad__arg  arg = text->arg[node];
    const ad__form form = ad__code_form(text->code[node]);
    ad__rule_step *step = add_step(m, row);
    step->to = (uint8_t)node;
    step->x = form == AD__X_NUMBER ? add_constant(m, ad__number_at(text, arg.x)) : (uint8_t)arg.x;
    step->y = form == AD__Y_NUMBER ? add_constant(m, ad__number_at(text, arg.y)) : (uint8_t)arg.y;
}

static void make_steps(maker *m, ad_var result) {
    struct ad__rules *rules = m->rules;
    ad__rule         *rule = m->rule;
    const uint32_t    nodes = m->text->length;
    if (nodes >= MOST_SLOTS) m->fault = TOO_LONG;
    else if (rules->slots + nodes > SLOTS) m->fault = NO_SPACE;
    if (m->fault != NULL) return;
    *rule = (ad__rule){.step = rules->step + rules->steps,
                       .slot = rules->slot + rules->slots,
                       .slots = (uint8_t)nodes};
    m->step = rules->step + rules->steps;
    find_sides(m);
    for (uint32_t i = 3; i < nodes && m->fault == NULL; i++) {
        begin_sides(m, i);
        make_step(m, i);
    }
    rule->result =
        result.tape == NULL ? add_constant(m, ad__number_of(result)) : (uint8_t)ad__node_of(result);
    if (m->fault != NULL) return;
    rules->steps += rule->steps;
    rules->slots += rule->slots;
    rule->ready = true;
}

static bool make_rule(ad_tape *tape, ad__rule *rule, const char *text) {
    ad_tape     *own = ad_tape_new();
    const ad_var xyv[] = {ad_input(own, 0.5), ad_input(own, 0.5), ad_input(own, 0.5)};
    const ad_var result = ad_parse(own, text, 3, "x, y, v", xyv);
    if (ad_tape_status(own) == AD_OK) {
        maker m = {.text = own, .rules = tape->rules, .rule = rule};
        make_steps(&m, result);
        if (m.fault != NULL)
            ad__fail(tape, AD_UNSUPPORTED, "the derivative \"%.200s\": %s", text, m.fault);
    } else {
        ad__fail(tape, ad_tape_status(own), "the derivative \"%s\": %s", text,
                 ad_tape_message(own));
    }
    ad_tape_free(own);
    return rule->ready;
}

const ad__rule *ad__rule_at(ad_tape *tape, unsigned number, const char *text) {
    if (tape->rules == NULL) {
        tape->rules = calloc(1, sizeof *tape->rules);
        tape->rules_bytes = tape->rules == NULL ? 0 : sizeof *tape->rules;
    }
    if (tape->rules == NULL) {
        ad__fail(tape, AD_NO_MEMORY, "out of memory: no space for the rules of derivatives");
        return NULL;
    }
    ad__rule *rule = &tape->rules->rule[number];
    return rule->ready || make_rule(tape, rule, text) ? rule : NULL;
}

const ad__rule *ad__rule_of_row(ad_tape *tape, ad__row_number row, int operand) {
    return ad__rule_at(tape, 2 * row + (unsigned)operand,
                       operand == 0 ? ad__rows[row].dx : ad__rows[row].dy);
}

const ad__rule *ad__rule_of_reduction(ad_tape *tape, uint8_t code) {
    return ad__rule_at(tape, 2 * AD__ROWS + (unsigned)(code - AD__FIRST_REDUCTION),
                       ad__reduction_of(code)->record);
}

/* ---- steps with numbers ---------------------------------------------------------------------- */

/* As in a walk forward (ops.h). */
#define MOVE(operand, d, side)                                                                    \
    do {                                                                                          \
        if (ad__moves(operand.slope)) ad__move_by(&moved, (d), operand.slope, AD__SELECTS(side)); \
    } while (0)

/* The slope of v = x/y. Where the partial -v/y is below the normal numbers it has lost its digits,
 * or is 0, and may still meet a slope as large: of log(exp(x)) at 400 the second derivative would
 * be 1. */
static ad__dual quotient(ad__dual x, ad__dual y) {
    const double v = ad__value_div(x.value, y.value), in_y = ad__dy_div(x.value, y.value, v);
    const bool   lost = v != 0 && isless(fabs(in_y), DBL_MIN) && isfinite(y.slope);
    ad__motion   moved = {0, false};
    MOVE(x, ad__dx_div(x.value, y.value, v), 0);
    if (ad__moves(y.slope))
        ad__move_by(&moved, lost ? -v : in_y, lost ? y.slope / y.value : y.slope, false);
    return (ad__dual){v, ad__tangent_of(moved)};
}

static ad__dual apply(unsigned row, ad__dual x, ad__dual y) {
    if (row == AD__ROW_div) return quotient(x, y);
    double     v = NAN;
    ad__motion moved = {0, false};
    switch (row) {
#define R1(name, shown, words, value_, dx, side, ...) \
    case AD__ROW_##name:                              \
        v = ad__value_##name(x.value);                \
        MOVE(x, ad__dx_##name(x.value, v), side);     \
        break;
#define R2(name, shown, words, value_, dx, dy, side, ...)  \
    case AD__ROW_##name:                                   \
        v = ad__value_##name(x.value, y.value);            \
        MOVE(x, ad__dx_##name(x.value, y.value, v), side); \
        MOVE(y, ad__dy_##name(x.value, y.value, v), side); \
        break;
#include "ops.def"
    default: break;
    }
    return (ad__dual){v, ad__tangent_of(moved)};
}

ad__dual ad__rule_dual(const ad__rule *rule, ad__dual x, ad__dual y, ad__dual v) {
    ad__dual *slot = rule->slot;
    slot[0] = x, slot[1] = y, slot[2] = v;
    for (unsigned i = 0; i < rule->steps; i++) {
        const ad__rule_step *step = &rule->step[i];
        switch (step->code) {
        case AD__STEP_IF:
            if (!(slot[step->x].value != 0)) i = step->jump - 1u;
            break;
        case AD__STEP_ELSE:
            if (slot[step->x].value != 0) i = step->jump - 1u;
            break;
        case AD__STEP_END:
            slot[step->to] = slot[slot[step->x].value != 0 ? step->y : step->z];
            break;
        default: slot[step->to] = apply(step->code, slot[step->x], slot[step->y]);
        }
    }
    return slot[rule->result];
}

/* ---- steps as nodes -------------------------------------------------------------------------- */

static bool is(ad_var x, double number) {
    return x.tape == NULL && ad__number_of(x) == number;
}

static ad_var product(ad_var x, ad_var y) {
    if (is(x, 1)) return y;
    if (is(y, 1)) return x;
    if (is(x, -1)) return ad_neg(y);
    if (is(y, -1)) return ad_neg(x);
    if ((is(x, 0) && isfinite(ad_value(y))) || (is(y, 0) && isfinite(ad_value(x))))
        return ad_num(0);
    return ad_mul(x, y);
}

ad_var ad__record_simplified(ad__row_number row, ad_var x, ad_var y) {
    switch (row) {
    case AD__ROW_add: return is(x, 0) ? y : is(y, 0) ? x : ad_add(x, y);
    case AD__ROW_sub: return is(y, 0) ? x : is(x, 0) ? ad_neg(y) : ad_sub(x, y);
    case AD__ROW_mul: return product(x, y);
    case AD__ROW_div: return is(y, 1) ? x : ad_div(x, y);
    case AD__ROW_pow: return is(y, 1) ? x : is(y, 0) ? ad_num(1) : ad_pow(x, y);
    case AD__ROW_pow_slope: /* x alone moves: 2*x says it better */
        return y.tape == NULL && ad__number_of(y) != 0
                 ? product(y, ad__record_simplified(AD__ROW_pow, x, ad_num(ad__number_of(y) - 1)))
                 : ad_pow_slope(x, y);
    default: return ad__record_row(row, x, y);
    }
}

ad_var ad__rule_record(const ad__rule *rule, ad_var x, ad_var y, ad_var v) {
    ad_var slot[MOST_SLOTS];
    slot[0] = x, slot[1] = y, slot[2] = v;
    for (unsigned i = 3; i < rule->slots; i++) slot[i] = ad_num(rule->slot[i].value);
    for (unsigned i = 0; i < rule->steps; i++) {
        const ad__rule_step *step = &rule->step[i];
        const ad_var         a = slot[step->x];
        const bool           known = a.tape == NULL, yes = known && ad__number_of(a) != 0;
        switch (step->code) {
        case AD__STEP_IF:
            if (known && !yes) i = step->jump - 1u;
            break;
        case AD__STEP_ELSE:
            if (yes) i = step->jump - 1u;
            break;
        case AD__STEP_END:
            slot[step->to] =
                !known ? ad_where(a, slot[step->y], slot[step->z]) : slot[yes ? step->y : step->z];
            break;
        default:
            slot[step->to] = ad__record_simplified((ad__row_number)step->code, a, slot[step->y]);
        }
    }
    return slot[rule->result];
}
