/* core.h - what the files of the extension module share: its objects, and how arguments are read
 * and errors raised.
 *
 * Every object owns one object of the library and frees it; a variable keeps its tape alive. The
 * module is built for the limited API of Python 3.11, so that one file serves all later versions.
 *
 * A tape belongs to one thread at a time. While the GIL is released in the middle of an operation
 * on a tape, `owner` names the thread that is inside, and any other gets an exception. */
#ifndef TAPIR_PYTHON_CORE_H
#define TAPIR_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include "ad.h"

typedef struct py_tape {
    PyObject_HEAD ad_tape *tape;
    PyObject              *kept;     /* a list: what must live as long as the tape */
    unsigned long          owner;    /* the thread inside it while the GIL is released; 0: none */
    size_t                 depth;    /* how often it went in */
    size_t                 branches; /* noted by `if` */
} py_tape;

/* A node; or a plain number, without a tape. */
typedef struct py_var {
    PyObject_HEAD py_tape *tape;
    ad_var                 v;
} py_var;

typedef struct py_program {
    PyObject_HEAD ad_program *program;
    size_t                    params, inputs, outputs;
    PyObject                 *param_shape, *input_shape, *output_shape; /* tuples */
    PyObject                 *gradient_shape;
    py_tape                  *tape; /* keeps the operations of the user's own */
} py_program;

/* Made once, when the module is loaded. */
extern PyTypeObject *py_tape_type, *py_var_type, *py_program_type, *py_report_type;
extern PyObject     *py_hooks; /* a dict: what the Python half of the package lends to this one */
extern PyObject     *py_empty; /* makes an array of a shape, a tuple */

/* ---- errors: each returns NULL with an exception set ----------------------------------------- */

PyObject *py_raise(ad_status status, const char *sentence);
/* The error that the tape holds, which is then forgotten. NULL and no exception: there is none. */
PyObject *py_raise_tape(py_tape *tape);
/* False, with an exception: another thread is inside. */
bool      py_tape_free_to_use(const py_tape *tape);
void      py_tape_enter(py_tape *tape);
void      py_tape_leave(py_tape *tape);

/* Calls what stands under this name in py_hooks; NULL with an exception. */
PyObject *py_hook(const char *name, PyObject *args);

/* After a call of the library: true, or false with what an operation raised or the tape's error as
 * an exception; both are then forgotten. */
bool py_tape_good(py_tape *tape);
/* Is this thread inside a function of an operation? */
bool py_operating(void);
/* What a function of an operation recorded on the tape raised is raised now. */
bool py_operations_raised(const py_tape *tape);

/* ---- variables ------------------------------------------------------------------------------- */

/* Operands of one operation: *tape becomes `other` if it is NULL. False with an exception: they are
 * two, or another thread is inside. NULL joins any. */
bool        py_tape_join(py_tape **tape, py_tape *other);
/* The new object, or the tape's error as an exception. */
PyObject   *py_var_new(py_tape *tape, ad_var v);
/* The same for n of them, as a list. */
PyObject   *py_vars_new(py_tape *tape, size_t n, const ad_var v[]);
/* UTF-8 without a zero inside, or NULL with an exception. */
const char *py_utf8(PyObject *string, const char *what);
/* A variable or a number; *tape is set if it was NULL. False without an exception if x is neither,
 * with one if the tape is in use. */
bool        py_operand(PyObject *x, ad_var *v, py_tape **tape);

/* A sequence of variables and numbers, or one. */
typedef struct py_list {
    size_t    n;
    ad_var   *v;    /* n, at least one allocated */
    py_tape  *tape; /* borrowed; of the first variable, or NULL */
    PyObject *held;
} py_list;

bool py_list_take(PyObject *x, const char *what, py_list *list);
void py_list_drop(py_list *list);

/* ---- numbers --------------------------------------------------------------------------------- */

/* Doubles of a buffer, in C order. Not copied where they are that already. */
typedef struct py_numbers {
    Py_buffer buffer;
    bool      taken;
} py_numbers;

bool                        py_numbers_take(PyObject *x, const char *what, py_numbers *numbers);
void                        py_numbers_drop(py_numbers *numbers);
static inline const double *py_numbers_at(const py_numbers *n) {
    return (const double *)n->buffer.buf;
}
static inline size_t py_numbers_count(const py_numbers *n) {
    return (size_t)n->buffer.len / sizeof(double);
}

/* A new array of this shape (a tuple), a NumPy array if NumPy was found; its numbers in *to. */
PyObject *py_array_new(PyObject *shape, Py_buffer *to);
/* the same of one axis */
PyObject *py_array_flat(size_t n, Py_buffer *to);

/* For PyArg_ParseTuple's O&: a whole number from 0 to 2^64 - 1, as unsigned long long. */
int py_whole(PyObject *x, void *to);

/* ---- text ------------------------------------------------------------------------------------ */

typedef struct py_text {
    FILE  *file;
    char  *bytes;
    size_t length;
} py_text;

bool      py_text_open(py_text *text);
PyObject *py_text_close(py_text *text); /* str */
void      py_text_drop(py_text *text);

/* ---- what the other files add to the module -------------------------------------------------- */

bool py_add_tape(PyObject *module);
bool py_add_var(PyObject *module);
bool py_add_functions(PyObject *module);
bool py_add_program(PyObject *module);
bool py_add_report(PyObject *module);
bool py_add_check(PyObject *module);
bool py_add_operation(PyObject *module);
/* in networks.h and the files that include it */
bool py_add_nn(PyObject *module);

/* Room for an object of a type whose `new` and `dealloc` call these; NULL with an exception. */
PyObject     *py_allocate(PyTypeObject *type);
void          py_release(PyObject *self);
/* Adds a type to the module. */
PyTypeObject *py_type(PyObject *module, PyType_Spec *spec);
bool          py_functions(PyObject *module, PyMethodDef *functions);
PyObject     *py_report_new(ad_check_report *report);
/* Options of a check from a dict; *room keeps what they point at until py_options_drop. */
typedef struct py_options {
    ad_check_options options;
    ad_check_block  *block;
    size_t          *shape;
    py_numbers       direction;
    PyObject        *dict;
} py_options;
bool py_options_take(PyObject *dict, py_options *o);
/* False with an exception: a direction has another length than n. */
bool py_options_fit(const py_options *o, size_t n);
void py_options_drop(py_options *o);

/* A check in a thread of its own. `run` is called without the GIL, `release` once with it, when the
 * check is done, whether or not the caller still waits; the tape, if any, is entered meanwhile. */
typedef struct py_job {
    ad_check_report *(*run)(void *data);
    void (*release)(void *data);
    void    *data;
    py_tape *tape;
} py_job;

/* False with an exception: interrupted, and the job left to its thread; or `release` raised one.
 * The report is the caller's. */
bool py_job_run(const py_job *job, ad_check_report **report);

#endif
