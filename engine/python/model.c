/* model.c - nn.Model, and optimizers. */
#include "networks.h"

#include <string.h>

PyTypeObject *py_model_type, *py_optimizer_type;

bool py_idle(size_t busy, const char *what) {
    if (busy == 0) return true;
    PyErr_Format(PyExc_RuntimeError, "a training is using this %s; it cannot be changed now", what);
    return false;
}

/* ---- models ---------------------------------------------------------------------------------- */

PyObject *py_model_done(py_model *model) {
    const ad_status status = nn_model_status(model->model);
    if (status == AD_OK) Py_RETURN_NONE;
    py_raise(status, nn_model_message(model->model));
    nn_model_clear(model->model);
    return NULL;
}

static PyObject *model_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char       *names[] = {"tape", "seed", NULL};
    PyObject          *tape;
    unsigned long long seed;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!O&:Model", names, py_tape_type, &tape,
                                     py_whole, &seed))
        return NULL;
    py_model *m = (py_model *)py_allocate(type);
    if (m == NULL) return NULL;
    m->tape = (py_tape *)Py_NewRef(tape);
    m->model = nn_model_new(m->tape->tape, seed);
    if (m->model != NULL) return (PyObject *)m;
    Py_DECREF(m);
    return PyErr_NoMemory();
}

static void model_dealloc(PyObject *self) {
    py_model *m = (py_model *)self;
    nn_model_free(m->model);
    Py_XDECREF((PyObject *)m->tape);
    py_release(self);
}

static bool read_shape(PyObject *tuple, size_t shape[8], size_t *rank) {
    *rank = (size_t)PyTuple_Size(tuple);
    if (*rank > 8) {
        PyErr_SetString(PyExc_ValueError, "an array of parameters has 8 axes at most");
        return false;
    }
    for (size_t k = 0; k < *rank; k++)
        shape[k] = PyLong_AsSize_t(PyTuple_GetItem(tuple, (Py_ssize_t)k));
    return !PyErr_Occurred();
}

/* _param(name, shape, low, high, deviation) */
static PyObject *model_param(PyObject *self, PyObject *args) {
    py_model   *m = (py_model *)self;
    const char *name;
    PyObject   *tuple;
    nn_init     init = {0};
    size_t      shape[8], rank, count = 1;
    if (!PyArg_ParseTuple(args, "sO!ddd", &name, &PyTuple_Type, &tuple, &init.low, &init.high,
                          &init.deviation) ||
        !read_shape(tuple, shape, &rank) || !py_idle(m->busy, "model") ||
        !py_tape_free_to_use(m->tape))
        return NULL;
    const ad_var *v = nn_param(m->model, name, rank, shape, init);
    if (v == NULL) return py_model_done(m);
    for (size_t k = 0; k < rank; k++) count *= shape[k];
    return py_vars_new(m->tape, count, v);
}

/* arrays: a list of (name, shape, variables) */
static PyObject *model_arrays(PyObject *self, PyObject *none) {
    (void)none;
    py_model *m = (py_model *)self;
    if (!py_tape_free_to_use(m->tape)) return NULL;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < nn_model_arrays(m->model); i++) {
        const nn_array a = nn_model_array(m->model, i);
        PyObject      *shape = PyTuple_New((Py_ssize_t)a.rank);
        for (size_t k = 0; shape != NULL && k < a.rank; k++)
            PyTuple_SetItem(shape, (Py_ssize_t)k, PyLong_FromSize_t(a.shape[k]));
        PyObject *vars = shape != NULL ? py_vars_new(m->tape, a.count, a.param) : NULL;
        PyObject *item = vars != NULL ? Py_BuildValue("(sOO)", a.name, shape, vars) : NULL;
        Py_XDECREF(shape);
        Py_XDECREF(vars);
        if (item == NULL || PyList_Append(list, item) < 0) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *model_values(PyObject *self, PyObject *none) {
    (void)none;
    py_model *m = (py_model *)self;
    Py_buffer buffer;
    if (!py_tape_free_to_use(m->tape)) return NULL;
    PyObject *array = py_array_flat(nn_model_count(m->model), &buffer);
    if (array == NULL) return NULL;
    nn_model_values(m->model, buffer.buf);
    PyBuffer_Release(&buffer);
    PyObject *fine = py_model_done(m);
    if (fine == NULL) Py_CLEAR(array);
    Py_XDECREF(fine);
    return array;
}

static PyObject *model_set_values(PyObject *self, PyObject *values) {
    py_model  *m = (py_model *)self;
    py_numbers numbers;
    if (!py_numbers_take(values, "values", &numbers)) return NULL;
    if (!py_tape_free_to_use(m->tape)) {
        py_numbers_drop(&numbers);
        return NULL;
    }
    const size_t wanted = nn_model_count(m->model), given = py_numbers_count(&numbers);
    if (wanted == given) nn_model_set_values(m->model, py_numbers_at(&numbers));
    py_numbers_drop(&numbers);
    if (wanted != given)
        return PyErr_Format(PyExc_ValueError, "values: the model has %zu parameters, these are %zu",
                            wanted, given);
    return py_model_done(m);
}

static PyObject *model_save(PyObject *self, PyObject *args) {
    py_model *m = (py_model *)self;
    PyObject *path;
    int       single = 0;
    if (!PyArg_ParseTuple(args, "O&|p:save", PyUnicode_FSConverter, &path, &single)) return NULL;
    if (py_tape_free_to_use(m->tape)) {
        const char *bytes = PyBytes_AsString(path);
        if (bytes != NULL) (single ? nn_model_save_f32 : nn_model_save)(m->model, bytes);
    }
    Py_DECREF(path);
    return PyErr_Occurred() ? NULL : py_model_done(m);
}

static PyObject *model_load(PyObject *self, PyObject *args) {
    py_model *m = (py_model *)self;
    PyObject *path;
    if (!PyArg_ParseTuple(args, "O&:load", PyUnicode_FSConverter, &path)) return NULL;
    if (py_tape_free_to_use(m->tape)) {
        const char *bytes = PyBytes_AsString(path);
        if (bytes != NULL) nn_model_load(m->model, bytes);
    }
    Py_DECREF(path);
    return PyErr_Occurred() ? NULL : py_model_done(m);
}

static PyObject *model_summary(PyObject *self, PyObject *none) {
    (void)none;
    py_model *m = (py_model *)self;
    py_text   text;
    if (!py_text_open(&text)) return NULL;
    const ad_status status = nn_summary(m->model, text.file);
    if (status == AD_OK) return py_text_close(&text);
    py_text_drop(&text);
    return py_model_done(m) == NULL ? NULL : py_raise(status, NULL);
}

static PyObject *model_tape(PyObject *self, void *none) {
    (void)none;
    return Py_NewRef((PyObject *)((py_model *)self)->tape);
}

static PyObject *model_note(PyObject *self, void *none) {
    (void)none;
    const char *note = nn_model_note(((py_model *)self)->model);
    return PyUnicode_DecodeUTF8(note, (Py_ssize_t)strlen(note), "backslashreplace");
}

static Py_ssize_t model_length(PyObject *self) {
    return (Py_ssize_t)nn_model_count(((py_model *)self)->model);
}

static PyMethodDef model_methods[] = {
    {"_param", model_param, METH_VARARGS, NULL},
    {"_arrays", model_arrays, METH_NOARGS, NULL},
    {"values", model_values, METH_NOARGS, "values(): all parameters, one flat array."},
    {"set_values", model_set_values, METH_O, "set_values(values): all parameters anew."},
    {"_save", model_save, METH_VARARGS,
     "save(path, single=False): a safetensors file, F64, or F32 if single."},
    {"load", model_load, METH_VARARGS,
     "load(path): the parameters of a safetensors file of the same names and shapes."},
    {"summary", model_summary, METH_NOARGS, "summary(): a table of the layers, as text."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef model_attributes[] = {
    {"tape", model_tape, NULL, "the tape of the parameters", NULL},
    {"note", model_note, NULL, "what the last training has to say, or \"\"", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot model_slots[] = {
    {Py_tp_new, (void *)model_new},       {Py_tp_dealloc, (void *)model_dealloc},
    {Py_sq_length, (void *)model_length}, {Py_tp_methods, model_methods},
    {Py_tp_getset, model_attributes},     {0, NULL},
};

static PyType_Spec model_spec = {"tapir.nn.Model", sizeof(py_model), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, model_slots};

/* ---- rules by which arrays are filled -------------------------------------------------------- */

static const struct {
    const char   *name;
    nn_init_rule *rule;
} rules[] = {
    {"linear", nn_init_linear},
    {"zeros", nn_init_zeros},
    {"ones", nn_init_ones},
    {"he", nn_init_he},
    {"he_normal", nn_init_he_normal},
    {"xavier", nn_init_xavier},
    {"xavier_normal", nn_init_xavier_normal},
    {"micrograd", nn_init_micrograd},
};

nn_init_rule *py_rule(const char *name) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].name, name) == 0) return rules[i].rule;
    return NULL;
}

/* _init(name, fan_in, fan_out): (low, high, deviation), or None for another name */
static PyObject *function_init(PyObject *module, PyObject *args) {
    (void)module;
    const char *name;
    Py_ssize_t  fan_in, fan_out;
    if (!PyArg_ParseTuple(args, "snn", &name, &fan_in, &fan_out)) return NULL;
    nn_init_rule *rule = py_rule(name);
    if (rule == NULL) Py_RETURN_NONE;
    const nn_init init = rule((size_t)fan_in, (size_t)fan_out);
    return Py_BuildValue("(ddd)", init.low, init.high, init.deviation);
}

/* ---- optimizers ------------------------------------------------------------------------------ */

static PyObject *optimizer_of(nn_optimizer *optimizer) {
    if (optimizer == NULL) return PyErr_NoMemory();
    if (nn_optimizer_status(optimizer) != AD_OK) {
        py_raise(nn_optimizer_status(optimizer), nn_optimizer_message(optimizer));
        nn_optimizer_free(optimizer);
        return NULL;
    }
    py_optimizer *self = PyObject_New(py_optimizer, py_optimizer_type);
    if (self == NULL) {
        nn_optimizer_free(optimizer);
        return NULL;
    }
    self->optimizer = optimizer;
    self->busy = 0;
    return (PyObject *)self;
}

static void optimizer_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    nn_optimizer_free(((py_optimizer *)self)->optimizer);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *function_sgd(PyObject *module, PyObject *args, PyObject *keywords) {
    (void)module;
    static char  *names[] = {"rate",     "momentum", "dampening", "weight_decay",
                             "nesterov", "maximize", NULL};
    nn_sgd_config c = {0};
    int           nesterov = 0, maximize = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "d|dddpp:sgd", names, &c.rate, &c.momentum,
                                     &c.dampening, &c.weight_decay, &nesterov, &maximize))
        return NULL;
    c.nesterov = nesterov != 0;
    c.maximize = maximize != 0;
    return optimizer_of(nn_sgd_new(&c));
}

static PyObject *adam_of(PyObject *args, PyObject *keywords, nn_adam_config c,
                         nn_optimizer *(*make)(const nn_adam_config *)) {
    static char *names[] = {"rate",         "beta1",   "beta2",    "epsilon",
                            "weight_decay", "amsgrad", "maximize", NULL};
    int          amsgrad = 0, maximize = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "d|ddddpp:adam", names, &c.rate, &c.beta1,
                                     &c.beta2, &c.epsilon, &c.weight_decay, &amsgrad, &maximize))
        return NULL;
    c.amsgrad = amsgrad != 0;
    c.maximize = maximize != 0;
    return optimizer_of(make(&c));
}

static PyObject *function_adam(PyObject *module, PyObject *args, PyObject *keywords) {
    (void)module;
    return adam_of(args, keywords, nn_adam_usual(1), nn_adam_new);
}

static PyObject *function_adamw(PyObject *module, PyObject *args, PyObject *keywords) {
    (void)module;
    return adam_of(args, keywords, nn_adamw_usual(1), nn_adamw_new);
}

static PyObject *function_rmsprop(PyObject *module, PyObject *args, PyObject *keywords) {
    (void)module;
    static char      *names[] = {"rate",         "alpha",    "epsilon",  "momentum",
                                 "weight_decay", "centered", "maximize", NULL};
    nn_rmsprop_config c = nn_rmsprop_usual(1);
    int               centered = 0, maximize = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "d|ddddpp:rmsprop", names, &c.rate, &c.alpha,
                                     &c.epsilon, &c.momentum, &c.weight_decay, &centered,
                                     &maximize))
        return NULL;
    c.centered = centered != 0;
    c.maximize = maximize != 0;
    return optimizer_of(nn_rmsprop_new(&c));
}

static PyObject *function_adagrad(PyObject *module, PyObject *args, PyObject *keywords) {
    (void)module;
    static char *names[] = {
        "rate", "rate_decay", "epsilon", "weight_decay", "initial_accumulator", "maximize", NULL};
    nn_adagrad_config c = nn_adagrad_usual(1);
    int               maximize = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "d|ddddp:adagrad", names, &c.rate,
                                     &c.rate_decay, &c.epsilon, &c.weight_decay,
                                     &c.initial_accumulator, &maximize))
        return NULL;
    c.maximize = maximize != 0;
    return optimizer_of(nn_adagrad_new(&c));
}

static PyObject *optimizer_rate(PyObject *self, void *none) {
    (void)none;
    return PyFloat_FromDouble(nn_optimizer_rate(((py_optimizer *)self)->optimizer));
}

static int optimizer_set_rate(PyObject *self, PyObject *to, void *none) {
    (void)none;
    const double rate = to != NULL ? PyFloat_AsDouble(to) : -1;
    if (PyErr_Occurred()) return -1;
    if (rate > 0 && rate <= 1.7976931348623157e308) {
        nn_optimizer_set_rate(((py_optimizer *)self)->optimizer, rate);
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "a rate is a finite number above 0");
    return -1;
}

/* step(model, gradient) */
static PyObject *optimizer_step(PyObject *self, PyObject *args) {
    nn_optimizer *o = ((py_optimizer *)self)->optimizer;
    py_model     *m;
    PyObject     *given;
    py_numbers    gradient;
    if (!PyArg_ParseTuple(args, "O!O:step", py_model_type, &m, &given) ||
        !py_idle(((py_optimizer *)self)->busy, "optimizer") ||
        !py_numbers_take(given, "gradient", &gradient))
        return NULL;
    if (!py_tape_free_to_use(m->tape)) {
        py_numbers_drop(&gradient);
        return NULL;
    }
    const size_t    count = nn_model_count(m->model), n = py_numbers_count(&gradient);
    const ad_status status =
        n == count ? nn_optimizer_step(o, m->model, py_numbers_at(&gradient)) : AD_OK;
    py_numbers_drop(&gradient);
    if (n != count)
        return PyErr_Format(PyExc_ValueError,
                            "gradient: the model has %zu parameters, these are %zu", count, n);
    return status != AD_OK && nn_optimizer_status(o) != AD_OK
             ? py_raise(status, nn_optimizer_message(o))
             : py_model_done(m);
}

static PyObject *optimizer_repr(PyObject *self) {
    PyObject *rate = optimizer_rate(self, NULL);
    if (rate == NULL) return NULL;
    PyObject *text = PyUnicode_FromFormat(
        "<tapir.nn.%s: rate %R>", nn_optimizer_name(((py_optimizer *)self)->optimizer), rate);
    Py_DECREF(rate);
    return text;
}

static PyMethodDef optimizer_methods[] = {
    {"step", optimizer_step, METH_VARARGS,
     "step(model, gradient): one step; gradient: as many numbers as the model has parameters."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef optimizer_attributes[] = {
    {"rate", optimizer_rate, optimizer_set_rate, "the learning rate", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot optimizer_slots[] = {
    {Py_tp_doc, "An optimizer: made by sgd, adam, adamw, rmsprop, adagrad."},
    {Py_tp_dealloc, (void *)optimizer_dealloc},
    {Py_tp_repr, (void *)optimizer_repr},
    {Py_tp_methods, optimizer_methods},
    {Py_tp_getset, optimizer_attributes},
    {0, NULL},
};

static PyType_Spec optimizer_spec = {"tapir.nn.Optimizer", sizeof(py_optimizer), 0,
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                                         Py_TPFLAGS_IMMUTABLETYPE,
                                     optimizer_slots};

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef functions[] = {
    {"_nn_init", function_init, METH_VARARGS, NULL},
    {"_nn_sgd", WITH_KEYWORDS(function_sgd),
     "sgd(rate, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False): "
     "torch.optim.SGD."},
    {"_nn_adam", WITH_KEYWORDS(function_adam),
     "adam(rate, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0, amsgrad=False, "
     "maximize=False): torch.optim.Adam."},
    {"_nn_adamw", WITH_KEYWORDS(function_adamw),
     "adamw(rate, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.01, amsgrad=False, "
     "maximize=False): torch.optim.AdamW."},
    {"_nn_rmsprop", WITH_KEYWORDS(function_rmsprop),
     "rmsprop(rate, alpha=0.99, epsilon=1e-8, momentum=0, weight_decay=0, centered=False, "
     "maximize=False): torch.optim.RMSprop."},
    {"_nn_adagrad", WITH_KEYWORDS(function_adagrad),
     "adagrad(rate, rate_decay=0, epsilon=1e-10, weight_decay=0, initial_accumulator=0, "
     "maximize=False): torch.optim.Adagrad."},
    {NULL, NULL, 0, NULL},
};

bool py_add_models(PyObject *module) {
    py_model_type = py_type(module, &model_spec);
    py_optimizer_type = py_type(module, &optimizer_spec);
    return py_model_type != NULL && py_optimizer_type != NULL && py_functions(module, functions);
}

bool py_add_nn(PyObject *module) {
    return py_add_models(module) && py_add_data(module) && py_add_modules(module) &&
           py_add_training(module);
}
