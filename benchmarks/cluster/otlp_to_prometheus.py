"""Shows to Prometheus the metrics that processes send by OTLP, under the names that the OpenTelemetry Collector gives them: its stand-in where there is none.

    python3 otlp_to_prometheus.py PORT

POST /v1/metrics takes OTLP as http/protobuf with cumulative sums, GET /metrics answers in Prometheus' text. A process that said nothing for two minutes is forgotten.
"""

import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FORGOTTEN = 120
UNITS = {"s": "seconds", "ms": "milliseconds", "By": "bytes", "1": "ratio"}
series: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, float]] = {}
lock = threading.Lock()


def fields(data: bytes):
    """Pairs of number and value of a protobuf message: bytes of fields with a length, whole numbers of the others."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
        else:
            length = {1: 8, 5: 4}.get(kind) or varint() if kind != 2 else varint()
            yield tag >> 3, data[at : at + length]
            at += length


def every(data: bytes, number: int) -> list[bytes]:
    return [value for n, value in fields(data) if n == number]


def attributes(pairs: list[bytes]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        (key,) = every(pair, 1)
        for value in every(pair, 2):
            for number, content in fields(value):
                found[key.decode()] = content.decode() if number == 1 else str(struct.unpack("<d", content)[0]) if number == 4 else str(content)
    return found


def double(value: bytes) -> float:
    return struct.unpack("<d", value)[0]


def name_of(metric: str, unit: str, is_total: bool) -> str:
    name = "".join(c if c.isalnum() else "_" for c in metric)
    if unit in UNITS and UNITS[unit] not in name.split("_") and not (unit == "1" and is_total):
        name += "_" + UNITS[unit]
    return name + "_total" if is_total and not name.endswith("_total") else name


def take(body: bytes) -> None:
    now = time.time()
    with lock:
        for resource_metrics in every(body, 1):
            resource = attributes([a for r in every(resource_metrics, 1) for a in every(r, 1)])
            who = {"job": resource.get("service.name", ""), "instance": resource.get("service.instance.id", "")}
            for metric in (m for scope in every(resource_metrics, 2) for m in every(scope, 2)):
                metric_name, unit = every(metric, 1)[0].decode(), b"".join(every(metric, 3)).decode()
                for number, data in fields(metric):
                    if number in (5, 7):
                        is_total = number == 7 and any(n == 3 and v for n, v in fields(data))
                        for point in every(data, 1):
                            value = next((double(v) if n == 4 else struct.unpack("<q", v)[0]) for n, v in fields(point) if n in (4, 6))
                            keep(name_of(metric_name, unit, is_total), {**attributes(every(point, 7)), **who}, value, now)
                    elif number == 9:
                        for point in every(data, 1):
                            histogram(name_of(metric_name, unit, False), point, {**attributes(every(point, 9)), **who}, now)


def histogram(name: str, point: bytes, labels: dict[str, str], now: float) -> None:
    counts = [c for packed in every(point, 6) for (c,) in struct.iter_unpack("<Q", packed)]
    bounds = [b for packed in every(point, 7) for (b,) in struct.iter_unpack("<d", packed)]
    total = 0
    for bound, count in zip([*bounds, float("inf")], counts):
        total += count
        keep(name + "_bucket", {**labels, "le": "+Inf" if bound == float("inf") else f"{bound:g}"}, total, now)
    keep(name + "_count", labels, struct.unpack("<Q", every(point, 4)[0])[0], now)
    for value in every(point, 5):
        keep(name + "_sum", labels, double(value), now)


def keep(name: str, labels: dict[str, str], value: float, now: float) -> None:
    series[name, tuple(sorted((k.replace(".", "_"), v) for k, v in labels.items()))] = (value, now)


def text() -> str:
    old = time.time() - FORGOTTEN
    with lock:
        for key in [k for k, (_, at) in series.items() if at < old]:
            del series[key]
        return "".join(
            name + "{" + ",".join(f'{k}="{v}"' for k, v in labels) + f"}} {value}\n" for (name, labels), (value, _) in sorted(series.items())
        )


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/metrics":
            take(body)
        self.answer("application/x-protobuf", b"")

    def do_GET(self) -> None:
        self.answer("text/plain; version=0.0.4", text().encode())

    def answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
