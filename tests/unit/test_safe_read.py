"""Reading what a candidate wrote: plain files only, finite numbers only, printable text only."""

import json
import math
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from autoresearch_dagster.core.experiment import Claims, CurvePoint
from autoresearch_dagster.core.limits import CURVE_POINTS, MODEL_NAME_CHARS
from autoresearch_dagster.training.safe_read import (
    Unreadable,
    copy_regular,
    open_regular,
    parse_curve,
    parse_outcome,
    read_regular,
)

quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def lines(*points):
    return b"\n".join(json.dumps(point).encode() for point in points)


def test_a_plain_file_is_read_whole(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")

    assert read_regular(tmp_path, "f", 3) == b"abc"


def test_one_byte_too_many_is_refused(tmp_path):
    (tmp_path / "f").write_bytes(b"abcd")

    with pytest.raises(Unreadable, match="4 bytes and may have 3"):
        read_regular(tmp_path, "f", 3)


def test_a_missing_file_is_missing_and_not_unreadable(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path, "f", 3)


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder", "second_name", "socket"])
def test_what_is_no_plain_file_with_one_name_is_refused_without_waiting(tmp_path, kind):
    (tmp_path / "secret").write_bytes(b"secret")
    made = tmp_path / "f"
    if kind == "link":
        made.symlink_to(tmp_path / "secret")
    elif kind == "dangling":
        made.symlink_to(tmp_path / "nowhere")
    elif kind == "pipe":
        os.mkfifo(made)
    elif kind == "folder":
        made.mkdir()
    elif kind == "second_name":
        made.hardlink_to(tmp_path / "secret")
    else:
        os.mknod(made, 0o140644)  # a socket

    with pytest.raises(Unreadable):
        read_regular(tmp_path, "f", 100)


def test_a_folder_behind_a_link_is_not_entered(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    with pytest.raises(OSError):
        read_regular(tmp_path / "link", "f", 100)


def test_refusing_keeps_no_descriptor_open(tmp_path):
    os.mkfifo(tmp_path / "f")
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("open files are counted in /proc")
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        with pytest.raises(Unreadable):
            open_regular(tmp_path, "f", 100)

    assert len(list(descriptors.iterdir())) == before


def test_a_frozen_copy_has_the_same_bytes_and_another_inode(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(data)
    copy_regular(tmp_path, "f", len(data), tmp_path / "frozen")

    assert (tmp_path / "frozen").read_bytes() == data
    assert (tmp_path / "frozen").stat().st_ino != (tmp_path / "f").stat().st_ino


@quick
@given(st.lists(st.tuples(st.integers(0, 10**6), NUMBERS, st.floats(-1e8, 1e8)), max_size=30))
def test_every_finite_point_of_a_short_curve_comes_back(points):
    data = lines(*({"step": s, "loss": loss, "elapsed_s": e} for s, loss, e in points))

    assert parse_curve(data) == tuple(CurvePoint(step=s, loss=loss, elapsed_s=e) for s, loss, e in points)


@quick
@given(st.integers(1, 5000))
def test_a_long_curve_is_thinned_evenly_and_keeps_its_last_point(count):
    curve = parse_curve(lines(*({"step": step, "loss": 1.0, "elapsed_s": 0.0} for step in range(count))))

    gaps = {later.step - earlier.step for earlier, later in pairwise(curve)}
    assert len(curve) <= CURVE_POINTS
    assert curve[-1].step == count - 1
    assert len(gaps) <= 1


def test_a_point_that_no_clock_shows_is_not_believed():
    point = {"step": 1, "loss": 9.0, "elapsed_s": 1.0}
    curve = parse_curve(lines(point, point | {"elapsed_s": 1e300}, point | {"step": 1e9}))
    assert curve == (CurvePoint(**point),)


@quick
@given(st.binary(max_size=300))
def test_no_bytes_break_the_parsers(data):
    assert all(math.isfinite(point.loss) for point in parse_curve(data))
    parse_outcome(data)


@quick
@given(st.dictionaries(st.sampled_from(["step", "loss", "elapsed_s"]), ANYTHING))
def test_no_json_breaks_the_curve(point):
    for found in parse_curve(json.dumps(point).encode()):
        assert math.isfinite(found.loss)
        assert math.isfinite(found.elapsed_s)
        assert found.step >= 0


@quick
@given(
    ANYTHING,
    ANYTHING,
    st.dictionaries(st.sampled_from(["model_name", "n_params", "steps", "device", "val_bpb", "notes"]), ANYTHING),
)
def test_no_json_breaks_the_claims_and_nothing_unprintable_passes(error, trace, claims):
    data = json.dumps({"error": error, "traceback": trace, "claims": claims}).encode()
    said, _, found = parse_outcome(data)

    for text in (said, found.model_name, found.device, found.notes):
        assert all(character.isprintable() or character in "\n\t" for character in text)
    assert found.val_bpb is None or math.isfinite(found.val_bpb)
    assert len(found.model_name) <= MODEL_NAME_CHARS + 2  # an ellipsis and a blank where it was cut


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{", b"3", b'{"claims": 3}', b"[" * 100_000])
def test_an_outcome_that_is_none_says_nothing(data):
    assert parse_outcome(data) == ("", "", Claims())
