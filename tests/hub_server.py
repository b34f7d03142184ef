"""The Hugging Face hub on loopback, as huggingface_hub 2.x speaks with it, with every fault that we can think of.

Two ports: the hub (its API, and `resolve`, which redirects) and the store that it redirects to, another origin.
It counts requests and the bytes of every file that it sent.
"""

import hashlib
import json
import re
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from autoresearch_dagster.data.climbmix import REPOSITORY

COMMIT = "c0ffee" + "0" * 34
LATER = "decade" + "1" * 34
_BLOCK = 16 * 1024


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    `status` answers an error; `cut_after` closes the connection after some bytes of the body, `hold_after` goes
    silent there until the server is released; `content` is sent instead of the file; `ignores_range` sends all.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    hold_after: int | None = None
    content: bytes | None = None
    ignores_range: bool = False


@dataclass(frozen=True)
class Request:
    """A request as it came, with the time and whether a token came with it."""

    at: float
    server: str
    method: str
    path: str
    range: str | None
    authorization: str | None


class HubServer:
    """One dataset repository: files by commit, revisions by name.

    Faults are queued for `revision`, `paths-info`, `resolve:NAME` and `NAME` (the store); one for each request,
    or all requests where they stand in `for_ever`.
    """

    def __init__(self, files: dict[str, bytes]):
        self.files: dict[str, dict[str, bytes]] = {COMMIT: files}
        self.revisions = {"main": COMMIT}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.for_ever: dict[str, Fault] = {}
        self.plain: set[str] = set()  # names of files that are no LFS files
        self.requests: list[Request] = []
        self.sent: Counter[str] = Counter()
        self.held = threading.Semaphore(0)
        self.release = threading.Event()
        self._lock = threading.Lock()
        self._servers = [self._listen(name) for name in ("hub", "store")]
        self.url, self.store = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)

    def _listen(self, name: str) -> ThreadingHTTPServer:
        handler = type("Handler", (_Handler,), {"hub": self, "name": name})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def stop(self) -> None:
        """Stop listening; whoever asks now is refused."""
        self.release.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def fault(self, *names: str) -> Fault:
        """Take the next fault of a request."""
        with self._lock:
            for name in names:
                if self.faults[name]:
                    return self.faults[name].pop(0)
                if name in self.for_ever:
                    return self.for_ever[name]
        return Fault()

    def note(self, request: Request) -> None:
        """Remember a request."""
        with self._lock:
            self.requests.append(request)

    def count(self, name: str, sent: int) -> None:
        """Count bytes of a file."""
        with self._lock:
            self.sent[name] += sent

    def asked(self, part: str) -> list[Request]:
        """Requests whose path contains this."""
        return [request for request in self.requests if part in request.path]


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    name: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        """Say nothing."""

    def do_GET(self):
        self._note()
        path = urlsplit(self.path).path
        if self.name == "store":
            return self._store(path)
        if found := re.fullmatch(f"/api/datasets/{REPOSITORY}/revision/([^/]+)", path):
            return self._revision(unquote(found[1]))
        if found := re.fullmatch(f"/datasets/{REPOSITORY}/resolve/([^/]+)/([^/]+)", path):
            return self._resolve(found[1], found[2])
        return self._error(404, {"X-Error-Code": "RepoNotFound"})

    def do_POST(self):
        self._note()
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        found = re.fullmatch(f"/api/datasets/{REPOSITORY}/paths-info/([^/]+)", urlsplit(self.path).path)
        if found is None:
            return self._error(404, {"X-Error-Code": "RepoNotFound"})
        if self._failed(self.hub.fault("paths-info")):
            return None
        files = self.hub.files.get(found[1])
        if files is None:
            return self._error(404, {"X-Error-Code": "RevisionNotFound"})
        if len(asked["paths"]) > 1000:
            return self._error(413)
        return self._json([self._info(name, files[name]) for name in asked["paths"] if name in files])

    def _info(self, name, data):
        info = {"type": "file", "oid": hashlib.sha1(data).hexdigest(), "size": len(data), "path": name}
        if name not in self.hub.plain:
            oid = hashlib.sha256(data).hexdigest()
            info |= {"lfs": {"oid": oid, "size": len(data), "pointerSize": 134}, "xetHash": oid}
        return info

    def _revision(self, revision):
        if self._failed(self.hub.fault("revision")):
            return None
        commit = self.hub.revisions.get(revision, revision if revision in self.hub.files else None)
        if commit is None:
            return self._error(404, {"X-Error-Code": "RevisionNotFound"})
        return self._json({"id": REPOSITORY, "sha": commit, "_id": "0"})

    def _resolve(self, commit, name):
        if self._failed(self.hub.fault(f"resolve:{name}")):
            return None
        data = self.hub.files.get(commit, {}).get(name)
        if data is None:
            return self._error(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        self.send_response(302)
        self.send_header("Location", f"{self.hub.store}/{commit}/{name}?X-Amz-Signature=signed")
        self.send_header("X-Repo-Commit", commit)
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def _store(self, path):
        _, commit, name = path.split("/")
        fault = self.hub.fault(name)
        if self._failed(fault):
            return
        data = self.hub.files[commit][name] if fault.content is None else fault.content
        asked = None if fault.ignores_range else re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if start >= len(data):
            self._error(416, {"Content-Range": f"bytes */{len(data)}"})
            return
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self._send(name, data[start:], fault)

    def _send(self, name, data, fault):
        stops = fault.cut_after if fault.hold_after is None else fault.hold_after
        first = len(data) if stops is None else stops
        try:
            self._write(name, data[:first])
            if fault.hold_after is not None:
                self.hub.held.release()
                self.hub.release.wait(60)
                self._write(name, data[first:])
        except OSError:
            self.close_connection = True
        if fault.cut_after is not None:
            self.close_connection = True

    def _write(self, name, data):
        for start in range(0, len(data), _BLOCK):
            block = data[start : start + _BLOCK]
            self.wfile.write(block)
            self.hub.count(name, len(block))
        self.wfile.flush()

    def _failed(self, fault):
        if not fault.status:
            return False
        self._error(fault.status, fault.headers, fault.body)
        return True

    def _note(self):
        asked, token = self.headers.get("Range"), self.headers.get("Authorization")
        self.hub.note(Request(time.monotonic(), self.name, self.command, self.path, asked, token))

    def _json(self, answer):
        self._error(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _error(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def parquet(texts: list[str], row_group_size: int = 1024) -> bytes:
    """A shard as climbmix has them: zstd, row groups of 1,024 documents."""
    sink = pa.BufferOutputStream()
    table = pa.table({"text": pa.array(texts, pa.string())})
    pq.write_table(table, sink, row_group_size=row_group_size, compression="zstd")
    return sink.getvalue().to_pybytes()


def noise_shard(seed: int, size: int = 300_000) -> bytes:
    """A real shard of about this size whose text does not compress."""
    texts = [hashlib.sha512(f"{seed} {number}".encode()).hexdigest() for number in range(size // 64)]
    return parquet(texts)
