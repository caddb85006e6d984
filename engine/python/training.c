/* training.c - nn.train and nn.check: losses that Python records.
 *
 * The GIL is released while the library works and taken for each call of Python, in the thread that
 * called train. What a function raises ends the training and is raised by it; so is an interrupt,
 * which is looked for after steps, at most twenty times a second. */
#include "networks.h"

#include <math.h>
#include <string.h>
#include <time.h>

typedef struct run {
    py_model *model;
    py_data  *held_out;
    PyObject *loss, *score, *metric, *shape, *on_step, *on_epoch;
    PyObject *history;              /* a list of epochs */
    PyObject *type, *error, *trace; /* what was raised first */
    double    looked;               /* when an interrupt was last looked for */
} run;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void keep(run *r) {
    if (r->type == NULL) PyErr_Fetch(&r->type, &r->error, &r->trace);
    else PyErr_Clear();
}

/* ---- what is recorded for a row -------------------------------------------------------------- */

static ad_var recorded(run *r, PyObject *function, size_t n, const ad_var row[]) {
    ad_var   v = ad_num(NAN);
    py_tape *tape = r->model->tape; /* no other: it may be gone with what is returned */
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject              *list = r->type == NULL ? py_vars_new(r->model->tape, n, row) : NULL;
    PyObject *y = list != NULL ? PyObject_CallFunctionObjArgs(function, list, NULL) : NULL;
    if (y != NULL && !py_operand(y, &v, &tape) && !PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "a loss returns one variable, not %R", y);
    if (PyErr_Occurred()) {
        v = ad_num(NAN);
        keep(r);
    }
    Py_XDECREF(y);
    Py_XDECREF(list);
    PyGILState_Release(state);
    return v;
}

static ad_var loss_of(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)model;
    run *r = user;
    return recorded(r, r->loss, n, row);
}

static ad_var score_of(nn_model *model, size_t n, const ad_var row[], void *user) {
    (void)model;
    run *r = user;
    return recorded(r, r->score, n, row);
}

static double metric_of(nn_model *model, void *user) {
    (void)model;
    run                   *r = user;
    double                 metric = NAN;
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = r->type == NULL ? PyObject_CallFunctionObjArgs(r->metric, NULL) : NULL;
    if (result != NULL) metric = PyFloat_AsDouble(result);
    if (PyErr_Occurred()) keep(r);
    Py_XDECREF(result);
    PyGILState_Release(state);
    return metric;
}

static uint64_t shape_of(size_t columns, const double row[], void *user) {
    run                   *r = user;
    uint64_t               shape = 0;
    const PyGILState_STATE state = PyGILState_Ensure();
    Py_buffer              buffer;
    PyObject              *array = r->type == NULL ? py_array_flat(columns, &buffer) : NULL;
    if (array != NULL) {
        memcpy(buffer.buf, row, columns * sizeof *row);
        PyBuffer_Release(&buffer);
        PyObject *result = PyObject_CallFunctionObjArgs(r->shape, array, NULL);
        if (result != NULL) shape = PyLong_AsUnsignedLongLong(result);
        Py_XDECREF(result);
    }
    if (PyErr_Occurred()) keep(r);
    Py_XDECREF(array);
    PyGILState_Release(state);
    return shape;
}

/* ---- after steps and epochs ------------------------------------------------------------------ */

static bool goes_on(run *r, PyObject *function, PyObject *args) {
    PyObject *result =
        function != NULL && args != NULL ? PyObject_CallObject(function, args) : NULL;
    const bool stop = result == Py_False;
    Py_XDECREF(result);
    if (PyErr_Occurred()) keep(r);
    return !stop && r->type == NULL;
}

static bool after_step(const nn_step *s, void *user) {
    run         *r = user;
    const double time = now();
    if (r->on_step == NULL && r->type == NULL && time - r->looked < 0.05) return true;
    r->looked = time;
    bool                   on = false;
    const PyGILState_STATE state = PyGILState_Ensure();
    if (PyErr_CheckSignals() != 0) keep(r);
    if (r->type == NULL) {
        PyObject *args = r->on_step != NULL
                           ? Py_BuildValue("(nnndd)", (Py_ssize_t)s->epoch, (Py_ssize_t)s->step,
                                           (Py_ssize_t)s->steps, s->loss, s->rate)
                           : NULL;
        on = goes_on(r, r->on_step, args);
        Py_XDECREF(args);
    }
    PyGILState_Release(state);
    return on;
}

static bool after_epoch(const nn_epoch *e, void *user) {
    run                   *r = user;
    bool                   on = false;
    const PyGILState_STATE state = PyGILState_Ensure();
    PyObject              *args =
        Py_BuildValue("(ndddddNd)", (Py_ssize_t)e->epoch, e->loss, e->metric, e->held_out_loss,
                      e->rate, e->seconds, PyBool_FromLong(e->best), e->examples_per_second);
    PyObject *epoch = args != NULL ? py_hook("epoch", args) : NULL;
    if (epoch != NULL && PyList_Append(r->history, epoch) == 0) {
        PyObject *one = PyTuple_Pack(1, epoch);
        on = goes_on(r, r->on_epoch, one);
        Py_XDECREF(one);
    } else {
        keep(r);
    }
    Py_XDECREF(epoch);
    Py_XDECREF(args);
    PyGILState_Release(state);
    return on;
}

/* ---- the configuration, a dict --------------------------------------------------------------- */

/* Strings borrowed from the dict, which outlives the run. */
typedef struct settings {
    nn_train_config config;
    nn_schedule     schedule;
    bool            good;
} settings;

static PyObject *item(PyObject *dict, const char *name) {
    PyObject *value = PyDict_GetItemString(dict, name); /* borrowed */
    return value == Py_None ? NULL : value;
}

static size_t size_in(PyObject *dict, const char *name) {
    PyObject          *value = item(dict, name);
    unsigned long long number = 0;
    if (value == NULL || PyErr_Occurred()) return 0;
    if (!py_whole(value, &number))
        PyErr_Format(PyExc_TypeError, "train: %s is a whole number from 0 on, not %R", name, value);
    return (size_t)number;
}

static double number_in(PyObject *dict, const char *name) {
    PyObject *value = item(dict, name);
    if (value == NULL || PyErr_Occurred()) return 0;
    const double number = PyFloat_AsDouble(value);
    if (number == -1 && PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "train: %s is a number, not %R", name, value);
    return number;
}

static bool truth_in(PyObject *dict, const char *name) {
    PyObject *value = item(dict, name);
    return value != NULL && !PyErr_Occurred() && PyObject_IsTrue(value) == 1;
}

static const char *text_in(PyObject *dict, const char *name) {
    PyObject *value = item(dict, name);
    if (value == NULL || PyErr_Occurred()) return NULL;
    return PyBytes_Check(value) ? PyBytes_AsString(value) : py_utf8(value, name);
}

static PyObject *function_in(PyObject *dict, const char *name) {
    PyObject *value = item(dict, name);
    if (value != NULL && !PyCallable_Check(value))
        PyErr_Format(PyExc_TypeError, "train: %s is a function, not %R", name, value);
    return value;
}

/* (shape, rate, last, factor, steps, warm_up) */
static void read_schedule(PyObject *dict, settings *s) {
    PyObject  *tuple = item(dict, "schedule");
    int        shape;
    Py_ssize_t steps, warm_up;
    if (tuple == NULL || PyErr_Occurred()) return;
    if (!PyArg_ParseTuple(tuple, "idddnn", &shape, &s->schedule.rate, &s->schedule.last,
                          &s->schedule.factor, &steps, &warm_up))
        return;
    s->schedule.shape = (nn_schedule_shape)shape;
    s->schedule.steps = (size_t)steps;
    s->schedule.warm_up = (size_t)warm_up;
    s->config.schedule = &s->schedule;
}

static void read_settings(PyObject *dict, run *r, settings *s) {
    nn_train_config *c = &s->config;
    c->epochs = size_in(dict, "epochs");
    c->batch = size_in(dict, "batch");
    c->seed = size_in(dict, "seed");
    c->checkpoint_steps = size_in(dict, "checkpoint_steps");
    c->patience = size_in(dict, "patience");
    c->clip_norm = number_in(dict, "clip_norm");
    c->clip_value = number_in(dict, "clip_value");
    c->min_delta = number_in(dict, "min_delta");
    c->progress = truth_in(dict, "progress");
    c->resume = truth_in(dict, "resume");
    c->by_example = truth_in(dict, "by_example");
    c->in_order = truth_in(dict, "in_order");
    c->sum = truth_in(dict, "sum");
    c->restore_best = truth_in(dict, "restore_best");
    c->history = text_in(dict, "history");
    c->checkpoint = text_in(dict, "checkpoint");
    c->metric_name = text_in(dict, "metric_name");
    c->monitor = (nn_monitor)size_in(dict, "monitor");
    r->score = function_in(dict, "score");
    r->metric = function_in(dict, "metric");
    r->shape = function_in(dict, "shape");
    r->on_step = function_in(dict, "on_step");
    r->on_epoch = function_in(dict, "on_epoch");
    PyObject *held_out = item(dict, "held_out");
    if (held_out != NULL && PyObject_TypeCheck(held_out, py_data_type))
        c->held_out = ((py_data *)held_out)->data;
    else if (held_out != NULL) PyErr_SetString(PyExc_TypeError, "train: held_out is a Data");
    c->score = r->score != NULL ? score_of : NULL;
    c->metric = r->metric != NULL ? metric_of : NULL;
    c->shape = r->shape != NULL ? shape_of : NULL;
    c->on_step = after_step;
    c->watch = after_epoch;
    read_schedule(dict, s);
}

/* What was raised comes before what the library says of it. */
static PyObject *finished(run *r, PyObject *result) {
    if (r->type != NULL) {
        nn_model_clear(r->model->model);
        Py_XDECREF(result);
        PyErr_Restore(r->type, r->error, r->trace);
        return NULL;
    }
    if (py_operations_raised(r->model->tape)) {
        nn_model_clear(r->model->model);
        Py_XDECREF(result);
        return NULL;
    }
    PyObject *fine = py_model_done(r->model);
    if (fine == NULL) Py_CLEAR(result);
    Py_XDECREF(fine);
    return result;
}

static py_data *held_out_of(PyObject *dict) {
    return (py_data *)item(dict, "held_out"); /* its type was looked at */
}

/* While a training runs its parts are not taken apart. */
static void in_use(run *r, py_data *data, py_optimizer *optimizer, int by) {
    size_t *const busy[] = {&r->model->busy, &data->busy,
                            optimizer != NULL ? &optimizer->busy : NULL,
                            r->held_out != NULL ? &r->held_out->busy : NULL};
    for (size_t i = 0; i < sizeof busy / sizeof *busy; i++)
        if (busy[i] != NULL) *busy[i] += (size_t)by;
}

/* _nn_train(model, loss, data, optimizer, settings): the history */
static PyObject *function_train(PyObject *module, PyObject *args) {
    (void)module;
    py_data      *data;
    py_optimizer *optimizer;
    PyObject     *dict;
    run           r = {0};
    settings      s = {0};
    if (!PyArg_ParseTuple(args, "O!OO!O!O!", py_model_type, &r.model, &r.loss, py_data_type, &data,
                          py_optimizer_type, &optimizer, &PyDict_Type, &dict) ||
        !py_idle(optimizer->busy, "optimizer") || !py_tape_free_to_use(r.model->tape))
        return NULL;
    read_settings(dict, &r, &s);
    if (PyErr_Occurred()) return NULL;
    r.history = PyList_New(0);
    if (r.history == NULL) return NULL;
    r.looked = now();
    py_tape_enter(r.model->tape);
    r.held_out = held_out_of(dict);
    in_use(&r, data, optimizer, +1);
    PyThreadState *const thread = PyEval_SaveThread();
    const ad_status      status =
        nn_train(r.model->model, loss_of, &r, data->data, optimizer->optimizer, &s.config);
    PyEval_RestoreThread(thread);
    in_use(&r, data, optimizer, -1);
    py_tape_leave(r.model->tape);
    if (status != AD_OK && nn_model_status(r.model->model) == AD_OK && r.type == NULL) {
        Py_DECREF(r.history);
        return py_raise(status, NULL);
    }
    return finished(&r, r.history);
}

/* A check of a model, on the heap: its thread may outlive the call. */
typedef struct model_check {
    run        r;
    py_data   *data;
    Py_ssize_t rows;
    py_options o;
} model_check;

static ad_check_report *check_model(void *data) {
    model_check *c = data;
    return nn_check(c->r.model->model, loss_of, &c->r, c->data->data,
                    c->rows > 0 ? (size_t)c->rows : 0, &c->o.options);
}

/* Raises what the loss or an operation raised. */
static void release_model(void *data) {
    model_check *c = data;
    in_use(&c->r, c->data, NULL, -1);
    nn_model_clear(c->r.model->model); /* the report has the sentence */
    if (c->r.type != NULL) PyErr_Restore(c->r.type, c->r.error, c->r.trace);
    else py_operations_raised(c->r.model->tape);
    py_options_drop(&c->o);
    Py_DECREF((PyObject *)c->r.model);
    Py_DECREF((PyObject *)c->data);
    Py_DECREF(c->r.loss);
    PyMem_Free(c);
}

/* _nn_check(model, loss, data, rows, options) */
static PyObject *function_check(PyObject *module, PyObject *args) {
    (void)module;
    PyObject        *dict;
    ad_check_report *report;
    model_check     *c = PyMem_Calloc(1, sizeof *c);
    if (c == NULL) return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "O!OO!nO", py_model_type, &c->r.model, &c->r.loss, py_data_type,
                          &c->data, &c->rows, &dict) ||
        !py_options_take(dict, &c->o) ||
        !py_options_fit(&c->o, nn_model_count(c->r.model->model)) ||
        !py_tape_free_to_use(c->r.model->tape)) {
        py_options_drop(&c->o);
        PyMem_Free(c);
        return NULL;
    }
    Py_INCREF((PyObject *)c->r.model);
    Py_INCREF((PyObject *)c->data);
    Py_INCREF(c->r.loss);
    in_use(&c->r, c->data, NULL, +1);
    const py_job job = {check_model, release_model, c, c->r.model->tape};
    return py_job_run(&job, &report) ? py_report_new(report) : NULL;
}

static PyMethodDef functions[] = {
    {"_nn_train", function_train, METH_VARARGS, NULL},
    {"_nn_check", function_check, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

bool py_add_training(PyObject *module) {
    return py_functions(module, functions);
}
