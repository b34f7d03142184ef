"""The climbmix source against a hub on loopback; what needs a real process runs in one."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from itertools import count
from pathlib import Path

import pytest

from autoresearch_dagster.core.errors import AutoresearchError, BundleError, UserError
from autoresearch_dagster.core.progress import Amount
from autoresearch_dagster.core.settings import PROJECT_ROOT
from autoresearch_dagster.data.climbmix import RECORD, REPOSITORY, Surroundings, open_climbmix
from autoresearch_dagster.data.folders import publish, read_manifest
from autoresearch_dagster.data.hub import Hub
from autoresearch_dagster.data.retries import RetryLimits
from tests.hub_server import COMMIT, LATER, Fault, HubServer, noise_shard, parquet

TRAIN, SECOND, VALIDATION = "shard_00000.parquet", "shard_00001.parquet", "shard_06542.parquet"
QUICK = {
    "first_wait_s": 0.01,
    "longest_wait_s": 0.05,
    "retry_after_s": 2.0,
    "patience_s": 20.0,
    "no_network_s": 0.2,
}
SECRET = "hf_secretsecretsecret"
WAIT_S = 60


@pytest.fixture(scope="module")
def shards():
    return {name: noise_shard(seed) for seed, name in enumerate((TRAIN, SECOND, VALIDATION))}


@pytest.fixture
def hub(shards):
    server = HubServer(dict(shards))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Neither a proxy nor a token of whoever runs the tests."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf_home"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "hf_home" / "token"))


@pytest.fixture
def build(hub, tmp_path):
    """Build shards over the loopback hub in this process; what was reported is in `build.told`."""

    def build(
        num_shards=1, source="climbmix", *, root=tmp_path / "bundles", timeout_s=10.0, free=1 << 50, **numbers
    ):
        surroundings = Surroundings(
            repository=lambda: Hub(REPOSITORY, hub.url, timeout_s=timeout_s),
            numbers=RetryLimits(**{**QUICK, **numbers}),
            free_bytes=lambda folder: free,
        )
        found = open_climbmix(source, num_shards, root, build.told.append, surroundings)
        folder = publish(root, "shards", found.inputs, found.fill, build.told.append).path
        found.tidy(folder)
        return folder

    build.told = []
    build.root = tmp_path / "bundles"
    return build


def downloads(root, commit=COMMIT):
    return root / "downloads" / "climbmix" / commit[:16]


def said(build):
    return "\n".join(str(line) for line in build.told)


def is_whole(folder, shards, names):
    found = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    return found == {name: shards[name] for name in names}


def one_sentence(refused, *words):
    text = str(refused.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert SECRET not in text
    assert "Signature" not in text
    for word in words:
        assert word in text
    return text


# --- what is fetched, recorded and named ---------------------------------------------------------


def test_train_shards_and_the_pinned_validation_shard_arrive_whole(build, hub, shards):
    folder = build(2)

    assert is_whole(folder, shards, (TRAIN, SECOND, VALIDATION))
    assert hub.sent == {name: len(shards[name]) for name in shards}
    manifest = read_manifest(folder)
    assert manifest["commit"] == COMMIT
    assert manifest["source"] == f"climbmix@{COMMIT}"
    assert manifest["num_shards"] == 2
    assert manifest["inputs"] == {
        "source": "climbmix",
        "repository": REPOSITORY,
        "commit": COMMIT,
        "sha256": {name: hashlib.sha256(shards[name]).hexdigest() for name in (TRAIN, SECOND, VALIDATION)},
    }


@pytest.mark.parametrize("num_shards", [0, -1, 6543])
def test_number_of_shards_out_of_range_is_refused_before_anything_is_asked(num_shards, build, hub):
    with pytest.raises(UserError, match="1 to 6542"):
        build(num_shards)
    assert hub.requests == []


@pytest.mark.parametrize("source", ["climbmix@", "climbmix@ main"])
def test_empty_revision_is_refused(source, build):
    with pytest.raises(UserError, match="climbmix@REVISION"):
        build(1, source)


def test_data_does_not_move_when_the_branch_does(build, hub, shards):
    first = build(1)
    hub.files[LATER] = {name: noise_shard(9) for name in shards}
    hub.revisions["main"] = LATER

    assert build(1) == first
    assert is_whole(build(2), shards, (TRAIN, SECOND, VALIDATION))
    assert len(hub.asked("/revision/")) == 1
    assert read_manifest(build(1, f"climbmix@{LATER}"))["commit"] == LATER


def test_record_holds_commit_size_and_hash_of_what_is_known(build, shards):
    build(1)
    record = json.loads((build.root / RECORD).read_text())

    assert record["revisions"] == {"main": COMMIT}
    assert record["files"][COMMIT] == {
        name: {"size_bytes": len(shards[name]), "sha256": hashlib.sha256(shards[name]).hexdigest()}
        for name in (TRAIN, VALIDATION)
    }


def test_a_commit_and_the_branch_that_means_it_give_one_folder(build, hub):
    assert build(1, f"climbmix@{COMMIT}") == build(1)
    assert len(hub.asked("/resolve/")) == 2


def test_tag_is_resolved_once(build, hub):
    hub.revisions["refs/pr/1"] = COMMIT
    assert build(1, "climbmix@refs/pr/1") == build(1, "climbmix@refs/pr/1")
    assert [request.path for request in hub.asked("/revision/")] == [
        f"/api/datasets/{REPOSITORY}/revision/refs%2Fpr%2F1?expand=sha"
    ]


def test_damaged_record_is_told_and_kept(build):
    build.root.mkdir()
    (build.root / RECORD).write_text("{")
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, RECORD, "restore it")
    assert (build.root / RECORD).read_text() == "{"


def test_many_shards_are_asked_about_in_several_requests(build, hub, shards):
    hub.files[COMMIT] |= {f"shard_{index:05d}.parquet": shards[TRAIN] for index in range(700)}
    with pytest.raises(UserError) as refused:
        build(701)
    one_sentence(refused, "shard_00700.parquet", COMMIT, "fewer shards")
    assert len(hub.asked("/paths-info/")) == 2
    assert hub.asked("/resolve/") == []


# --- without network -------------------------------------------------------------------------------


def test_nothing_is_asked_where_everything_is_there(build, hub, shards):
    first = build(2)
    asked = len(hub.requests)
    hub.stop()

    assert build(2) == first
    shutil.rmtree(first)
    assert is_whole(build(2), shards, (TRAIN, SECOND, VALIDATION))
    assert "all 3 files are here already" in said(build)
    assert len(hub.requests) == asked


def test_no_network_is_one_sentence_and_comes_soon(build, hub):
    hub.stop()
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, hub.url, "cannot be reached", "check the network", "run the same command again")
    assert "trying again" in said(build)


# --- progress, and going on where it stopped ----------------------------------------------------------


def test_progress_counts_all_bytes_and_ends_at_the_total(build, shards):
    build(2)
    amounts = [told for told in build.told if isinstance(told, Amount)]

    assert amounts[-1].finished
    assert amounts[-1].total == sum(map(len, shards.values()))
    assert amounts[-1].task == "climbmix"
    assert amounts[-1].done_before == 0


def test_half_a_file_is_continued_and_counts_as_done_before(build, hub, shards):
    home = downloads(build.root)
    home.mkdir(parents=True)
    (home / f"{TRAIN}.part").write_bytes(shards[TRAIN][:100_000])

    assert is_whole(build(1), shards, (TRAIN, VALIDATION))
    assert hub.sent[TRAIN] == len(shards[TRAIN]) - 100_000
    assert [request.range for request in hub.asked(TRAIN) if request.server == "store"] == ["bytes=100000-"]
    assert [told for told in build.told if isinstance(told, Amount)][-1].done_before == 100_000


SCRIPT = """
import sys
from pathlib import Path
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.data.build import build_bundle, build_shards

def say(told):
    print(told, flush=True)

try:
    print("made", build_shards("climbmix", int(sys.argv[2]), Path(sys.argv[1]), say).path, flush=True)
except AutoresearchError as fault:
    sys.exit(str(fault))
"""


def spawn(hub, root, num_shards=1, *, script=SCRIPT, before=(), **environment):
    """A process of its own, which finds the hub as the library does: by HF_ENDPOINT."""
    return subprocess.Popen(
        [*before, sys.executable, "-c", script, str(root), str(num_shards)],
        env={**os.environ, "HF_ENDPOINT": hub.url, "PYTHONPATH": str(PROJECT_ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    out, err = process.communicate(timeout=WAIT_S)
    return process.returncode, out, err


def wait_until(true):
    for _ in count():
        if true():
            return
        time.sleep(0.02)


def test_after_kill_9_in_the_middle_of_a_file_nothing_comes_twice(hub, shards, tmp_path):
    for name in shards:
        hub.faults[name] = [Fault(hold_after=100_000)]
    root = tmp_path / "bundles"
    killed = spawn(hub, root, 2)
    for _ in shards:
        assert hub.held.acquire(timeout=WAIT_S)
    parts = [downloads(root) / f"{name}.part" for name in shards]
    wait_until(lambda: all(part.exists() and part.stat().st_size == 100_000 for part in parts))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert list((root / "shards").glob("[!.]*")) == []

    code, out, err = ended(spawn(hub, root, 2))

    assert (code, err) == (0, "")
    assert is_whole(Path(out.split("made ")[1].strip()), shards, shards)
    assert hub.sent == {name: len(shards[name]) for name in shards}
    assert {request.range for request in hub.requests[-6:] if request.server == "store"} == {"bytes=100000-"}


def test_cut_connection_is_continued_where_it_broke(build, hub, shards):
    hub.faults[TRAIN] = [Fault(cut_after=50_000), Fault(cut_after=70_000)]

    assert is_whole(build(1), shards, (TRAIN, VALIDATION))
    assert hub.sent[TRAIN] == len(shards[TRAIN])
    assert "breaks the connection" in said(build)


def test_silent_connection_is_left_and_continued(build, hub, shards):
    hub.faults[TRAIN] = [Fault(hold_after=50_000)]

    assert is_whole(build(1, timeout_s=1.0), shards, (TRAIN, VALIDATION))
    assert [request.range for request in hub.asked(TRAIN) if request.server == "store"] == [None, "bytes=50000-"]
    assert "is silent for 1 s" in said(build)


def test_server_that_ignores_ranges_sends_all_again(build, hub, shards):
    hub.faults[TRAIN] = [Fault(cut_after=50_000), Fault(ignores_range=True)]

    assert is_whole(build(1), shards, (TRAIN, VALIDATION))
    assert hub.sent[TRAIN] == 50_000 + len(shards[TRAIN])
    last = [told for told in build.told if isinstance(told, Amount)][-1]
    assert last.done == last.total


def test_server_that_ignores_ranges_and_always_breaks_is_given_up(build, hub):
    hub.for_ever[TRAIN] = Fault(cut_after=200_000, ignores_range=True)
    with pytest.raises(BundleError) as refused:
        build(1, patience_s=0.5, progress_bytes=1000)
    one_sentence(refused, TRAIN, "run the same command again")


def test_larger_corpus_takes_what_a_smaller_one_fetched(build, hub, shards):
    build(1)
    build(2)

    assert hub.sent == {name: len(shards[name]) for name in shards}


def test_published_and_downloaded_are_one_file_on_the_disk(build):
    folder = build(1)
    for name in (TRAIN, VALIDATION):
        assert (folder / name).samefile(downloads(build.root) / name)
    assert sorted(path.name for path in downloads(build.root).iterdir()) == [".lock", TRAIN, VALIDATION]


def test_what_could_not_be_linked_leaves_the_downloads_when_it_is_published(build, shards, tmp_path):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    elsewhere = other / f"autoresearch-{os.getpid()}"
    build.root.mkdir()
    (build.root / "downloads").symlink_to(elsewhere)
    elsewhere.mkdir()
    try:
        assert is_whole(build(1), shards, (TRAIN, VALIDATION))
        assert [path.name for path in downloads(build.root).iterdir()] == [".lock"]
    finally:
        shutil.rmtree(elsewhere)


# --- verification ------------------------------------------------------------------------------------


def changed(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def test_wrong_content_is_deleted_and_fetched_once_more(build, hub, shards):
    hub.faults[TRAIN] = [Fault(content=changed(shards[TRAIN]))]

    assert is_whole(build(1), shards, (TRAIN, VALIDATION))
    assert hub.sent[TRAIN] == 2 * len(shards[TRAIN])
    assert f"{TRAIN} came with another content" in said(build)
    assert [told for told in build.told if isinstance(told, Amount)][-1].finished


@pytest.mark.parametrize(
    "wrong", [changed, lambda data: data[:1000], lambda data: b"more" + data, lambda data: b""]
)
def test_wrong_content_twice_is_one_sentence_and_leaves_nothing_wrong(wrong, build, hub, shards):
    hub.for_ever[TRAIN] = Fault(content=wrong(shards[TRAIN]))
    with pytest.raises(BundleError) as refused:
        build(1, patience_s=0.5)
    one_sentence(refused, TRAIN, "came twice with another content", "check the proxy")
    assert not (downloads(build.root) / TRAIN).exists()

    hub.for_ever.clear()
    assert is_whole(build(1), shards, (TRAIN, VALIDATION))


@pytest.mark.parametrize("content", [b"half", None])
def test_foreign_file_of_the_right_name_is_fetched_again(content, build, hub, shards):
    build(1)
    shutil.rmtree(build.root / "shards")
    path = downloads(build.root) / TRAIN
    path.unlink()
    path.write_bytes(changed(shards[TRAIN]) if content is None else content)

    assert is_whole(build(1), shards, (TRAIN, VALIDATION))
    assert hub.sent[TRAIN] == 2 * len(shards[TRAIN])
    assert hub.sent[VALIDATION] == len(shards[VALIDATION])


def test_part_that_is_foreign_is_noticed_at_its_end(build, shards):
    home = downloads(build.root)
    home.mkdir(parents=True)
    (home / f"{TRAIN}.part").write_bytes(b"x" * 1000)
    (home / f"{VALIDATION}.part").write_bytes(b"x" * 1_000_000)

    assert is_whole(build(1), shards, (TRAIN, VALIDATION))


@pytest.mark.parametrize("name", [TRAIN, f"{TRAIN}.part"])
def test_folder_or_link_with_the_name_of_a_file_is_not_touched(name, build, hub, tmp_path):
    home = downloads(build.root)
    (home / name).mkdir(parents=True)
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, str(home / name), "move it away")
    (home / name).rmdir()
    (home / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, str(home / name), "move it away")
    assert not (tmp_path / "elsewhere").exists()


# --- what the hub refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("where", ["revision", "paths-info", f"resolve:{TRAIN}", TRAIN])
def test_busy_hub_is_asked_again(where, status, build, hub, shards):
    hub.faults[where] = [Fault(status), Fault(status)]

    assert is_whole(build(1), shards, (TRAIN, VALIDATION))
    assert f"answers {status}" in said(build)


def test_expired_address_of_the_store_is_asked_for_anew(build, hub, shards):
    hub.faults[TRAIN] = [Fault(403, body=b"<Error>expired</Error>")]

    assert is_whole(build(1), shards, (TRAIN, VALIDATION))
    assert len(hub.asked(f"/resolve/{COMMIT}/{TRAIN}")) == 2


@pytest.mark.parametrize("asked", [{"Retry-After": "1"}, {"RateLimit": '"resolvers";r=0;t=1'}])
def test_the_wait_that_the_hub_asks_for_is_kept(asked, build, hub):
    hub.faults[f"resolve:{TRAIN}"] = [Fault(429, asked)]
    build(1)
    first, second = (request.at for request in hub.asked(f"/resolve/{COMMIT}/{TRAIN}"))

    assert second - first >= 1.0


@pytest.mark.parametrize("where", ["revision", f"resolve:{TRAIN}", TRAIN])
@pytest.mark.parametrize(("status", "words"), [(429, "HF_TOKEN"), (503, "come back later")])
def test_hub_that_stays_busy_is_given_up_with_one_sentence(where, status, words, build, hub, shards):
    hub.for_ever[where] = Fault(status, {"Retry-After": "3600"})
    with pytest.raises(BundleError) as refused:
        build(1, patience_s=0.5, retry_after_s=0.1)
    one_sentence(refused, str(status), words, "run the same command again")

    hub.for_ever.clear()
    assert is_whole(build(1), shards, (TRAIN, VALIDATION))


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("where", ["revision", "paths-info", f"resolve:{TRAIN}"])
def test_refused_access_names_the_token(where, status, build, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", SECRET)
    hub.for_ever[where] = Fault(status, {"X-Error-Message": "Invalid credentials in Authorization header"})
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, "HF_TOKEN", str(status))


def test_gated_repository_names_the_token(build, hub):
    hub.for_ever["revision"] = Fault(403, {"X-Error-Code": "GatedRepo"})
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, "HF_TOKEN")


def test_unknown_revision_is_one_sentence(build):
    with pytest.raises(UserError) as refused:
        build(1, "climbmix@nope")
    one_sentence(refused, "no such revision", "'nope'", "climbmix@REVISION")
    with pytest.raises(UserError) as refused:
        build(1, f"climbmix@{LATER}")
    one_sentence(refused, "no such revision", LATER)


def test_hub_without_the_repository_is_one_sentence(build, hub):
    hub.for_ever["revision"] = Fault(404, {"X-Error-Code": "RepoNotFound"})
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, REPOSITORY, "HF_ENDPOINT")


def test_shard_that_vanished_is_one_sentence(build, hub):
    hub.for_ever[f"resolve:{TRAIN}"] = Fault(404, {"X-Error-Code": "EntryNotFound"})
    with pytest.raises(UserError) as refused:
        build(1)
    one_sentence(refused, TRAIN, "another climbmix@REVISION")


@pytest.mark.parametrize("answer", [b"<html>log in to the hotel's network</html>", b"{}", b'{"sha": "../../etc"}'])
@pytest.mark.parametrize("where", ["revision", "paths-info"])
def test_server_that_is_no_hub_is_one_sentence(where, answer, build, hub):
    hub.for_ever[where] = Fault(200, {"Content-Type": "text/html"}, answer)
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, "does not answer as a hub does", "HF_ENDPOINT")


def test_file_without_a_hash_is_refused(build, hub):
    hub.plain.add(TRAIN)
    with pytest.raises(BundleError) as refused:
        build(1)
    one_sentence(refused, "no SHA-256", TRAIN)


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://127.0.0.1"])
def test_endpoint_that_is_no_address_is_one_sentence(endpoint, tmp_path):
    surroundings = Surroundings(repository=lambda: Hub(REPOSITORY, endpoint))
    with pytest.raises(BundleError) as refused:
        open_climbmix("climbmix", 1, tmp_path, print, surroundings)
    one_sentence(refused, "HF_ENDPOINT", endpoint)


def test_token_reaches_the_hub_and_nobody_else(build, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", SECRET)
    hub.faults[TRAIN] = [Fault(503), Fault(cut_after=1000)]
    build(1)

    assert {request.authorization for request in hub.requests if request.server == "hub"} == {f"Bearer {SECRET}"}
    assert {request.authorization for request in hub.requests if request.server == "store"} == {None}
    assert SECRET not in said(build)
    assert not any(SECRET in path.read_text(errors="replace") for path in build.root.rglob("*") if path.is_file())


# --- the disk ----------------------------------------------------------------------------------------------


def test_too_little_space_is_told_before_the_first_byte(build, hub):
    with pytest.raises(BundleError) as refused:
        build(1, free=1 << 30)
    one_sentence(refused, "num_shards=1", "1.0 GiB", "fewer shards", "AUTORESEARCH_HOME")
    assert hub.asked("/resolve/") == []


ON_A_SMALL_DISK = """
import sys
from pathlib import Path
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.data.climbmix import Surroundings, open_climbmix
from autoresearch_dagster.data.folders import publish

root = Path(sys.argv[1])

def build():
    found = open_climbmix("climbmix", 2, root / "bundles", print, Surroundings(free_bytes=lambda folder: 1 << 50))
    return publish(root / "bundles", "shards", found.inputs, found.fill, print).path

ballast = root / "ballast"
if root.stat().st_dev and not sys.argv[2] == "ro":
    ballast.write_bytes(bytes(700_000))
try:
    build()
except AutoresearchError as fault:
    print("refused:", fault)
if ballast.exists():
    ballast.unlink()
    print("made", sorted(path.name for path in build().iterdir()))
"""


def on_a_disk(options, hub, root, word):
    """Run the script above with a small file system at `root`, in name spaces of its own."""
    mount = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(root)]
    try:
        subprocess.run([*before, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs user name spaces")
    return ended(spawn(hub, root, word, script=ON_A_SMALL_DISK, before=before))


def test_full_disk_is_one_sentence_and_what_came_is_kept(hub, shards, tmp_path):
    code, out, err = on_a_disk("size=1200k", hub, tmp_path, "full")

    assert (code, err) == (0, "")
    refused = next(line for line in out.splitlines() if line.startswith("refused:"))
    assert "is full; free some space" in refused
    assert "run the same command again" in refused
    assert f"'{VALIDATION}'" in out.splitlines()[-1]
    again = sum(int((request.range or "bytes=0-")[6:-1]) for request in hub.requests if request.server == "store")
    assert again > 0


def test_read_only_folder_is_one_sentence(hub, tmp_path):
    code, out, err = on_a_disk("ro", hub, tmp_path, "ro")

    assert (code, err) == (0, "")
    assert "may not be used (Read-only file system); let this user write there" in out.splitlines()[-1]
    assert hub.requests == []


def test_file_in_the_place_of_the_folder_is_one_sentence(build):
    build.root.write_text("")
    with pytest.raises(AutoresearchError) as refused:
        build(1)
    one_sentence(refused, str(build.root))


# --- two at once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_shards", [1, 2])
def test_second_process_waits_says_so_and_finds_the_files(num_shards, hub, shards, tmp_path):
    hub.faults[TRAIN] = [Fault(hold_after=1000)]
    first = spawn(hub, tmp_path, 1)
    assert hub.held.acquire(timeout=WAIT_S)
    second = spawn(hub, tmp_path, num_shards)
    assert second.stdout is not None
    heard = ""
    while "another process is at it; waiting" not in heard:
        heard += second.stdout.readline()
    hub.release.set()

    assert ended(first)[0] == 0
    code, out, err = ended(second)
    assert (code, err) == (0, "")
    names = [TRAIN, SECOND, VALIDATION] if num_shards == 2 else [TRAIN, VALIDATION]
    assert is_whole(Path(out.split("made ")[1].strip()), shards, names)
    assert hub.sent == {name: len(shards[name]) for name in names}


# --- end to end ---------------------------------------------------------------------------------------------------


BUNDLE = textwrap.dedent("""
    import sys
    from pathlib import Path
    from autoresearch_dagster.data.build import build_bundle, profile
    bundle = build_bundle("climbmix", int(sys.argv[2]), 64, Path(sys.argv[1]), lambda told: print(told, flush=True))
    print(profile(bundle).model_dump_json())
""")


def test_bundle_is_built_over_the_hub_and_again_without_it(tmp_path):
    from autoresearch_dagster.data import sample

    texts = sample.documents(sample.source_files())
    third = len(texts) // 3
    pieces = {TRAIN: texts[:third], SECOND: texts[third : 2 * third], VALIDATION: texts[2 * third :]}
    hub = HubServer({name: parquet(piece) for name, piece in pieces.items()})
    code, out, err = ended(spawn(hub, tmp_path, 2, script=BUNDLE, HF_TOKEN=SECRET))
    hub.stop()

    assert (code, err) == (0, "")
    told = json.loads(out.splitlines()[-1])
    assert told["source"] == f"climbmix@{COMMIT}"
    assert told["parquet_files"] == [TRAIN, SECOND, VALIDATION]
    assert told["rows"]["train"] > 1000
    assert SECRET not in out
    code, again, err = ended(spawn(hub, tmp_path, 2, script=BUNDLE, HF_HUB_OFFLINE="1"))
    assert (code, err) == (0, "")
    assert json.loads(again.splitlines()[-1]) == told


def test_offline_mode_of_the_library_is_one_sentence(hub, tmp_path):
    code, _, err = ended(spawn(hub, tmp_path, 1, HF_HUB_OFFLINE="1"))

    assert code == 1
    assert "HF_HUB_OFFLINE forbids" in err
    assert len(err.strip().splitlines()) == 1
