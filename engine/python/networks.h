/* networks.h - the objects of nn.h in Python: models, data, optimizers. Each keeps what it needs
 * alive: a model its tape, a module its model. */
#ifndef TAPIR_PYTHON_NETWORKS_H
#define TAPIR_PYTHON_NETWORKS_H

#include "core.h"
#include "nn.h"

typedef struct py_model {
    PyObject_HEAD nn_model *model;
    py_tape                *tape;
    size_t busy; /* trainings and checks that it takes part in: no new parameters then */
} py_model;

typedef struct py_data {
    PyObject_HEAD nn_data *data;
    size_t                 busy; /* the same: its rows stay where they are */
} py_data;

typedef struct py_optimizer {
    PyObject_HEAD nn_optimizer *optimizer;
    size_t                      busy; /* the same: it takes no other steps */
} py_optimizer;

extern PyTypeObject *py_model_type, *py_data_type, *py_optimizer_type;

/* False with an exception: a training is using it. */
bool      py_idle(size_t busy, const char *what);
/* The error of the model, as an exception, forgotten afterwards; None if there is none. */
PyObject *py_model_done(py_model *model);

/* "linear", "he", ...; NULL: no rule has this name. */
nn_init_rule *py_rule(const char *name);

bool py_add_models(PyObject *module);
bool py_add_data(PyObject *module);
bool py_add_modules(PyObject *module);
bool py_add_training(PyObject *module);

#endif
