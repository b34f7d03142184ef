"""Tokenising and packing beside the tutorial's way, and what 1, 2 and 4 shards cost.

Each phase runs in a process of its own, one after the other, and prints its time, CPU time and peak memory.
The corpus is the sample's documents, about 7 MB of text a shard, in one row group.

Run: python -m benchmarks.packing
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tiktoken

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.progress import silent
from autoresearch_dagster.data import build, sample, tokenizer
from autoresearch_dagster.data.digests import FileDigests
from autoresearch_dagster.data.packing import pack
from autoresearch_dagster.data.shards import Shards
from autoresearch_dagster.data.splits import make_folders, write_rows
from autoresearch_dagster.data.tokenized import TokenizedShards

CAPACITY = 513
SHARDS = (1, 2, 4)
Batches = Iterator[list[list[int]]]


def reference_batches(shards: list[Path], encoding: tiktoken.Encoding) -> Batches:
    """Read, tokenise with 8 threads and put BOS before each document, as the tutorial's loader does."""
    bos = tokenizer.bos_token_id(encoding)
    for shard in shards:
        file = pq.ParquetFile(shard)
        for group in range(file.num_row_groups):
            texts = file.read_row_group(group).column("text").to_pylist()
            for start in range(0, len(texts), limits.PACKING_BATCH_DOCUMENTS):
                batch = texts[start : start + limits.PACKING_BATCH_DOCUMENTS]
                encoded = encoding.encode_ordinary_batch(batch, num_threads=8)
                for tokens in encoded:
                    tokens.insert(0, bos)
                yield encoded


def reference_rows(source: Batches) -> Iterator[np.ndarray]:
    """Choose by a scan over the whole buffer, as the tutorial chooses."""
    waiting: list[list[int]] = []
    while True:
        row: list[int] = []
        while (room := CAPACITY - len(row)) > 0:
            while len(waiting) < limits.PACKING_BUFFER_DOCUMENTS:
                batch = next(source, None)
                if batch is None:
                    return
                waiting.extend(batch)
            best, longest = -1, 0
            for place, document in enumerate(waiting):
                if longest < len(document) <= room:
                    best, longest = place, len(document)
            if best < 0:
                best = min(range(len(waiting)), key=lambda place: len(waiting[place]))
            row.extend(waiting.pop(best)[:room])
        yield np.array(row, dtype=np.uint16)


def phases(made: Path, trained: Path, root: Path) -> dict[str, Callable[[], int]]:
    """Every phase by name: does it and returns the tokens that it handled."""
    shards = Shards(made, FileDigests(root, silent))
    tokenized = TokenizedShards(root, shards, trained, CAPACITY, silent)
    encoding = tokenizer.load(trained)

    def reference_tokenising() -> int:
        return sum(len(tokens) for batch in reference_batches(shards.train, encoding) for tokens in batch)

    def reference_both() -> int:
        return CAPACITY * sum(1 for _ in reference_rows(reference_batches(shards.train, encoding)))

    def tokenising() -> int:
        tokenized.make_all()
        return sum(int(found.counts.sum()) for found, _ in tokenized.batches(shards.all, np.empty(0, np.uint64)))

    def packing() -> int:
        with tempfile.TemporaryDirectory(dir=root) as folder:
            make_folders(Path(folder))
            found = tokenized.batches(shards.train, np.empty(0, np.uint64))
            batches = (documents.batch() for documents, _ in found)
            return CAPACITY * write_rows(Path(folder), "train", pack(batches, CAPACITY), CAPACITY)

    def building() -> int:
        tokenized.remove_all()
        return building_again()

    def building_again() -> int:
        path = build.build_packed_rows(made, trained, CAPACITY - 1, root, silent).path
        return CAPACITY * sum(json.loads((path / "manifest.json").read_text(encoding="utf-8"))["rows"].values())

    found = (reference_tokenising, reference_both, tokenising, packing, building, building_again)
    return {phase.__name__: phase for phase in found}


def reference_packing(made: Path, trained: Path) -> tuple[float, float, int]:
    """Time the scan alone, on documents that are tokenised beforehand."""
    shards = Shards(made, FileDigests(made, silent))
    batches = list(islice(reference_batches(shards.train, tokenizer.load(trained)), None))
    wall, cpu = time.perf_counter(), time.process_time()
    rows = sum(1 for _ in reference_rows(iter(batches)))
    return time.perf_counter() - wall, time.process_time() - cpu, CAPACITY * rows


def peak_kib() -> int:
    """Peak memory of this program; `getrusage` would count what its parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def run_phase(name: str, made: Path, trained: Path, root: Path) -> None:
    before = peak_kib()
    if name == "reference_packing":
        wall, cpu, tokens = reference_packing(made, trained)
    else:
        phase = phases(made, trained, root)[name]
        start, used = time.perf_counter(), time.process_time()
        tokens = phase()
        wall, cpu = time.perf_counter() - start, time.process_time() - used
    peak = peak_kib()
    print(
        json.dumps(
            {"wall": wall, "cpu": cpu, "tokens": tokens, "mib": (peak - before) // 1024, "all": peak // 1024}
        )
    )


def measure(name: str, made: Path, trained: Path, root: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.packing", name, *map(str, (made, trained, root))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(
        f"{name:22} {found['wall']:7.2f} s {found['cpu']:7.2f} s CPU {found['tokens'] / found['wall'] / 1e6:7.2f}"
        f" M tokens/s {found['mib']:6} MiB more, {found['all']} MiB in all"
    )
    return found


def corpus(folder: Path, shards: int) -> Path:
    texts = sample.documents(sample.source_files())
    held_back, train = texts[: len(texts) // 4], texts[len(texts) // 4 :]
    folder.mkdir(parents=True)
    for number in range(shards + 1):
        random.Random(number).shuffle(train)
        documents = train if number < shards else held_back
        table = pa.table({"text": documents})
        pq.write_table(table, folder / f"shard_{number}.parquet", row_group_size=len(documents))
    return folder


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        root = Path(home) / "root"
        source = str(corpus(Path(home) / "corpus", max(SHARDS)))
        trained = build.build_tokenizer(build.build_shards(source, 1, root, silent).path, root, silent).path
        for shards in SHARDS:
            made = build.build_shards(source, shards, root, silent).path
            print(f"\n{shards} train shards")
            names = ["tokenising", "packing", "building"]
            if shards == 1:
                names = ["reference_tokenising", "reference_packing", "reference_both", *names]
            found = {name: measure(name, made, trained, root) for name in names}
            again = measure("building_again", made, trained, root)
            print(f"second materialisation {found['building']['wall'] / again['wall']:.0f} times as fast")
            if shards == 1:
                compare(found)


def compare(found: dict[str, dict[str, float]]) -> None:
    """Print how many times as fast ours is; a whole build also splits, counts and brings everything to the disk."""
    pairs = {"tokenising": "tokenising", "packing": "packing", "building": "both"}
    for clock in ("wall", "cpu"):
        ratios = []
        for ours, theirs in pairs.items():
            one, other = found[ours], found[f"reference_{theirs}"]
            ratios.append(f"{ours} {one['tokens'] / one[clock] / (other['tokens'] / other[clock]):.1f}")
        print(f"ratio by {clock}: {', '.join(ratios)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_phase(sys.argv[1], *map(Path, sys.argv[2:5]))
    else:
        main()
