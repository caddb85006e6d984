"""Read a safetensors file with NumPy and nothing else, and say what is in it, on the error stream."""

import json
import sys

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4"}


def read(path):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata


arrays, metadata = read(sys.argv[1])
for name, array in arrays.items():
    print(f"{name}: {array.dtype} {array.shape}", file=sys.stderr)
