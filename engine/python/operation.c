/* operation.c - tapir.Operation: an elementary operation that Python computes.
 *
 * Value and partials are called with the GIL taken, from whatever thread a program runs in. What
 * they raise is kept in the operation, and raised by the call of Python inside which it happened;
 * until then the value is NaN. A tape keeps the operations that were recorded on it, and a program
 * keeps its tape. */
#include "core.h"

#include <math.h>
#include <string.h>

typedef struct py_operation {
    PyObject_HEAD ad_custom_op op;
    PyObject                  *name, *value, *partials;
    PyObject                  *type, *error, *trace; /* what was raised */
} py_operation;

static PyTypeObject *operation_type;

/* How many functions of operations this thread is inside. */
static _Thread_local size_t operating;

bool py_operating(void) {
    return operating > 0;
}

static void keep(py_operation *o) {
    if (o->type == NULL) PyErr_Fetch(&o->type, &o->error, &o->trace);
    else PyErr_Clear();
}

static PyObject *numbers_of(size_t n, const double x[]) {
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++)
        PyList_SetItem(list, (Py_ssize_t)i, PyFloat_FromDouble(x[i]));
    return list;
}

static double value_of(size_t n, const double x[], void *context) {
    py_operation          *o = context;
    double                 v = NAN;
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject              *list = numbers_of(n, x);
    operating++;
    PyObject *result = list != NULL ? PyObject_CallFunctionObjArgs(o->value, list, NULL) : NULL;
    operating--;
    if (result != NULL) v = PyFloat_AsDouble(result);
    if (PyErr_Occurred()) {
        v = NAN;
        keep(o);
    }
    Py_XDECREF(result);
    Py_XDECREF(list);
    PyGILState_Release(state);
    return v;
}

static void read_partials(const py_operation *o, PyObject *result, size_t n, double partial[]) {
    PyObject *list = PySequence_List(result);
    if (list == NULL) return;
    if ((size_t)PyList_Size(list) != n)
        PyErr_Format(PyExc_ValueError, "%U: %zu operands, and partials returned %zd numbers",
                     o->name, n, PyList_Size(list));
    for (size_t i = 0; !PyErr_Occurred() && i < n; i++)
        partial[i] = PyFloat_AsDouble(PyList_GetItem(list, (Py_ssize_t)i));
    Py_DECREF(list);
}

static void partials_of(size_t n, const double x[], double v, double partial[], void *context) {
    py_operation          *o = context;
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject              *list = numbers_of(n, x);
    PyObject              *number = list != NULL ? PyFloat_FromDouble(v) : NULL;
    operating++;
    PyObject *result =
        number != NULL ? PyObject_CallFunctionObjArgs(o->partials, list, number, NULL) : NULL;
    operating--;
    if (result != NULL) read_partials(o, result, n, partial);
    if (PyErr_Occurred()) {
        for (size_t i = 0; i < n; i++) partial[i] = NAN;
        keep(o);
    }
    Py_XDECREF(result);
    Py_XDECREF(number);
    Py_XDECREF(list);
    PyGILState_Release(state);
}

static bool raise_kept(py_operation *o) {
    if (o->type == NULL) return false;
    PyErr_Restore(o->type, o->error, o->trace);
    o->type = o->error = o->trace = NULL;
    return true;
}

bool py_operations_raised(const py_tape *tape) {
    for (Py_ssize_t i = 0; tape->kept != NULL && i < PyList_Size(tape->kept); i++) {
        PyObject *item = PyList_GetItem(tape->kept, i); /* borrowed */
        if (PyObject_TypeCheck(item, operation_type) && raise_kept((py_operation *)item))
            return true;
    }
    return false;
}

/* ---- the object ------------------------------------------------------------------------------ */

static PyObject *operation_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"name", "value", "partials", NULL};
    PyObject    *name, *value, *partials;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "UOO:Operation", names, &name, &value,
                                     &partials))
        return NULL;
    if (!PyCallable_Check(value) || !PyCallable_Check(partials)) {
        PyErr_SetString(PyExc_TypeError, "Operation: value and partials are functions");
        return NULL;
    }
    py_operation *o = (py_operation *)py_allocate(type);
    if (o == NULL) return NULL;
    o->name = Py_NewRef(name);
    o->value = Py_NewRef(value);
    o->partials = Py_NewRef(partials);
    o->op = (ad_custom_op){.name = py_utf8(name, "the name of an Operation"),
                           .operands = SIZE_MAX,
                           .value = value_of,
                           .partials = partials_of};
    if (o->op.name != NULL) return (PyObject *)o;
    Py_DECREF(o);
    return NULL;
}

static int operation_traverse(PyObject *self, visitproc visit, void *arg) {
    py_operation *o = (py_operation *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(o->value);
    Py_VISIT(o->partials);
    return 0;
}

static int operation_clear(PyObject *self) {
    py_operation *o = (py_operation *)self;
    Py_CLEAR(o->type);
    Py_CLEAR(o->error);
    Py_CLEAR(o->trace);
    return 0;
}

static void operation_dealloc(PyObject *self) {
    py_operation *o = (py_operation *)self;
    PyObject_GC_UnTrack(self);
    operation_clear(self);
    Py_CLEAR(o->name);
    Py_CLEAR(o->value);
    Py_CLEAR(o->partials);
    py_release(self);
}

/* An operation lives as long as the tapes that it was recorded on. */
static bool kept(const py_tape *tape, PyObject *o) {
    if (tape->kept == NULL) return false;
    for (Py_ssize_t i = 0; i < PyList_Size(tape->kept); i++)
        if (PyList_GetItem(tape->kept, i) == o) return true;
    return PyList_Append(tape->kept, o) == 0;
}

static PyObject *recorded(PyObject *self, const py_list *x) {
    py_operation *o = (py_operation *)self;
    if (x->tape == NULL) {
        double *numbers = PyMem_Malloc((x->n + 1) * sizeof *numbers);
        if (numbers == NULL) return PyErr_NoMemory();
        for (size_t i = 0; i < x->n; i++) numbers[i] = ad_value(x->v[i]);
        const double v = value_of(x->n, numbers, o);
        PyMem_Free(numbers);
        return raise_kept(o) ? NULL : PyFloat_FromDouble(v);
    }
    if (!kept(x->tape, self)) return NULL;
    py_tape_enter(x->tape);
    const ad_var v = ad_custom(x->tape->tape, &o->op, x->n, x->v, o);
    py_tape_leave(x->tape);
    if (!raise_kept(o)) return py_var_new(x->tape, v);
    ad_tape_clear(x->tape->tape);
    return NULL;
}

static PyObject *operation_call(PyObject *self, PyObject *args, PyObject *keywords) {
    py_list x;
    if (keywords != NULL && PyDict_Size(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "an Operation takes its operands by position");
        return NULL;
    }
    if (!py_list_take(args, "Operation", &x)) return NULL;
    PyObject *result = recorded(self, &x);
    py_list_drop(&x);
    return result;
}

static PyObject *operation_repr(PyObject *self) {
    return PyUnicode_FromFormat("<tapir.Operation %U>", ((py_operation *)self)->name);
}

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)operation_new},
    {Py_tp_dealloc, (void *)operation_dealloc},
    {Py_tp_traverse, (void *)operation_traverse},
    {Py_tp_clear, (void *)operation_clear},
    {Py_tp_call, (void *)operation_call},
    {Py_tp_repr, (void *)operation_repr},
    {0, NULL},
};

static PyType_Spec spec = {
    "tapir._tapir.Operation",
    sizeof(py_operation),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    slots,
};

bool py_add_operation(PyObject *module) {
    operation_type = py_type(module, &spec);
    return operation_type != NULL;
}
