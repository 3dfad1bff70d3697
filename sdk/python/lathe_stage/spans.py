"""Sends the spans of a stage to a collector: OTLP over HTTP in JSON, which needs no package. A collector that is away loses spans and holds up nothing."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

_MOST_WAITING = 1000
_TIMEOUT = 5.0  # seconds for one request
_CONSUMER = 5  # the kind of a span that takes a message from a queue
_ERROR = 2


class Spans:
    """Sends spans on a thread of its own."""

    def __init__(self, service: str, log: logging.Logger, environment: Mapping[str, str] = os.environ) -> None:
        self._log = log
        self._resource = {"attributes": _attributes({"service.name": environment.get("OTEL_SERVICE_NAME") or service})}
        self._url, problem = address(environment)
        if problem is not None:
            log.warning("no spans are sent: %s", problem)
        self._headers = {"Content-Type": "application/json", **headers(environment)}
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._failed = False
        self._thread: threading.Thread | None = None
        if self._url is not None:
            self._thread = threading.Thread(target=self._send_all, name="spans", daemon=True)
            self._thread.start()

    def add(self, name: str, traceparent: str | None, parent: str | None, began: float, ended: float, attributes: Mapping[str, str], error: str | None = None) -> None:
        """One span, with the times as seconds since 1970. One whose trace nobody records is left out."""
        if self._thread is None or traceparent is None or traceparent.count("-") != 3 or not int(traceparent[-2:], 16) & 1:
            return
        _, trace, span, _ = traceparent.split("-")
        try:
            self._waiting.put_nowait({
                "traceId": trace, "spanId": span, **({"parentSpanId": parent.split("-")[2]} if parent is not None else {}), "name": name, "kind": _CONSUMER,
                "startTimeUnixNano": str(int(began * 1e9)), "endTimeUnixNano": str(int(ended * 1e9)), "attributes": _attributes(attributes),
                "status": {} if error is None else {"code": _ERROR, "message": error}})
        except queue.Full:
            self._lost("more than %d spans wait" % _MOST_WAITING)

    def close(self, seconds: float = 2.0) -> None:
        """Sends what waits, or gives up after some seconds."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(seconds)

    def _send_all(self) -> None:
        while (span := self._waiting.get()) is not None:
            body = {"resourceSpans": [{"resource": self._resource, "scopeSpans": [{"scope": {"name": "lathe"}, "spans": [span]}]}]}
            request = urllib.request.Request(str(self._url), json.dumps(body).encode(), self._headers)
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT):
                    self._failed = False
            except (OSError, urllib.error.URLError) as error:
                self._lost(repr(error))

    def _lost(self, reason: str) -> None:
        # Once, until it works again.
        if not self._failed:
            self._log.warning("spans are lost: %s", reason)
        self._failed = True


def address(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Where spans go, and what is wrong with the settings; both None: nobody wants spans. The variables are those of OpenTelemetry."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None, None
    whole, base = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not whole and not base:
        return None, None
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL") or ""
    url = whole or f"{str(base).rstrip('/')}/v1/traces"
    parts = urllib.parse.urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or port == -1:
        return None, f"{url} is no address of a collector; expected http://host:4318"
    if protocol == "grpc" or (not protocol and port == 4317):
        return None, "a stage in Python sends them over HTTP and not over gRPC: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, and the endpoint to the collector's HTTP port, for example http://host:4318"
    return url, None


def headers(environment: Mapping[str, str]) -> dict[str, str]:
    """Headers that the collector wants, from name=value,name=value."""
    given = environment.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or environment.get("OTEL_EXPORTER_OTLP_HEADERS") or ""
    pairs = (pair.split("=", 1) for pair in given.split(",") if "=" in pair)
    return {name.strip(): urllib.parse.unquote(value.strip()) for name, value in pairs}


def _attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
