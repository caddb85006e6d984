/* data.c - nn.Data: tables of examples, one per row, inputs before targets. */
#include "networks.h"

#include <string.h>

PyTypeObject *py_data_type;

static PyObject *data_of(PyTypeObject *type, nn_data *data) {
    if (data == NULL) return PyErr_NoMemory();
    if (nn_data_status(data) != AD_OK) {
        py_raise(nn_data_status(data), nn_data_message(data));
        nn_data_free(data);
        return NULL;
    }
    py_data *self = (py_data *)py_allocate(type);
    if (self == NULL) nn_data_free(data);
    else self->data = data;
    return (PyObject *)self;
}

static void data_dealloc(PyObject *self) {
    nn_data_free(((py_data *)self)->data);
    py_release(self);
}

static nn_data *of(PyObject *self) {
    return ((py_data *)self)->data;
}

static bool idle(PyObject *self) {
    return py_idle(((py_data *)self)->busy, "table");
}

static PyObject *done(PyObject *self) {
    if (nn_data_status(of(self)) == AD_OK) Py_RETURN_NONE;
    return py_raise(nn_data_status(of(self)), nn_data_message(of(self)));
}

/* _rows(values, rows, inputs, targets) */
static PyObject *data_rows(PyObject *type, PyObject *args) {
    PyObject  *values;
    Py_ssize_t rows, inputs, targets;
    py_numbers numbers;
    if (!PyArg_ParseTuple(args, "Onnn", &values, &rows, &inputs, &targets) ||
        !py_numbers_take(values, "data", &numbers))
        return NULL;
    PyObject *data = NULL;
    if (rows < 0 || inputs < 0 || targets < 0 ||
        py_numbers_count(&numbers) != (size_t)rows * (size_t)(inputs + targets))
        PyErr_SetString(PyExc_ValueError, "data: rows and columns do not fit the numbers");
    else
        data = data_of((PyTypeObject *)type, nn_data_new((size_t)rows, (size_t)inputs,
                                                         (size_t)targets, py_numbers_at(&numbers)));
    py_numbers_drop(&numbers);
    return data;
}

/* csv(path, targets=1, header=False, separator=",") */
static PyObject *data_csv(PyObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"path", "targets", "header", "separator", NULL};
    PyObject    *path;
    Py_ssize_t   targets = 1;
    int          header = 0;
    const char  *separator = ",";
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O&|nps:csv", names, PyUnicode_FSConverter,
                                     &path, &targets, &header, &separator))
        return NULL;
    PyObject *data = NULL;
    if (targets < 0 || strlen(separator) != 1)
        PyErr_SetString(PyExc_ValueError, "csv: targets is at least 0, a separator one character");
    else
        data =
            data_of((PyTypeObject *)type, nn_data_csv(PyBytes_AsString(path),
                                                      &(nn_csv_config){.targets = (size_t)targets,
                                                                       .header = header != 0,
                                                                       .separator = separator[0]}));
    Py_DECREF(path);
    return data;
}

static PyObject *data_npy(PyObject *type, PyObject *args) {
    PyObject  *path;
    Py_ssize_t targets = 1;
    if (!PyArg_ParseTuple(args, "O&|n:npy", PyUnicode_FSConverter, &path, &targets)) return NULL;
    PyObject *data = targets < 0 ? PyErr_Format(PyExc_ValueError, "npy: targets is at least 0")
                                 : data_of((PyTypeObject *)type,
                                           nn_data_npy(PyBytes_AsString(path), (size_t)targets));
    Py_DECREF(path);
    return data;
}

static PyObject *data_moons(PyObject *type, PyObject *args, PyObject *keywords) {
    static char       *names[] = {"rows", "noise", "seed", NULL};
    Py_ssize_t         rows;
    double             noise = 0.1;
    unsigned long long seed = 1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "n|dO&:moons", names, &rows, &noise, py_whole,
                                     &seed))
        return NULL;
    return data_of((PyTypeObject *)type, nn_data_moons(rows < 0 ? 0 : (size_t)rows, noise, seed));
}

static PyObject *data_spirals(PyObject *type, PyObject *args, PyObject *keywords) {
    static char       *names[] = {"rows", "classes", "turns", "noise", "seed", NULL};
    Py_ssize_t         rows, classes = 3;
    double             turns = 1, noise = 0.1;
    unsigned long long seed = 1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "n|nddO&:spirals", names, &rows, &classes,
                                     &turns, &noise, py_whole, &seed))
        return NULL;
    return data_of((PyTypeObject *)type,
                   nn_data_spirals(rows < 0 ? 0 : (size_t)rows, classes < 0 ? 0 : (size_t)classes,
                                   turns, noise, seed));
}

/* ---- what a table does ----------------------------------------------------------------------- */

static PyObject *data_split(PyObject *self, PyObject *args, PyObject *keywords) {
    static char       *names[] = {"fraction", "seed", NULL};
    double             fraction;
    unsigned long long seed = 1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "d|O&:split", names, &fraction, py_whole,
                                     &seed))
        return NULL;
    if (!idle(self)) return NULL;
    nn_data *part = nn_data_split(of(self), fraction, seed);
    if (nn_data_status(of(self)) != AD_OK) {
        nn_data_free(part);
        return done(self);
    }
    return data_of(Py_TYPE(self), part);
}

static PyObject *data_shuffle(PyObject *self, PyObject *args) {
    unsigned long long seed = 1;
    if (!PyArg_ParseTuple(args, "|O&:shuffle", py_whole, &seed)) return NULL;
    if (!idle(self)) return NULL;
    nn_data_shuffle(of(self), seed);
    return done(self);
}

static PyObject *data_scale(PyObject *self, PyObject *args) {
    double factor;
    if (!PyArg_ParseTuple(args, "d:scale", &factor)) return NULL;
    if (!idle(self)) return NULL;
    nn_data_scale(of(self), factor);
    return done(self);
}

static PyObject *data_one_hot(PyObject *self, PyObject *args) {
    Py_ssize_t classes, target = 0;
    if (!PyArg_ParseTuple(args, "n|n:one_hot", &classes, &target)) return NULL;
    if (classes < 0 || target < 0)
        return PyErr_Format(PyExc_ValueError, "one_hot: classes and target are not negative");
    if (!idle(self)) return NULL;
    nn_data_one_hot(of(self), (size_t)target, (size_t)classes);
    return done(self);
}

static PyObject *data_moments(PyObject *self, PyObject *none) {
    (void)none;
    Py_buffer mean, deviation;
    if (nn_data_status(of(self)) != AD_OK) return done(self);
    PyObject *a = py_array_flat(nn_data_inputs(of(self)), &mean);
    PyObject *b = a != NULL ? py_array_flat(nn_data_inputs(of(self)), &deviation) : NULL;
    if (b != NULL) {
        nn_data_moments(of(self), mean.buf, deviation.buf);
        PyBuffer_Release(&deviation);
    }
    if (a != NULL) PyBuffer_Release(&mean);
    if (b != NULL) return Py_BuildValue("(NN)", a, b);
    Py_XDECREF(a);
    return NULL;
}

static PyObject *data_standardize(PyObject *self, PyObject *args) {
    PyObject  *given[2];
    py_numbers mean, deviation;
    if (!PyArg_ParseTuple(args, "OO:standardize", &given[0], &given[1]) ||
        !py_numbers_take(given[0], "mean", &mean))
        return NULL;
    const size_t n = nn_data_inputs(of(self));
    if (py_numbers_take(given[1], "deviation", &deviation)) {
        if (py_numbers_count(&mean) != n || py_numbers_count(&deviation) != n)
            PyErr_Format(PyExc_ValueError, "standardize: the table has %zu inputs", n);
        else if (idle(self))
            nn_data_standardize(of(self), py_numbers_at(&mean), py_numbers_at(&deviation));
        py_numbers_drop(&deviation);
    }
    py_numbers_drop(&mean);
    return PyErr_Occurred() ? NULL : done(self);
}

/* All rows, inputs and targets. */
static PyObject *data_table(PyObject *self, void *none) {
    (void)none;
    const size_t rows = nn_data_rows(of(self)),
                 columns = nn_data_inputs(of(self)) + nn_data_targets(of(self));
    PyObject *shape = Py_BuildValue("(nn)", (Py_ssize_t)rows, (Py_ssize_t)columns);
    Py_buffer buffer;
    PyObject *array = shape != NULL ? py_array_new(shape, &buffer) : NULL;
    Py_XDECREF(shape);
    if (array == NULL) return NULL;
    for (size_t i = 0; i < rows; i++)
        memcpy((double *)buffer.buf + i * columns, nn_data_row(of(self), i),
               columns * sizeof(double));
    PyBuffer_Release(&buffer);
    return array;
}

static PyObject *data_inputs(PyObject *self, void *none) {
    (void)none;
    return PyLong_FromSize_t(nn_data_inputs(of(self)));
}

static PyObject *data_targets(PyObject *self, void *none) {
    (void)none;
    return PyLong_FromSize_t(nn_data_targets(of(self)));
}

static Py_ssize_t data_length(PyObject *self) {
    return (Py_ssize_t)nn_data_rows(of(self));
}

static PyObject *data_repr(PyObject *self) {
    return PyUnicode_FromFormat("<tapir.nn.Data: %zu rows, %zu inputs, %zu targets>",
                                nn_data_rows(of(self)), nn_data_inputs(of(self)),
                                nn_data_targets(of(self)));
}

#define KEYWORDS(function) (PyCFunction)(void (*)(void)) function
#define MAKER              METH_CLASS | METH_VARARGS

static PyMethodDef methods[] = {
    {"_rows", data_rows, MAKER, NULL},
    {"csv", KEYWORDS(data_csv), MAKER | METH_KEYWORDS,
     "csv(path, targets=1, header=False, separator=\",\"): a table from a CSV file, the last "
     "columns targets."},
    {"npy", data_npy, MAKER, "npy(path, targets=1): a table from a NumPy file."},
    {"moons", KEYWORDS(data_moons), MAKER | METH_KEYWORDS, "moons(rows, noise=0.1, seed=1)"},
    {"spirals", KEYWORDS(data_spirals), MAKER | METH_KEYWORDS,
     "spirals(rows, classes=3, turns=1, noise=0.1, seed=1)"},
    {"split", KEYWORDS(data_split), METH_VARARGS | METH_KEYWORDS,
     "split(fraction, seed=1): takes this fraction of the rows out, at random; returns them."},
    {"_shuffle", data_shuffle, METH_VARARGS, "shuffle(seed=1): the rows in another order."},
    {"scale", data_scale, METH_VARARGS, "scale(factor): all inputs times the factor."},
    {"_one_hot", data_one_hot, METH_VARARGS,
     "one_hot(classes, target=0): a target of class numbers becomes a column for each class."},
    {"moments", data_moments, METH_NOARGS, "moments(): (means, deviations) of the inputs."},
    {"standardize", data_standardize, METH_VARARGS,
     "standardize(means, deviations): inputs become (x - mean)/deviation."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"table", data_table, NULL, "all rows as an array, inputs before targets", NULL},
    {"inputs", data_inputs, NULL, "columns that are inputs", NULL},
    {"targets", data_targets, NULL, "columns that are targets", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)data_dealloc},
    {Py_tp_repr, (void *)data_repr},
    {Py_sq_length, (void *)data_length},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    "tapir.nn.Data", sizeof(py_data), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

bool py_add_data(PyObject *module) {
    py_data_type = py_type(module, &spec);
    return py_data_type != NULL;
}
