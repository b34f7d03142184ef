"""The report as a file: the command, what research writes, and what happens where it cannot be written."""

import os
import webbrowser
from datetime import UTC, datetime, timedelta

import pytest

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments import report as use_case
from autoresearch_dagster.experiments.report import freshen_report, keep_report, report_file, write_report
from autoresearch_dagster.experiments.steering import ask_halt
from autoresearch_dagster.store.store import open_store
from tests.agent_bench import bench
from tests.pages import Page
from tests.sessions import finished_session

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    finished_session(folder, memory_key="night-run")
    return folder


@pytest.fixture
def settings(home):
    return Settings(home=home)


def test_the_command_writes_the_report_and_says_where(command, home):
    done = command("report", "night-run", home=home)

    assert done.code == 0
    assert done.out.strip() == str(report_file(Settings(home=home), "s01"))
    page = Page(report_file(Settings(home=home), "s01").read_text(encoding="utf-8"))
    assert page.one("h1").text == "night-run"
    assert "wider-model" in page.part("leaderboard")


def test_it_is_written_where_a_person_wants_it_and_opened(command, home, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    file = tmp_path / "below" / "mine.html"

    done = command("report", "--output", file, "--open", home=home)

    assert done.code == 0
    assert file.is_file()
    assert opened == [file.as_uri()]


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_what_is_no_plain_file_is_not_replaced(command, home, tmp_path, what):
    there = tmp_path / "there"
    there.mkdir() if what == "folder" else os.mkfifo(there)

    done = command("report", "--output", there, home=home)

    assert done.code == 2
    assert f"{there} is no plain file; choose another with --output." in done.err
    assert there.is_dir() or there.is_fifo()


def test_a_link_is_followed_and_others_may_read_what_is_sent_to_them(command, home, tmp_path):
    file, link, usual = tmp_path / "sent.html", tmp_path / "link.html", tmp_path / "usual"
    link.symlink_to(file)
    usual.touch()

    assert command("report", "--output", link, home=home).code == 0

    assert link.is_symlink()
    assert file.stat().st_mode == usual.stat().st_mode


def test_without_a_browser_the_file_is_there_all_the_same(command, home, tmp_path, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)

    done = command("report", "--output", tmp_path / "mine.html", "--open", home=home)

    assert done.code == 0
    assert "no browser" in done.err
    assert (tmp_path / "mine.html").is_file()


def test_watching_a_session_at_its_end_ends(command, home, tmp_path):
    assert command("report", "--watch", "--output", tmp_path / "mine.html", home=home).code == 0


def test_a_wrong_name_is_answered_with_what_is_near(command, home):
    done = command("report", "night-rum", home=home)

    assert done.code == 2
    assert "'night-run'" in done.err


def test_without_a_session_there_is_nothing_to_write(command, tmp_path):
    done = command("report", home=tmp_path)

    assert done.code == 0
    assert "No session yet" in done.out
    assert not (tmp_path / "reports").exists()


def test_the_same_journal_at_the_same_time_makes_the_same_file(settings, tmp_path):
    store = open_store(settings)
    files = [write_report(settings, store, "s01", tmp_path / name, lambda: NOW) for name in ("a.html", "b.html")]

    assert files[0].read_bytes() == files[1].read_bytes()
    assert b"2026-03-01" in files[0].read_bytes()


def test_between_dispatches_a_young_report_is_left_alone(settings, monkeypatch):
    store, file = open_store(settings), report_file(settings, "s01")
    file.write_text("what was there before")

    assert freshen_report(settings, store, "s01") == ""
    assert file.read_text() == "what was there before"
    monkeypatch.setattr(use_case, "utc_now", lambda: datetime.now(UTC) + timedelta(minutes=2))
    assert freshen_report(settings, store, "s01") == ""
    assert file.read_text() != "what was there before"


def test_a_session_that_is_paused_from_outside_has_its_last_report(tmp_path):
    settings, desk = Settings(home=tmp_path), bench(tmp_path, "demo", memory_key="idle")
    store = open_store(settings)
    write_report(settings, store, desk.session)
    assert "the session goes on" in report_file(settings, desk.session).read_text(encoding="utf-8")

    ask_halt(settings, "idle", "pause")

    assert "the session is paused" in report_file(settings, desk.session).read_text(encoding="utf-8")


def test_research_goes_on_where_the_report_cannot_be_written(settings, tmp_path):
    (tmp_path / "reports").write_text("a file where a folder should be")
    elsewhere = settings.model_copy(update={"home": tmp_path})

    problem = keep_report(elsewhere, open_store(settings), "s01")

    assert problem.startswith(f"The report {tmp_path / 'reports' / 's01.html'} could not be written: ")
