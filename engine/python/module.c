/* module.c - tapir._tapir: errors, numbers, arrays and text between Python and the library. What
 * the module offers is added by the other files. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

PyObject *py_hooks, *py_empty;

static PyObject *array_type; /* NumPy's, once NumPy is there */

/* ---- errors ---------------------------------------------------------------------------------- */

PyObject *py_raise(ad_status status, const char *sentence) {
    if (sentence == NULL || sentence[0] == '\0') sentence = ad_status_text(status);
    PyObject *args = Py_BuildValue(
        "(iN)", (int)status,
        PyUnicode_DecodeUTF8(sentence, (Py_ssize_t)strlen(sentence), "backslashreplace"));
    if (args == NULL) return NULL;
    PyObject *error = py_hook("error", args);
    Py_DECREF(args);
    if (error == NULL) return NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
    return NULL;
}

PyObject *py_raise_tape(py_tape *tape) {
    const ad_status status = ad_tape_status(tape->tape);
    if (status == AD_OK) return NULL;
    py_raise(status, ad_tape_message(tape->tape));
    ad_tape_clear(tape->tape);
    return NULL;
}

PyObject *py_hook(const char *name, PyObject *args) {
    PyObject *hook = PyDict_GetItemString(py_hooks, name); /* borrowed */
    if (hook == NULL) return PyErr_Format(PyExc_SystemError, "tapir: no hook %s", name);
    return PyObject_CallObject(hook, args);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static bool are_doubles(const Py_buffer *b) {
    return b->itemsize == sizeof(double) && b->format != NULL && strcmp(b->format, "d") == 0;
}

bool py_numbers_take(PyObject *x, const char *what, py_numbers *numbers) {
    numbers->taken = false;
    if ((PyObject *)Py_TYPE(x) == array_type) { /* not a masked one */
        if (PyObject_GetBuffer(x, &numbers->buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) == 0) {
            if (are_doubles(&numbers->buffer)) return numbers->taken = true;
            PyBuffer_Release(&numbers->buffer);
        } else {
            PyErr_Clear();
        }
    }
    PyObject *args = Py_BuildValue("(Os)", x, what);
    PyObject *as = args != NULL ? py_hook("numbers", args) : NULL;
    Py_XDECREF(args);
    if (as == NULL) return false;
    if (PyObject_GetBuffer(as, &numbers->buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) == 0)
        numbers->taken = true;
    Py_DECREF(as); /* the buffer holds a reference */
    return numbers->taken;
}

void py_numbers_drop(py_numbers *numbers) {
    if (numbers->taken) PyBuffer_Release(&numbers->buffer);
    numbers->taken = false;
}

PyObject *py_array_new(PyObject *shape, Py_buffer *to) {
    PyObject *array = PyObject_CallFunctionObjArgs(py_empty, shape, NULL);
    if (array == NULL) return NULL;
    if (PyObject_GetBuffer(array, to, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) == 0) return array;
    Py_DECREF(array);
    return NULL;
}

PyObject *py_array_flat(size_t n, Py_buffer *to) {
    PyObject *shape = Py_BuildValue("(n)", (Py_ssize_t)n);
    if (shape == NULL) return NULL;
    PyObject *array = py_array_new(shape, to);
    Py_DECREF(shape);
    return array;
}

const char *py_utf8(PyObject *string, const char *what) {
    Py_ssize_t length;
    if (!PyUnicode_Check(string)) {
        PyErr_Format(PyExc_TypeError, "%s is a str, not %R", what, string);
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(string, &length);
    if (text == NULL || strlen(text) == (size_t)length) return text;
    PyErr_Format(PyExc_ValueError, "%s has a zero inside: %R", what, string);
    return NULL;
}

int py_whole(PyObject *x, void *to) {
    PyObject *index = PyNumber_Index(x);
    if (index == NULL) return 0;
    const unsigned long long number = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    if (number == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "%R is no whole number from 0 to 2^64 - 1", x);
        return 0;
    }
    *(unsigned long long *)to = number;
    return 1;
}

/* ---- text ------------------------------------------------------------------------------------ */

bool py_text_open(py_text *text) {
    *text = (py_text){0};
    text->file = open_memstream(&text->bytes, &text->length);
    if (text->file == NULL) PyErr_NoMemory();
    return text->file != NULL;
}

void py_text_drop(py_text *text) {
    if (text->file != NULL) fclose(text->file);
    free(text->bytes);
    *text = (py_text){0};
}

PyObject *py_text_close(py_text *text) {
    const bool good = fclose(text->file) == 0;
    text->file = NULL;
    PyObject *string = good ? PyUnicode_DecodeUTF8(text->bytes, (Py_ssize_t)text->length, "replace")
                            : PyErr_NoMemory();
    py_text_drop(text);
    return string;
}

/* ---- the module ------------------------------------------------------------------------------ */

PyObject *py_allocate(PyTypeObject *type) {
    return ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
}

void py_release(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type); /* an object of a type made at run time keeps it */
}

PyTypeObject *py_type(PyObject *module, PyType_Spec *spec) {
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type;
}

bool py_functions(PyObject *module, PyMethodDef *functions) {
    return PyModule_AddFunctions(module, functions) == 0;
}

/* use_arrays(empty, type): how arrays are made, and which may be read as they are. */
static PyObject *use_arrays(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *empty, *type;
    if (!PyArg_ParseTuple(args, "OO", &empty, &type)) return NULL;
    Py_XDECREF(py_empty);
    Py_XDECREF(array_type);
    py_empty = Py_NewRef(empty);
    array_type = Py_NewRef(type);
    Py_RETURN_NONE;
}

static PyMethodDef own[] = {
    {"_use_arrays", use_arrays, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* The names of the list, in order: the Python half makes enumerations of them. */
static bool add_names(PyObject *module) {
#define NAME(name, ...) #name,
    static const char *const status[] = {AD_STATUS_LIST(NAME)};
    static const char *const verdict[] = {AD_VERDICT_LIST(NAME)};
#undef NAME
    const struct {
        const char        *list;
        const char *const *name;
        size_t             count;
    } lists[] = {{"_STATUSES", status, AD_STATUS_COUNT}, {"_VERDICTS", verdict, AD_VERDICT_COUNT}};
    for (size_t k = 0; k < 2; k++) {
        PyObject *names = PyTuple_New((Py_ssize_t)lists[k].count);
        for (size_t i = 0; names != NULL && i < lists[k].count; i++)
            PyTuple_SetItem(names, (Py_ssize_t)i, PyUnicode_FromString(lists[k].name[i] + 3));
        const int added = names != NULL ? PyModule_AddObjectRef(module, lists[k].list, names) : -1;
        Py_XDECREF(names);
        if (added < 0) return false;
    }
    return true;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "_tapir",
    "The engine and nn; use the package tapir.",
    -1,
    own,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__tapir(void);

PyMODINIT_FUNC PyInit__tapir(void) {
    PyObject *module = PyModule_Create(&definition);
    py_hooks = PyDict_New();
    if (module == NULL || py_hooks == NULL || !add_names(module) ||
        PyModule_AddObjectRef(module, "_hooks", py_hooks) < 0 || !py_add_tape(module) ||
        !py_add_var(module) || !py_add_functions(module) || !py_add_program(module) ||
        !py_add_report(module) || !py_add_check(module) || !py_add_operation(module) ||
        !py_add_nn(module)) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
