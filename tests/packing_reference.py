"""The tutorial's packing, written down literally: what our rows must equal."""

import pyarrow.parquet as pq


def batches(paths, encoding, bos):
    """Read row groups whole, cut each into 128 documents, put BOS before every document."""
    for path in paths:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            texts = file.read_row_group(group, columns=["text"]).column("text").to_pylist()
            for start in range(0, len(texts), 128):
                yield [[bos, *encoding.encode_ordinary(text)] for text in texts[start : start + 128]]


def rows(batches, capacity, buffer_documents=1000):
    """Scan the list for the longest that fits, else take the shortest; rows as (tokens, owners of targets)."""
    source = iter(batches)
    waiting, found, number = [], [], 0
    while True:
        row, owners = [], []
        while len(row) < capacity:
            while len(waiting) < buffer_documents:
                try:
                    batch = next(source)
                except StopIteration:
                    return found
                for document in batch:
                    waiting.append((number, document))
                    number += 1
            room = capacity - len(row)
            best, longest = None, 0
            for place, (_, document) in enumerate(waiting):
                if len(document) <= room and len(document) > longest:
                    best, longest = place, len(document)
            if best is None:
                best = min(range(len(waiting)), key=lambda place: len(waiting[place][1]))
            owner, document = waiting.pop(best)
            row += document[:room]
            owners += [owner] * len(document[:room])
        found.append((row, owners[1:]))
