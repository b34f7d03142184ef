"""Arrays that grow on disk: `.npy` files, byte for byte those of `numpy.save`, whose length is written last."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

_WRITE_BYTES = 1 << 20
_GATHER_ITEMS = 4096
Array = npt.NDArray[Any]


class ArrayWriter:
    """Appends items of one shape and type to a `.npy` file; the file is valid once it is closed.

    numpy leaves room in its headers for a longer first axis, so the header is rewritten in place.
    """

    def __init__(
        self,
        path: Path,
        dtype: npt.DTypeLike,
        item_shape: tuple[int, ...] = (),
        mode: Literal["w+b", "r+b"] = "w+b",
    ) -> None:
        self._dtype = np.dtype(dtype)
        self._item_shape = item_shape
        self._file = path.open(mode, buffering=_WRITE_BYTES)
        self.count = 0
        self._write_header()

    def append(self, items: Array) -> None:
        """Write more items, [n, *item_shape]."""
        block = np.ascontiguousarray(items, dtype=self._dtype)
        if block.shape[1:] != self._item_shape:
            raise ValueError(f"items of shape {block.shape[1:]}, expected {self._item_shape}")
        self._file.write(block.data if block.size else b"")
        self.count += len(block)

    def close(self) -> None:
        """Write the length and close the file."""
        try:
            self._file.flush()
            self._write_header()
        finally:
            self._file.close()

    def _write_header(self) -> None:
        self._file.seek(0)
        described = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.count, *self._item_shape),
        }
        np.lib.format.write_array_header_1_0(self._file, described)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        with suppress(OSError):  # the fault that is on its way says more
            self._file.close()


def save_array(path: Path, array: Array) -> None:
    """Write a whole array as `numpy.save` does, but with the system's own error where the disk is full."""
    with ArrayWriter(path, array.dtype, array.shape[1:]) as writer:
        writer.append(array)


def open_array(path: Path) -> Array:
    """Map an array, read-only."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def gather(source: Path, index: npt.NDArray[np.int64], target: Path) -> None:
    """Write some items of one array, in the order of `index`, as another, a block at a time."""
    items = open_array(source)
    with ArrayWriter(target, items.dtype, items.shape[1:]) as writer:
        for start in range(0, len(index), _GATHER_ITEMS):
            # Mapped anew for each block, so that what was read does not count as this process's memory.
            writer.append(open_array(source)[index[start : start + _GATHER_ITEMS]])


def shorten(path: Path, count: int) -> None:
    """Keep only the first `count` items of an array."""
    items = open_array(path)
    removed = (len(items) - count) * items.strides[0]
    with ArrayWriter(path, items.dtype, items.shape[1:], mode="r+b") as writer:
        writer.count = count
    os.truncate(path, path.stat().st_size - removed)


class ArrayReader:
    """Reads the items of an array from the first to the last, some at a time; the file may be deleted meanwhile."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        major, _ = np.lib.format.read_magic(self._file)
        if major != 1:
            raise ValueError(f"{path} has a header of version {major}")
        shape, _, self._dtype = np.lib.format.read_array_header_1_0(self._file)
        self.left = shape[0]

    def read(self, items: int) -> Array:
        """Read the next items, fewer at the end; of one-dimensional arrays only."""
        items = min(items, self.left)
        self.left -= items
        return np.frombuffer(self._file.read(items * self._dtype.itemsize), dtype=self._dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
