"""The weights of a PyTorch model, to Tapir and back; between them NumPy and the format of docs/data.md.

    pytorch.py to FILE OUT        an untrained network, to a file that nn_model_load reads
    pytorch.py from FILE OUT      the network in a file that nn_model_save wrote

OUT becomes what the network says of a few rows."""

import json
import sys

import numpy as np
import torch

TYPES = {"F64": "<f8", "F32": "<f4"}


class Flowers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("deviation", torch.ones(4))
        self.net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))

    def forward(self, x):
        return self.net((x - self.mean)/self.deviation)


# PyTorch's name, Tapir's name: nn_mlp numbers its layers, Sequential its activations too
NAMES = {
    "mean": "mean", "deviation": "deviation",
    "net.0.weight": "layers.0.weight", "net.0.bias": "layers.0.bias",
    "net.2.weight": "layers.1.weight", "net.2.bias": "layers.1.bias",
}


def to_tapir(module):
    return {NAMES[name]: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def from_tapir(module, arrays):
    module.load_state_dict({name: torch.from_numpy(arrays[ours].copy()) for name, ours in NAMES.items()})


def attention_to_tapir(attention, name):
    query, key, value = attention.in_proj_weight.detach().chunk(3)
    arrays = {"query": query, "key": key, "value": value, "output": attention.out_proj.weight.detach()}
    return {f"{name}.{part}": tensor.numpy() for part, tensor in arrays.items()}


def attention_from_tapir(attention, name, arrays):
    query, key, value, output = (torch.from_numpy(arrays[f"{name}.{part}"].copy())
                                 for part in ("query", "key", "value", "output"))
    attention.load_state_dict({"in_proj_weight": torch.cat([query, key, value]), "out_proj.weight": output})


def write(path, arrays):
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F64", "shape": array.shape, "data_offsets": [at, at + 8*array.size]}
        at += 8*array.size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array, "<f8").tobytes())


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()}


def say(flowers, attention, out):
    """Three positions of four numbers in each row: the network is asked about the first, attention about all."""
    rows = torch.arange(5*12, dtype=torch.float64).reshape(5, 3, 4)/8 - 3
    with torch.no_grad():
        outputs = torch.cat([flowers(rows[:, 0]), attention(rows, rows, rows)[0].reshape(5, 12)], 1)
    with open(out, "w") as file:
        file.write("".join(f"{number!r}\n" for number in outputs.flatten().tolist()))


torch.manual_seed(1)
flowers = Flowers().double()
attention = torch.nn.MultiheadAttention(4, 2, bias=False, batch_first=True).double()
if sys.argv[1] == "to":
    flowers.mean.copy_(torch.tensor([0.5, -1, 2, 0.25]))
    flowers.deviation.copy_(torch.tensor([2, 0.5, 1, 4]))
    write(sys.argv[2], to_tapir(flowers) | attention_to_tapir(attention, "attention"))
else:
    arrays = read(sys.argv[2])
    from_tapir(flowers, arrays)
    attention_from_tapir(attention, "attention", arrays)
say(flowers, attention, sys.argv[3])
