/* check.c - checks of functions that Python computes.
 *
 * The library calls back with the GIL taken again. When a function of Python raises, what it raised
 * is kept, every later call answers NaN without calling it, and the check's caller gets the
 * exception: an interrupt by Ctrl-C comes out that way too. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    unsigned long long number;
    if (!py_whole(value, &number) || number > SIZE_MAX) {
        PyErr_Format(PyExc_ValueError, "%s: %R is no whole number from 0 on", name, value);
        return false;
    }
    *to = (size_t)number;
    return true;
}

/* A list of (name, shape). */
static bool are_blocks(PyObject *list) {
    bool good = PyList_Check(list);
    for (Py_ssize_t b = 0; good && b < PyList_Size(list); b++) {
        PyObject *pair = PyList_GetItem(list, b);
        good = PyTuple_Check(pair) && PyTuple_Size(pair) == 2 &&
               PyUnicode_Check(PyTuple_GetItem(pair, 0)) && PyTuple_Check(PyTuple_GetItem(pair, 1));
    }
    if (!good) PyErr_SetString(PyExc_TypeError, "blocks: a list of (name, shape) is needed");
    return good;
}

static bool read_blocks(PyObject *list, py_options *o) {
    if (!are_blocks(list)) return false;
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
        o->block[b].name = py_utf8(PyTuple_GetItem(pair, 0), "the name of a block");
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
                number_option(dict, "unit", &o->options.unit) && size_option(dict, "seed", &seed) &&
                size_option(dict, "second", &second) &&
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
    if (!good && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "the options of a check are a dict");
    if (!good) py_options_drop(o);
    return good;
}

bool py_options_fit(const py_options *o, size_t n) {
    if (!o->direction.taken || py_numbers_count(&o->direction) == n) return true;
    PyErr_Format(PyExc_ValueError, "direction: %zu numbers are needed, these are %zu", n,
                 py_numbers_count(&o->direction));
    return false;
}

void py_options_drop(py_options *o) {
    py_numbers_drop(&o->direction);
    PyMem_Free(o->block);
    PyMem_Free(o->shape);
    Py_CLEAR(o->dict);
}

/* ---- functions of Python --------------------------------------------------------------------- */

/* The functions of a check: f, and products that are claimed. */
typedef struct callbacks {
    PyObject *f, *vjp, *jvp;
    PyObject *type, *value, *trace; /* what one of them raised first */
} callbacks;

static void keep_exception(callbacks *c) {
    if (c->type != NULL) PyErr_Clear();
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

/* f(x), or f(x, u) where u is not NULL. */
static PyObject *called(PyObject *f, size_t n, const double x[], size_t m, const double u[]) {
    if (PyErr_CheckSignals() != 0) return NULL;
    PyObject *a = copied(n, x), *b = a != NULL && u != NULL ? copied(m, u) : NULL, *result = NULL;
    if (a != NULL && (b != NULL || u == NULL))
        result = PyObject_CallFunctionObjArgs(f, a, b, NULL); /* ends at the first NULL */
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

/* m numbers of what a function returned. */
static void read_numbers(PyObject *result, size_t m, double y[]) {
    py_numbers numbers;
    if (!py_numbers_take(result, "what the function returned", &numbers)) return;
    if (py_numbers_count(&numbers) == m) memcpy(y, py_numbers_at(&numbers), m * sizeof *y);
    else
        PyErr_Format(PyExc_ValueError, "%zu numbers are needed, the function returned %zu", m,
                     py_numbers_count(&numbers));
    py_numbers_drop(&numbers);
}

static void values_of(callbacks *c, PyObject *f, size_t n, const double x[], size_t k,
                      const double u[], size_t m, double y[]) {
    for (size_t i = 0; i < m; i++) y[i] = NAN;
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject              *result = c->type == NULL ? called(f, n, x, k, u) : NULL;
    if (result != NULL) read_numbers(result, m, y);
    Py_XDECREF(result);
    if (PyErr_Occurred()) keep_exception(c);
    PyGILState_Release(state);
}

static double scalar_of(size_t n, const double x[], void *context) {
    callbacks             *c = context;
    double                 value = NAN;
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject              *result = c->type == NULL ? called(c->f, n, x, 0, NULL) : NULL;
    if (result != NULL) value = PyFloat_AsDouble(result);
    Py_XDECREF(result);
    if (PyErr_Occurred()) {
        value = NAN;
        keep_exception(c);
    }
    PyGILState_Release(state);
    return value;
}

static void vector_of(size_t n, const double x[], size_t m, double y[], void *context) {
    callbacks *c = context;
    values_of(c, c->f, n, x, 0, NULL, m, y);
}

static void gradient_of(size_t n, const double x[], double g[], void *context) {
    callbacks *c = context;
    values_of(c, c->f, n, x, 0, NULL, n, g);
}

static void vjp_of(size_t n, const double x[], size_t m, const double u[], double g[],
                   void *context) {
    callbacks *c = context;
    values_of(c, c->vjp, n, x, m, u, n, g);
}

static void jvp_of(size_t n, const double x[], const double v[], size_t m, double w[],
                   void *context) {
    callbacks *c = context;
    values_of(c, c->jvp, n, x, n, v, m, w);
}

static void hessian_of(size_t n, const double x[], const double v[], double h[], void *context) {
    callbacks *c = context;
    values_of(c, c->vjp, n, x, n, v, n, h);
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* What a check is about. */
typedef struct subject {
    callbacks  c;
    py_numbers x, claimed;
    size_t     m;
    py_options o;
} subject;

static void subject_drop(subject *s) {
    py_numbers_drop(&s->claimed);
    py_numbers_drop(&s->x);
    py_options_drop(&s->o);
}

/* claimed: NULL where products are. */
static bool subject_take(subject *s, PyObject *x, PyObject *claimed, PyObject *options) {
    if (!py_options_take(options, &s->o)) return false;
    if (py_numbers_take(x, "x", &s->x) &&
        (claimed == NULL || py_numbers_take(claimed, "claimed", &s->claimed)) &&
        py_options_fit(&s->o, py_numbers_count(&s->x)))
        return true;
    subject_drop(s);
    return false;
}

static bool claims_fit(const py_numbers *claimed, size_t wanted) {
    if (py_numbers_count(claimed) == wanted) return true;
    PyErr_Format(PyExc_ValueError, "claimed: %zu numbers are needed, these are %zu", wanted,
                 py_numbers_count(claimed));
    return false;
}

typedef ad_check_report *checker(subject *s);

/* Checks without the GIL; raises what a callback raised. */
static PyObject *checked(subject *s, checker *check) {
    PyThreadState *const   thread = PyEval_SaveThread();
    ad_check_report *const report = check(s);
    PyEval_RestoreThread(thread);
    subject_drop(s);
    if (s->c.type == NULL) return py_report_new(report);
    ad_check_free(report);
    PyErr_Restore(s->c.type, s->c.value, s->c.trace);
    return NULL;
}

static ad_check_report *check_scalar(subject *s) {
    return ad_check_function(scalar_of, &s->c, py_numbers_count(&s->x), py_numbers_at(&s->x),
                             py_numbers_at(&s->claimed), &s->o.options);
}

static ad_check_report *check_vector(subject *s) {
    return ad_check_vector(vector_of, &s->c, py_numbers_count(&s->x), py_numbers_at(&s->x), s->m,
                           py_numbers_at(&s->claimed), &s->o.options);
}

static ad_check_report *check_products(subject *s) {
    return ad_check_products(vector_of, s->c.vjp != NULL ? vjp_of : NULL,
                             s->c.jvp != NULL ? jvp_of : NULL, &s->c, py_numbers_count(&s->x),
                             py_numbers_at(&s->x), s->m, &s->o.options);
}

static ad_check_report *check_hessian(subject *s) {
    return ad_check_hessian_times(gradient_of, &s->c, py_numbers_count(&s->x), py_numbers_at(&s->x),
                                  hessian_of, &s->o.options);
}

/* check_function(f, x, claimed, options) */
static PyObject *function_check_function(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *x, *claimed, *options;
    subject   s = {0};
    if (!PyArg_ParseTuple(args, "OOOO", &s.c.f, &x, &claimed, &options) ||
        !subject_take(&s, x, claimed, options))
        return NULL;
    if (claims_fit(&s.claimed, py_numbers_count(&s.x))) return checked(&s, check_scalar);
    subject_drop(&s);
    return NULL;
}

static bool read_count(Py_ssize_t m, subject *s) {
    if (m < 0) PyErr_SetString(PyExc_ValueError, "a negative number of values");
    s->m = (size_t)m;
    return m >= 0;
}

/* check_vector(f, x, m, claimed, options) */
static PyObject *function_check_vector(PyObject *module, PyObject *args) {
    (void)module;
    PyObject  *x, *claimed, *options;
    Py_ssize_t m;
    subject    s = {0};
    if (!PyArg_ParseTuple(args, "OOnOO", &s.c.f, &x, &m, &claimed, &options) ||
        !read_count(m, &s) || !subject_take(&s, x, claimed, options))
        return NULL;
    if (claims_fit(&s.claimed, s.m * py_numbers_count(&s.x))) return checked(&s, check_vector);
    subject_drop(&s);
    return NULL;
}

/* check_products(f, vjp or None, jvp or None, x, m, options) */
static PyObject *function_check_products(PyObject *module, PyObject *args) {
    (void)module;
    PyObject  *x, *options;
    Py_ssize_t m;
    subject    s = {0};
    if (!PyArg_ParseTuple(args, "OOOOnO", &s.c.f, &s.c.vjp, &s.c.jvp, &x, &m, &options) ||
        !read_count(m, &s) || !subject_take(&s, x, NULL, options))
        return NULL;
    if (s.c.vjp == Py_None) s.c.vjp = NULL;
    if (s.c.jvp == Py_None) s.c.jvp = NULL;
    return checked(&s, check_products);
}

/* check_hessian_times(gradient, x, product, options) */
static PyObject *function_check_hessian_times(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *x, *options;
    subject   s = {0};
    if (!PyArg_ParseTuple(args, "OOOO", &s.c.f, &x, &s.c.vjp, &options) ||
        !subject_take(&s, x, NULL, options))
        return NULL;
    return checked(&s, check_hessian);
}

/* A check of what is recorded, on the heap: its thread may outlive the call. */
typedef struct recorded_check {
    ad_var     y;
    py_list    x;
    py_numbers claimed;
    py_options o;
    PyObject  *tape; /* NULL: plain numbers */
} recorded_check;

static ad_check_report *check_recorded(void *data) {
    const recorded_check *c = data;
    return ad_check(c->y, c->x.n, c->x.v, c->claimed.taken ? py_numbers_at(&c->claimed) : NULL,
                    &c->o.options);
}

/* Raises what an operation raised. */
static void release_recorded(void *data) {
    recorded_check *c = data;
    if (c->tape != NULL && py_operations_raised((py_tape *)c->tape))
        ad_tape_clear(((py_tape *)c->tape)->tape);
    py_numbers_drop(&c->claimed);
    py_list_drop(&c->x);
    py_options_drop(&c->o);
    Py_XDECREF(c->tape);
    PyMem_Free(c);
}

/* Fills c, as far as false; release_recorded drops it in any case. */
static bool take_recorded(recorded_check *c, PyObject *args, py_tape **tape) {
    PyObject *given, *leaves, *claims, *dict;
    if (!PyArg_ParseTuple(args, "OOOO", &given, &leaves, &claims, &dict)) return false;
    if (!py_operand(given, &c->y, tape)) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "check: %R is no variable", given);
        return false;
    }
    c->tape = (PyObject *)*tape;
    Py_XINCREF(c->tape);
    if (!py_options_take(dict, &c->o) || !py_list_take(leaves, "check", &c->x) ||
        !py_tape_join(tape, c->x.tape) || !py_options_fit(&c->o, c->x.n))
        return false;
    if (c->tape == NULL && *tape != NULL) c->tape = Py_NewRef((PyObject *)*tape);
    return claims == Py_None || /* what the library says itself */
           (py_numbers_take(claims, "claimed", &c->claimed) && claims_fit(&c->claimed, c->x.n));
}

/* check_recorded(y, x, claimed or None, options) */
static PyObject *function_check_recorded(PyObject *module, PyObject *args) {
    (void)module;
    py_tape         *tape = NULL;
    ad_check_report *report;
    recorded_check  *c = PyMem_Calloc(1, sizeof *c);
    if (c == NULL) return PyErr_NoMemory();
    if (!take_recorded(c, args, &tape) || (tape != NULL && !py_tape_free_to_use(tape))) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        release_recorded(c);
        PyErr_Restore(type, value, trace);
        return NULL;
    }
    const py_job job = {check_recorded, release_recorded, c, tape};
    return py_job_run(&job, &report) ? py_report_new(report) : NULL;
}

static PyMethodDef functions[] = {
    {"_check_function", function_check_function, METH_VARARGS, NULL},
    {"_check_vector", function_check_vector, METH_VARARGS, NULL},
    {"_check_products", function_check_products, METH_VARARGS, NULL},
    {"_check_hessian_times", function_check_hessian_times, METH_VARARGS, NULL},
    {"_check_recorded", function_check_recorded, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool py_add_check(PyObject *module) {
    return py_functions(module, functions);
}
