import socket
import tempfile
from pathlib import Path

import pytest

from autoresearch_dagster.core.folders import find_folders, remove_tree, short_folder


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
