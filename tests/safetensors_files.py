"""The other side of tests/nn/save.c: safetensors files written and read by the rules of the format
(github.com/huggingface/safetensors, "Format"), with nothing but struct and json.

    safetensors_files.py make FOLDER         files as others write them
    safetensors_files.py check FILE [OUT]    exits with 0 if the file keeps every rule; OUT becomes its contents"""

import json
import struct
import sys

SIZES = {"F64": 8, "F32": 4}
CODES = {"F64": "d", "F32": "f"}


def write(path, arrays, metadata=None, pad=True, order=None):
    """arrays: {name: (dtype, shape, numbers)}; order: of the numbers in the file, if not that of the header."""
    places, data = {}, b""
    for name in order or arrays:
        dtype, shape, numbers = arrays[name]
        places[name] = len(data)
        data += struct.pack(f"<{len(numbers)}{CODES[dtype]}", *numbers)
    header = {"__metadata__": metadata} if metadata is not None else {}
    for name, (dtype, shape, numbers) in arrays.items():
        begin = places[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, begin + len(numbers)*SIZES[dtype]]}
    text = json.dumps(header, separators=(",", ":") if pad else None).encode()
    if pad:
        text += b" "*(-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def make(folder):
    weight, bias = [0.1*i - 1 for i in range(6)], [1/3, -2.5e-310]
    f64 = {"weight": ("F64", [2, 3], weight), "bias": ("F64", [2], bias), "scale": ("F64", [], [7.0])}
    f32 = {name: ("F32", shape, numbers) for name, (_, shape, numbers) in f64.items()}
    mixed = {"weight": f32["weight"], "bias": f64["bias"], "scale": f32["scale"]}
    write(f"{folder}/f64.safetensors", f64, {"format": "pt"})
    write(f"{folder}/f32.safetensors", f32)
    write(f"{folder}/mixed.safetensors", mixed, order=["bias", "weight", "scale"])
    write(f"{folder}/unpadded.safetensors", f64, {"été": "☃"}, pad=False, order=["scale", "bias", "weight"])


def once(pairs):
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), "a key stands there twice"
    return dict(pairs)


def check(path, out):
    with open(path, "rb") as file:
        content = file.read()
    assert len(content) >= 8, "no length"
    (length,) = struct.unpack("<Q", content[:8])
    assert length <= 100_000_000 and 8 + length <= len(content), "a header longer than allowed"
    text, data = content[8:8 + length], content[8 + length:]
    assert text[:1] == b"{", "the header does not begin with {"
    header = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    assert text == text.rstrip(b" ") + b" "*(len(text) - len(text.rstrip(b" "))) and text.rstrip(b" ")[-1:] == b"}"
    metadata = header.pop("__metadata__", {})
    assert all(isinstance(value, str) for value in metadata.values()), "metadata that is no text"
    at, lines = 0, [f"{key}: {value}" for key, value in metadata.items()]
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        assert set(entry) == {"dtype", "shape", "data_offsets"}
        begin, end = entry["data_offsets"]
        count = 1
        for size in entry["shape"]:
            assert isinstance(size, int) and size >= 0
            count *= size
        assert begin == at, f"{name}: gap or overlap"
        assert end - begin == count*SIZES[entry["dtype"]], f"{name}: another length than its shape's"
        assert (8 + length + begin) % SIZES[entry["dtype"]] == 0, f"{name}: not aligned"
        numbers = struct.unpack(f"<{count}{CODES[entry['dtype']]}", data[begin:end])
        lines.append(f"{name} {entry['dtype']} {entry['shape']} {' '.join(number.hex() for number in numbers)}")
        at = end
    assert at == len(data), "bytes that belong to no array"
    if out is not None:
        with open(out, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    check(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
