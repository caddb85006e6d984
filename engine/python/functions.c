/* functions.c - the functions of the module: operations, reductions, derivatives, explanations and
 * pictures, named as in ad.h.
 *
 * An operation of one operand, given anything but a variable or a number, is mapped over it by the
 * Python half (hook "map"), which gives an Array. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- sequences of variables ------------------------------------------------------------------ */

void py_list_drop(py_list *list) {
    PyMem_Free(list->v);
    Py_CLEAR(list->held);
    list->v = NULL;
}

static bool fill(py_list *list, PyObject *items, const char *what) {
    list->n = (size_t)PyList_Size(items);
    list->v = PyMem_Malloc((list->n + 1) * sizeof *list->v);
    if (list->v == NULL) return PyErr_NoMemory() != NULL;
    for (size_t i = 0; i < list->n; i++) {
        PyObject *item = PyList_GetItem(items, (Py_ssize_t)i); /* borrowed */
        if (py_operand(item, &list->v[i], &list->tape)) continue;
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "%s: element %zu is %R, neither a variable nor a number",
                         what, i, item);
        return false;
    }
    return true;
}

/* An Array has its elements in `flat`, as a NumPy array has. */
static PyObject *items_of(PyObject *x) {
    PyObject *flat = PyObject_GetAttrString(x, "flat");
    if (flat == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return NULL;
        PyErr_Clear();
        return PySequence_List(x);
    }
    PyObject *items = PySequence_List(flat);
    Py_DECREF(flat);
    return items;
}

bool py_list_take(PyObject *x, const char *what, py_list *list) {
    *list = (py_list){0};
    if (Py_TYPE(x) == py_var_type || PyFloat_Check(x) || PyLong_Check(x)) {
        list->held = PyList_New(0);
        if (list->held != NULL && PyList_Append(list->held, x) < 0) Py_CLEAR(list->held);
    } else {
        list->held = items_of(x);
    }
    if (list->held == NULL && PyErr_ExceptionMatches(PyExc_TypeError))
        PyErr_Format(PyExc_TypeError, "%s: %R is neither a variable nor a sequence of them", what,
                     x);
    if (list->held != NULL && fill(list, list->held, what)) return true;
    py_list_drop(list);
    return false;
}

/* ---- operations ------------------------------------------------------------------------------ */

static PyObject *mapped(const char *name, PyObject *x) {
    PyObject *args = Py_BuildValue("(sO)", name, x);
    PyObject *result = args != NULL ? py_hook("map", args) : NULL;
    Py_XDECREF(args);
    return result;
}

static PyObject *result_of(py_tape *tape, ad_var v) {
    return v.tape == NULL && tape == NULL ? PyFloat_FromDouble(ad_value(v)) : py_var_new(tape, v);
}

static PyObject *one(PyObject *x, const char *name, ad_var (*operation)(ad_var)) {
    ad_var   v;
    py_tape *tape = NULL;
    if (py_operand(x, &v, &tape)) return result_of(tape, operation(v));
    return PyErr_Occurred() ? NULL : mapped(name, x);
}

static PyObject *two(PyObject *args, const char *name, ad_var (*operation)(ad_var, ad_var)) {
    PyObject *x, *y;
    ad_var    a, b;
    py_tape  *tape = NULL;
    if (!PyArg_UnpackTuple(args, name, 2, 2, &x, &y)) return NULL;
    if (py_operand(x, &a, &tape) && py_operand(y, &b, &tape))
        return result_of(tape, operation(a, b));
    if (PyErr_Occurred()) return NULL;
    PyObject *three = Py_BuildValue("(sOO)", name, x, y);
    PyObject *result = three != NULL ? py_hook("map", three) : NULL;
    Py_XDECREF(three);
    return result;
}

#define R1(name, ...)                                                 \
    static PyObject *function_##name(PyObject *module, PyObject *x) { \
        (void)module;                                                 \
        return one(x, #name, ad_##name);                              \
    }
#define R2(name, ...)                                                    \
    static PyObject *function_##name(PyObject *module, PyObject *args) { \
        (void)module;                                                    \
        return two(args, #name, ad_##name);                              \
    }
#include "ops.def"

static PyObject *function_where(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given[3];
    ad_var    v[3];
    py_tape  *tape = NULL;
    if (!PyArg_UnpackTuple(args, "where", 3, 3, &given[0], &given[1], &given[2])) return NULL;
    for (int i = 0; i < 3; i++) {
        if (py_operand(given[i], &v[i], &tape)) continue;
        if (PyErr_Occurred()) return NULL;
        PyObject *all = Py_BuildValue("(sOOO)", "where", given[0], given[1], given[2]);
        PyObject *result = all != NULL ? py_hook("map", all) : NULL;
        Py_XDECREF(all);
        return result;
    }
    return result_of(tape, ad_where(v[0], v[1], v[2]));
}

/* ---- reductions ------------------------------------------------------------------------------ */

static PyObject *reduce(PyObject *x, const char *what,
                        ad_var (*reduction)(size_t n, const ad_var x[])) {
    py_list list;
    if (!py_list_take(x, what, &list)) return NULL;
    PyObject *result = result_of(list.tape, reduction(list.n, list.v));
    py_list_drop(&list);
    return result;
}

#define REDUCTION(name)                                               \
    static PyObject *function_##name(PyObject *module, PyObject *x) { \
        (void)module;                                                 \
        return reduce(x, #name, ad_##name);                           \
    }
REDUCTION(sum)
REDUCTION(logsumexp)
REDUCTION(norm)
REDUCTION(largest)

static PyObject *function_dot(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *x, *y, *result = NULL;
    py_list   a, b;
    if (!PyArg_UnpackTuple(args, "dot", 2, 2, &x, &y) || !py_list_take(x, "dot", &a)) return NULL;
    if (py_list_take(y, "dot", &b)) {
        if (a.n != b.n) PyErr_Format(PyExc_ValueError, "dot: %zu elements and %zu", a.n, b.n);
        else if (py_tape_join(&a.tape, b.tape)) result = result_of(a.tape, ad_dot(a.n, a.v, b.v));
        py_list_drop(&b);
    }
    py_list_drop(&a);
    return result;
}

static PyObject *function_pick(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *index, *x, *result = NULL;
    ad_var    i;
    py_tape  *tape = NULL;
    py_list   list;
    if (!PyArg_UnpackTuple(args, "pick", 2, 2, &index, &x)) return NULL;
    if (!py_operand(index, &i, &tape)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "pick: the index is a variable or a number");
        return NULL;
    }
    if (!py_list_take(x, "pick", &list)) return NULL;
    if (!py_tape_join(&tape, list.tape)) {
        py_list_drop(&list);
        return NULL;
    }
    const double at = ad_value(i);
    if (tape == NULL && !(at >= 0 && at < (double)list.n && at == floor(at)))
        PyErr_SetString(PyExc_IndexError, "pick: an index that is not whole, or out of range");
    else result = result_of(tape, ad_pick(i, list.n, list.v));
    py_list_drop(&list);
    return result;
}

/* ---- derivatives ----------------------------------------------------------------------------- */

/* y, x and what a derivative needs of them. */
typedef struct pair {
    py_list  y, x;
    py_tape *tape; /* of either, entered if not NULL */
} pair;

static bool pair_take(PyObject *y, PyObject *x, const char *what, pair *p) {
    if (!py_list_take(y, what, &p->y)) return false;
    if (!py_list_take(x, what, &p->x)) {
        py_list_drop(&p->y);
        return false;
    }
    p->tape = p->y.tape;
    if (py_tape_join(&p->tape, p->x.tape)) return true;
    py_list_drop(&p->y);
    py_list_drop(&p->x);
    return false;
}

/* Drops what was taken; array is released, or dropped where the tape holds an error. */
static PyObject *pair_done(pair *p, PyObject *array, Py_buffer *buffer) {
    PyBuffer_Release(buffer);
    if (p->tape != NULL && !py_tape_good(p->tape)) Py_CLEAR(array);
    return array;
}

static PyObject *shape_of(size_t m, size_t n) {
    return m == SIZE_MAX ? Py_BuildValue("(n)", (Py_ssize_t)n)
                         : Py_BuildValue("(nn)", (Py_ssize_t)m, (Py_ssize_t)n);
}

typedef void derivative(const pair *p, const double *given, double *out);

/* An array of n, or of m x n if m is not SIZE_MAX, filled without the GIL. */
static PyObject *derived(pair *p, size_t m, const double *given, derivative *compute) {
    PyObject *shape = shape_of(m, p->x.n);
    Py_buffer buffer;
    PyObject *array = shape != NULL ? py_array_new(shape, &buffer) : NULL;
    Py_XDECREF(shape);
    if (array == NULL) return NULL;
    if (p->tape != NULL) py_tape_enter(p->tape);
    PyThreadState *const thread = PyEval_SaveThread();
    compute(p, given, buffer.buf);
    PyEval_RestoreThread(thread);
    if (p->tape != NULL) py_tape_leave(p->tape);
    return pair_done(p, array, &buffer);
}

static void pair_drop(pair *p) {
    py_list_drop(&p->y);
    py_list_drop(&p->x);
}

static bool one_result(const pair *p, const char *what) {
    if (p->y.n == 1) return true;
    PyErr_Format(PyExc_ValueError, "%s: one result is needed, these are %zu", what, p->y.n);
    return false;
}

static void compute_gradient(const pair *p, const double *given, double *out) {
    (void)given;
    ad_gradient(p->y.v[0], p->x.n, p->x.v, out);
}
static void compute_jacobian(const pair *p, const double *given, double *out) {
    (void)given;
    ad_jacobian(p->y.n, p->y.v, p->x.n, p->x.v, out);
}
static void compute_hessian(const pair *p, const double *given, double *out) {
    (void)given;
    ad_hessian(p->y.v[0], p->x.n, p->x.v, out);
}
static void compute_hessian_times(const pair *p, const double *given, double *out) {
    ad_hessian_times(p->y.v[0], p->x.n, p->x.v, given, out);
}

static PyObject *function_gradient(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *y, *x, *result = NULL;
    pair      p;
    if (!PyArg_UnpackTuple(args, "gradient", 2, 2, &y, &x) || !pair_take(y, x, "gradient", &p))
        return NULL;
    if (one_result(&p, "gradient")) result = derived(&p, SIZE_MAX, NULL, compute_gradient);
    pair_drop(&p);
    return result;
}

static PyObject *function_jacobian(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *y, *x;
    pair      p;
    if (!PyArg_UnpackTuple(args, "jacobian", 2, 2, &y, &x) || !pair_take(y, x, "jacobian", &p))
        return NULL;
    PyObject *result = derived(&p, p.y.n, NULL, compute_jacobian);
    pair_drop(&p);
    return result;
}

static PyObject *function_hessian(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *y, *x, *result = NULL;
    pair      p;
    if (!PyArg_UnpackTuple(args, "hessian", 2, 2, &y, &x) || !pair_take(y, x, "hessian", &p))
        return NULL;
    if (one_result(&p, "hessian")) result = derived(&p, p.x.n, NULL, compute_hessian);
    pair_drop(&p);
    return result;
}

static bool direction_fits(const py_numbers *direction, const pair *p, const char *what) {
    if (py_numbers_count(direction) == p->x.n) return one_result(p, what);
    PyErr_Format(PyExc_ValueError, "%s: %zu variables, and a direction of %zu numbers", what,
                 p->x.n, py_numbers_count(direction));
    return false;
}

static PyObject *function_hessian_times(PyObject *module, PyObject *args) {
    (void)module;
    PyObject  *y, *x, *along, *result = NULL;
    py_numbers direction;
    pair       p;
    if (!PyArg_UnpackTuple(args, "hessian_times", 3, 3, &y, &x, &along) ||
        !py_numbers_take(along, "hessian_times: direction", &direction))
        return NULL;
    if (pair_take(y, x, "hessian_times", &p)) {
        if (direction_fits(&direction, &p, "hessian_times"))
            result = derived(&p, SIZE_MAX, py_numbers_at(&direction), compute_hessian_times);
        pair_drop(&p);
    }
    py_numbers_drop(&direction);
    return result;
}

static PyObject *function_tangent(PyObject *module, PyObject *args) {
    (void)module;
    PyObject  *y, *x, *along, *result = NULL;
    py_numbers direction;
    pair       p;
    if (!PyArg_UnpackTuple(args, "tangent", 3, 3, &y, &x, &along) ||
        !py_numbers_take(along, "tangent: direction", &direction))
        return NULL;
    if (pair_take(y, x, "tangent", &p)) {
        if (direction_fits(&direction, &p, "tangent")) {
            if (p.tape != NULL) py_tape_enter(p.tape);
            const double slope = ad_tangent(p.y.v[0], p.x.n, p.x.v, py_numbers_at(&direction));
            if (p.tape != NULL) py_tape_leave(p.tape);
            if (p.tape == NULL || py_tape_good(p.tape)) result = PyFloat_FromDouble(slope);
        }
        pair_drop(&p);
    }
    py_numbers_drop(&direction);
    return result;
}

static PyObject *function_record_gradient(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *y, *x, *result = NULL;
    pair      p;
    if (!PyArg_UnpackTuple(args, "record_gradient", 2, 2, &y, &x) ||
        !pair_take(y, x, "record_gradient", &p))
        return NULL;
    ad_var *grad = PyMem_Malloc((p.x.n + 1) * sizeof *grad);
    if (grad == NULL) {
        PyErr_NoMemory();
    } else if (one_result(&p, "record_gradient")) {
        if (p.tape != NULL) py_tape_enter(p.tape);
        ad_record_gradient(p.y.v[0], p.x.n, p.x.v, grad);
        if (p.tape != NULL) py_tape_leave(p.tape);
        if (p.tape == NULL || py_tape_good(p.tape)) result = py_vars_new(p.tape, p.x.n, grad);
    }
    PyMem_Free(grad);
    pair_drop(&p);
    return result;
}

/* ---- explanations and pictures --------------------------------------------------------------- */

static bool read_view(PyObject *keywords, PyObject *y, PyObject **results, ad_view *view) {
    static char *names[] = {"y", "order", "bug", "most", "title", "bare", NULL};
    int          order = 0, bug = 0, bare = 0;
    Py_ssize_t   most = 0;
    const char  *title = NULL;
    if (!PyArg_ParseTupleAndKeywords(y, keywords, "O|iinzp", names, results, &order, &bug, &most,
                                     &title, &bare))
        return false;
    if (most < 0) most = 0;
    *view = (ad_view){.order = (ad_order)order,
                      .bug = (ad_bug)bug,
                      .most = (size_t)most,
                      .title = title,
                      .bare = bare != 0};
    return true;
}

/* What was written, or what went wrong. */
static PyObject *text_or_error(py_text *text, ad_status status, py_tape *tape) {
    if (tape == NULL || py_tape_good(tape)) {
        if (status == AD_OK) return py_text_close(text);
        py_raise(status, NULL);
    }
    py_text_drop(text);
    return NULL;
}

typedef ad_status writer(size_t n, const ad_var y[], const ad_view *view, FILE *to);

static PyObject *written(PyObject *args, PyObject *keywords, const char *what, writer *write) {
    PyObject *results;
    ad_view   view;
    py_list   y;
    py_text   text;
    if (!read_view(keywords, args, &results, &view) || !py_list_take(results, what, &y))
        return NULL;
    PyObject *string = NULL;
    if (py_text_open(&text)) {
        if (y.tape != NULL) py_tape_enter(y.tape);
        const ad_status status = write(y.n, y.v, &view, text.file);
        if (y.tape != NULL) py_tape_leave(y.tape);
        string = text_or_error(&text, status, y.tape);
    }
    py_list_drop(&y);
    return string;
}

#define WRITTEN(name, c_name)                                                                \
    static PyObject *function_##name(PyObject *module, PyObject *args, PyObject *keywords) { \
        (void)module;                                                                        \
        return written(args, keywords, #name, c_name);                                       \
    }
WRITTEN(explain_text, ad_explain_all)
WRITTEN(explain_json, ad_explain_json)
WRITTEN(draw_dot, ad_draw_dot)
WRITTEN(draw_svg, ad_draw_svg)
WRITTEN(draw_html, ad_draw_html)

/* Plain numbers alone have nothing to explain. */
static bool on_a_tape(const py_tape *tape) {
    if (tape == NULL) PyErr_SetString(PyExc_TypeError, "plain numbers have nothing to explain");
    return tape != NULL;
}

static PyObject *function_explain_paths(PyObject *module, PyObject *args) {
    (void)module;
    PyObject  *y, *x;
    Py_ssize_t most = 0;
    ad_var     a, b;
    py_tape   *tape = NULL;
    py_text    text;
    if (!PyArg_ParseTuple(args, "OO|n:explain_paths", &y, &x, &most)) return NULL;
    if (!py_operand(y, &a, &tape) || !py_operand(x, &b, &tape)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "explain_paths: two variables are needed");
        return NULL;
    }
    if (!on_a_tape(tape) || !py_text_open(&text)) return NULL;
    py_tape_enter(tape);
    const ad_status status = ad_explain_paths(a, b, most > 0 ? (size_t)most : 0, text.file);
    py_tape_leave(tape);
    return text_or_error(&text, status, tape);
}

static PyObject *function_explain_nonfinite(PyObject *module, PyObject *y) {
    (void)module;
    ad_var   v;
    py_tape *tape = NULL;
    py_text  text;
    if (!py_operand(y, &v, &tape)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "explain_nonfinite: a variable is needed");
        return NULL;
    }
    if (!on_a_tape(tape) || !py_text_open(&text)) return NULL;
    py_tape_enter(tape);
    ad_explain_nonfinite(v, text.file);
    py_tape_leave(tape);
    return text_or_error(&text, AD_OK, tape);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define WITH_KEYWORDS(name) \
    (PyCFunction)(void (*)(void)) function_##name, METH_VARARGS | METH_KEYWORDS

static PyMethodDef functions[] = {
#define R1(name, shown, ...) {#name, function_##name, METH_O, #name "(x): " shown},
#define R2(name, shown, ...) {#name, function_##name, METH_VARARGS, #name "(x, y): " shown},
#include "ops.def"
    {"where", function_where, METH_VARARGS,
     "where(condition, yes, no): yes where condition is not 0, else no.\n\n"
     "Both are computed; the one not taken receives no gradient."},
    {"sum", function_sum, METH_O, "sum(x): one node, however many operands."},
    {"logsumexp", function_logsumexp, METH_O,
     "logsumexp(x): log of the sum of exp(x[i]), without overflow."},
    {"norm", function_norm, METH_O, "norm(x): the square root of the sum of squares."},
    {"largest", function_largest, METH_O, "largest(x): the largest operand."},
    {"dot", function_dot, METH_VARARGS, "dot(x, y): the sum of x[i]*y[i]."},
    {"pick", function_pick, METH_VARARGS,
     "pick(index, x): x[index], where the index may be a variable."},
    {"gradient", function_gradient, METH_VARARGS,
     "gradient(y, x): dy/dx[i], an array of len(x), by one reverse sweep."},
    {"jacobian", function_jacobian, METH_VARARGS,
     "jacobian(y, x): dy[i]/dx[k], an array of len(y) x len(x)."},
    {"hessian", function_hessian, METH_VARARGS,
     "hessian(y, x): second derivatives, len(x) x len(x). x are inputs."},
    {"hessian_times", function_hessian_times, METH_VARARGS,
     "hessian_times(y, x, direction): the Hessian times a direction, len(x)."},
    {"tangent", function_tangent, METH_VARARGS,
     "tangent(y, x, direction): the derivative of y when each x[i] moves by direction[i]."},
    {"record_gradient", function_record_gradient, METH_VARARGS,
     "record_gradient(y, x): dy/dx[i] as variables, which can be differentiated again."},
    {"_explain_text", WITH_KEYWORDS(explain_text), NULL},
    {"_explain_json", WITH_KEYWORDS(explain_json), NULL},
    {"_draw_dot", WITH_KEYWORDS(draw_dot), NULL},
    {"_draw_svg", WITH_KEYWORDS(draw_svg), NULL},
    {"_draw_html", WITH_KEYWORDS(draw_html), NULL},
    {"_explain_paths", function_explain_paths, METH_VARARGS,
     "explain_paths(y, x, most=0): dy/dx as the sum over the paths from x to y, as text."},
    {"_explain_nonfinite", function_explain_nonfinite, METH_O,
     "explain_nonfinite(y): where NaN and infinity come from, as text; \"\" if all is finite."},
    {NULL, NULL, 0, NULL},
};

bool py_add_functions(PyObject *module) {
    return py_functions(module, functions);
}
