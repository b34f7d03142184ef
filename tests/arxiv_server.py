"""A server on this machine that speaks arXiv's API, as well or as badly as a test wants it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

FEED = """<?xml version="1.0" encoding="UTF-8"?>{doctype}
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">
  <opensearch:totalResults>{total}</opensearch:totalResults>
  <opensearch:startIndex>0</opensearch:startIndex>
  <opensearch:itemsPerPage>{total}</opensearch:itemsPerPage>
  {entries}
</feed>"""
ENTRY = """<entry><id>http://arxiv.org/abs/{number}</id><updated>2024-01-02T03:04:05Z</updated>
<published>2024-01-02T03:04:05Z</published><title>{title}</title><summary>{summary}</summary></entry>"""


def feed(*papers: tuple[str, str], doctype: str = "", raw: bool = False) -> bytes:
    """An answer with these titles and summaries; `raw`: they are XML already."""
    written = (lambda text: text) if raw else escape
    entries = "".join(
        ENTRY.format(number=number, title=written(title), summary=written(summary))
        for number, (title, summary) in enumerate(papers)
    )
    return FEED.format(doctype=doctype, total=len(papers), entries=entries).encode()


class ArxivServer:
    """Answers every query with `body` and, in order, `statuses` (the last one from then on)."""

    def __init__(self, body: bytes, *statuses: int, drips: bool = False) -> None:
        self.queries: list[dict[str, list[str]]] = []
        self.ended = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.queries.append(parse_qs(urlsplit(self.path).query))
                self.send_response(statuses[min(len(outer.queries), len(statuses)) - 1] if statuses else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if not drips:
                    self.wfile.write(body)
                while drips and not outer.ended.wait(0.02):
                    self.wfile.write(b" ")

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/query"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> "ArxivServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


def closed_port() -> str:
    """An address at which nobody listens."""
    with ArxivServer(b"") as server:
        return server.url
