#!/usr/bin/env python3
"""Puts reports of `-- engine` and engine_pytorch.py together: one table, and one JSON with every step of each.

usage: engine_table.py OUT.json REPORT.json...
"""

import json
import statistics
import sys


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3


def main():
    out, *paths = sys.argv[1:]
    engines, ways = {}, {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        engine = engines.setdefault(report["engine"], {key: report[key] for key in ("version", "processor", "cpus", "threads")} | {"rates": {}})
        for precision, rate in report["matrixProducts"].items():
            engine["rates"].setdefault(precision, []).extend(rate["gigaflops"])
        for result in report["results"]:
            key = (result["model"], result["variant"])
            if key in ways:
                ways[key]["stepMs"] += result["stepMs"]
            else:
                ways[key] = result | {"engine": report["engine"]}

    # The machine's own rate is the better of what the engines reach: one whose matrix products are slow is not measured by those.
    machine = {
        precision: max(statistics.median(engine["rates"][precision]) for engine in engines.values() if precision in engine["rates"])
        for precision in ("float32", "bfloat16")
    }
    medians = {key: statistics.median(way["stepMs"]) for key, way in ways.items()}
    results = []
    for (model, variant), way in sorted(ways.items(), key=lambda item: item[0][0]):
        low, middle, high = quartiles(way["stepMs"])
        operations = 6 * way["multiplications"] * way["batch"]
        reference = {name: medians.get((model, other)) for name, other in (("ofPlain", "plain"), ("ofLathe", "lathe"), ("ofPyTorch", "pytorch"))}
        results.append(way | {
            "medianMs": middle, "lowerQuartileMs": low, "upperQuartileMs": high, "imagesPerSecond": way["batch"] / middle * 1000,
            "matrixShare": operations / (middle / 1000) / (machine[way["precision"]] * 1e9),
        } | {name: middle / other if other else None for name, other in reference.items()})

    some = next(iter(engines.values()))
    print(f"{some['processor']}, {some['cpus']} CPUs, {some['threads']} threads")
    for name, engine in engines.items():
        rates = ", ".join(f"{precision} {statistics.median(values):.1f}" for precision, values in engine["rates"].items())
        print(f"{name}: torch {engine['version']}, matrix products at {rates} GFLOP/s")
    print()
    print(f"{'model':10} {'variant':22} {'median ms':>10}  {'quartiles ms':17} {'images/s':>9} {'of plain':>9} {'of lathe':>9} {'of pytorch':>10} {'of matrix rate':>15}")
    for r in results:
        ratios = [f"{r[name]:.3f}" if r[name] else "-" for name in ("ofPlain", "ofLathe", "ofPyTorch")]
        spread = f"{r['lowerQuartileMs']:.1f}-{r['upperQuartileMs']:.1f}"
        print(f"{r['model']:10} {r['variant']:22} {r['medianMs']:10.1f}  {spread:17} {r['imagesPerSecond']:9.1f} "
              f"{ratios[0]:>9} {ratios[1]:>9} {ratios[2]:>10} {r['matrixShare']:15.1%}")
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"machineGigaflops": machine, "engines": engines, "results": results}, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
