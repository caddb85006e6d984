/* var.c - tapir.Var: a scalar of a tape, with Python's operators and a method for each operation of
 * one operand.
 *
 * The methods come from ops.def. NumPy calls methods of these names (and of its own: arcsin) for
 * functions of arrays of objects, so that np.exp of an array of variables records. */
#include "core.h"

#include <math.h>
#include <string.h>

PyTypeObject *py_var_type;

/* ---- the object ------------------------------------------------------------------------------ */

PyObject *py_var_new(py_tape *tape, ad_var v) {
    if (tape != NULL && ad_tape_status(tape->tape) != AD_OK) return py_raise_tape(tape);
    if (v.tape != NULL && (tape == NULL || v.tape != tape->tape))
        return py_raise(AD_TWO_TAPES, NULL);
    py_var *self = PyObject_New(py_var, py_var_type);
    if (self == NULL) return NULL;
    self->v = v;
    self->tape = v.tape != NULL ? tape : NULL;
    Py_XINCREF((PyObject *)self->tape);
    return (PyObject *)self;
}

PyObject *py_vars_new(py_tape *tape, size_t n, const ad_var v[]) {
    if (tape != NULL && ad_tape_status(tape->tape) != AD_OK) return py_raise_tape(tape);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *x = py_var_new(tape, v[i]);
        if (x == NULL) Py_CLEAR(list);
        else PyList_SetItem(list, (Py_ssize_t)i, x);
    }
    return list;
}

static void var_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF((PyObject *)((py_var *)self)->tape);
    PyObject_Free(self);
    Py_DECREF(type);
}

static bool is_var(PyObject *x) {
    return Py_TYPE(x) == py_var_type;
}

/* Python's and NumPy's scalars are numbers; what has a length is an array, whatever it converts
 * to, and takes over the operation. */
static bool to_number(PyObject *x, double *number) {
    if (PyFloat_CheckExact(x)) {
        *number = PyFloat_AsDouble(x);
        return true;
    }
    if (!PyFloat_Check(x) && !PyLong_Check(x)) {
        if (PyType_GetSlot(Py_TYPE(x), Py_nb_float) == NULL || PyObject_HasAttrString(x, "__len__"))
            return false;
    }
    *number = PyFloat_AsDouble(x);
    return !(*number == -1 && PyErr_Occurred());
}

bool py_operand(PyObject *x, ad_var *v, py_tape **tape) {
    if (is_var(x)) {
        const py_var *var = (const py_var *)x;
        *v = var->v;
        return py_tape_join(tape, var->tape);
    }
    double number;
    if (!to_number(x, &number)) return false;
    *v = ad_num(number);
    return true;
}

/* ---- operators ------------------------------------------------------------------------------- */

static PyObject *binary(PyObject *a, PyObject *b, ad_var (*operation)(ad_var, ad_var)) {
    ad_var   x, y;
    py_tape *tape = NULL;
    if (!py_operand(a, &x, &tape) || !py_operand(b, &y, &tape)) {
        if (PyErr_Occurred()) return NULL;
        Py_RETURN_NOTIMPLEMENTED;
    }
    return py_var_new(tape, operation(x, y));
}

static PyObject *unary(PyObject *a, ad_var (*operation)(ad_var)) {
    py_tape *tape = ((py_var *)a)->tape;
    if (tape != NULL && !py_tape_free_to_use(tape)) return NULL;
    return py_var_new(tape, operation(((py_var *)a)->v));
}

#define BINARY(slot, operation)                             \
    static PyObject *var_##slot(PyObject *a, PyObject *b) { \
        return binary(a, b, operation);                     \
    }
BINARY(add, ad_add)
BINARY(subtract, ad_sub)
BINARY(multiply, ad_mul)
BINARY(divide, ad_div)

static PyObject *var_power(PyObject *a, PyObject *b, PyObject *modulus) {
    if (modulus == Py_None) return binary(a, b, ad_pow);
    PyErr_SetString(PyExc_TypeError, "a power of a variable takes no modulus");
    return NULL;
}

/* Python's remainder has the sign of the divisor, C's that of the dividend. */
static ad_var modulo(ad_var x, ad_var y) {
    const ad_var r = ad_fmod(x, y), zero = ad_num(0);
    const ad_var signs_differ = ad_not_equal(ad_less(r, zero), ad_less(y, zero));
    return ad_where(ad_both(ad_not_equal(r, zero), signs_differ), ad_add(r, y), r);
}
BINARY(remainder, modulo)

static ad_var whole_quotient(ad_var x, ad_var y) {
    return ad_rint(ad_div(ad_sub(x, modulo(x, y)), y));
}
BINARY(floor_divide, whole_quotient)

static PyObject *var_negative(PyObject *a) {
    return unary(a, ad_neg);
}
static PyObject *var_absolute(PyObject *a) {
    return unary(a, ad_abs);
}
static PyObject *var_positive(PyObject *a) {
    return Py_NewRef(a);
}

static ad_var greater(ad_var x, ad_var y) {
    return ad_less(y, x);
}
static ad_var greater_equal(ad_var x, ad_var y) {
    return ad_less_equal(y, x);
}

static PyObject *var_compare(PyObject *a, PyObject *b, int which) {
    switch (which) {
    case Py_LT: return binary(a, b, ad_less);
    case Py_LE: return binary(a, b, ad_less_equal);
    case Py_EQ: return binary(a, b, ad_equal);
    case Py_NE: return binary(a, b, ad_not_equal);
    case Py_GT: return binary(a, b, greater);
    default: return binary(a, b, greater_equal);
    }
}

/* A variable is itself, whatever its value: the hash goes with identity, as PyTorch's does. */
static Py_hash_t var_hash(PyObject *a) {
    const Py_hash_t hash = (Py_hash_t)((uintptr_t)a >> 4);
    return hash == -1 ? -2 : hash;
}

static int var_bool(PyObject *a) {
    py_var *x = (py_var *)a;
    if (x->tape == NULL) return ad_value(x->v) != 0;
    if (!py_tape_free_to_use(x->tape)) return -1;
    x->tape->branches++;
    const bool taken = ad_branch(x->v);
    if (ad_tape_status(x->tape->tape) == AD_OK) return taken;
    py_raise_tape(x->tape);
    return -1;
}

static PyObject *var_float(PyObject *a) {
    (void)a;
    PyErr_SetString(PyExc_TypeError,
                    "a tapir.Var is not turned into a number silently, for its derivative would "
                    "be lost: x.value is the number, tapir.exp(x) and x.exp() record");
    return NULL;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static PyObject *number_or_error(py_tape *tape, double number) {
    if (tape != NULL && ad_tape_status(tape->tape) != AD_OK) return py_raise_tape(tape);
    return PyFloat_FromDouble(number);
}

static PyObject *var_value(PyObject *self, void *none) {
    (void)none;
    py_var *x = (py_var *)self;
    if (x->tape != NULL && !py_tape_free_to_use(x->tape)) return NULL;
    return number_or_error(x->tape, ad_value(x->v));
}

static int var_set_value(PyObject *self, PyObject *to, void *none) {
    (void)none;
    py_var *x = (py_var *)self;
    if (to == NULL || is_var(to)) {
        PyErr_SetString(PyExc_TypeError, to == NULL ? "a value cannot be deleted"
                                                    : "a value is a number, not a variable");
        return -1;
    }
    const double value = PyFloat_AsDouble(to);
    if ((value == -1 && PyErr_Occurred()) || (x->tape != NULL && !py_tape_free_to_use(x->tape)))
        return -1;
    ad_set(x->v, value);
    if (x->tape == NULL || ad_tape_status(x->tape->tape) == AD_OK) return 0;
    py_raise_tape(x->tape);
    return -1;
}

static PyObject *var_grad(PyObject *self, void *none) {
    (void)none;
    py_var *x = (py_var *)self;
    if (x->tape != NULL && !py_tape_free_to_use(x->tape)) return NULL;
    return number_or_error(x->tape, ad_grad(x->v));
}

static PyObject *var_tape(PyObject *self, void *none) {
    (void)none;
    py_var *x = (py_var *)self;
    return Py_NewRef(x->tape != NULL ? (PyObject *)x->tape : Py_None);
}

static PyObject *var_repr(PyObject *self) {
    PyObject *value = var_value(self, NULL);
    if (value == NULL) return NULL;
    PyObject *text = PyUnicode_FromFormat("Var(%R)", value);
    Py_DECREF(value);
    return text;
}

/* ---- methods --------------------------------------------------------------------------------- */

static PyObject *var_backward(PyObject *self, PyObject *none) {
    (void)none;
    py_var *y = (py_var *)self;
    if (y->tape == NULL) Py_RETURN_NONE;
    if (!py_tape_free_to_use(y->tape)) return NULL;
    py_tape_enter(y->tape);
    PyThreadState *const thread = PyEval_SaveThread();
    ad_backward(y->v);
    PyEval_RestoreThread(thread);
    py_tape_leave(y->tape);
    if (!py_tape_good(y->tape)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *var_named(PyObject *self, PyObject *name) {
    py_var     *x = (py_var *)self;
    const char *text = py_utf8(name, "a name");
    if (text == NULL || (x->tape != NULL && !py_tape_free_to_use(x->tape))) return NULL;
    ad_name(x->v, text);
    if (x->tape != NULL && ad_tape_status(x->tape->tape) != AD_OK) return py_raise_tape(x->tape);
    return Py_NewRef(self);
}

/* As its value is written. */
static PyObject *var_format(PyObject *self, PyObject *spec) {
    PyObject *value = PyObject_Length(spec) > 0 ? var_value(self, NULL) : PyObject_Str(self);
    PyObject *text = value != NULL ? PyObject_Format(value, spec) : NULL;
    Py_XDECREF(value);
    return text;
}

static PyObject *var_conjugate(PyObject *self, PyObject *none) {
    (void)none;
    return Py_NewRef(self);
}

static PyObject *var_svg(PyObject *self, PyObject *none) {
    (void)none;
    PyObject *args = PyTuple_Pack(1, self);
    PyObject *svg = args != NULL ? py_hook("svg", args) : NULL;
    Py_XDECREF(args);
    return svg;
}

static PyObject *var_html(PyObject *self, PyObject *none) {
    (void)none;
    PyObject *args = PyTuple_Pack(1, self);
    PyObject *html = args != NULL ? py_hook("html", args) : NULL;
    Py_XDECREF(args);
    return html;
}

#define R1(name, ...)                                                \
    static PyObject *method_##name(PyObject *self, PyObject *none) { \
        (void)none;                                                  \
        return unary(self, ad_##name);                               \
    }
#define R2(name, ...)
#include "ops.def"

static PyObject *method_atan2(PyObject *self, PyObject *x) {
    return binary(self, x, ad_atan2);
}
static PyObject *method_hypot(PyObject *self, PyObject *x) {
    return binary(self, x, ad_hypot);
}
static PyObject *method_fmod(PyObject *self, PyObject *x) {
    return binary(self, x, ad_fmod);
}

static PyMethodDef methods[] = {
    {"backward", var_backward, METH_NOARGS,
     "backward(): the adjoint of every node, last to first; then x.grad is d(this)/dx."},
    {"named", var_named, METH_O,
     "named(name): gives the node a name, for messages, explanations and pictures; returns it."},
    {"conjugate", var_conjugate, METH_NOARGS, "conjugate(): itself, it is real."},
    {"__format__", var_format, METH_O, NULL},
    {"_repr_svg_", var_svg, METH_NOARGS, NULL},
    {"_repr_html_", var_html, METH_NOARGS, NULL},
#define R1(name, shown, ...) {#name, method_##name, METH_NOARGS, #name "(): " shown},
#define R2(name, ...)
#include "ops.def"
    {"arcsin", method_asin, METH_NOARGS, "NumPy's name of asin"},
    {"arccos", method_acos, METH_NOARGS, "NumPy's name of acos"},
    {"arctan", method_atan, METH_NOARGS, "NumPy's name of atan"},
    {"arcsinh", method_asinh, METH_NOARGS, "NumPy's name of asinh"},
    {"arccosh", method_acosh, METH_NOARGS, "NumPy's name of acosh"},
    {"arctanh", method_atanh, METH_NOARGS, "NumPy's name of atanh"},
    {"fabs", method_abs, METH_NOARGS, "C's name of abs"},
    {"arctan2", method_atan2, METH_O, "NumPy's name of atan2"},
    {"hypot", method_hypot, METH_O, "hypot(y): sqrt(x^2 + y^2)"},
    {"fmod", method_fmod, METH_O, "fmod(y): the remainder of C, with the sign of x"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"value", var_value, var_set_value, "its value; that of an input can be set", NULL},
    {"grad", var_grad, NULL, "dy/dx of the last y.backward()", NULL},
    {"tape", var_tape, NULL, "the tape; None for a plain number", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A scalar: a node of a tape. Made by Tape.input and by operations."},
    {Py_tp_dealloc, (void *)var_dealloc},
    {Py_tp_repr, (void *)var_repr},
    {Py_tp_hash, (void *)var_hash},
    {Py_tp_richcompare, (void *)var_compare},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_nb_add, (void *)var_add},
    {Py_nb_subtract, (void *)var_subtract},
    {Py_nb_multiply, (void *)var_multiply},
    {Py_nb_true_divide, (void *)var_divide},
    {Py_nb_power, (void *)var_power},
    {Py_nb_remainder, (void *)var_remainder},
    {Py_nb_floor_divide, (void *)var_floor_divide},
    {Py_nb_negative, (void *)var_negative},
    {Py_nb_positive, (void *)var_positive},
    {Py_nb_absolute, (void *)var_absolute},
    {Py_nb_bool, (void *)var_bool},
    {Py_nb_float, (void *)var_float},
    {0, NULL},
};

static PyType_Spec spec = {
    "tapir.Var", sizeof(py_var),
    0,           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

bool py_add_var(PyObject *module) {
    py_var_type = py_type(module, &spec);
    return py_var_type != NULL;
}
