"""tapir.check_autograd of PyTorch's functions, and of one whose backward is wrong. Run by tests/full: PyTorch takes long
to load."""

import pytest
import torch

import tapir
from tapir import Verdict

torch.manual_seed(3)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(context, upstream):
        x, = context.saved_tensors
        return upstream*3*x*x


class WrongCube(Cube):
    @staticmethod
    def backward(context, upstream):
        x, = context.saved_tensors
        return upstream*3*x*x*(1 + 1e-6)


def test_an_autograd_function():
    x = torch.randn(2, 3, dtype=torch.float64)
    assert tapir.check_autograd(Cube, x), "entries that are 0 are WEAK"
    # torch.autograd.gradcheck calls this right: it allows 1e-3.
    assert torch.autograd.gradcheck(WrongCube.apply, x.requires_grad_())
    report = tapir.check_autograd(WrongCube, x.detach())
    assert report.verdict == Verdict.FAIL


@pytest.mark.parametrize("function, tensors", [
    (torch.nn.functional.softplus, [torch.randn(5)]),
    (torch.nn.functional.cross_entropy, [torch.randn(4, 3), torch.tensor([0, 2, 1, 1])]),
    (torch.nn.functional.layer_norm, None),
    (torch.linalg.det, [torch.randn(3, 3)]),
    (torch.linalg.inv, [torch.randn(3, 3) + 3*torch.eye(3)]),
    (lambda a, b: a @ b, [torch.randn(3, 4), torch.randn(4, 2)]),
    (lambda x, w: torch.nn.functional.conv2d(x, w), [torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)]),
    (lambda x: torch.fft.rfft(x).abs().pow(2), [torch.randn(8)]),
    (lambda x: torch.cumsum(x.exp(), 0)/x.numel(), [torch.randn(6)]),
])
def test_functions_of_torch(function, tensors):
    if tensors is None:
        function, tensors = (lambda x: torch.nn.functional.layer_norm(x, (5,))), [torch.randn(2, 5)]
    double = [t.double() if t.is_floating_point() else t for t in tensors]
    report = tapir.check_autograd(function, *double)
    assert report, str(report)
    single = tapir.check_autograd(function, *tensors)
    assert single, str(single)


def test_a_module_and_a_large_jacobian():
    net = torch.nn.Sequential(torch.nn.Linear(40, 60), torch.nn.Tanh(), torch.nn.Linear(60, 300)).double()
    assert tapir.check_autograd(net, torch.randn(40, dtype=torch.float64))


def test_what_is_refused():
    with pytest.raises(TypeError, match="floating"):
        tapir.check_autograd(lambda x: x, torch.tensor([1, 2]))
    with pytest.raises(TypeError, match="tuple"):
        tapir.check_autograd(lambda x: (x, x), torch.randn(2))
    with pytest.raises(TypeError, match="complex"):
        tapir.check_autograd(lambda x: torch.complex(x, x), torch.randn(2))


def test_a_gradient_that_is_cut():
    x = torch.randn(3, dtype=torch.float64)
    report = tapir.check_autograd(lambda x: x*x.detach(), x)
    assert report.verdict == Verdict.FAIL
