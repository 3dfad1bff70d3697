"""The fronts that front.sh found: front.py FOLDER

Hypervolumes of accuracy and bytes, up to a tenth of the grid's range beyond its worst, the whole epochs that were computed, and the seconds of the CPU that each run took.
"""
import json
import pathlib
import sqlite3
import sys


def losses(file):
    found = {}
    for leaf in json.load(open(file)):
        if leaf.get("validationTop1After") is not None and leaf.get("bytes") is not None:
            found[tuple(stage["key"] for stage in leaf["stages"])] = (-leaf["validationTop1After"], leaf["bytes"])
    return list(found.values())


def front(points):
    best, kept = float("inf"), []
    for point in sorted(set(points)):
        if point[1] < best:
            best = point[1]
            kept.append(point)
    return kept


def volume(points, reference):
    area, lowest = 0.0, reference[1]
    for first, second in front(points):
        if first < reference[0] and second < lowest:
            area += (reference[0] - first) * (lowest - second)
            lowest = second
    return area


def epochs(home):
    return sqlite3.connect(f"file:{home / 'lathe.db'}?mode=ro", uri=True).execute("select count(*) from progress_points").fetchone()[0]


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    grid = losses(folder / "grid.json")
    reference = [max(p[o] for p in grid) + 0.1 * (max(p[o] for p in grid) - min(p[o] for p in grid)) for o in range(2)]
    whole, cost = volume(grid, reference), sum(map(float, (folder / "grid.seconds").read_text().split()))
    print("| run | finished trials | on the front | hypervolume | of the grid's | epochs | of the grid's | CPU seconds | of the grid's |\n|---|---|---|---|---|---|---|---|---|")
    all_epochs = epochs(folder / "grid.home")
    for file in [folder / "grid.json", *sorted(folder.glob("nsga2-*.json"))]:
        points, seconds = losses(file), sum(map(float, file.with_suffix(".seconds").read_text().split()))
        done = epochs(file.with_suffix(".home"))
        print(f"| {file.stem} | {len(points)} | {len(front(points))} | {volume(points, reference):.1f} | {100 * volume(points, reference) / whole:.2f}% | {done} | {100 * done / all_epochs:.1f}% | {seconds:.0f} | {100 * seconds / cost:.1f}% |")
