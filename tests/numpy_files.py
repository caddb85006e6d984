"""NumPy's side of tests/nn/npy.c: arrays that it writes, and a look at one that was written here.

    numpy_files.py make FOLDER     arrays of every type, version and order
    numpy_files.py check FILE      exits with 0 if the array is i*0.1 - 1 for i = 0, 1, ..., 2 x 3 x 4"""

import sys

import numpy as np
from numpy.lib import format


def make(folder):
    def save(name, array, version=None):
        with open(f"{folder}/{name}.npy", "wb") as file:
            format.write_array(file, np.asarray(array), version)

    small = np.array([[-3, 0, 1], [2, 7, 100]])
    for kind in ("f8", "f4", "i8", "i4", "i2", "i1"):
        save(kind, small.astype(kind))
    for kind in ("u8", "u4", "u2", "u1"):
        save(kind, np.abs(small).astype(kind))
    save("b1", small > 0)
    save("thirds", np.float32(1)/np.arange(1, 5, dtype="f4").reshape(2, 2))
    for version in ((1, 0), (2, 0), (3, 0)):
        save(f"version{version[0]}", small.astype("f8"), version)
    save("axes3", np.arange(24.).reshape(2, 3, 4))
    save("axes1", np.arange(5.))
    save("axes0", np.float64(3))
    save("empty", np.zeros((0, 3)))
    save("fortran", np.asfortranarray(small.astype("f8")))
    save("fortran3", np.asfortranarray(np.arange(24.).reshape(2, 3, 4)))
    save("fortran4", np.asfortranarray(np.arange(120, dtype="i2").reshape(2, 3, 4, 5)))
    save("fortran_nan", np.asfortranarray(np.array([[1, 2, 3], [4, np.nan, 6]])))
    for name, array in (("column", small[:, :1]), ("row", small[:1]), ("line", small[0])):     # here it says nothing
        bytes = np.ascontiguousarray(array, dtype="<f8").tobytes()
        with open(f"{folder}/fortran_{name}.npy", "wb") as file:
            format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": True, "shape": array.shape})
            file.write(bytes)
    save("big_endian", small.astype(">f8"))
    save("half", small.astype("f2"))
    save("complex", small.astype("c16"))
    save("record", np.zeros(2, [("x", "<f8"), ("y", "<i4")]))
    save("nan", np.array([[1, 2], [3, np.nan]]))
    save("large", np.array([[1], [2**53 + 2]]))
    save("large_odd", np.array([[2**53], [2**53 + 1]]))
    save("large_below", np.array([[-2**53], [-2**53 - 1]]))
    save("large_u8", np.array([[2**53], [2**53 + 1]], dtype="u8"))
    save("largest", np.array([[2**53], [-2**53]]))


def check(path):
    array = np.load(path, allow_pickle=False)
    want = (np.arange(24)*0.1 - 1).reshape(2, 3, 4)
    return array.dtype == np.dtype("<f8") and array.shape == want.shape and (array == want).all()


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    sys.exit(not check(sys.argv[2]))
