/* modules.c - layers made of a model's parameters, and the losses and building blocks of nn.h.
 *
 * What is recorded comes back as a list of variables; the Python half gives it its shape. */
#include "networks.h"

#include <string.h>

/* ---- modules --------------------------------------------------------------------------------- */

typedef enum kind { MLP, ATTENTION, EMBEDDING } kind;

typedef struct py_module {
    PyObject_HEAD kind kind;
    void              *object;
    size_t             inputs, outputs; /* of one use; of attention, for one position */
    py_model          *model;
} py_module;

static PyTypeObject *module_type;

static void module_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    py_module    *m = (py_module *)self;
    if (m->kind == MLP) nn_mlp_free(m->object);
    if (m->kind == ATTENTION) nn_attention_free(m->object);
    if (m->kind == EMBEDDING) nn_embedding_free(m->object);
    Py_XDECREF((PyObject *)m->model);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *module_of(kind what, void *object, size_t inputs, size_t outputs,
                           py_model *model) {
    if (object == NULL) return py_model_done(model) == NULL ? NULL : PyErr_NoMemory();
    py_module *m = PyObject_New(py_module, module_type);
    if (m == NULL) return NULL;
    m->kind = what;
    m->object = object;
    m->inputs = inputs;
    m->outputs = outputs;
    m->model = (py_model *)Py_NewRef((PyObject *)model);
    return (PyObject *)m;
}

/* NULL for None; false for a name that no activation has. */
static bool activation_named(const char *name, nn_activation **activation) {
    *activation = name != NULL ? nn_activation_named(name) : NULL;
    if (name == NULL || *activation != NULL) return true;
    PyErr_Format(PyExc_ValueError,
                 "no activation is called %s; identity, tanh, relu, leaky_relu, elu, gelu, silu, "
                 "sigmoid, softplus are",
                 name);
    return false;
}

static bool rule_named(const char *name, nn_init_rule **rule) {
    *rule = name != NULL ? py_rule(name) : NULL;
    if (name == NULL) return true;
    if (*rule == NULL)
        PyErr_Format(PyExc_ValueError, "no rule of initialization is called %s", name);
    return *rule != NULL;
}

/* _nn_mlp(model, sizes, hidden, output, weight, bias, name, with_bias) */
static PyObject *function_mlp(PyObject *module, PyObject *args) {
    (void)module;
    py_model     *model;
    PyObject     *sizes;
    const char   *hidden, *output, *weight, *bias, *name;
    int           with_bias;
    nn_mlp_config c = {0};
    if (!PyArg_ParseTuple(args, "O!O!zzzzzp", py_model_type, &model, &PyTuple_Type, &sizes, &hidden,
                          &output, &weight, &bias, &name, &with_bias) ||
        !activation_named(hidden, &c.hidden) || !activation_named(output, &c.output) ||
        !rule_named(weight, &c.weight) || !rule_named(bias, &c.bias) ||
        !py_idle(model->busy, "model") || !py_tape_free_to_use(model->tape))
        return NULL;
    const Py_ssize_t count = PyTuple_Size(sizes);
    size_t          *size = PyMem_Calloc((size_t)count + 1, sizeof *size);
    if (size == NULL) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) size[i] = PyLong_AsSize_t(PyTuple_GetItem(sizes, i));
    c.layers = count > 0 ? (size_t)count - 1 : 0;
    c.sizes = size;
    c.name = name;
    c.without_bias = !with_bias;
    PyObject *result = NULL;
    if (!PyErr_Occurred())
        result = module_of(MLP, nn_mlp_new(model->model, &c), size[0], size[c.layers], model);
    PyMem_Free(size);
    return result;
}

/* _nn_attention(model, name, width, heads, positions, causal) */
static PyObject *function_attention(PyObject *module, PyObject *args) {
    (void)module;
    py_model           *model;
    Py_ssize_t          width, heads, positions;
    int                 causal;
    nn_attention_config c = {0};
    if (!PyArg_ParseTuple(args, "O!snnnp", py_model_type, &model, &c.name, &width, &heads,
                          &positions, &causal) ||
        !py_idle(model->busy, "model") || !py_tape_free_to_use(model->tape))
        return NULL;
    if (width < 0 || heads < 0 || positions < 0)
        return PyErr_Format(PyExc_ValueError, "attention: a negative size");
    c.width = (size_t)width;
    c.heads = (size_t)heads;
    c.positions = (size_t)positions;
    c.causal = causal != 0;
    return module_of(ATTENTION, nn_attention_new(model->model, &c), c.width, c.width, model);
}

/* _nn_embedding(model, name, count, width) */
static PyObject *function_embedding(PyObject *module, PyObject *args) {
    (void)module;
    py_model   *model;
    const char *name;
    Py_ssize_t  count, width;
    if (!PyArg_ParseTuple(args, "O!snn", py_model_type, &model, &name, &count, &width) ||
        !py_idle(model->busy, "model") || !py_tape_free_to_use(model->tape))
        return NULL;
    if (count < 0 || width < 0) return PyErr_Format(PyExc_ValueError, "embedding: a negative size");
    return module_of(EMBEDDING,
                     nn_embedding_new(model->model, name, (size_t)count, (size_t)width, NULL), 1,
                     (size_t)width, model);
}

/* ---- their forward passes -------------------------------------------------------------------- */

static bool inputs_fit(const py_module *m, const py_list *x) {
    if (m->kind == ATTENTION ? m->inputs > 0 && x->n % m->inputs == 0 : x->n == m->inputs)
        return true;
    PyErr_Format(PyExc_ValueError, "%zu inputs are needed, these are %zu", m->inputs, x->n);
    return false;
}

static void forward(const py_module *m, const py_list *x, ad_var y[]) {
    if (m->kind == MLP) nn_mlp_forward(m->object, x->v, y);
    if (m->kind == ATTENTION) nn_attention_forward(m->object, x->n / m->inputs, x->v, y);
    if (m->kind == EMBEDDING) nn_embedding_forward(m->object, x->v[0], y);
}

static PyObject *module_forward(PyObject *self, PyObject *given) {
    py_module *m = (py_module *)self;
    py_tape   *tape = m->model->tape;
    py_list    x;
    PyObject  *result = NULL;
    if (!py_tape_free_to_use(tape) || !py_list_take(given, "forward", &x)) return NULL;
    if (!py_tape_join(&tape, x.tape)) {
        py_list_drop(&x);
        return NULL;
    }
    const size_t count = m->kind == ATTENTION ? x.n : m->outputs;
    ad_var      *y = PyMem_Calloc(count + 1, sizeof *y);
    if (y == NULL) {
        PyErr_NoMemory();
    } else if (inputs_fit(m, &x)) {
        forward(m, &x, y);
        result = py_vars_new(tape, count, y);
    }
    PyMem_Free(y);
    py_list_drop(&x);
    return result;
}

static PyMethodDef module_methods[] = {
    {"forward", module_forward, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot module_slots[] = {
    {Py_tp_dealloc, (void *)module_dealloc},
    {Py_tp_methods, module_methods},
    {0, NULL},
};

static PyType_Spec module_spec = {"tapir.nn.Module", sizeof(py_module), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                                      Py_TPFLAGS_IMMUTABLETYPE,
                                  module_slots};

/* ---- losses of one example ------------------------------------------------------------------- */

typedef ad_var paired_loss(size_t n, const ad_var prediction[], const ad_var target[]);

static const struct {
    const char  *name;
    paired_loss *loss;
} losses[] = {
    {"mse", nn_mse}, {"mse_sum", nn_mse_sum}, {"mae", nn_mae},     {"mae_sum", nn_mae_sum},
    {"bce", nn_bce}, {"bce_sum", nn_bce_sum}, {"hinge", nn_hinge}, {"hinge_sum", nn_hinge_sum},
};

static ad_var loss_named(const char *name, const py_list *prediction, const py_list *target,
                         double delta) {
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        if (strcmp(losses[i].name, name) == 0)
            return losses[i].loss(target->n, prediction->v, target->v);
    return nn_huber(target->n, prediction->v, target->v, delta);
}

/* _nn_loss(name, prediction, target, delta) */
static PyObject *function_loss(PyObject *module, PyObject *args) {
    (void)module;
    const char *name;
    PyObject   *given[2], *result = NULL;
    double      delta;
    py_list     prediction, target;
    if (!PyArg_ParseTuple(args, "sOOd", &name, &given[0], &given[1], &delta) ||
        !py_list_take(given[0], name, &prediction))
        return NULL;
    if (py_list_take(given[1], name, &target)) {
        py_tape *tape = prediction.tape;
        if (prediction.n != target.n)
            PyErr_Format(PyExc_ValueError, "%s: %zu predictions and %zu targets", name,
                         prediction.n, target.n);
        else if (py_tape_join(&tape, target.tape))
            result = py_var_new(tape, loss_named(name, &prediction, &target, delta));
        py_list_drop(&target);
    }
    py_list_drop(&prediction);
    return result;
}

/* _nn_label_loss(name, logits, label, smoothing) */
static PyObject *function_label_loss(PyObject *module, PyObject *args) {
    (void)module;
    const char *name;
    PyObject   *given, *class_number;
    double      smoothing;
    py_list     logits;
    ad_var      label;
    py_tape    *tape = NULL;
    if (!PyArg_ParseTuple(args, "sOOd", &name, &given, &class_number, &smoothing)) return NULL;
    if (!py_operand(class_number, &label, &tape))
        return PyErr_Occurred()
                 ? NULL
                 : PyErr_Format(PyExc_TypeError, "%s: the label is a variable or a number", name);
    if (!py_list_take(given, name, &logits)) return NULL;
    if (!py_tape_join(&tape, logits.tape)) {
        py_list_drop(&logits);
        return NULL;
    }
    const ad_var v = strcmp(name, "correct") == 0 ? nn_correct(logits.n, logits.v, label)
                   : smoothing != 0 ? nn_cross_entropy_smooth(logits.n, logits.v, label, smoothing)
                                    : nn_cross_entropy(logits.n, logits.v, label);
    py_list_drop(&logits);
    return py_var_new(tape, v);
}

/* ---- building blocks ------------------------------------------------------------------------- */

static bool optional_list(PyObject *given, const char *what, size_t n, py_list *list) {
    *list = (py_list){0};
    if (given == Py_None) return true;
    if (!py_list_take(given, what, list)) return false;
    if (list->n == n) return true;
    PyErr_Format(PyExc_ValueError, "%s: %zu numbers for %zu elements", what, list->n, n);
    py_list_drop(list);
    return false;
}

static void record_block(const char *name, const py_list *x, const py_list *scale,
                         const py_list *shift, double epsilon, ad_var y[]) {
    if (strcmp(name, "softmax") == 0) nn_softmax_recorded(x->n, x->v, y);
    if (strcmp(name, "log_softmax") == 0) nn_log_softmax(x->n, x->v, y);
    if (strcmp(name, "rms_norm") == 0) nn_rms_norm(x->n, x->v, scale->v, epsilon, y);
    if (strcmp(name, "layer_norm") == 0) nn_layer_norm(x->n, x->v, scale->v, shift->v, epsilon, y);
}

static PyObject *block(const char *name, const py_list *x, const py_list *scale,
                       const py_list *shift, double epsilon) {
    py_tape *tape = x->tape;
    if (!py_tape_join(&tape, scale->tape) || !py_tape_join(&tape, shift->tape)) return NULL;
    ad_var *y = PyMem_Calloc(x->n + 1, sizeof *y);
    if (y == NULL) return PyErr_NoMemory();
    record_block(name, x, scale, shift, epsilon, y);
    PyObject *result = py_vars_new(tape, x->n, y);
    PyMem_Free(y);
    return result;
}

/* _nn_block(name, x, scale, shift, epsilon) */
static PyObject *function_block(PyObject *module, PyObject *args) {
    (void)module;
    const char *name;
    PyObject   *given[3], *result = NULL;
    double      epsilon;
    py_list     x, scale, shift = {0};
    if (!PyArg_ParseTuple(args, "sOOOd", &name, &given[0], &given[1], &given[2], &epsilon) ||
        !py_list_take(given[0], name, &x))
        return NULL;
    if (optional_list(given[1], name, x.n, &scale)) {
        if (optional_list(given[2], name, x.n, &shift)) {
            result = block(name, &x, &scale, &shift, epsilon);
            py_list_drop(&shift);
        }
        py_list_drop(&scale);
    }
    py_list_drop(&x);
    return result;
}

static PyMethodDef functions[] = {
    {"_nn_mlp", function_mlp, METH_VARARGS, NULL},
    {"_nn_attention", function_attention, METH_VARARGS, NULL},
    {"_nn_embedding", function_embedding, METH_VARARGS, NULL},
    {"_nn_loss", function_loss, METH_VARARGS, NULL},
    {"_nn_label_loss", function_label_loss, METH_VARARGS, NULL},
    {"_nn_block", function_block, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool py_add_modules(PyObject *module) {
    module_type = py_type(module, &module_spec);
    return module_type != NULL && py_functions(module, functions);
}
