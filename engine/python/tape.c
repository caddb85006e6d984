/* tape.c - tapir.Tape. A tape lives as long as anything that was recorded on it has a name in
 * Python; an error of the library becomes an exception at the operation that made it, and is then
 * forgotten, so that the tape can be used again. */
#include "core.h"

#include <string.h>

PyTypeObject *py_tape_type;

/* ---- one thread at a time -------------------------------------------------------------------- */

bool py_tape_free_to_use(const py_tape *tape) {
    if (tape->owner == 0) return true;
    const bool own = tape->owner == PyThread_get_thread_ident();
    if (own && !py_operating()) return true;
    if (own)
        py_raise(AD_BAD_ARGUMENT,
                 "a function of an Operation must not touch the tape that is calling it");
    else
        py_raise(AD_BAD_ARGUMENT,
                 "another thread is working on this tape; a tape belongs to one thread at a time");
    return false;
}

bool py_tape_good(py_tape *tape) {
    if (py_operations_raised(tape)) ad_tape_clear(tape->tape);
    else if (ad_tape_status(tape->tape) != AD_OK) py_raise_tape(tape);
    else return true;
    return false;
}

bool py_tape_join(py_tape **tape, py_tape *other) {
    if (other == NULL || other == *tape) return true;
    if (*tape != NULL) {
        py_raise(AD_TWO_TAPES, NULL);
        return false;
    }
    *tape = other;
    return other->owner == 0 || py_tape_free_to_use(other);
}

void py_tape_enter(py_tape *tape) {
    tape->owner = PyThread_get_thread_ident();
    tape->depth++;
}

void py_tape_leave(py_tape *tape) {
    if (--tape->depth == 0) tape->owner = 0;
}

/* ---- the object ------------------------------------------------------------------------------ */

static PyObject *tape_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    if (PyTuple_Size(args) != 0 || (keywords != NULL && PyDict_Size(keywords) != 0)) {
        PyErr_SetString(PyExc_TypeError, "Tape() takes no arguments");
        return NULL;
    }
    py_tape *self = (py_tape *)py_allocate(type);
    if (self == NULL) return NULL;
    self->tape = ad_tape_new();
    self->kept = PyList_New(0);
    if (self->tape != NULL && self->kept != NULL) return (PyObject *)self;
    if (self->tape == NULL) PyErr_NoMemory();
    Py_DECREF(self);
    return NULL;
}

static int tape_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((py_tape *)self)->kept);
    return 0;
}

/* Only what nothing can reach any more is cleared: no variable, no program. */
static int tape_clear_references(PyObject *self) {
    Py_CLEAR(((py_tape *)self)->kept);
    return 0;
}

static void tape_dealloc(PyObject *self) {
    py_tape *tape = (py_tape *)self;
    PyObject_GC_UnTrack(self);
    ad_tape_free(tape->tape);
    Py_CLEAR(tape->kept);
    py_release(self);
}

static PyObject *tape_repr(PyObject *self) {
    const ad_tape *tape = ((py_tape *)self)->tape;
    return PyUnicode_FromFormat("<tapir.Tape: %zu nodes, %zu bytes>", ad_tape_length(tape),
                                ad_tape_bytes(tape));
}

static Py_ssize_t tape_length(PyObject *self) {
    return (Py_ssize_t)ad_tape_length(((py_tape *)self)->tape);
}

static PyObject *done(py_tape *tape) {
    if (!py_tape_good(tape)) return NULL;
    Py_RETURN_NONE;
}

/* ---- methods --------------------------------------------------------------------------------- */

static PyObject *tape_input(PyObject *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"value", "name", NULL};
    py_tape     *tape = (py_tape *)self;
    double       value;
    const char  *name = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "d|z:input", names, &value, &name) ||
        !py_tape_free_to_use(tape))
        return NULL;
    const ad_var v = ad_input(tape->tape, value);
    if (name != NULL) ad_name(v, name);
    return py_var_new(tape, v);
}

/* The leaves of an array: the Python half puts them into an Array of the shape. */
static PyObject *tape_inputs(PyObject *self, PyObject *values) {
    py_tape   *tape = (py_tape *)self;
    py_numbers numbers;
    if (!py_numbers_take(values, "inputs", &numbers)) return NULL;
    if (!py_tape_free_to_use(tape)) {
        py_numbers_drop(&numbers);
        return NULL;
    }
    const size_t n = py_numbers_count(&numbers);
    PyObject    *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *x = py_var_new(tape, ad_input(tape->tape, py_numbers_at(&numbers)[i]));
        if (x == NULL) Py_CLEAR(list);
        else PyList_SetItem(list, (Py_ssize_t)i, x);
    }
    py_numbers_drop(&numbers);
    return list;
}

static PyObject *tape_replay(PyObject *self, PyObject *none) {
    (void)none;
    py_tape *tape = (py_tape *)self;
    if (!py_tape_free_to_use(tape)) return NULL;
    py_tape_enter(tape);
    PyThreadState *const thread = PyEval_SaveThread();
    ad_replay(tape->tape);
    PyEval_RestoreThread(thread);
    py_tape_leave(tape);
    return done(tape);
}

static PyObject *tape_mark(PyObject *self, PyObject *none) {
    (void)none;
    if (!py_tape_free_to_use((py_tape *)self)) return NULL;
    const ad_mark m = ad_tape_mark(((py_tape *)self)->tape);
    return Py_BuildValue("(kkk)", (unsigned long)m.node, (unsigned long)m.list,
                         (unsigned long)m.era);
}

static PyObject *tape_rewind(PyObject *self, PyObject *args) {
    py_tape           *tape = (py_tape *)self;
    unsigned long long place[3];
    if (!PyArg_ParseTuple(args, "(O&O&O&):rewind", py_whole, &place[0], py_whole, &place[1],
                          py_whole, &place[2]) ||
        !py_tape_free_to_use(tape))
        return NULL;
    for (int i = 0; i < 3; i++)
        if (place[i] > UINT32_MAX)
            return py_raise(AD_BAD_ARGUMENT, "rewind: this is no mark of a tape");
    ad_tape_rewind(tape->tape,
                   (ad_mark){(uint32_t)place[0], (uint32_t)place[1], (uint32_t)place[2]});
    return done(tape);
}

static PyObject *tape_find(PyObject *self, PyObject *args) {
    py_tape    *tape = (py_tape *)self;
    const char *name;
    if (!PyArg_ParseTuple(args, "s:find", &name) || !py_tape_free_to_use(tape)) return NULL;
    return py_var_new(tape, ad_find(tape->tape, name));
}

static PyObject *tape_scope_begin(PyObject *self, PyObject *args) {
    py_tape    *tape = (py_tape *)self;
    const char *name;
    if (!PyArg_ParseTuple(args, "s:scope_begin", &name) || !py_tape_free_to_use(tape)) return NULL;
    ad_scope(tape->tape, name);
    return done(tape);
}

static PyObject *tape_scope_end(PyObject *self, PyObject *none) {
    (void)none;
    py_tape *tape = (py_tape *)self;
    if (!py_tape_free_to_use(tape)) return NULL;
    ad_scope_end(tape->tape);
    return done(tape);
}

/* The names of a dict, separated by commas, for ad_parse. */
static PyObject *joined_names(PyObject *keywords) {
    PyObject *comma = PyUnicode_FromString(","), *names = PyDict_Keys(keywords), *joined = NULL;
    if (comma != NULL && names != NULL) joined = PyUnicode_Join(comma, names);
    Py_XDECREF(comma);
    Py_XDECREF(names);
    return joined;
}

static PyObject *parse(py_tape *tape, const char *text, PyObject *keywords) {
    if (keywords == NULL || PyDict_Size(keywords) == 0)
        return py_var_new(tape, ad_parse(tape->tape, text, 0, NULL, NULL));
    PyObject *names = joined_names(keywords), *values = PyDict_Values(keywords), *result = NULL;
    py_list   list;
    if (names != NULL && values != NULL && py_list_take(values, "parse", &list)) {
        const char *c_names = PyUnicode_AsUTF8AndSize(names, NULL);
        if (c_names != NULL && py_tape_join(&tape, list.tape) && py_tape_free_to_use(tape))
            result = py_var_new(tape, ad_parse(tape->tape, text, list.n, c_names, list.v));
        py_list_drop(&list);
    }
    Py_XDECREF(names);
    Py_XDECREF(values);
    return result;
}

static PyObject *tape_parse(PyObject *self, PyObject *args, PyObject *keywords) {
    const char *text;
    if (!PyArg_ParseTuple(args, "s:parse", &text) || !py_tape_free_to_use((py_tape *)self))
        return NULL;
    return parse((py_tape *)self, text, keywords);
}

static PyObject *tape_bytes(PyObject *self, void *none) {
    (void)none;
    return PyLong_FromSize_t(ad_tape_bytes(((py_tape *)self)->tape));
}

static PyMethodDef methods[] = {
    {"input", (PyCFunction)(void (*)(void))tape_input, METH_VARARGS | METH_KEYWORDS,
     "input(value, name=None): a leaf, something to differentiate by."},
    {"_inputs", tape_inputs, METH_O, NULL},
    {"replay", tape_replay, METH_NOARGS,
     "replay(): recomputes every value, first node to last, from the values of the leaves.\n\n"
     "tapir.Error (BRANCH_CHANGED) if a noted branch would go the other way."},
    {"mark", tape_mark, METH_NOARGS, "mark(): this place, for rewind."},
    {"rewind", tape_rewind, METH_VARARGS,
     "rewind(mark): forgets everything recorded after the mark."},
    {"find", tape_find, METH_VARARGS, "find(name): the last node of this name."},
    {"_scope_begin", tape_scope_begin, METH_VARARGS, NULL},
    {"_scope_end", tape_scope_end, METH_NOARGS, NULL},
    {"parse", (PyCFunction)(void (*)(void))tape_parse, METH_VARARGS | METH_KEYWORDS,
     "parse(text, **names): records a formula in C's syntax with ^ for powers.\n\n"
     "    e = t.parse(\"c = (a + b)*(b + 1); tanh(c)\", a=a, b=b)\n\n"
     "tapir.Error (BAD_FORMULA) with a caret under the place."},
    {NULL, NULL, 0, NULL},
};

static PyObject *tape_branches(PyObject *self, void *none) {
    (void)none;
    return PyLong_FromSize_t(((py_tape *)self)->branches);
}

static PyGetSetDef attributes[] = {
    {"_branches", tape_branches, NULL, NULL, NULL},
    {"bytes", tape_bytes, NULL, "memory held, in bytes", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Tape(): operations, in the order in which they happen.\n\n"
                "Variables made by `input`, and everything computed from them, are recorded on it. "
                "len() is the number of nodes."},
    {Py_tp_new, (void *)tape_new},
    {Py_tp_dealloc, (void *)tape_dealloc},
    {Py_tp_traverse, (void *)tape_traverse},
    {Py_tp_clear, (void *)tape_clear_references},
    {Py_tp_repr, (void *)tape_repr},
    {Py_sq_length, (void *)tape_length},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    "tapir._tapir.Tape",
    sizeof(py_tape),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    slots,
};

bool py_add_tape(PyObject *module) {
    py_tape_type = py_type(module, &spec);
    return py_tape_type != NULL;
}
