"""The numbers of a window job in the text format of Prometheus, over HTTP on loopback."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Self

from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace._window_topic import WindowProgress

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# name of the metric, attribute of WindowProgress, kind, what it is
METRICS = (
    ("frames_total", "frames", "counter", "Frames consumed and committed."),
    ("counted_total", "counted", "counter", "Frames that count in every kind of window."),
    ("late_total", "late", "counter", "Frames late for at least one kind of window."),
    ("malformed_total", "malformed", "counter", "Frames that are no frames."),
    ("future_total", "future", "counter", "Frames too far ahead of all others."),
    ("replayed_total", "replayed", "counter", "Frames read again after a restart."),
    ("results_total", "results", "counter", "Rows of closed windows."),
    ("windows_total", "windows", "counter", "Windows closed."),
    ("bytes_total", "bytes", "counter", "Bytes of the frames."),
    ("commits_total", "commits", "counter", "Transactions committed."),
    ("lag", "lag", "gauge", "Frames that are there and not read yet."),
    ("open_windows", "open_windows", "gauge", "Windows that are open."),
    ("groups", "groups", "gauge", "Keys in open windows."),
    ("memory_bytes", "memory", "gauge", "Memory of open windows."),
    ("held", "held", "gauge", "Frames whose fate is not known yet."),
    ("error_ratio", "error_rate", "gauge", "Late, malformed and future frames over all."),
    ("frames_per_second", "frames_rate", "gauge", "Frames consumed a second, lately."),
    ("results_per_second", "results_rate", "gauge", "Results produced a second, lately."),
    ("watermark_seconds", "watermark_seconds", "gauge", "The watermark, in seconds since 1970."),
    ("watermark_lag_seconds", "watermark_lag", "gauge", "How far the watermark is behind the clock."),
)


class Metrics:
    """Serves /metrics while it is entered; nothing when `place` is None. UsageError for a place that is not
    on loopback, or not free.
    """

    def __init__(self, place: str | None, job: str) -> None:
        self.job = job.replace("\\", "\\\\").replace('"', '\\"')
        self.text = ""
        self.before = (0.0, 0, 0)
        self.rates = (0.0, 0.0)
        self.server: ThreadingHTTPServer | None = None
        if place is None:
            return
        host, colon, port = place.rpartition(":")
        host = host.strip("[]")
        if not colon or host not in LOOPBACK or not port.isdecimal() or int(port) > 65535:
            raise UsageError(f"--metrics {place}: write it as 127.0.0.1:PORT; it is for this machine only")
        try:
            self.server = ThreadingHTTPServer((host, int(port)), self._handler())
        except OSError as error:
            raise UsageError(f"--metrics {place}: {error.strerror or error}") from error

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.partition("?")[0] not in ("/metrics", "/"):
                    self.send_error(404)
                    return
                body = metrics.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are nobody's business."""

        return Handler

    @property
    def port(self) -> int | None:
        """Where it listens."""
        return self.server.server_address[1] if self.server is not None else None

    def update(self, now: WindowProgress) -> None:
        """What the next request is told."""
        if self.server is None:
            return
        from datetime import UTC, datetime

        seconds, frames, results = self.before
        if now.seconds - seconds >= 1:
            passed = now.seconds - seconds
            self.rates = ((now.frames - frames) / passed, (now.results - results) / passed)
            self.before = (now.seconds, now.frames, now.results)
        values: dict[str, float] = {"frames_rate": self.rates[0], "results_rate": self.rates[1]}
        if now.watermark is not None:
            moment = datetime.fromisoformat(now.watermark)
            values["watermark_seconds"] = moment.timestamp()
            values["watermark_lag"] = (datetime.now(UTC) - moment).total_seconds()
        lines = []
        for name, attribute, kind, what in METRICS:
            value = values.get(attribute, getattr(now, attribute, None))
            if value is not None:
                lines += [
                    f"# HELP headrace_window_{name} {what}",
                    f"# TYPE headrace_window_{name} {kind}",
                    f'headrace_window_{name}{{job="{self.job}"}} {value}',
                ]
        self.text = "\n".join(lines) + "\n"

    def __enter__(self) -> Self:
        if self.server is not None:
            threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
