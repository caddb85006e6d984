"""meson-python, and a wheel that is compressed: meson-python 0.12 stores its files as they are."""

import pathlib
import zipfile

from mesonpy import *  # every hook of a build backend  # noqa: F403
from mesonpy import build_wheel as _build_wheel


def _compress(path):
    packed = path.with_suffix(".packed")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, data, compresslevel=9)
    packed.replace(path)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = _build_wheel(wheel_directory, config_settings, metadata_directory)
    _compress(pathlib.Path(wheel_directory)/name)
    return name
