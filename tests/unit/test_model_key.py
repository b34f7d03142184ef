import os
import stat
import threading

import pytest

from autoresearch_dagster.containers.environment import job_environment
from autoresearch_dagster.core import model_key
from autoresearch_dagster.core.errors import AutoresearchError, UserError
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.serve import environments
from tests.disks import files_end_at

SECRET = "sk-test-0123456789abcdefghijkl-wxyz"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    return Settings(home=tmp_path / "home")


def test_a_saved_key_is_found_again_and_only_its_owner_may_read_it(settings):
    previous = os.umask(0)
    try:
        path = model_key.save_key(settings, f"  {SECRET}\n")
    finally:
        os.umask(previous)

    found = model_key.find_key(settings)
    assert found is not None
    assert found.secret.get_secret_value() == SECRET
    assert found.where == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in repr(found)


def test_the_file_is_never_readable_by_others_not_even_while_it_is_replaced(settings):
    path = model_key.save_key(settings, SECRET)
    modes, ended = set(), threading.Event()

    def look():
        while not ended.is_set():
            for file in path.parent.iterdir():
                try:
                    modes.add(stat.S_IMODE(file.stat().st_mode))
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(50):
        model_key.save_key(settings, f"{SECRET}{number}")
    ended.set()
    watcher.join()

    assert modes == {0o600}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_link_in_the_key_files_place_is_replaced_and_its_target_left_alone(settings, tmp_path):
    target = tmp_path / "somebody-elses"
    target.write_text("untouched")
    settings.home.mkdir()
    model_key.key_file(settings).symlink_to(target)

    path = model_key.save_key(settings, SECRET)

    assert not path.is_symlink()
    assert target.read_text() == "untouched"


@pytest.mark.parametrize("text", ["", " \n", "two words", "two\nlines", "clé", "k" * 5000, "bell\x07"])
def test_what_is_no_key_is_refused_without_repeating_it(settings, text):
    with pytest.raises(UserError) as refused:
        model_key.save_key(settings, text)

    assert not text.strip() or text.strip() not in str(refused.value)
    assert not settings.home.exists()


def test_the_environment_wins(settings, monkeypatch):
    model_key.save_key(settings, SECRET)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-other-0123456789abcdefgh")

    found = model_key.find_key(settings)

    assert found is not None
    assert (found.where, found.ending) == ("ANTHROPIC_API_KEY", "efgh")


def test_of_a_short_key_nothing_is_shown(settings):
    model_key.save_key(settings, "abcdefgh")

    found = model_key.find_key(settings)

    assert found is not None
    assert found.ending == ""


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(settings, mode):
    path = model_key.save_key(settings, SECRET)
    path.chmod(mode)

    with pytest.raises(UserError, match="chmod 600"):
        model_key.find_key(settings)


def test_removing_also_removes_what_a_killed_process_left(settings):
    path = model_key.save_key(settings, SECRET)
    left = path.parent / f"{model_key.UNFINISHED}abc"
    left.write_text(SECRET)

    assert model_key.remove_key(settings)
    assert not model_key.remove_key(settings)
    assert list(path.parent.iterdir()) == []
    assert model_key.find_key(settings) is None


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    (tmp_path / "file").write_text("")
    settings = Settings(home=tmp_path / "file" / "home")

    assert model_key.find_key(settings) is None
    with pytest.raises(AutoresearchError, match="cannot be written"):
        model_key.save_key(settings, SECRET)


def test_neither_jobs_nor_mlflow_get_the_key(settings, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    dagster, mlflow = environments(settings)

    assert dagster["ANTHROPIC_API_KEY"] == SECRET
    assert SECRET not in mlflow.values()
    assert mlflow["PATH"] == os.environ["PATH"]
    assert SECRET not in job_environment([], "/tmp", Slot((0,))).values()


def test_what_is_no_file_in_the_keys_place_is_one_sentence_and_stays(settings):
    place = model_key.key_file(settings)
    place.mkdir(parents=True)

    with pytest.raises(UserError, match="cannot be read"):
        model_key.find_key(settings)
    with pytest.raises(AutoresearchError, match="cannot be written"):
        model_key.save_key(settings, SECRET)
    with pytest.raises(AutoresearchError, match="delete it yourself"):
        model_key.remove_key(settings)

    assert [path.name for path in settings.home.iterdir()] == [place.name]


def test_a_disk_that_takes_no_key_keeps_the_one_before_and_no_part_of_the_new_one(settings):
    path = model_key.save_key(settings, SECRET)
    with files_end_at(len(SECRET) + 1), pytest.raises(AutoresearchError, match="cannot be written"):
        model_key.save_key(settings, f"{SECRET}-and-more")

    assert path.read_text() == f"{SECRET}\n"
    assert list(path.parent.iterdir()) == [path]
