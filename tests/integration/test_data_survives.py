"""Builds that are killed, starved of disk, or raced: nothing finished is lost, and the rows are the same."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.progress import Amount
from autoresearch_dagster.data import build
from tests import corpora

BUILD = """
import sys
from pathlib import Path
from tests import corpora
from autoresearch_dagster.core.errors import AutoresearchError

corpus, tokenizer, root = map(Path, sys.argv[1:4])
try:
    print(corpora.build_rows(corpus, tokenizer, root, report=lambda told: print(told, flush=True)))
except AutoresearchError as fault:
    print(type(fault).__name__, fault)
    sys.exit(3)
"""


def silent(_told):
    """Nobody listens."""


def start(corpus, sample_bundle, root, **options):
    command = [sys.executable, "-c", BUILD, *map(str, (corpus, sample_bundle.tokenizer, root))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def finish(process):
    said, _ = process.communicate(timeout=240)
    return process.returncode, said


@pytest.fixture(scope="module")
def documents():
    return corpora.texts()


@pytest.fixture
def corpus(tmp_path, documents):
    return corpora.write_corpus(tmp_path / "corpus", documents, 1300)


def rows_of(made):
    return {path.relative_to(made.path): path.read_bytes() for path in made.path.rglob("*.npy")}


def wait_for(condition, process):
    for _ in range(12_000):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pytest.fail("it never came to that")


def test_a_build_killed_in_the_third_shard_loses_that_one_only(corpus, sample_bundle, tmp_path, documents):
    corpora.write(corpus / "part-9.parquet", documents * 6)  # the third that is tokenised; long enough to be hit
    root = tmp_path / "root"
    process = start(corpus, sample_bundle, root)
    tokenized = root / "tokenized"
    finished = lambda: sorted(tokenized.glob("[0-9a-f]*/manifest.json"))  # noqa: E731
    wait_for(lambda: len(finished()) == 2 and list(tokenized.glob(".*.tmp/heads.npy")), process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    kept = finished()
    assert len(kept) == 2
    assert not list((root / "packed_rows").glob("[0-9a-f]*"))
    written = {path.stat().st_mtime_ns for path in kept}

    told = []

    def report(line):
        told.append(line)
        if isinstance(line, Amount) and line.task == "packing":
            assert written <= {path.stat().st_mtime_ns for path in finished()}

    made = corpora.build_rows(corpus, sample_bundle.tokenizer, root, report=report)
    lines = [line for line in told if isinstance(line, str)]
    assert "tokenizing: found 2 of 4 shards tokenised already" in lines
    assert [line.rsplit(": ", 1)[1] for line in lines if line.startswith("tokenized ")] == [
        "already built",
        "already built",
        "built",
        "built",
    ]
    amounts = [line for line in told if isinstance(line, Amount) and line.task == "tokenizing"]
    assert {amount.done_before for amount in amounts} == {2 * 1300}
    assert amounts[-1].finished
    assert list(tokenized.iterdir()) == []
    undisturbed = corpora.build_rows(corpus, sample_bundle.tokenizer, tmp_path / "other", report=silent)
    assert rows_of(made) == rows_of(undisturbed)


def test_two_builders_of_one_bundle_build_it_once(corpus, sample_bundle, tmp_path):
    processes = [start(corpus, sample_bundle, tmp_path / "root") for _ in range(2)]
    ends = [finish(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0], ends
    assert sorted("built=True" in said for _, said in ends) == [False, True]
    assert len(list((tmp_path / "root" / "packed_rows").glob("[0-9a-f]*"))) == 1


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 2 MiB where this user may mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(folder, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


@pytest.mark.parametrize("size", ["64k", "700k", "2m", "3m"])
def test_a_full_disk_is_one_sentence_and_the_build_goes_on_when_there_is_room(
    corpus, sample_bundle, tmp_path, small_disk, size
):
    resize(small_disk, size)
    root = small_disk / "root"
    with pytest.raises(BundleError, match=r"^The disk with .* is full; free some space[^.]*\.$"):
        corpora.build_rows(corpus, sample_bundle.tokenizer, root, report=silent)
    kept = list((root / "tokenized").glob("[0-9a-f]*"))
    assert not list(root.glob("*/.*.tmp"))
    resize(small_disk, "64m")
    said = []
    made = corpora.build_rows(corpus, sample_bundle.tokenizer, root, report=said.append)
    assert sum(str(line).startswith("tokenized ") and "already built" in str(line) for line in said) == len(kept)
    assert rows_of(made) == rows_of(
        corpora.build_rows(corpus, sample_bundle.tokenizer, tmp_path / "r", report=silent)
    )


def test_a_file_that_may_not_grow_is_one_sentence(corpus, sample_bundle, tmp_path):
    limit = 200_000

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    code, said = finish(start(corpus, sample_bundle, tmp_path / "root", preexec_fn=limited))
    assert code == 3, said
    last = said.splitlines()[-1]
    assert last.startswith("BundleError ")
    assert "File too large" in last
    assert "Traceback" not in said


def test_a_read_only_folder_serves_what_is_built_and_refuses_what_is_not(corpus, sample_bundle, small_disk):
    root = small_disk / "root"
    resize(small_disk, "64m")
    made = corpora.build_rows(corpus, sample_bundle.tokenizer, root, report=silent)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    again = corpora.build_rows(corpus, sample_bundle.tokenizer, root, report=silent)
    assert again.path == made.path
    assert not again.built
    with pytest.raises(BundleError, match=r"may not be used \(Read-only file system\)"):
        corpora.build_rows(corpus, sample_bundle.tokenizer, root, sequence_length=64, report=silent)


MEMORY = """
import sys
from pathlib import Path
import autoresearch_dagster.data.build
from autoresearch_dagster.core.progress import Meter, silent
from autoresearch_dagster.data.encoding import Encoder
from autoresearch_dagster.data.tokenizing import tokenize_shard

def peak():
    # getrusage would count what the parent had.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024

encoder = Encoder(Path(sys.argv[2]), 513)
before = peak()
tokenize_shard(Path(sys.argv[1]), encoder, Path(sys.argv[3]), Meter("x", None, "documents", silent))
print(peak() - before)
"""


def test_memory_does_not_grow_with_shards_row_groups_or_documents(sample_bundle, tmp_path, documents):
    long = "\n".join(documents) * 2
    assert len(long) > 16_000_000
    made = {"few": documents, "many": documents * 4, "long": [*documents[:500], long, *documents[500:]]}
    peaks = {}
    for name, texts in made.items():
        path = corpora.write(tmp_path / f"{name}.parquet", texts, row_group_size=10**9)
        assert pq.ParquetFile(path).num_row_groups == 1
        command = [sys.executable, "-c", MEMORY, *map(str, (path, sample_bundle.tokenizer, tmp_path))]
        peaks[name] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # Four times as much text in one row group, 38 MB; one document of 19 MB, whose tokens alone would be a list of
    # 5 million numbers.
    assert peaks["many"] < peaks["few"] + 30, peaks
    assert peaks["long"] < peaks["few"] + 120, peaks
    counts = np.load(tmp_path / "counts.npy")
    assert counts.max() > 3_000_000
    assert len(np.load(tmp_path / "heads.npy")) == np.minimum(counts, 513).sum()


def test_the_tokenizer_and_a_whole_bundle_of_an_own_corpus(tmp_path, documents):
    corpus = corpora.write_corpus(tmp_path / "corpus", documents, 3000)
    told = []
    bundle = build.build_bundle(str(corpus), 3, 512, tmp_path / "root", told.append)
    assert bundle.manifest["source"] == str(corpus)
    assert build.find_bundle(bundle.digest, tmp_path / "root") == bundle
    tasks = {line.task for line in told if isinstance(line, Amount) and line.finished}
    assert {"tokenizer", "tokenizing", "packing"} <= tasks
    said = []
    assert build.build_bundle(str(corpus), 3, 512, tmp_path / "root", said.append) == bundle
    assert len(said) == 3
    assert all("already built" in str(line) for line in said)
    assert os.path.islink(bundle.shards / "shard_00000.parquet")  # noqa: PTH114
    shutil.rmtree(corpus)
