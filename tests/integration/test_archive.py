"""A session can be put away, written into a file, and taken over by another home; a file is believed nothing."""

import io
import json
import os
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable, UserError
from autoresearch_dagster.core.experiment import canonical_json, digest_of
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.archive import export_session, put_away, take_out
from autoresearch_dagster.experiments.import_archive import import_session
from autoresearch_dagster.experiments.overview import overview, ranking_of
from autoresearch_dagster.experiments.session import laboratory_of, lease_name, open_session
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.archive_file import ArchiveReader, ArchiveWriter, new_archive
from autoresearch_dagster.store.normal_form import normal_form
from autoresearch_dagster.store.store import open_store
from tests.agent_bench import bench
from tests.histories import histories
from tests.researched import go_on, research

KEY = "parallelized-autoresearch"


def home(folder: Path) -> Settings:
    return Settings(home=folder, runner="plain")


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """A finished session."""
    folder = tmp_path_factory.mktemp("calm")
    research(folder)
    return folder


@pytest.fixture(scope="module")
def asleep(tmp_path_factory):
    """A session whose second plan waits for experiments, one of which has its result."""
    folder = tmp_path_factory.mktemp("asleep")
    research(folder, dispatches=1)
    return folder


def exported(folder: Path, into: Path, **how) -> Path:
    target = into / "session.tar"
    export_session(home(folder), KEY, target, **how)
    return target


def events(folder: Path, session: str = "s01"):
    return open_store(home(folder)).journal.events(session)


def plain(folder: Path, session: str = "s01") -> str:
    """The normal form as text, with the keys of any session number; receipts keep the key of their first home."""
    text = re.sub(r"s\d\d_d", "sNN_d", json.dumps(normal_form(events(folder, session))))
    return re.sub(r'("kind": "session_started", "number": )\d+', r"\1N", text)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("journal.db")
    }


# --- archive and restore --------------------------------------------------------------------------------------


def test_an_archived_session_is_hidden_until_it_is_restored(tmp_path):
    store = open_store(home(tmp_path))
    for name in ("old", "new"):
        store.journal.create(ev.SessionConfig(memory_key=name), "daemon", "b")
    assert put_away(home(tmp_path), "new").status == "paused"  # the sensor does not go on with it
    assert [row.memory_key for row in overview(home(tmp_path))] == ["old"]
    assert [row.memory_key for row in overview(home(tmp_path), archived=True)] == ["old", "new"]
    found = ranking_of(home(tmp_path), "")
    assert found is not None
    assert found.session.memory_key == "old"
    with pytest.raises(UserError, match="session restore s02"):
        open_session(store, home(tmp_path), ev.SessionConfig(memory_key="new"), "cli", print)
    assert put_away(home(tmp_path), "s02").archived  # again changes nothing
    assert not take_out(home(tmp_path), "new").archived
    assert [row.memory_key for row in overview(home(tmp_path))] == ["old", "new"]
    kinds = [record.event.kind for record in store.journal.events("s02")]
    assert kinds == ["session_started", "session_paused", "session_archived", "session_restored"]


def test_a_session_that_somebody_drives_is_not_archived(tmp_path):
    store = open_store(home(tmp_path))
    store.journal.create(ev.SessionConfig(memory_key="k"), "cli", "b")
    with store.leases.hold(lease_name("s01"), "elsewhere:1:1"):
        with pytest.raises(StoreConflict, match="session:s01 is held by elsewhere"):
            put_away(home(tmp_path), "k")
        with pytest.raises(StoreConflict):
            take_out(home(tmp_path), "k")
    assert not store.journal.state("s01").archived


# --- there and back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkpoints", [False, True])
def test_an_imported_session_is_the_exported_one(tmp_path, calm, checkpoints):
    file = exported(calm, tmp_path, checkpoints=checkpoints)
    state = import_session(home(tmp_path / "new"), file)
    assert (state.id, state.status, state.config.memory_key) == ("s01", "finished", KEY)
    assert normal_form(events(tmp_path / "new")) == normal_form(events(calm))
    assert [record.at for record in events(tmp_path / "new")][:-1] == [record.at for record in events(calm)]
    here, there = open_store(home(tmp_path / "new")), open_store(home(calm))
    assert here.journal.leaderboard("s01") == there.journal.leaderboard("s01")
    results = [experiment.result for experiment in state.experiments.values()]
    assert len(results) == 6
    for result in results:
        receipt = json.loads(here.blobs.get(result.receipt))
        for digest in (result.curve, receipt["nats_per_target"], receipt["a_later_field"]):
            assert here.blobs.get(digest) == there.blobs.get(digest)
        if checkpoints:
            assert here.blobs.get(result.checkpoint) == there.blobs.get(result.checkpoint)
        else:
            with pytest.raises(StoreUnavailable, match="was not in the imported archive"):
                here.blobs.get(result.checkpoint)
    (row,) = overview(home(tmp_path / "new"))
    assert row.imported


def test_the_same_journal_gives_the_same_bytes_and_any_tar_lists_them(tmp_path, calm):
    one, two = tmp_path / "one.tar", tmp_path / "two.tar"
    export_session(home(calm), KEY, one, checkpoints=True)
    export_session(home(calm), "s01", two, checkpoints=True)
    assert one.read_bytes() == two.read_bytes()
    with tarfile.open(one) as archive:
        names = archive.getnames()
    assert names[:2] == ["manifest.json", "events.jsonl"]
    assert len(names) == 2 + len(set(names[2:]))


@pytest.mark.parametrize("others", [0, 1])
def test_a_sleeping_plan_goes_on_in_its_new_home_under_whatever_number(tmp_path, calm, asleep, others):
    new = tmp_path / "new"
    for number in range(others):
        open_store(home(new)).journal.create(ev.SessionConfig(memory_key=f"other {number}"), "cli", "b")
    state = import_session(home(new), exported(asleep, tmp_path), "moved")
    assert (state.id, state.status, state.reason) == (f"s{others + 1:02}", "paused", "imported")
    store = open_store(home(new))
    assert all(key.startswith(f"{state.id}_d") for key in state.experiments)
    with store.journal.transaction(state.id) as transaction:
        transaction.append(ev.SessionResumed(config=state.config, driver="cli"))
    desk = replace(bench(new), session=state.id)
    go_on(desk)
    assert store.journal.state(state.id).status == "finished"
    ours = re.sub('"moved"', f'"{KEY}"', plain(new, state.id))
    assert ours == plain(calm)


def test_an_imported_session_can_be_exported_and_imported_once_more(tmp_path, asleep):
    second, third = tmp_path / "second", tmp_path / "third"
    open_store(home(second)).journal.create(ev.SessionConfig(memory_key="other"), "cli", "b")
    import_session(home(second), exported(asleep, tmp_path), "moved")
    (tmp_path / "again").mkdir()
    export_session(home(second), "moved", tmp_path / "again" / "session.tar")
    state = import_session(home(third), tmp_path / "again" / "session.tar")
    assert (state.id, state.number) == ("s02", 2)
    assert [origin.session for origin in state.imported] == ["s01", "s02"]
    assert plain(third, "s02") == plain(second, "s02")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), taken=st.booleans())
def test_any_history_comes_back_as_it_was(tmp_path_factory, history, taken):
    folder = tmp_path_factory.mktemp("any")
    store = open_store(home(folder / "old"))
    store.journal.create(ev.SessionConfig(memory_key="any"), "cli", "b")
    store.blobs.put(b"x")
    with store.journal.transaction("s01") as transaction:
        for event in history:
            if isinstance(event, ev.EditSaved):
                event = event.model_copy(update={"train_py": digest_of(b"x")})
            if isinstance(event, ev.SessionResumed):
                event = event.model_copy(update={"config": event.config.model_copy(update={"memory_key": "any"})})
            transaction.append(event)
    export_session(home(folder / "old"), "any", folder / "a.tar")
    if taken:
        open_store(home(folder / "new")).journal.create(ev.SessionConfig(memory_key="other"), "cli", "b")
    state = import_session(home(folder / "new"), folder / "a.tar")
    assert state.status != "active"
    assert not state.archived
    assert plain(folder / "new", state.id) == plain(folder / "old")
    journal = open_store(home(folder / "new")).journal
    assert journal.state(state.id) == state


def test_what_is_taken_is_said_and_nothing_is_imported_twice_by_mistake(tmp_path, calm):
    file = exported(calm, tmp_path)
    with pytest.raises(UserError, match=f"'{KEY}' belongs to s01, the session that this archive was made of"):
        import_session(home(calm), file)
    import_session(home(tmp_path / "new"), file)
    with pytest.raises(UserError, match=r"belongs to s01, this very archive; choose another with --memory-key"):
        import_session(home(tmp_path / "new"), file)
    copy = import_session(home(tmp_path / "new"), file, "copy")
    assert (copy.id, copy.config.memory_key) == ("s02", "copy")
    with pytest.raises(UserError, match="control characters"):
        import_session(home(tmp_path / "new"), file, "a\nb")


def test_plans_that_name_the_old_memory_key_are_still_understood(tmp_path, asleep):
    state = import_session(home(tmp_path / "new"), exported(asleep, tmp_path), "moved")
    assert state.memory_keys == {"moved", KEY}


# --- the file ----------------------------------------------------------------------------------------------------


def test_an_archive_is_whole_or_absent(tmp_path, calm):
    (tmp_path / "there").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        export_session(home(calm), KEY, tmp_path / "there")
    with pytest.raises(UserError, match="cannot be written"):
        export_session(home(calm), KEY, tmp_path / "no" / "folder.tar")
    assert (tmp_path / "there").read_text() == "mine"

    def fail():
        with new_archive(tmp_path / "half.tar") as archive:
            archive.add("manifest.json", b"{}")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_missing_or_damaged_blob_is_not_exported(tmp_path):
    desk = research(tmp_path / "h", n_experiments=1, batch_size=1)
    (experiment,) = desk.journal.state("s01").experiments.values()
    path = desk.blobs.path(experiment.result.curve)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(StoreUnavailable, match="damaged"):
        exported(tmp_path / "h", tmp_path)
    path.unlink()
    with pytest.raises(StoreUnavailable, match="missing"):
        exported(tmp_path / "h", tmp_path)
    assert not (tmp_path / "session.tar").exists()


# --- hostile input ----------------------------------------------------------------------------------------------


def parts(file: Path) -> tuple[dict, list[dict], dict[str, bytes]]:
    """An archive taken apart: manifest, events, blobs."""
    with file.open("rb") as opened:
        reader = ArchiveReader(opened)
        members = {name: b"".join(reader.chunks(name)) for name in reader.members}
    lines = [json.loads(line) for line in members.pop("events.jsonl").splitlines()]
    return json.loads(members.pop("manifest.json")), lines, members


def assemble(manifest: dict, lines: list[dict], blobs: dict[str, bytes], *, settle: bool = True) -> bytes:
    """Put an archive together; `settle` makes its manifest agree with what it holds."""
    events = b"".join(canonical_json(line) + b"\n" for line in lines)
    if settle:
        manifest |= {
            "events": digest_of(events),
            "n_events": len(lines),
            "blobs": {name.removeprefix("blobs/"): len(data) for name, data in sorted(blobs.items())},
        }
    file = io.BytesIO()
    writer = ArchiveWriter(file)
    writer.add("manifest.json", canonical_json(manifest))
    writer.add("events.jsonl", events)
    for name, data in sorted(blobs.items()):
        writer.add(name, data)
    return file.getvalue() + bytes(1024)


def of_kind(lines, kind):
    return next(line["event"] for line in lines if line["event"]["kind"] == kind)


def first_blob(blobs):
    return sorted(blobs)[0]


FORGERIES = {
    "other bytes under a digest": lambda m, e, b: b.update({first_blob(b): b"other"}),
    "a blob that nothing names": lambda m, e, b: b.update({f"blobs/{digest_of(b'stray')}": b"stray"}),
    "a blob that is missing": lambda m, e, b: b.pop(first_blob(b)),
    "a path for a digest": lambda m, e, b: of_kind(e, "edit_saved").update(train_py="../../../etc/passwd"),
    "a path for a checkpoint": lambda m, e, b: of_kind(e, "experiment_finished")["result"].update(
        checkpoint="/etc/x"
    ),
    "an event of another session": lambda m, e, b: e[3].update(session="s02"),
    "an event that is missing": lambda m, e, b: e.pop(4),
    "events in another order": lambda m, e, b: e.reverse(),
    "no beginning": lambda m, e, b: e.pop(0),
    "a key of another session": lambda m, e, b: of_kind(e, "call_pending")["planned"][0].update(key="s07_d01_e01"),
    "a key that is a path": lambda m, e, b: of_kind(e, "call_pending")["planned"][0].update(key="s01_d01_e01/../x"),
    "a result nobody planned": lambda m, e, b: of_kind(e, "experiment_finished").update(key="s01_d09_e99"),
    "an endless budget": lambda m, e, b: of_kind(e, "call_pending")["planned"][0]["config"].update(
        time_budget_sec=10**9
    ),
    "a better score than its receipt's": lambda m, e, b: of_kind(e, "experiment_finished")["result"].update(
        val_bpb=0.1
    ),
    "an unknown preset": lambda m, e, b: of_kind(e, "session_started")["config"].update(preset="huge"),
    "an unknown event": lambda m, e, b: e[5].update(event={"kind": "from_the_future", "x": 1}),
    "an unknown field": lambda m, e, b: e[5]["event"].update(surprise=1),
    "a number of the database's limits": lambda m, e, b: (
        m.update(number=2**40, session=f"s{2**40}"),
        [line.update(session=f"s{2**40}") for line in e],
        of_kind(e, "session_started").update(number=2**40),
    ),
    "a memory key with a line break": lambda m, e, b: (
        m.update(memory_key="a\nb"),
        of_kind(e, "session_started")["config"].update(memory_key="a\nb"),
    ),
    "a bundle that is a path": lambda m, e, b: of_kind(e, "session_started").update(bundle="../.."),
    "a newer format": lambda m, e, b: m.update(format=2),
    "a manifest with more": lambda m, e, b: m.update(more=1),
    "times without a zone": lambda m, e, b: e[2].update(at="2026-01-01T00:00:00"),
    "checkpoints it does not own up to": lambda m, e, b: m.update(without=[]),
}


def refused(tmp_path, data, match=""):
    """Whoever imports this is told one sentence, and his home stays as it was."""
    new = tmp_path / "new"
    store = open_store(home(new))
    before = files_of(new)
    (tmp_path / "bad.tar").write_bytes(data)
    with pytest.raises(UserError, match=match) as fault:
        import_session(home(new), tmp_path / "bad.tar")
    said = str(fault.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert len(said) < 400
    assert files_of(new) == before
    assert store.journal.sessions() == []


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_archive_is_refused_before_anything_is_written(tmp_path, calm, forgery):
    manifest, lines, blobs = parts(exported(calm, tmp_path))
    FORGERIES[forgery](manifest, lines, blobs)
    refused(tmp_path, assemble(manifest, lines, blobs), match="nothing was changed")


def test_events_that_do_not_match_the_manifest_are_refused(tmp_path, calm):
    manifest, lines, blobs = parts(exported(calm, tmp_path))
    lines[1]["event"]["reply"] = "tampered"
    refused(tmp_path, assemble(manifest, lines, blobs, settle=False), match="not those of its manifest")


def test_an_unknown_event_and_a_newer_format_say_what_to_do(tmp_path, calm):
    manifest, lines, blobs = parts(exported(calm, tmp_path))
    FORGERIES["an unknown event"](manifest, lines, blobs)
    refused(tmp_path, assemble(manifest, lines, blobs), match="'from_the_future' that this version does not know")
    FORGERIES["a newer format"](manifest, lines, blobs)
    refused(tmp_path, assemble(manifest, lines, blobs), match="newer version .format 2.; update this installation")


def rewritten(file: Path, change) -> bytes:
    """The archive as an ordinary tar program would write it, changed."""
    out = io.BytesIO()
    with tarfile.open(file) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as new:
        for member in old.getmembers():
            data = old.extractfile(member).read()
            for info, content in change(member, data):
                info.size = len(content) if info.isreg() else 0
                new.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return out.getvalue()


def link(kind, name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def named(name):
    return tarfile.TarInfo(name)


SPELLINGS = {
    "a symbolic link": lambda m, d: [(m, d), (link(tarfile.SYMTYPE, "blobs/" + "a" * 64, "/etc/passwd"), b"")],
    "a hard link": lambda m, d: [(m, d), (link(tarfile.LNKTYPE, "blobs/" + "a" * 64, "manifest.json"), b"")],
    "a device": lambda m, d: [(m, d), (link(tarfile.CHRTYPE, "blobs/" + "a" * 64, ""), b"")],
    "a folder": lambda m, d: [(link(tarfile.DIRTYPE, "blobs", ""), b""), (m, d)],
    "an absolute path": lambda m, d: [(m, d), (named("/etc/cron.d/x"), b"x")],
    "a path that climbs": lambda m, d: [(m, d), (named("blobs/../../x"), b"x")],
    "a stranger's file": lambda m, d: [(m, d), (named("README"), b"x")],
    "the same name twice": lambda m, d: [(m, d), (m, d)],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_tricks_of_the_tar_format_are_refused(tmp_path, calm, spelling):
    refused(tmp_path, rewritten(exported(calm, tmp_path), SPELLINGS[spelling]), match="nothing was changed")


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_that_was_packed_anew_is_refused(tmp_path, calm, format):
    out = io.BytesIO()
    with tarfile.open(exported(calm, tmp_path)) as old, tarfile.open(fileobj=out, mode="w", format=format) as new:
        for member in old.getmembers():
            member.mtime = 1.5
            new.addfile(member, old.extractfile(member))
    refused(tmp_path, out.getvalue(), match="nothing was changed")


def test_cut_off_and_lengthened_archives_are_refused(tmp_path, calm):
    whole = exported(calm, tmp_path).read_bytes()
    for data in (b"", whole[:100], whole[:512], whole[: len(whole) // 2], whole[:-512], whole + b"x"):
        refused(tmp_path, data, match="nothing was changed")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_byte_gets_in_unnoticed(tmp_path_factory, calm, data):
    folder = tmp_path_factory.mktemp("flip")
    whole = bytearray(exported(calm, folder).read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    (folder / "bad.tar").write_bytes(whole)
    try:
        import_session(home(folder / "new"), folder / "bad.tar")
    except UserError:
        assert open_store(home(folder / "new")).journal.sessions() == []
    else:  # padding, or a word of the manifest that nobody relies on
        assert normal_form(events(folder / "new")) == normal_form(events(calm))


def test_a_pipe_or_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UserError, match="is not a file"):
            import_session(home(tmp_path / "new"), path)


def test_imported_code_is_never_trusted_whatever_it_calls_itself(tmp_path, asleep):
    """A scripted session may run without a sandbox because its code is ours; an imported one's is not."""
    state = import_session(home(tmp_path / "new"), exported(asleep, tmp_path))
    assert state.config.researcher == "scripted"
    with pytest.raises(UserError, match="runs only in a sandbox"):
        laboratory_of(state, home(tmp_path / "new"), print)
    ours = open_store(home(asleep)).journal.state("s01")
    assert not ours.imported
