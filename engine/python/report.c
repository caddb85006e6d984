/* report.c - tapir.Report: what a check found. Verdicts are an enumeration and lines named tuples,
 * which the Python half makes. */
#include "core.h"

#include <string.h>

PyTypeObject *py_report_type;

typedef struct py_report {
    PyObject_HEAD ad_check_report *report;
} py_report;

static PyObject *hooked(const char *name, PyObject *args) {
    PyObject *result = args != NULL ? py_hook(name, args) : NULL;
    Py_XDECREF(args);
    return result;
}

PyObject *py_report_new(ad_check_report *report) {
    if (report == NULL) return PyErr_NoMemory();
    if (report->status != AD_OK) { /* nothing was checked */
        py_raise(report->status, report->message);
        ad_check_free(report);
        return NULL;
    }
    py_report *self = PyObject_New(py_report, py_report_type);
    if (self == NULL) {
        ad_check_free(report);
        return NULL;
    }
    self->report = report;
    return (PyObject *)self;
}

static void report_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ad_check_free(((py_report *)self)->report);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *text_or_none(const char *text) {
    if (text == NULL) Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
}

/* SIZE_MAX is no number of a coordinate: None. */
static PyObject *index_or_none(size_t i) {
    if (i == SIZE_MAX) Py_RETURN_NONE;
    return PyLong_FromSize_t(i);
}

static PyObject *line_of(const ad_check_line *l) {
    return hooked("line",
                  Py_BuildValue("(NNNddddddddidd)", text_or_none(l->name),
                                index_or_none(l->coordinate), index_or_none(l->output), l->claimed,
                                l->estimate, l->error, l->left, l->right, l->gap, l->tolerance,
                                l->step, (int)l->verdict, l->drowned, l->turned));
}

static PyObject *operand_of(const ad_check_operand *c) {
    return hooked("operand",
                  Py_BuildValue("(nnNNNddddddddiNi)", (Py_ssize_t)c->node, (Py_ssize_t)c->operand,
                                text_or_none(c->operation), text_or_none(c->name),
                                text_or_none(c->shown), c->at, c->rule, c->estimate, c->error,
                                c->gap, c->tolerance, c->left, c->right, (int)c->verdict,
                                text_or_none(c->file), c->line));
}

static PyObject *lines_of(size_t n, const ad_check_line line[]) {
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = line_of(&line[i]);
        if (item == NULL) Py_CLEAR(list);
        else PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    return list;
}

static const ad_check_report *of(PyObject *self) {
    return ((const py_report *)self)->report;
}

static PyObject *report_lines(PyObject *self, void *none) {
    (void)none;
    return lines_of(of(self)->lines, of(self)->line);
}

static PyObject *report_second(PyObject *self, void *none) {
    (void)none;
    return lines_of(of(self)->second_lines, of(self)->second);
}

static PyObject *report_culprits(PyObject *self, void *none) {
    (void)none;
    const ad_check_report *r = of(self);
    PyObject              *list = PyList_New((Py_ssize_t)r->culprits);
    for (size_t i = 0; list != NULL && i < r->culprits; i++) {
        PyObject *item = operand_of(&r->culprit[i]);
        if (item == NULL) Py_CLEAR(list);
        else PyList_SetItem(list, (Py_ssize_t)i, item);
    }
    return list;
}

static PyObject *report_verdict(PyObject *self, void *none) {
    (void)none;
    return hooked("verdict", Py_BuildValue("(i)", (int)ad_check_verdict(of(self))));
}

static PyObject *report_message(PyObject *self, void *none) {
    (void)none;
    return text_or_none(of(self)->message);
}

#define NUMBER(name)                                             \
    static PyObject *report_##name(PyObject *self, void *none) { \
        (void)none;                                              \
        return PyFloat_FromDouble(of(self)->name);               \
    }
NUMBER(value)
NUMBER(noise)
NUMBER(rtol)
NUMBER(taylor)
NUMBER(symmetry)
NUMBER(taylor_second)

#define COUNT(name)                                              \
    static PyObject *report_##name(PyObject *self, void *none) { \
        (void)none;                                              \
        return PyLong_FromUnsignedLongLong(of(self)->name);      \
    }
NUMBER(unit)
COUNT(outputs)
COUNT(n)
COUNT(seed)
COUNT(evaluations)

static PyObject *report_coordinate(PyObject *self, PyObject *index) {
    unsigned long long i;
    if (!py_whole(index, &i)) return NULL;
    if (i >= of(self)->n)
        return PyErr_Format(PyExc_IndexError, "coordinate %llu of %zu", i, of(self)->n);
    return hooked("verdict", Py_BuildValue("(i)", (int)ad_check_coordinate(of(self), (size_t)i)));
}

static PyObject *printed(PyObject *self, int format) {
    py_text text;
    if (!py_text_open(&text)) return NULL;
    const ad_status status = ad_check_print(of(self), (ad_format)format, text.file);
    if (status == AD_OK) return py_text_close(&text);
    py_text_drop(&text);
    return py_raise(status, NULL);
}

static PyObject *report_str(PyObject *self) {
    return printed(self, AD_TEXT);
}

static PyObject *report_json(PyObject *self, PyObject *none) {
    (void)none;
    return printed(self, AD_JSON);
}

static PyObject *report_csv(PyObject *self, PyObject *none) {
    (void)none;
    return printed(self, AD_CSV);
}

static PyObject *report_junit(PyObject *self, PyObject *none) {
    (void)none;
    return printed(self, AD_JUNIT);
}

static PyObject *report_tap(PyObject *self, PyObject *none) {
    (void)none;
    return printed(self, AD_TAP);
}

static PyObject *report_html(PyObject *self, PyObject *none) {
    (void)none;
    return hooked("report_html", PyTuple_Pack(1, self));
}

static PyObject *report_repr(PyObject *self) {
    return PyUnicode_FromFormat("<tapir.Report: %s, %zu lines>",
                                ad_verdict_text(ad_check_verdict(of(self))), of(self)->lines);
}

static int report_bool(PyObject *self) {
    const ad_verdict v = ad_check_verdict(of(self));
    return v == AD_PASS || v == AD_WEAK;
}

static PyMethodDef methods[] = {
    {"coordinate", report_coordinate, METH_O, "coordinate(i): the verdict of x[i]."},
    {"json", report_json, METH_NOARGS, "json(): everything, as one JSON object."},
    {"csv", report_csv, METH_NOARGS, "csv(): the lines, as a table with a header."},
    {"junit", report_junit, METH_NOARGS, "junit(): the lines as test cases, JUnit's XML."},
    {"tap", report_tap, METH_NOARGS, "tap(): the lines as tests, in the Test Anything Protocol."},
    {"_repr_html_", report_html, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"verdict", report_verdict, NULL, "the worst of all, a tapir.Verdict", NULL},
    {"message", report_message, NULL, "the conclusion in a sentence or two", NULL},
    {"lines", report_lines, NULL, "a tapir.Line for each coordinate or direction", NULL},
    {"second", report_second, NULL, "the same of second derivatives, when asked for", NULL},
    {"culprits", report_culprits, NULL, "operands whose rule is wrong, worst first", NULL},
    {"value", report_value, NULL, "f(x)", NULL},
    {"noise", report_noise, NULL, "what rounding may have done to f(x)", NULL},
    {"rtol", report_rtol, NULL, "the relative error that is allowed", NULL},
    {"taylor", report_taylor, NULL, "order of the error in the step: 2 when right", NULL},
    {"symmetry", report_symmetry, NULL, "|v.H*w - w.H*v|, of a check of second order", NULL},
    {"taylor_second", report_taylor_second, NULL, "3 when right, of second order", NULL},
    {"unit", report_unit, NULL, "unit roundoff of the function's arithmetic; 0: double", NULL},
    {"outputs", report_outputs, NULL, "values of the function; 0 if it has one", NULL},
    {"n", report_n, NULL, "coordinates", NULL},
    {"seed", report_seed, NULL, "of random directions", NULL},
    {"evaluations", report_evaluations, NULL, "how often the function was called", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What a check found. True if it is PASS or WEAK; print() shows the table."},
    {Py_tp_dealloc, (void *)report_dealloc},
    {Py_tp_repr, (void *)report_repr},
    {Py_tp_str, (void *)report_str},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_nb_bool, (void *)report_bool},
    {0, NULL},
};

static PyType_Spec spec = {
    "tapir.Report",
    sizeof(py_report),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

static PyObject *function_verdict_meaning(PyObject *module, PyObject *verdict) {
    (void)module;
    const long number = PyLong_AsLong(verdict);
    if (number == -1 && PyErr_Occurred()) return NULL;
    return Py_BuildValue("(ss)", ad_verdict_text((ad_verdict)number),
                         ad_verdict_meaning((ad_verdict)number));
}

static PyMethodDef functions[] = {
    {"_verdict_meaning", function_verdict_meaning, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

bool py_add_report(PyObject *module) {
    py_report_type = py_type(module, &spec);
    return py_report_type != NULL && py_functions(module, functions);
}
