import io

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.data.arrays import ArrayReader, ArrayWriter, gather, save_array, shorten


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@settings(deadline=None)
@given(
    blocks=st.lists(st.integers(0, 9), max_size=6),
    width=st.sampled_from([(), (1,), (5,)]),
    dtype=st.sampled_from(["uint16", "int32", "uint64"]),
)
def test_a_grown_array_is_byte_for_byte_that_of_numpy(tmp_path_factory, blocks, width, dtype):
    path = tmp_path_factory.mktemp("arrays") / "a.npy"
    parts = [np.full((count, *width), number, dtype=dtype) for number, count in enumerate(blocks)]
    with ArrayWriter(path, dtype, width) as writer:
        for part in parts:
            writer.append(part)
    whole = np.concatenate([np.empty((0, *width), dtype=dtype), *parts])
    assert path.read_bytes() == saved(whole)


@settings(deadline=None)
@given(length=st.integers(0, 50), kept=st.integers(0, 50), width=st.sampled_from([(), (3,)]))
def test_a_shortened_array_is_that_of_numpy(tmp_path_factory, length, kept, width):
    array = np.random.default_rng(0).integers(0, 99, (length, *width))
    path = tmp_path_factory.mktemp("arrays") / "a.npy"
    save_array(path, array)
    shorten(path, min(kept, length))
    assert path.read_bytes() == saved(array[:kept])


def test_gathered_items_come_in_the_order_of_the_index(tmp_path):
    array = np.arange(30_000).reshape(10_000, 3)
    save_array(tmp_path / "a.npy", array)
    index = np.random.default_rng(0).permutation(10_000)[:9_000]
    gather(tmp_path / "a.npy", index, tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == saved(array[index])


def test_a_reader_goes_on_when_its_file_is_deleted(tmp_path):
    save_array(tmp_path / "a.npy", np.arange(10))
    with ArrayReader(tmp_path / "a.npy") as reader:
        assert reader.read(4).tolist() == [0, 1, 2, 3]
        (tmp_path / "a.npy").unlink()
        assert reader.read(100).tolist() == [4, 5, 6, 7, 8, 9]
        assert reader.left == 0


def test_items_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected"), ArrayWriter(tmp_path / "a.npy", np.uint16, (3,)) as writer:
        writer.append(np.zeros((2, 4), dtype=np.uint16))
