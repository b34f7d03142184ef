"""The Messages API on loopback, as anthropic 2.13 speaks with it, with every fault that we can think of.

`AnthropicServer(script)` plays one step of its script for each `POST /v1/messages`.  A step is a text, a `Reply`, a
fault (`Refused`, `Cut`, `BrokenOff`, `Raw`, `Endless`), one of these behind a `Held` or `Slow`, or a function of
the request that gives any of these.  A script that is one function answers every request by its content: so other
processes, which know only `server.url`, may ask in any order.  After the last step comes `otherwise`, for ever.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.anthropic_script import (
    MODEL,
    BrokenOff,
    Cut,
    Endless,
    Held,
    PromptCache,
    Raw,
    Refused,
    Reply,
    Seen,
    Slow,
    blocks_of,
    events_of,
    problem_with,
    tokens,
)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Say nothing: clients that die in the middle are what many tests are about."""


class AnthropicServer:
    """A server for the time of a `with`; `requests` has all that came, `sent` those to the model.

    A function of the script that raises makes a 400, and raises again at the end of the `with`.
    """

    def __init__(
        self,
        script: Sequence[Any] | Callable[[Seen], Any] = (),
        *,
        otherwise: Any = "Done.",
        models: Sequence[str] | None = (MODEL,),
        key: str = "",
        counts: bool = True,
        routes: bool = True,
        extras: Raw | None = None,
    ) -> None:
        """Play a script.

        `models` are known (None: all), `key` is accepted alone (empty: any), `counts` and `routes` tell whether
        count_tokens and models are answered: gateways often lack them; `extras` is all that both answer.
        """
        self.requests: list[Seen] = []
        self.held = threading.Semaphore(0)
        self.release = threading.Event()
        self.models, self.key, self.counts, self.routes = models, key, counts, routes
        self.extras = extras
        self._every = script if callable(script) else None
        self._steps = [] if callable(script) else list(script)
        self._otherwise = otherwise
        self.cache = PromptCache()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"server_of": self})
        self._failed: list[Exception] = []
        self._server = _Listener(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "AnthropicServer":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        if self._failed and kind is None:
            raise self._failed[0]

    @property
    def sent(self) -> list[Seen]:
        """Requests to the model, in the order in which they came."""
        return [seen for seen in self.requests if seen.path.split("?")[0] == "/v1/messages"]

    def note(self, seen: Seen) -> None:
        with self._lock:
            self.requests.append(seen)

    def step(self, seen: Seen) -> Any:
        """Take the next step, after what it waits for."""
        with self._lock:
            step = self._every or (self._steps.pop(0) if self._steps else self._otherwise)
        while True:
            match step:
                case str():
                    return Reply(step)
                case Held():
                    self.held.release()
                    self.release.wait(60)
                    step = step.step
                case Slow():
                    time.sleep(step.seconds)
                    step = step.step
                case Reply() | Refused() | Cut() | BrokenOff() | Raw() | Endless():
                    return step
                case _:
                    step = self._decide(step, seen)

    def _decide(self, function: Callable[[Seen], Any], seen: Seen) -> Any:
        try:
            return function(seen)
        except Exception as fault:  # noqa: BLE001 (told at the end)
            self._failed.append(fault)
            return Refused(400, "invalid_request_error", f"the script failed: {fault!r}")


class _Handler(BaseHTTPRequestHandler):
    server_of: AnthropicServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        """Say nothing."""

    def do_GET(self):
        self._note({})
        server, name = self.server_of, self.path.removeprefix("/v1/models/")
        if server.extras:
            return self._play(server.extras, {})
        if not server.routes:
            return self._json(404, {"detail": "Not Found"})
        if self._key_refused():
            return None
        if name == self.path or (server.models is not None and name not in server.models):
            return self._error(Refused(404, "not_found_error", f"model: {name}"))
        return self._json(
            200, {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
        )

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen = self._note(body)
        path = self.path.split("?")[0]
        if self._key_refused():
            return None
        if path != "/v1/messages" and self.server_of.extras:
            return self._play(self.server_of.extras, body)
        if path == "/v1/messages/count_tokens" and self.server_of.counts:
            return self._json(200, {"input_tokens": sum(tokens(block["text"]) for block in blocks_of(body))})
        if path != "/v1/messages":
            return self._json(404, {"detail": "Not Found"})
        if problem := problem_with(body):
            return self._error(Refused(400, "invalid_request_error", problem))
        try:
            return self._play(self.server_of.step(seen), body)
        except OSError:
            self.close_connection = True  # the client has gone

    def _play(self, step, body):
        match step:
            case Refused():
                return self._error(step)
            case Raw():
                return self._answer(step.status, step.data, step.content_type)
            case Endless():
                return self._go_on(step)
            case Cut(where="at once"):
                return self._break()
            case BrokenOff():
                error = {"type": "error", "error": {"type": step.type, "message": step.message}}
                events = events_of(Reply("This reply breaks off."), body["model"], self.server_of.cache.usage(body))
                return self._stream([*([] if step.at_once else events[:3]), error])
            case Cut():
                events = events_of(step.reply, body["model"], self.server_of.cache.usage(body))
                kept = events[:3] if step.where == "mid-stream" else events[:-2]
                return self._stream(kept, whole=False, chunked=not step.plain)
        events = events_of(step, body["model"], self.server_of.cache.usage(body))
        if body.get("stream"):
            return self._stream(events)
        message = events[0]["message"] | {
            "content": [
                event["content_block"] for event in events_of(step, "", {}, whole=True) if "content_block" in event
            ],
            **events[-2]["delta"],
            "usage": events[0]["message"]["usage"] | events[-2]["usage"],
        }
        return self._json(200, message)

    def _stream(self, events, *, whole=True, chunked=True):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("request-id", "req_1")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        for event in events:
            data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            self.wfile.flush()
        if not whole:
            self.close_connection = True
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _go_on(self, step):
        self.send_response(step.begin.status)
        self.send_header("Content-Type", step.begin.content_type)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(step.begin.data)
        while not self.server_of.release.wait(step.every_s):
            self.wfile.write(step.more)

    def _break(self):
        """Reset the connection, as a machine that dies does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _key_refused(self):
        key = self.server_of.key
        found = self.headers.get("x-api-key") or (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if key and found != key:
            self._error(Refused(401, "authentication_error", f"invalid x-api-key: {found}"))
            return True
        return False

    def _note(self, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, body, time.monotonic())
        self.server_of.note(seen)
        return seen

    def _error(self, refused):
        named = {"retry-after": refused.retry_after, "location": refused.location}
        headers = {name: value for name, value in named.items() if value}
        if not refused.type:
            return self._answer(refused.status, b"<html>no\n</html>", "text/html", headers)
        error = {
            "type": "error",
            "error": {"type": refused.type, "message": refused.message},
            "request_id": "req_1",
        }
        return self._answer(refused.status, json.dumps(error).encode(), "application/json", headers)

    def _json(self, status, answer):
        self._answer(status, json.dumps(answer).encode(), "application/json")

    def _answer(self, status, data, content_type, headers=None):
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
