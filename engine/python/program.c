/* program.c - tapir.Program: a recorded function, compiled, to be run over the rows of an array.
 *
 * Arrays of doubles in C order are read where they lie, and results are written where they will be
 * read: nothing is copied. The GIL is released while a program runs; threads may share one. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

PyTypeObject *py_program_type;

static void program_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    py_program   *p = (py_program *)self;
    ad_program_free(p->program);
    Py_XDECREF(p->param_shape);
    Py_XDECREF(p->input_shape);
    Py_XDECREF(p->output_shape);
    Py_XDECREF(p->gradient_shape);
    Py_XDECREF((PyObject *)p->tape);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *raise_of(const py_program *p, ad_status status) {
    char text[1024];
    ad_program_message(p->program, sizeof text, text);
    return py_raise(status, text);
}

/* What an operation raised, if it did: it comes before what the program says of it. */
static PyObject *raise_unless_raised(const py_program *p, ad_status status) {
    if (PyErr_Occurred() || py_operations_raised(p->tape)) return NULL;
    return raise_of(p, status);
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Parameters and rows of a call. With one argument it is the one that the program has. */
typedef struct call {
    py_numbers    param, input;
    const double *w, *x;
    size_t        rows;
    bool          alone; /* one row without an axis of rows */
} call;

static void call_drop(call *c) {
    py_numbers_drop(&c->param);
    py_numbers_drop(&c->input);
}

static bool wrong_shape(const char *what, const Py_buffer *given, PyObject *wanted, bool rows) {
    PyObject *shape = PyTuple_New(given->ndim);
    for (int k = 0; shape != NULL && k < given->ndim; k++)
        PyTuple_SetItem(shape, k, PyLong_FromSsize_t(given->shape[k]));
    PyErr_Format(PyExc_ValueError, "%s: an array of shape %R%s is needed, this one has shape %R",
                 what, wanted, rows ? ", or with an axis of rows before it," : "", shape);
    Py_XDECREF(shape);
    return false;
}

/* The last axes of an array are those of the wanted shape. */
static bool ends_with(const Py_buffer *b, PyObject *shape) {
    const Py_ssize_t k = PyTuple_Size(shape), from = b->ndim - k;
    if (from < 0) return false;
    for (Py_ssize_t i = 0; i < k; i++)
        if (PyLong_AsSsize_t(PyTuple_GetItem(shape, i)) != b->shape[from + i]) return false;
    return true;
}

static bool take_params(const py_program *p, PyObject *given, call *c) {
    if (!py_numbers_take(given, "params", &c->param)) return false;
    c->w = py_numbers_at(&c->param);
    const Py_buffer *b = &c->param.buffer;
    if (b->ndim == PyTuple_Size(p->param_shape)
            ? ends_with(b, p->param_shape)
            : b->ndim == 1 && py_numbers_count(&c->param) == p->params)
        return true;
    return wrong_shape("params", b, p->param_shape, false);
}

static bool take_rows(const py_program *p, PyObject *given, call *c) {
    if (!py_numbers_take(given, "rows", &c->input)) return false;
    c->x = py_numbers_at(&c->input);
    const Py_buffer *b = &c->input.buffer;
    const Py_ssize_t axes = PyTuple_Size(p->input_shape);
    c->alone = b->ndim == axes && ends_with(b, p->input_shape);
    c->rows = c->alone ? 1 : b->ndim > 0 ? (size_t)b->shape[0] : 0;
    if (c->alone || (b->ndim == axes + 1 && ends_with(b, p->input_shape)) ||
        (b->ndim == 2 && (size_t)b->shape[1] == p->inputs))
        return true;
    return wrong_shape("rows", b, p->input_shape, true);
}

static bool call_take(const py_program *p, PyObject *const *args, Py_ssize_t count,
                      const char *name, call *c) {
    *c = (call){.rows = 1, .alone = true};
    const Py_ssize_t needed = (p->params > 0) + (p->inputs > 0);
    if (count != needed && count != 2) {
        PyErr_Format(PyExc_TypeError, "%s takes %s (%zd given)", name,
                     needed == 2     ? "two arrays: params, rows"
                     : p->params > 0 ? "one array: params"
                                     : "one array: rows",
                     count);
        return false;
    }
    const bool both = count == 2;
    if ((p->params == 0 || take_params(p, args[0], c)) &&
        (p->inputs == 0 || take_rows(p, args[both ? 1 : p->params > 0], c)))
        return true;
    call_drop(c);
    return false;
}

/* ---- results --------------------------------------------------------------------------------- */

/* (rows,) + shape, or the shape for a row without an axis. */
static PyObject *shape_with_rows(const call *c, PyObject *shape) {
    if (c->alone) return Py_NewRef(shape);
    PyObject *rows = Py_BuildValue("(n)", (Py_ssize_t)c->rows);
    PyObject *all = rows != NULL ? PySequence_Concat(rows, shape) : NULL;
    Py_XDECREF(rows);
    return all;
}

typedef ad_status computation(const ad_program *program, const double param[], size_t rows,
                              const double input[], double out[]);

static PyObject *computed(const py_program *p, const call *c, PyObject *shape,
                          computation *compute) {
    Py_buffer buffer;
    PyObject *all = shape_with_rows(c, shape);
    PyObject *array = all != NULL ? py_array_new(all, &buffer) : NULL;
    Py_XDECREF(all);
    if (array == NULL) return NULL;
    ad_status            status;
    PyThreadState *const thread = PyEval_SaveThread();
    status = compute(p->program, c->w, c->rows, c->x, buffer.buf);
    PyEval_RestoreThread(thread);
    PyBuffer_Release(&buffer);
    if (status == AD_OK && !py_operations_raised(p->tape)) return array;
    Py_DECREF(array);
    return raise_unless_raised(p, status);
}

static PyObject *scalar_if_alone(PyObject *array) {
    if (array == NULL) return NULL;
    PyObject *args = PyTuple_Pack(1, array);
    PyObject *result = args != NULL ? py_hook("scalar", args) : NULL;
    Py_XDECREF(args);
    Py_DECREF(array);
    return result;
}

static PyObject *program_values(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    const py_program *p = (const py_program *)self;
    call              c;
    if (!call_take(p, args, count, "values", &c)) return NULL;
    PyObject *result = computed(p, &c, p->output_shape, ad_program_values);
    call_drop(&c);
    return c.alone && PyTuple_Size(p->output_shape) == 0 ? scalar_if_alone(result) : result;
}

static PyObject *program_jacobian(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    const py_program *p = (const py_program *)self;
    call              c;
    if (!call_take(p, args, count, "jacobian", &c)) return NULL;
    PyObject *shape = PySequence_Concat(p->output_shape, p->input_shape), *result = NULL;
    if (shape != NULL) result = computed(p, &c, shape, ad_program_jacobian);
    Py_XDECREF(shape);
    call_drop(&c);
    return result;
}

static PyObject *gradient_of(const py_program *p, const call *c) {
    Py_buffer buffer;
    PyObject *array = py_array_new(p->gradient_shape, &buffer);
    if (array == NULL) return NULL;
    double               mean;
    ad_status            status;
    PyThreadState *const thread = PyEval_SaveThread();
    status = ad_program_gradient(p->program, c->w, c->rows, c->x, &mean, buffer.buf);
    PyEval_RestoreThread(thread);
    PyBuffer_Release(&buffer);
    if (status == AD_OK && !py_operations_raised(p->tape))
        return Py_BuildValue("(dN)", mean, array);
    Py_DECREF(array);
    return raise_unless_raised(p, status);
}

static PyObject *program_gradient(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    const py_program *p = (const py_program *)self;
    call              c;
    if (!call_take(p, args, count, "gradient", &c)) return NULL;
    PyObject *result = gradient_of(p, &c);
    call_drop(&c);
    return result;
}

/* ---- text ------------------------------------------------------------------------------------ */

static PyObject *program_emit_c(PyObject *self, PyObject *name) {
    const py_program *p = (const py_program *)self;
    const char       *text = py_utf8(name, "a name of C");
    py_text           to;
    if (text == NULL || !py_text_open(&to)) return NULL;
    const ad_status status = ad_program_emit_c(p->program, text, to.file);
    if (status == AD_OK) return py_text_close(&to);
    py_text_drop(&to);
    return raise_of(p, status);
}

static PyObject *program_str(PyObject *self) {
    const py_program *p = (const py_program *)self;
    py_text           to;
    if (!py_text_open(&to)) return NULL;
    const ad_status status = ad_program_print(p->program, to.file);
    if (status == AD_OK) return py_text_close(&to);
    py_text_drop(&to);
    return raise_of(p, status);
}

static PyObject *program_repr(PyObject *self) {
    const py_program *p = (const py_program *)self;
    return PyUnicode_FromFormat("<tapir.Program: params %R, inputs %R -> outputs %R>",
                                p->param_shape, p->input_shape, p->output_shape);
}

/* ---- a check of its gradient ----------------------------------------------------------------- */

/* A check of a program, on the heap: its thread may outlive the call. */
typedef struct program_checked {
    PyObject  *program;
    py_options o;
    call       c;
} program_checked;

static ad_check_report *check_program(void *data) {
    const program_checked *d = data;
    return ad_check_program(((py_program *)d->program)->program, d->c.w, d->c.rows, d->c.x,
                            &d->o.options);
}

/* Raises what an operation raised. */
static void release_program(void *data) {
    program_checked *d = data;
    py_operations_raised(((py_program *)d->program)->tape);
    call_drop(&d->c);
    py_options_drop(&d->o);
    Py_DECREF(d->program);
    PyMem_Free(d);
}

static PyObject *program_check(PyObject *self, PyObject *args) {
    const py_program *p = (const py_program *)self;
    PyObject         *pair[2], *dict;
    ad_check_report  *report;
    program_checked  *d = PyMem_Calloc(1, sizeof *d);
    if (d == NULL) return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "OOO", &pair[0], &pair[1], &dict) ||
        !py_options_take(dict, &d->o) || !call_take(p, pair, 2, "check", &d->c) ||
        !py_options_fit(&d->o, p->params)) {
        call_drop(&d->c);
        py_options_drop(&d->o);
        PyMem_Free(d);
        return NULL;
    }
    d->program = Py_NewRef(self);
    const py_job job = {check_program, release_program, d, NULL};
    return py_job_run(&job, &report) ? py_report_new(report) : NULL;
}

/* ---- making one ------------------------------------------------------------------------------ */

static py_program *blank(PyObject *param_shape, PyObject *input_shape, PyObject *output_shape,
                         PyObject *tape) {
    py_program *p = PyObject_New(py_program, py_program_type);
    if (p == NULL) return NULL;
    p->program = NULL;
    p->tape = (py_tape *)Py_NewRef(tape);
    p->param_shape = Py_NewRef(param_shape);
    p->input_shape = Py_NewRef(input_shape);
    p->output_shape = Py_NewRef(output_shape);
    p->gradient_shape = Py_NewRef(param_shape);
    return p;
}

static PyObject *compiled(py_list part[3], py_program *p) {
    p->params = part[0].n;
    p->inputs = part[1].n;
    p->outputs = part[2].n;
    p->program = ad_compile(&(ad_interface){
        .params = part[0].n,
        .param = part[0].v,
        .inputs = part[1].n,
        .input = part[1].v,
        .outputs = part[2].n,
        .output = part[2].v,
    });
    if (p->program != NULL) return (PyObject *)p;
    Py_DECREF(p);
    for (int k = 0; k < 3; k++)
        if (part[k].tape != NULL && ad_tape_status(part[k].tape->tape) != AD_OK)
            return py_raise_tape(part[k].tape);
    return py_raise(AD_BAD_ARGUMENT, "the function records nothing on a tape: its result does not "
                                     "depend on its arguments");
}

/* program(params, inputs, outputs, param_shape, input_shape, output_shape, tape) */
static PyObject *function_program(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given[3], *shape[3], *tape;
    if (!PyArg_ParseTuple(args, "OOOO!O!O!O!", &given[0], &given[1], &given[2], &PyTuple_Type,
                          &shape[0], &PyTuple_Type, &shape[1], &PyTuple_Type, &shape[2],
                          py_tape_type, &tape))
        return NULL;
    py_list part[3];
    int     taken = 0;
    while (taken < 3 && py_list_take(given[taken], "compile", &part[taken])) taken++;
    PyObject   *result = NULL;
    py_program *p = taken == 3 ? blank(shape[0], shape[1], shape[2], tape) : NULL;
    py_tape    *one = (py_tape *)tape;
    bool        joined = p != NULL;
    for (int k = 0; joined && k < 3; k++) joined = py_tape_join(&one, part[k].tape);
    if (joined) result = compiled(part, p);
    else Py_XDECREF((PyObject *)p);
    while (taken > 0) py_list_drop(&part[--taken]);
    return result;
}

/* ---- the table ------------------------------------------------------------------------------- */

static PyObject *shape_attribute(PyObject *self, void *which) {
    const py_program *p = (const py_program *)self;
    PyObject *const   shapes[] = {p->param_shape, p->input_shape, p->output_shape};
    return Py_NewRef(shapes[(size_t)which]);
}

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL

static PyMethodDef methods[] = {
    {"values", FAST(program_values),
     "values(params, rows): the outputs of each row.\n\n"
     "params: an array of the shape of the parameters (or flat); rows: an axis of rows, then the "
     "shape of the inputs, or one row without that axis. Left out where the program has none. "
     "Returns rows, then the shape of the outputs.\n\n"
     "tapir.Error (BRANCH_CHANGED) where a noted branch would go the other way in some row."},
    {"gradient", FAST(program_gradient),
     "gradient(params, rows): (mean of output 0 over the rows, its gradient in the params)."},
    {"jacobian", FAST(program_jacobian),
     "jacobian(params, rows): each row's own derivatives in its inputs:\n"
     "rows, then the shape of the outputs, then that of the inputs."},
    {"emit_c", program_emit_c, METH_O,
     "emit_c(name): a stand-alone C99 file with double name(param, input, grad)."},
    {"_check", program_check, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"param_shape", shape_attribute, NULL, "shape of the parameters", (void *)0},
    {"input_shape", shape_attribute, NULL, "shape of the inputs of a row", (void *)1},
    {"output_shape", shape_attribute, NULL, "shape of the outputs of a row", (void *)2},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A recorded function, compiled. Made by tapir.compile. str() lists its "
                "instructions."},
    {Py_tp_dealloc, (void *)program_dealloc},
    {Py_tp_repr, (void *)program_repr},
    {Py_tp_str, (void *)program_str},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    "tapir.Program",
    sizeof(py_program),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

static PyMethodDef functions[] = {
    {"_program", function_program, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool py_add_program(PyObject *module) {
    py_program_type = py_type(module, &spec);
    return py_program_type != NULL && py_functions(module, functions);
}
