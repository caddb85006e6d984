"""Networks: models, layers, data, optimizers and training, as in nn.h.

    from tapir import nn
    model = nn.Model(seed=1)
    net = nn.MLP(model, [4, 16, 3])

    def loss(x, label):                 # of one example: variables in, one variable out
        return nn.cross_entropy(net(x), label)

    data = nn.Data(x, y)                # NumPy arrays, a row for each example
    history = nn.train(model, loss, data, nn.adam(0.01), epochs=50, batch=16)

The loss is recorded a few times and then runs, compiled, for all rows. A number of the row is a
variable: choose by it with tapir.pick and tapir.where.
"""

from collections import namedtuple
from math import prod
from os import fsencode

from . import _hooks, _tapir
from ._array import Array, asarray
from ._check import Report  # noqa: F401  what nn.check returns
from ._program import _shape, compile
from ._tape import Tape
from ._tapir import Optimizer

__all__ = [
    "Attention", "Data", "Embedding", "Epoch", "MLP", "Model", "Optimizer", "Step", "adagrad",
    "adam", "adamw", "bce", "check", "correct", "cross_entropy", "hinge", "huber", "layer_norm",
    "log_softmax", "mae", "mse", "normal", "predict", "rms_norm", "rmsprop", "schedule", "sgd", "softmax",
    "train", "uniform",
]

sgd, adam, adamw = _tapir._nn_sgd, _tapir._nn_adam, _tapir._nn_adamw
rmsprop, adagrad = _tapir._nn_rmsprop, _tapir._nn_adagrad

Step = namedtuple("Step", "epoch step steps loss rate")
Step.__doc__ = "What is known after a step."
Epoch = namedtuple("Epoch", "epoch loss metric held_out_loss rate seconds best examples_per_second")
Epoch.__doc__ = "What is known after an epoch; NaN for what was not asked for."
_tapir._hooks["epoch"] = Epoch


# ---- models --------------------------------------------------------------------------------------

def uniform(low, high):
    """An array is filled with numbers uniform in [low, high)."""
    return float(low), float(high), 0.0


def normal(mean=0.0, deviation=1.0):
    """An array is filled with normal numbers."""
    return float(mean), float(mean), float(deviation)


class Model(_tapir.Model):
    """Model(seed=1): named arrays of parameters, on a tape of its own unless one is given."""

    def __new__(cls, seed=1, tape=None):
        return super().__new__(cls, tape if tape is not None else Tape(), seed)

    def param(self, name, shape=(), init="linear"):
        """Adds an array of parameters; returns an Array (for the shape () one variable).

        init: "linear" (torch.nn.Linear's), "zeros", "ones", "he", "he_normal", "xavier",
        "xavier_normal", "micrograd", with the fan-in of the last axes; nn.uniform(low, high),
        nn.normal(mean, deviation); or the numbers themselves."""
        shape = _shape(shape, "shape")
        values = None
        if isinstance(init, str):
            how = _tapir._nn_init(init, prod(shape[1:]) or 1, shape[0] if shape else 1)
            if how is None:
                raise ValueError(f"param: no rule of initialization is called {init!r}")
        elif isinstance(init, tuple) and len(init) == 3 and not shape == (3,):
            how = init
        else:
            how, values = (0.0, 0.0, 0.0), _hooks.numbers(init, "init")
            if tuple(values.shape) not in (shape, ()):
                raise ValueError(f"init: an array of shape {shape} is needed, "
                                 f"this one has shape {tuple(values.shape)}")
        array = Array(self._param(name, shape, *how), shape)
        if values is not None:
            array.value = values
        return array.flat[0] if shape == () else array

    def save(self, path, single=False):
        """Writes a safetensors file: F64, which keeps every bit, or F32 if single."""
        self._save(path, single)

    def arrays(self):
        """The parameters: name -> array of numbers, in the order in which they were added."""
        return {name: Array(variables, shape).value for name, shape, variables in self._arrays()}

    def params(self):
        """The parameters as variables: name -> Array."""
        return {name: Array(variables, shape) for name, shape, variables in self._arrays()}

    def set_arrays(self, arrays):
        """New values for some or all arrays, by name; all or, after an error, none."""
        own = self.params()
        new = {}
        for name, values in arrays.items():
            if name not in own:
                raise ValueError(f"set_arrays: the model has no array {name!r}; it has "
                                 + ", ".join(own))
            new[name] = _hooks.numbers(values, name)
            if tuple(new[name].shape) != own[name].shape:
                raise ValueError(f"{name}: an array of shape {own[name].shape} is needed, "
                                 f"this one has shape {tuple(new[name].shape)}")
        for name, values in new.items():
            own[name].value = values

    def __repr__(self):
        return f"<tapir.nn.Model: {len(self)} parameters>"


class MLP:
    """MLP(model, sizes, hidden="tanh", output=None): layers one after the other.

    sizes: the inputs, then the units of each layer; hidden, output: activations by name (identity,
    tanh, relu, leaky_relu, elu, gelu, silu, sigmoid, softplus). Called with the inputs, it records
    the outputs: an Array."""

    def __init__(self, model, sizes, hidden="tanh", output=None, *, weight=None, bias_init=None,
                 name=None, bias=True):
        sizes = tuple(size.__index__() for size in sizes)
        self.sizes = sizes
        self._module = _tapir._nn_mlp(model, sizes, hidden, output, weight, bias_init, name, bias)

    def __call__(self, x):
        return Array(self._module.forward(x), (self.sizes[-1],))


class Attention:
    """Attention(model, name, width, heads, positions, causal=False): multi-head attention with
    its projections, torch.nn.MultiheadAttention on one sequence. Called with an Array of
    positions x width it records another."""

    def __init__(self, model, name, width, heads, positions, causal=False):
        self.width = width
        self._module = _tapir._nn_attention(model, name, width, heads, positions, causal)

    def __call__(self, x):
        x = asarray(x)
        return Array(self._module.forward(x), (x.size//self.width, self.width))


class Embedding:
    """Embedding(model, name, count, width): a table of vectors, looked up by a number that may be
    a variable."""

    def __init__(self, model, name, count, width):
        self.width = width
        self._module = _tapir._nn_embedding(model, name, count, width)

    def __call__(self, number):
        return Array(self._module.forward([number]), (self.width,))


# ---- recorded for one example --------------------------------------------------------------------

def _paired(name, doc):
    def loss(prediction, target, *, sum=False):
        return _tapir._nn_loss(name + "_sum" if sum else name, prediction, target, 0.0)
    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = doc + " The mean over the outputs, or their sum."
    return loss


mse = _paired("mse", "(prediction - target)^2: torch.nn.MSELoss.")
mae = _paired("mae", "|prediction - target|: torch.nn.L1Loss.")
bce = _paired("bce", "Of logits and targets 0 to 1: torch.nn.BCEWithLogitsLoss.")
hinge = _paired("hinge", "relu(1 - target*score), targets -1 or 1.")


def huber(prediction, target, delta=1.0):
    """Quadratic up to delta, then linear: torch.nn.HuberLoss, the mean over the outputs."""
    return _tapir._nn_loss("huber", prediction, target, delta)


def cross_entropy(logits, label, smoothing=0.0):
    """log of the sum of exp(logits - logits[label]): torch.nn.CrossEntropyLoss for one example."""
    return _tapir._nn_label_loss("cross_entropy", logits, label, smoothing)


def correct(logits, label):
    """1 if no logit is larger than that of the label, else 0: its mean is the accuracy."""
    return _tapir._nn_label_loss("correct", logits, label, 0.0)


def _block(name, x, scale=None, shift=None, epsilon=0.0):
    x = asarray(x)
    return Array(_tapir._nn_block(name, x, scale, shift, epsilon), x.shape)


def softmax(x):
    """exp(x[i])/sum of exp(x), over all elements: torch.nn.Softmax."""
    return _block("softmax", x)


def log_softmax(x):
    """The logarithm of softmax."""
    return _block("log_softmax", x)


def rms_norm(x, scale=None, epsilon=1e-5):
    """x/sqrt(mean of x^2 + epsilon)*scale: torch.nn.RMSNorm."""
    return _block("rms_norm", x, scale, None, epsilon)


def layer_norm(x, scale=None, shift=None, epsilon=1e-5):
    """(x - mean)/sqrt(variance + epsilon)*scale + shift: torch.nn.LayerNorm."""
    return _block("layer_norm", x, scale, shift, epsilon)


# ---- data ----------------------------------------------------------------------------------------

class Data(_tapir.Data):
    """Data(x, y=None): a table of examples. x: rows x inputs (further axes are flattened); y: rows,
    or rows x targets."""

    def __new__(cls, x, y=None):
        x = _hooks.numbers(x, "x")
        if len(x.shape) == 0:
            raise ValueError("Data: x has an axis of rows")
        rows = x.shape[0]
        inputs = prod(x.shape[1:])
        if y is None:
            return cls._rows(x, rows, inputs, 0)
        y = _hooks.numbers(y, "y")
        if len(y.shape) == 0 or y.shape[0] != rows:
            raise ValueError(f"Data: x has {rows} rows, y has shape {tuple(y.shape)}")
        targets = prod(y.shape[1:])
        return cls._rows(_beside(x, y, rows, inputs, targets), rows, inputs, targets)

    def shuffle(self, seed=1):
        """The rows in another order."""
        self._shuffle(seed)

    def one_hot(self, classes=0, target=0):
        """A target of class numbers becomes a column for each class (0: as many as there are)."""
        self._one_hot(classes, target)

    @property
    def x(self):
        """rows x inputs"""
        return self.table[:, :self.inputs]

    @property
    def y(self):
        """rows x targets, or rows for one target"""
        y = self.table[:, self.inputs:]
        return y[:, 0] if self.targets == 1 else y


def _beside(x, y, rows, inputs, targets):
    np = _hooks.numpy()
    if np is not None:
        return np.concatenate([x.reshape(rows, inputs), y.reshape(rows, targets)], axis=1)
    x, y = (memoryview(a).cast("B").cast("d") for a in (x, y))
    flat = []
    for i in range(rows):
        flat.extend(x[i*inputs:(i + 1)*inputs])
        flat.extend(y[i*targets:(i + 1)*targets])
    return _hooks.numbers(flat, "data")


# ---- training ------------------------------------------------------------------------------------

def schedule(shape, rate, *, last=0.0, factor=1.0, steps=1, warm_up=0):
    """How the rate changes from step to step: "constant", "step" (times factor every `steps`),
    "exponential", "linear" or "cosine" (from rate to last in `steps`), after a warm-up."""
    shapes = ("constant", "step", "exponential", "linear", "cosine")
    if shape not in shapes:
        raise ValueError(f"schedule: {shape!r} is none of {', '.join(shapes)}")
    return shapes.index(shape), rate, last, factor, steps, warm_up


_MONITORS = ("lowest_loss", "highest_metric", "lowest_metric")


def _by_example(function, data):
    """The row as the function wants it: inputs, then the target, an Array if there are several."""
    if function is None:
        return None
    inputs, targets = data.inputs, data.targets

    def of_row(row):
        x = Array(row[:inputs], (inputs,))
        if targets == 0:
            return function(x)
        return function(x, row[inputs] if targets == 1 else Array(row[inputs:], (targets,)))
    return of_row


def _must_be_callable(function, what):
    if not callable(function):
        raise TypeError(f"{what} is a function, not {function!r}")


def _data(data, what):
    if isinstance(data, _tapir.Data):
        return data
    if isinstance(data, tuple) and len(data) == 2:
        return Data(*data)
    raise TypeError(f"{what}: a Data or a pair (x, y) is needed, not {type(data).__name__}")


def train(model, loss, data, optimizer, *, epochs, batch, seed=0, progress=False, held_out=None,
          score=None, metric=None, metric_name=None, monitor="lowest_loss", patience=0,
          min_delta=0.0, restore_best=False, on_step=None, on_epoch=None, schedule=None,
          clip_norm=0.0, clip_value=0.0, in_order=False, sum=False, by_example=False, shape=None,
          history=None, checkpoint=None, checkpoint_steps=0, resume=False):
    """Minibatch gradient descent; returns the history, a list of Epoch.

    loss(x, y): of one example, an Array of its inputs and its target (an Array if there are
    several, left out if there is none); returns one variable. data: a Data or a pair (x, y).
    score: recorded like the loss, its mean over the held-out rows is the metric (nn.correct).
    on_step(Step), on_epoch(Epoch): called after each; returning False ends the training.
    The other settings are those of nn_train_config in nn.h.

    What a function raises ends the training and is raised here; so does Ctrl-C.
    tapir.Error, with a sentence, for a loss or gradient that is not finite, a batch larger than
    the data, a checkpoint that does not belong to the run, ...
    """
    data = _data(data, "data")
    held_out = None if held_out is None else _data(held_out, "held_out")
    _must_be_callable(loss, "train: loss")
    if score is not None:
        _must_be_callable(score, "train: score")
    if monitor not in _MONITORS:
        raise ValueError(f"monitor: {monitor!r} is none of {', '.join(_MONITORS)}")
    for name, count in (("epochs", epochs), ("batch", batch), ("patience", patience),
                        ("checkpoint_steps", checkpoint_steps), ("seed", seed)):
        if not hasattr(count, "__index__"):
            raise TypeError(f"train: {name} is a whole number, not {count!r}")
        if count < 0:
            raise ValueError(f"train: {name} is {count}")
    if schedule is not None and (not isinstance(schedule, tuple) or len(schedule) != 6):
        raise TypeError(f"train: schedule is made by nn.schedule, it is not {schedule!r}")
    step = None if on_step is None else lambda *fields: on_step(Step(*fields))
    return _tapir._nn_train(model, _by_example(loss, data), data, optimizer, {
        "epochs": epochs, "batch": batch, "seed": seed, "progress": progress, "held_out": held_out,
        "score": _by_example(score, data), "metric": metric, "metric_name": metric_name,
        "monitor": _MONITORS.index(monitor), "patience": patience, "min_delta": min_delta,
        "restore_best": restore_best, "on_step": step, "on_epoch": on_epoch, "schedule": schedule,
        "clip_norm": clip_norm, "clip_value": clip_value, "in_order": in_order, "sum": sum,
        "by_example": by_example, "shape": shape, "checkpoint_steps": checkpoint_steps,
        "resume": resume, "history": None if history is None else fsencode(history),
        "checkpoint": None if checkpoint is None else fsencode(checkpoint)})


def predict(model, function, x):
    """What function(x) gives for each row of x, by a program: rows, then the shape of its result.

    function: of the inputs of one row, as variables: a net, or anything that uses the model."""
    x = _hooks.numbers(x, "x")
    if len(x.shape) == 0:
        raise ValueError("predict: x has an axis of rows")
    return compile(function, inputs=tuple(x.shape[1:]), model=model).values(model.values(), x)


def check(model, loss, data, rows=8, *, rtol=0.0, seed=0, coordinates=0, direction=None,
          second=False):
    """Is the gradient of the mean loss over the first rows right? A Report; options as
    tapir.check's."""
    data = _data(data, "data")
    _must_be_callable(loss, "check: loss")
    options = {"rtol": rtol, "seed": seed, "coordinates": coordinates, "second": second}
    if direction is not None:
        options["direction"] = direction
    return _tapir._nn_check(model, _by_example(loss, data), data, rows, options)
