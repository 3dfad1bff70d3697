"""Draws Grafana's dashboards without Grafana: asks Prometheus what each panel asks and writes one SVG for each dashboard.

    python3 draw_dashboards.py http://127.0.0.1:9090 SECONDS FOLDER DASHBOARD.json ...

Says how many series each panel had; the exit code is 1 if a dashboard had none at all.
"""

import json
import os
import re
import sys
import time
import urllib.parse
import urllib.request
from html import escape

WIDTH, HEIGHT, MARGIN = 560, 200, 54
COLOURS = ["#3b6fb6", "#c0504d", "#4f9d69", "#8064a2", "#d08a2e", "#4aa3b5", "#888888", "#b5527e"]


def ask(server: str, expression: str, start: float, end: float) -> list[dict]:
    query = urllib.parse.urlencode({"query": expression, "start": start, "end": end, "step": max(1, (end - start) / 200)})
    return json.load(urllib.request.urlopen(f"{server}/api/v1/query_range?{query}"))["data"]["result"]


def legend(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{\s*(\w+)\s*}}", lambda m: labels.get(m[1], ""), template) or "value"


def short(value: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def draw(panel: dict, results: list[tuple[str, dict]], x0: float, y0: float, start: float, end: float) -> str:
    lines = [(name, [(float(t), float(v)) for t, v in r["values"] if v not in ("NaN", "+Inf", "-Inf")]) for name, r in results]
    lines = [(name, points) for name, points in lines if points]
    top = max((v for _, points in lines for _, v in points), default=0) or 1
    out = [f'<g transform="translate({x0},{y0})"><text x="0" y="14" class="t">{escape(panel["title"])}</text>']
    plot_top, plot_bottom = 26, HEIGHT - 40
    for part in (0, 0.5, 1):
        y = plot_bottom - part * (plot_bottom - plot_top)
        out.append(f'<line x1="{MARGIN}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" class="g"/><text x="{MARGIN - 6}" y="{y + 4:.1f}" class="n" text-anchor="end">{short(part * top)}</text>')
    for part in (0, 0.25, 0.5, 0.75, 1):
        x = MARGIN + part * (WIDTH - 10 - MARGIN)
        out.append(f'<text x="{x:.1f}" y="{plot_bottom + 14}" class="n" text-anchor="middle">{part * (end - start) / 60:.1f} min</text>')
    at = MARGIN
    for i, (name, points) in enumerate(lines[:8]):
        path = " ".join(f"{MARGIN + (t - start) / (end - start) * (WIDTH - 10 - MARGIN):.1f},{plot_bottom - v / top * (plot_bottom - plot_top):.1f}" for t, v in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[i]}" stroke-width="1.6"/>')
        name = name if len(name) < 24 else name[:22] + "…"
        if at + 6.3 * len(name) + 16 < WIDTH:
            out.append(f'<rect x="{at}" y="{HEIGHT - 16}" width="9" height="9" fill="{COLOURS[i]}"/><text x="{at + 13}" y="{HEIGHT - 8}" class="n">{escape(name)}</text>')
        at += 6.3 * len(name) + 24
    if not lines:
        out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" class="n" text-anchor="middle">nothing in this run</text>')
    return "".join(out) + "</g>"


def main() -> int:
    server, seconds, folder, *files = sys.argv[1:]
    end = time.time()
    start = end - float(seconds)
    empty = 0
    for file in files:
        dashboard = json.load(open(file))
        body, found = [], 0
        for i, panel in enumerate(dashboard["panels"]):
            results = [(legend(t.get("legendFormat", ""), r["metric"]), r) for t in panel["targets"] for r in ask(server, t["expr"], start, end)]
            print(f"{os.path.basename(file)}: {panel['title']}: {len(results)} series")
            found += len(results)
            body.append(draw(panel, results, 20 + (i % 2) * (WIDTH + 20), 50 + (i // 2) * (HEIGHT + 16), start, end))
        empty += found == 0
        width, height = 2 * WIDTH + 60, 60 + (len(dashboard["panels"]) + 1) // 2 * (HEIGHT + 16)
        name = os.path.splitext(os.path.basename(file))[0]
        with open(os.path.join(folder, f"dashboard-{name}.svg"), "w") as out:
            out.write(
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(dashboard["title"])}">'
                "<style>text{font-family:sans-serif;fill:#333}.t{font-size:13px;font-weight:600}.n{font-size:10.5px;fill:#555}.h{font-size:17px;font-weight:600}.g{stroke:#ddd}</style>"
                f'<rect width="100%" height="100%" fill="#fff"/><text x="20" y="30" class="h">{escape(dashboard["title"])}</text>{"".join(body)}</svg>\n'
            )
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main())
