/* check.c - tapir.Report, and checks of functions that Python computes.
 *
 * The library calls back with the GIL taken again. When a function of Python raises, what it raised
 * is kept, every later call answers NaN without calling it, and the check's caller gets the
 * exception: an interrupt by Ctrl-C comes out that way too. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

PyTypeObject *py_report_type;

typedef struct py_report {
    PyObject_HEAD ad_check_report *report;
} py_report;

/* ---- options --------------------------------------------------------------------------------- */

static bool number_option(PyObject *dict, const char *name, double *to) {
    PyObject *value = PyDict_GetItemString(dict, name); /* borrowed */
    if (value == NULL) return true;
    *to = PyFloat_AsDouble(value);
    return !(*to == -1 && PyErr_Occurred());
}

static bool size_option(PyObject *dict, const char *name, size_t *to) {
    PyObject *value = PyDict_GetItemString(dict, name);
    if (value == NULL) return true;
    *to = PyLong_AsSize_t(value);
    return !(*to == (size_t)-1 && PyErr_Occurred());
}

/* A list of (name, shape). */
static bool read_blocks(PyObject *list, py_options *o) {
    const Py_ssize_t n = PyList_Size(list);
    Py_ssize_t       axes = 0;
    for (Py_ssize_t b = 0; b < n; b++)
        axes += PyTuple_Size(PyTuple_GetItem(PyList_GetItem(list, b), 1));
    o->block = PyMem_Calloc((size_t)n + 1, sizeof *o->block);
    o->shape = PyMem_Calloc((size_t)axes + 1, sizeof *o->shape);
    if (o->block == NULL || o->shape == NULL) return PyErr_NoMemory() != NULL;
    size_t *shape = o->shape;
    for (Py_ssize_t b = 0; b < n; b++) {
        PyObject *pair = PyList_GetItem(list, b), *sizes = PyTuple_GetItem(pair, 1);
        o->block[b].name = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(pair, 0), NULL);
        o->block[b].rank = (size_t)PyTuple_Size(sizes);
        o->block[b].shape = shape;
        for (Py_ssize_t k = 0; k < PyTuple_Size(sizes); k++)
            *shape++ = PyLong_AsSize_t(PyTuple_GetItem(sizes, k));
    }
    o->options.blocks = (size_t)n;
    o->options.block = o->block;
    return !PyErr_Occurred();
}

bool py_options_take(PyObject *dict, py_options *o) {
    *o = (py_options){.dict = Py_NewRef(dict)};
    size_t seed = 0, second = 0;
    bool   good = PyDict_Check(dict) && number_option(dict, "rtol", &o->options.rtol) &&
                size_option(dict, "seed", &seed) && size_option(dict, "second", &second) &&
                size_option(dict, "coordinates", &o->options.coordinates);
    o->options.seed = seed;
    o->options.second = second != 0;
    PyObject *blocks = good ? PyDict_GetItemString(dict, "blocks") : NULL;
    PyObject *direction = good ? PyDict_GetItemString(dict, "direction") : NULL;
    if (good && blocks != NULL) good = read_blocks(blocks, o);
    if (good && direction != NULL) {
        good = py_numbers_take(direction, "direction", &o->direction);
        if (good) o->options.direction = py_numbers_at(&o->direction);
    }
    if (!good) py_options_drop(o);
    return good;
}

void py_options_drop(py_options *o) {
    py_numbers_drop(&o->direction);
    PyMem_Free(o->block);
    PyMem_Free(o->shape);
    Py_CLEAR(o->dict);
}

/* ---- functions of Python --------------------------------------------------------------------- */

typedef struct callback {
    PyObject *function;
    PyObject *type, *value, *trace; /* what it raised first */
} callback;

static bool raised(const callback *c) {
    return c->type != NULL;
}

static void keep_exception(callback *c) {
    if (raised(c)) PyErr_Clear();
    else PyErr_Fetch(&c->type, &c->value, &c->trace);
}

/* n numbers as an array that the function may keep or change. */
static PyObject *copied(size_t n, const double x[]) {
    Py_buffer buffer;
    PyObject *array = py_array_flat(n, &buffer);
    if (array == NULL) return NULL;
    if (n > 0) memcpy(buffer.buf, x, n * sizeof *x);
    PyBuffer_Release(&buffer);
    return array;
}

static PyObject *called(callback *c, size_t n, const double x[]) {
    PyObject *array = PyErr_CheckSignals() == 0 ? copied(n, x) : NULL;
    PyObject *result =
        array != NULL ? PyObject_CallFunctionObjArgs(c->function, array, NULL) : NULL;
    Py_XDECREF(array);
    return result;
}

static double scalar_of(size_t n, const double x[], void *context) {
    callback              *c = context;
    double                 value = NAN;
    const PyGILState_STATE state = PyGILState_Ensure();
    if (!raised(c)) {
        PyObject *result = called(c, n, x);
        if (result != NULL) value = PyFloat_AsDouble(result);
        Py_XDECREF(result);
        if (PyErr_Occurred()) {
            value = NAN;
            keep_exception(c);
        }
    }
    PyGILState_Release(state);
    return value;
}

/* Raises what a callback raised; the report is freed then. */
static PyObject *report_or_exception(callback *c, ad_check_report *report) {
    if (!raised(c)) return py_report_new(report);
    ad_check_free(report);
    PyErr_Restore(c->type, c->value, c->trace);
    return NULL;
}

static bool claims_fit(const py_numbers *claimed, size_t wanted) {
    if (py_numbers_count(claimed) == wanted) return true;
    PyErr_Format(PyExc_ValueError, "claimed: %zu numbers are needed, these are %zu", wanted,
                 py_numbers_count(claimed));
    return false;
}

/* check_function(f, x, claimed, options) */
static PyObject *function_check_function(PyObject *module, PyObject *args) {
    (void)module;
    PyObject  *f, *given, *claims, *dict, *result = NULL;
    py_numbers x, claimed;
    py_options o;
    if (!PyArg_ParseTuple(args, "OOOO", &f, &given, &claims, &dict) || !py_options_take(dict, &o))
        return NULL;
    if (py_numbers_take(given, "x", &x)) {
        if (py_numbers_take(claims, "claimed", &claimed)) {
            if (claims_fit(&claimed, py_numbers_count(&x))) {
                callback             c = {.function = f};
                ad_check_report     *report;
                PyThreadState *const thread = PyEval_SaveThread();
                report = ad_check_function(scalar_of, &c, py_numbers_count(&x), py_numbers_at(&x),
                                           py_numbers_at(&claimed), &o.options);
                PyEval_RestoreThread(thread);
                result = report_or_exception(&c, report);
            }
            py_numbers_drop(&claimed);
        }
        py_numbers_drop(&x);
    }
    py_options_drop(&o);
    return result;
}

static PyObject *recorded(ad_var y, const py_list *x, const double *claimed, py_tape *tape,
                          const ad_check_options *options) {
    if (tape != NULL) py_tape_enter(tape);
    PyThreadState *const   thread = PyEval_SaveThread();
    ad_check_report *const report = ad_check(y, x->n, x->v, claimed, options);
    PyEval_RestoreThread(thread);
    if (tape != NULL) py_tape_leave(tape);
    if (tape == NULL || !py_operations_raised(tape)) return py_report_new(report);
    ad_check_free(report);
    return NULL;
}

/* check_recorded(y, x, claimed or None, options) */
static PyObject *function_check_recorded(PyObject *module, PyObject *args) {
    (void)module;
    PyObject  *given, *leaves, *claims, *dict, *result = NULL;
    py_numbers claimed = {.taken = false};
    py_options o;
    py_list    x;
    ad_var     y;
    py_tape   *tape = NULL;
    if (!PyArg_ParseTuple(args, "OOOO", &given, &leaves, &claims, &dict)) return NULL;
    if (!py_operand(given, &y, &tape))
        return PyErr_Occurred() ? NULL
                                : PyErr_Format(PyExc_TypeError, "check: %R is no variable", given);
    if (!py_options_take(dict, &o)) return NULL;
    if (py_list_take(leaves, "check", &x)) {
        const bool own = claims == Py_None; /* what the library says itself */
        if (py_tape_join(&tape, x.tape) &&
            (own || (py_numbers_take(claims, "claimed", &claimed) && claims_fit(&claimed, x.n))))
            result = recorded(y, &x, own ? NULL : py_numbers_at(&claimed), tape, &o.options);
        py_numbers_drop(&claimed);
        py_list_drop(&x);
    }
    py_options_drop(&o);
    return result;
}

/* ---- the report ------------------------------------------------------------------------------ */

/* Verdicts and lines are made by the Python half: an enumeration, and named tuples. */
static PyObject *hooked(const char *name, PyObject *args) {
    PyObject *result = args != NULL ? py_hook(name, args) : NULL;
    Py_XDECREF(args);
    return result;
}

PyObject *py_report_new(ad_check_report *report) {
    if (report == NULL) return PyErr_NoMemory();
    py_report *self = PyObject_New(py_report, py_report_type);
    if (self == NULL) {
        ad_check_free(report);
        return NULL;
    }
    self->report = report;
    return (PyObject *)self;
}

static void report_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ad_check_free(((py_report *)self)->report);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *text_or_none(const char *text) {
    if (text == NULL) Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
}

/* SIZE_MAX is no number of a coordinate: None. */
static PyObject *index_or_none(size_t i) {
    if (i == SIZE_MAX) Py_RETURN_NONE;
    return PyLong_FromSize_t(i);
}

static PyObject *line_of(const ad_check_line *l) {
    return hooked("line",
                  Py_BuildValue("(NNNddddddddidd)", text_or_none(l->name),
                                index_or_none(l->coordinate), index_or_none(SIZE_MAX), l->claimed,
                                l->estimate, l->error, l->left, l->right, l->gap, l->tolerance,
                                l->step, (int)l->verdict, l->drowned, l->turned));
}

static PyObject *operand_of(const ad_check_operand *c) {
    return hooked("operand",
                  Py_BuildValue("(nnNNNddddddddiNi)", (Py_ssize_t)c->node, (Py_ssize_t)c->operand,
                                text_or_none(c->operation), text_or_none(c->name),
                                text_or_none(c->shown), c->at, c->rule, c->estimate, c->error,
                                c->gap, c->tolerance, c->left, c->right, (int)c->verdict,
                                text_or_none(c->file), c->line));
}

static PyObject *lines_of(size_t n, const ad_check_line line[]) {
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = line_of(&line[i]);
        if (item == NULL) Py_CLEAR(list);
        else PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    return list;
}

static const ad_check_report *of(PyObject *self) {
    return ((const py_report *)self)->report;
}

static PyObject *report_lines(PyObject *self, void *none) {
    (void)none;
    return lines_of(of(self)->lines, of(self)->line);
}

static PyObject *report_second(PyObject *self, void *none) {
    (void)none;
    return lines_of(of(self)->second_lines, of(self)->second);
}

static PyObject *report_culprits(PyObject *self, void *none) {
    (void)none;
    const ad_check_report *r = of(self);
    PyObject              *list = PyList_New((Py_ssize_t)r->culprits);
    for (size_t i = 0; list != NULL && i < r->culprits; i++) {
        PyObject *item = operand_of(&r->culprit[i]);
        if (item == NULL) Py_CLEAR(list);
        else PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    return list;
}

static PyObject *report_verdict(PyObject *self, void *none) {
    (void)none;
    return hooked("verdict", Py_BuildValue("(i)", (int)ad_check_verdict(of(self))));
}

static PyObject *report_status(PyObject *self, void *none) {
    (void)none;
    return hooked("status", Py_BuildValue("(i)", (int)of(self)->status));
}

static PyObject *report_message(PyObject *self, void *none) {
    (void)none;
    return text_or_none(of(self)->message);
}

#define NUMBER(name)                                             \
    static PyObject *report_##name(PyObject *self, void *none) { \
        (void)none;                                              \
        return PyFloat_FromDouble(of(self)->name);               \
    }
NUMBER(value)
NUMBER(noise)
NUMBER(rtol)
NUMBER(taylor)
NUMBER(symmetry)
NUMBER(taylor_second)

#define COUNT(name)                                              \
    static PyObject *report_##name(PyObject *self, void *none) { \
        (void)none;                                              \
        return PyLong_FromUnsignedLongLong(of(self)->name);      \
    }
COUNT(n)
COUNT(seed)
COUNT(evaluations)

static PyObject *report_coordinate(PyObject *self, PyObject *index) {
    const size_t i = PyLong_AsSize_t(index);
    if (i == (size_t)-1 && PyErr_Occurred()) return NULL;
    if (i >= of(self)->n)
        return PyErr_Format(PyExc_IndexError, "coordinate %zu of %zu", i, of(self)->n);
    return hooked("verdict", Py_BuildValue("(i)", (int)ad_check_coordinate(of(self), i)));
}

static PyObject *printed(PyObject *self, int format) {
    py_text text;
    if (!py_text_open(&text)) return NULL;
    const ad_status status = ad_check_print(of(self), (ad_format)format, text.file);
    if (status == AD_OK) return py_text_close(&text);
    py_text_drop(&text);
    return py_raise(status, NULL);
}

static PyObject *report_str(PyObject *self) {
    return printed(self, AD_TEXT);
}

static PyObject *report_json(PyObject *self, PyObject *none) {
    (void)none;
    return printed(self, AD_JSON);
}

static PyObject *report_csv(PyObject *self, PyObject *none) {
    (void)none;
    return printed(self, AD_CSV);
}

static PyObject *report_html(PyObject *self, PyObject *none) {
    (void)none;
    return hooked("report_html", PyTuple_Pack(1, self));
}

static PyObject *report_repr(PyObject *self) {
    return PyUnicode_FromFormat("<tapir.Report: %s, %zu lines>",
                                ad_verdict_text(ad_check_verdict(of(self))), of(self)->lines);
}

static int report_bool(PyObject *self) {
    const ad_verdict v = ad_check_verdict(of(self));
    return of(self)->status == AD_OK && (v == AD_PASS || v == AD_WEAK);
}

static PyMethodDef methods[] = {
    {"coordinate", report_coordinate, METH_O, "coordinate(i): the verdict of x[i]."},
    {"json", report_json, METH_NOARGS, "json(): everything, as one JSON object."},
    {"csv", report_csv, METH_NOARGS, "csv(): the lines, as a table with a header."},
    {"_repr_html_", report_html, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"verdict", report_verdict, NULL, "the worst of all, a tapir.Verdict", NULL},
    {"status", report_status, NULL, "not OK: nothing was checked, and message says why", NULL},
    {"message", report_message, NULL, "the conclusion in a sentence or two", NULL},
    {"lines", report_lines, NULL, "a tapir.Line for each coordinate or direction", NULL},
    {"second", report_second, NULL, "the same of second derivatives, when asked for", NULL},
    {"culprits", report_culprits, NULL, "operands whose rule is wrong, worst first", NULL},
    {"value", report_value, NULL, "f(x)", NULL},
    {"noise", report_noise, NULL, "what rounding may have done to f(x)", NULL},
    {"rtol", report_rtol, NULL, "the relative error that is allowed", NULL},
    {"taylor", report_taylor, NULL, "order of the error in the step: 2 when right", NULL},
    {"symmetry", report_symmetry, NULL, "|v.H*w - w.H*v|, of a check of second order", NULL},
    {"taylor_second", report_taylor_second, NULL, "3 when right, of second order", NULL},
    {"n", report_n, NULL, "coordinates", NULL},
    {"seed", report_seed, NULL, "of random directions", NULL},
    {"evaluations", report_evaluations, NULL, "how often the function was called", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What a check found. True if it is PASS or WEAK; print() shows the table."},
    {Py_tp_dealloc, (void *)report_dealloc},
    {Py_tp_repr, (void *)report_repr},
    {Py_tp_str, (void *)report_str},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_nb_bool, (void *)report_bool},
    {0, NULL},
};

static PyType_Spec spec = {
    "tapir._tapir.Report",
    sizeof(py_report),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

static PyObject *function_verdict_meaning(PyObject *module, PyObject *verdict) {
    (void)module;
    const long number = PyLong_AsLong(verdict);
    if (number == -1 && PyErr_Occurred()) return NULL;
    return Py_BuildValue("(ss)", ad_verdict_text((ad_verdict)number),
                         ad_verdict_meaning((ad_verdict)number));
}

static PyMethodDef functions[] = {
    {"check_function", function_check_function, METH_VARARGS, NULL},
    {"check_recorded", function_check_recorded, METH_VARARGS, NULL},
    {"verdict_meaning", function_verdict_meaning, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

bool py_add_check(PyObject *module) {
    py_report_type = py_type(module, &spec);
    return py_report_type != NULL && py_functions(module, functions);
}
