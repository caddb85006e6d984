"""tapir.nn: models, data, training with a Python loss, files, checks."""

import subprocess
import sys

import numpy as np
import pytest

import tapir
from tapir import nn
from test_check import run_interrupted

RNG = np.random.default_rng(5)
X = RNG.normal(size=(120, 3))
Y = X @ [1.0, -2.0, 3.0] + 0.5


def linear(seed=1):
    model = nn.Model(seed=seed)
    w, b = model.param("w", 3), model.param("b")
    return model, lambda x, y: ((w*x).sum() + b - y)**2


def test_a_linear_fit_finds_the_coefficients():
    model, loss = linear()
    history = nn.train(model, loss, (X, Y), nn.sgd(0.1), epochs=40, batch=10)
    assert len(history) == 40 and history[-1].loss < 1e-20
    np.testing.assert_allclose(model.arrays()["w"], [1, -2, 3], rtol=1e-10)
    assert float(model.arrays()["b"]) == pytest.approx(0.5, rel=1e-10)


def test_a_step_is_what_numpy_computes():
    model, loss = linear()
    w, b = model.arrays()["w"].copy(), float(model.arrays()["b"])
    nn.train(model, loss, (X[:20], Y[:20]), nn.sgd(0.01), epochs=1, batch=20)
    error = X[:20] @ w + b - Y[:20]
    np.testing.assert_allclose(model.arrays()["w"], w - 0.01*2*(error @ X[:20])/20, rtol=1e-12)
    assert float(model.arrays()["b"]) == pytest.approx(b - 0.01*2*error.mean(), rel=1e-12)


def test_the_same_seed_gives_the_same_run():
    runs = []
    for _ in range(2):
        model, loss = linear(seed=3)
        nn.train(model, loss, (X, Y), nn.adam(0.01), epochs=3, batch=7, seed=9)
        runs.append(model.values())
    assert np.array_equal(*runs)


def test_a_classifier():
    data = nn.Data.moons(400, noise=0.1, seed=3)
    held_out = data.split(0.25, seed=4)
    assert (len(data), len(held_out), data.x.shape, data.y.shape) == (300, 100, (300, 2), (300,))
    model = nn.Model(seed=1)
    net = nn.MLP(model, [2, 12, 12, 2], "tanh")
    seen = []
    history = nn.train(model, lambda x, y: nn.cross_entropy(net(x), y), data, nn.adam(0.02),
                       epochs=40, batch=20, held_out=held_out, monitor="highest_metric",
                       score=lambda x, y: nn.correct(net(x), y), on_epoch=seen.append,
                       schedule=nn.schedule("cosine", 0.02, last=0.001, steps=600))
    assert history[-1].metric > 0.95 and seen == history
    assert history[-1].rate < 0.005
    assert "layers.1  weight 12 x 12, bias 12" in " ".join(model.summary().split(" ")).replace(
        "  ", "  ")
    assert list(model.arrays()) == [f"layers.{i}.{kind}" for i in range(3)
                                    for kind in ("weight", "bias")]
    report = nn.check(model, lambda x, y: nn.cross_entropy(net(x), y), data)
    assert report and report.lines[0].name.startswith("layers.0.weight")


def test_saved_and_loaded(tmp_path):
    model, loss = linear()
    nn.train(model, loss, (X, Y), nn.sgd(0.05), epochs=2, batch=10)
    path = tmp_path/"model.safetensors"
    model.save(path)
    again, _ = linear(seed=99)
    again.load(path)
    assert np.array_equal(again.values(), model.values())
    model.save(path, True)
    again.load(str(path))
    np.testing.assert_allclose(again.values(), model.values(), rtol=1e-7)
    with pytest.raises(tapir.Error) as caught:
        again.load(tmp_path/"none")
    assert caught.value.status == tapir.Status.BAD_FILE
    again.set_arrays({"b": 7.0})
    assert float(again.arrays()["b"]) == 7
    with pytest.raises(ValueError, match="no array 'c'"):
        again.set_arrays({"b": 1.0, "c": 2.0})
    assert float(again.arrays()["b"]) == 7


def test_resumed_runs_have_the_same_bits(tmp_path):
    def run(epochs, **options):
        model, loss = linear()
        nn.train(model, loss, (X, Y), nn.adam(0.01), epochs=epochs, batch=10, **options)
        return model.values()
    checkpoint = tmp_path/"run"
    run(2, checkpoint=checkpoint)
    assert np.array_equal(run(5, checkpoint=checkpoint, resume=True), run(5))


@pytest.mark.parametrize("name, prediction, target", [
    ("mse", lambda p, t: np.mean((p - t)**2), None),
    ("mae", lambda p, t: np.mean(abs(p - t)), None),
    ("bce", lambda p, t: np.mean(np.log1p(np.exp(p)) - t*p), np.array([0.0, 1.0, 0.25])),
    ("hinge", lambda p, t: np.mean(np.maximum(0, 1 - t*p)), np.array([1.0, -1.0, 1.0])),
])
def test_losses(name, prediction, target):
    p = np.array([0.3, -1.2, 2.0])
    t = np.array([0.5, 1.0, -1.0]) if target is None else target
    x = tapir.Tape().inputs(p)
    loss = getattr(nn, name)
    assert loss(x, t).value == pytest.approx(prediction(p, t), rel=1e-14)
    assert loss(x, t, sum=True).value == pytest.approx(3*prediction(p, t), rel=1e-14)
    with pytest.raises(ValueError, match="3 predictions and 2 targets"):
        loss(x, t[:2])


def test_blocks():
    p = RNG.normal(size=5)
    x = tapir.Tape().inputs(p)
    e = np.exp(p)/np.exp(p).sum()
    np.testing.assert_allclose(nn.softmax(x).value, e, rtol=1e-14)
    np.testing.assert_allclose(nn.log_softmax(x).value, np.log(e), rtol=1e-13)
    np.testing.assert_allclose(nn.layer_norm(x, np.full(5, 2.0), np.ones(5)).value,
                               (p - p.mean())/np.sqrt(p.var() + 1e-5)*2 + 1, rtol=1e-13)
    np.testing.assert_allclose(nn.rms_norm(x).value, p/np.sqrt((p**2).mean() + 1e-5), rtol=1e-13)
    assert nn.cross_entropy(x, 2).value == pytest.approx(-np.log(e[2]), rel=1e-13)
    assert nn.correct(x, int(p.argmax())).value == 1
    assert nn.huber(x, np.zeros(5)).value == pytest.approx(
        np.mean(np.where(abs(p) < 1, p**2/2, abs(p) - 0.5)), rel=1e-13)


def test_attention_and_embedding():
    model = nn.Model(seed=2)
    table = nn.Embedding(model, "tokens", 5, 4)
    attention = nn.Attention(model, "attention", 4, 2, 3, causal=True)
    x = tapir.asarray([table(0), table(3), table(1)])
    y = attention(x)
    assert y.shape == (3, 4)
    a = model.arrays()
    t = a["tokens.weight"][[0, 3, 1]]
    q, k, v = (t @ a[f"attention.{name}"].T for name in ("query", "key", "value"))
    heads = []
    for h in (slice(0, 2), slice(2, 4)):
        s = q[:, h] @ k[:, h].T/np.sqrt(2)
        s[np.triu_indices(3, 1)] = -np.inf
        e = np.exp(s - s.max(axis=1, keepdims=True))
        heads.append(e/e.sum(axis=1, keepdims=True) @ v[:, h])
    np.testing.assert_allclose(y.value, np.concatenate(heads, axis=1) @ a["attention.output"].T,
                               rtol=1e-12)


@pytest.mark.parametrize("loss, error, words", [
    (lambda x, y: 1/0, ZeroDivisionError, "zero"),
    (lambda x, y: None, TypeError, "one variable"),
    (lambda x, y: 3.0, tapir.Error, "plain number"),
    (lambda x, y: x[0].log() - y, tapir.Error, "nan|parameter"),
    (lambda x: x[0], TypeError, "argument"),
])
def test_losses_that_do_not_work(loss, error, words):
    model, right = linear()
    before = model.values()
    with pytest.raises(error, match=words):
        nn.train(model, loss, (X, Y), nn.sgd(0.1), epochs=1, batch=10)
    assert np.array_equal(model.values(), before)
    nn.train(model, right, (X, Y), nn.sgd(0.1), epochs=1, batch=10)  # it can still be trained


@pytest.mark.parametrize("keywords, error", [
    ({"epochs": 1, "batch": 1000}, tapir.Error), ({"epochs": 0, "batch": 10}, tapir.Error),
    ({"epochs": -1, "batch": 10}, ValueError), ({"epochs": 1, "batch": 10, "monitor": "best"}, ValueError),
    ({"epochs": 1, "batch": 10, "on_step": 3}, TypeError),
    ({"epochs": 1, "batch": 10, "held_out": X}, TypeError),
    ({"epochs": 1, "batch": 10, "clip_norm": -1.0}, tapir.Error),
    ({"epochs": "two", "batch": 10}, TypeError),
])
def test_settings_that_are_wrong(keywords, error):
    model, loss = linear()
    with pytest.raises(error):
        nn.train(model, loss, (X, Y), nn.sgd(0.1), **keywords)


def test_callbacks_end_and_raise():
    model, loss = linear()
    steps = []
    history = nn.train(model, loss, (X, Y), nn.sgd(0.01), epochs=100, batch=10,
                       on_step=lambda s: steps.append(s.step) or len(steps) < 30)
    assert len(steps) == 30 and len(history) <= 3

    def angry(epoch):
        raise KeyError("enough")
    with pytest.raises(KeyError, match="enough"):
        nn.train(model, loss, (X, Y), nn.sgd(0.01), epochs=100, batch=10, on_epoch=angry)


@pytest.mark.parametrize("make", [
    lambda: nn.sgd(-1.0), lambda: nn.adam(0.1, beta1=2.0), lambda: nn.rmsprop(float("nan")),
    lambda: nn.sgd(0.1, nesterov=True),
])
def test_optimizers_refuse(make):
    with pytest.raises(tapir.Error) as caught:
        make()
    assert caught.value.status == tapir.Status.BAD_ARGUMENT


def test_data_refuses():
    with pytest.raises(ValueError, match="whole number"):
        nn.Model(seed=-1)
    with pytest.raises(ValueError, match="120 rows"):
        nn.Data(X, Y[:3])
    with pytest.raises(tapir.Error, match="nan"):
        nn.Data(X*np.nan, Y)
    with pytest.raises(tapir.Error):
        nn.Data.csv("no such file")
    with pytest.raises(tapir.Error, match="already"):
        model = nn.Model()
        model.param("w", 2)
        model.param("w", 2)


def test_an_optimizer_by_hand():
    model = nn.Model(seed=1)
    w = model.param("w", 2, init=[1.0, 2.0])
    y = (w*w).sum()
    sgd = nn.sgd(0.1)
    for _ in range(3):
        model.tape.replay()
        sgd.step(model, tapir.gradient(y, w))
    np.testing.assert_allclose(model.values(), np.array([1.0, 2.0])*0.8**3, rtol=1e-14)


def test_an_interrupt_ends_a_training():
    out, _ = run_interrupted("""
import numpy as np
from tapir import nn
x = np.random.default_rng(0).normal(size=(2000, 3))
model = nn.Model(seed=1)
net = nn.MLP(model, [3, 30, 30, 1])
print("ready")
try:
    nn.train(model, lambda x, y: nn.mse(net(x), [y]), (x, x.sum(axis=1)), nn.sgd(1e-6), epochs=10**9,
             batch=10)
except KeyboardInterrupt:
    print("interrupted", np.isfinite(model.values()).all())
""")
    assert out.split() == ["interrupted", "True"]


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import tapir
from tapir import nn
p = tapir.compile(lambda w, x: tapir.tanh(w @ x).sum(), params=(2, 2), inputs=2)
v = p.values([[1, 2], [3, 4]], [[0.1, 0.2], [0.3, 0.4]])
assert isinstance(v, memoryview) and len(v) == 2, v
mean, g = p.gradient([[1, 2], [3, 4]], [[0.1, 0.2]])
assert g.shape == (2, 2) and len(g.tolist()) == 2
t = tapir.Tape()
x = t.inputs([[1.0, 2.0], [3.0, 4.0]])
y = (x*x).sum()
y.backward()
assert x.grad.tolist() == [[2, 4], [6, 8]]
assert x.value.tolist() == [[1, 2], [3, 4]]
assert tapir.check(lambda x: x[0]*x[1], [2.0, 3.0], [3.0, 2.0])
assert not tapir.check(lambda x: x[0]*x[1], [2.0, 3.0], [3.0, 2.1])
assert tapir.check(lambda x: [x[0]*x[1], x[0]], [2.0, 3.0], [[3.0, 2.0], [1.0, 0.0]])
model = nn.Model(seed=1)
w = model.param("w", 2)
rows = [[1.0, 2.0], [2.0, 1.0], [0.5, 0.25]]
history = nn.train(model, lambda x, y: ((w*x).sum() - y)**2, (rows, [5.0, 4.0, 1.0]), nn.sgd(0.1),
                   epochs=300, batch=3)
assert abs(model.arrays()["w"][0] - 1) < 1e-6, model.arrays()["w"].tolist()
try:
    p.values([[1, 2], [3, 4]], [[0.1, 0.2, 0.3]])
except ValueError as error:
    assert "(2,)" in str(error), error
print("done")
"""


def test_everything_works_without_numpy():
    done = subprocess.run([sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True)
    assert done.stdout == "done\n", done.stderr


# ---- what is in use is not taken apart -----------------------------------------------------------

@pytest.mark.parametrize("change", [
    lambda m, d, o, h: d.one_hot(3), lambda m, d, o, h: d.split(0.5), lambda m, d, o, h: d.shuffle(),
    lambda m, d, o, h: d.scale(2.0), lambda m, d, o, h: h.scale(2.0), lambda m, d, o, h: m.param("more", 3000),
    lambda m, d, o, h: nn.MLP(m, [2, 2]), lambda m, d, o, h: o.step(m, np.zeros(4)),
    lambda m, d, o, h: d.standardize(np.zeros(3), np.ones(3)),
])
@pytest.mark.parametrize("when", ["on_step", "on_epoch", "metric"])
def test_a_training_keeps_its_parts(change, when):
    model, loss = linear()
    data, held_out, sgd = nn.Data(X, Y), nn.Data(X[:9], Y[:9]), nn.sgd(0.01)

    def function(*_):
        change(model, data, sgd, held_out)
        return 1.0

    with pytest.raises(RuntimeError, match="a training is using this"):
        nn.train(model, loss, data, sgd, epochs=2, batch=10, held_out=held_out, **{when: function})
    nn.train(model, loss, data, sgd, epochs=1, batch=10)
    data.scale(1.0)  # afterwards it is free


def test_a_loss_of_another_tape():
    model, _ = linear()
    for call in (lambda f: nn.check(model, f, (X, Y)),
                 lambda f: nn.train(model, f, (X, Y), nn.sgd(0.1), epochs=1, batch=10)):
        with pytest.raises(tapir.Error) as caught:
            call(lambda x, y: tapir.Tape().input(1.0)*2)
        assert caught.value.status == tapir.Status.TWO_TAPES


def test_options_of_a_check_are_looked_at():
    model, loss = linear()
    for direction in ([1.0], np.ones(5)):
        with pytest.raises(ValueError, match="4 numbers"):
            nn.check(model, loss, (X, Y), direction=direction)
    with pytest.raises(TypeError):
        nn.check(model, loss, (X, Y), rtoll=3)
    with pytest.raises(TypeError, match="function"):
        nn.check(model, 5, (X, Y))
    x = tapir.Tape().inputs(np.ones(2000))
    with pytest.raises(ValueError, match="2000 numbers"):
        tapir.check((x*x).sum(), x, direction=[1.0])


def test_whole_numbers_of_numpy_are_whole_numbers():
    model, loss = linear()
    history = nn.train(model, loss, (X, Y), nn.sgd(0.01), epochs=np.int64(2), batch=np.int32(10))
    assert len(history) == 2
