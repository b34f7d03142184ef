import json
import os

import pytest

from autoresearch_dagster.core.experiment import Claims
from autoresearch_dagster.core.limits import CURVE_POINTS, LOG_TAIL_CHARS, MODEL_NAME_CHARS
from autoresearch_dagster.training.safe_read import (
    Unreadable,
    copy_regular,
    parse_batches,
    parse_curve,
    parse_outcome,
    read_part,
    read_regular,
)


def test_a_plain_file_is_read(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert read_regular(tmp_path, "f", 3) == b"abc"


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: (folder / "f").symlink_to("/etc/passwd"),
        lambda folder: (folder / "f").symlink_to("/nowhere"),
        lambda folder: os.mkfifo(folder / "f"),
        lambda folder: (folder / "f").mkdir(),
        lambda folder: [(folder / "g").write_bytes(b"x"), os.link(folder / "g", folder / "f")],
        lambda folder: (folder / "f").write_bytes(b"1234"),
    ],
    ids=["link", "dangling", "pipe", "folder", "second name", "too long"],
)
def test_anything_else_is_refused_and_leaves_no_copy(tmp_path, make):
    make(tmp_path)
    with pytest.raises(Unreadable):
        read_regular(tmp_path, "f", 3)
    with pytest.raises(Unreadable):
        copy_regular(tmp_path, "f", 3, tmp_path / "copy")


def test_a_folder_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"x")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    with pytest.raises(OSError):
        read_regular(tmp_path / "linked", "f", 3)


@pytest.mark.parametrize(("from_end", "expected"), [(False, b"ab"), (True, b"ef")])
def test_a_part_of_a_long_file_may_be_read(tmp_path, from_end, expected):
    (tmp_path / "f").write_bytes(b"abcdef")
    assert read_part(tmp_path, "f", 2, from_end=from_end) == expected


def line(**point):
    return json.dumps(point).encode()


def test_a_long_curve_is_thinned_and_keeps_its_last_point():
    data = b"\n".join(line(step=step, loss=1.0, elapsed_s=step) for step in range(1, 3 * CURVE_POINTS))
    curve = parse_curve(data)
    assert len(curve) <= CURVE_POINTS
    assert curve[-1].step == 3 * CURVE_POINTS - 1
    assert [point.step for point in curve] == sorted(point.step for point in curve)


@pytest.mark.parametrize(
    "bad",
    [
        line(step=1, loss=float("nan"), elapsed_s=0),
        line(step=1, loss=None, elapsed_s=0),
        line(step=True, loss=1.0, elapsed_s=0),
        line(step=-1, loss=1.0, elapsed_s=0),
        line(step=1, loss="1", elapsed_s=0),
        line(step=1, loss=10**400, elapsed_s=0),
        b"[" * 100_000,
        b"\xff",
        b"null",
        b'{"step": 1',
    ],
)
def test_what_is_not_a_finite_point_is_skipped(bad):
    good = line(step=2, loss=1.5, elapsed_s=0.5)
    assert [point.step for point in parse_curve(bad + b"\n" + good)] == [2]


def test_batches_are_the_last_count_without_a_loss():
    data = b"\n".join([line(step=1, loss=None, elapsed_s=0), line(step=9, loss=None, elapsed_s=1), b"junk"])
    assert parse_batches(data) == 9
    assert parse_batches(line(step=9, loss=1.0, elapsed_s=1)) is None


def test_claims_of_any_shape_become_plain_bounded_values():
    claims = {
        "model_name": "x" * 10_000,
        "n_params": "many",
        "steps": float("inf"),
        "device": ["cpu"],
        "val_bpb": float("nan"),
        "notes": "\x1b[31mred",
        "unknown": {},
    }
    error, trace, found = parse_outcome(
        json.dumps({"error": 5, "traceback": "t" * 10**5, "claims": claims}).encode()
    )
    assert error == ""
    assert len(trace) <= LOG_TAIL_CHARS + 2
    assert len(found.model_name) <= MODEL_NAME_CHARS + 2
    assert found.model_copy(update={"model_name": ""}) == Claims(notes="\\x1b[31mred")


@pytest.mark.parametrize("data", [b"", b"[]", b'"text"', b"{", b"[" * 100_000, b'{"claims": 3}'])
def test_an_outcome_that_is_none_says_nothing(data):
    assert parse_outcome(data) == ("", "", Claims())
