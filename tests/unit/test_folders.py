import socket
import tempfile
from pathlib import Path

import pytest

from autoresearch_dagster.core.folders import find_folders, remove_tree, short_folder, write_whole
from tests.disks import files_end_at


def bind(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "channel.sock"))


def test_a_socket_can_be_bound_even_where_temporary_folders_have_long_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = short_folder("ar-test-long-", "channel.sock")
    try:
        bind(folder)
        assert find_folders("ar-test-long-") == [folder]
    finally:
        remove_tree(folder)
    assert find_folders("ar-test-long-") == []


def test_a_tree_deeper_than_pythons_recursion_is_removed(tmp_path: Path) -> None:
    import os

    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove_tree(top)
    assert not top.exists()


def test_links_in_a_tree_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine", encoding="utf-8")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(kept)
    remove_tree(tree)
    assert kept.read_text(encoding="utf-8") == "mine"


def test_a_disk_that_takes_no_more_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(file, b"before")
    with files_end_at(10_000), pytest.raises(OSError, match="too large"):
        write_whole(file, b"x" * 20_000)

    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", b"data")

    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
