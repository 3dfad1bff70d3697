#!/usr/bin/env python3
"""Results of one or more sweeps over several seeds as a table: top-1 for each seed, mean and spread.

    python3 benchmarks/by_seed.py FILE... [--join OUT]

FILE is what `lathe run --json` wrote. Ways that differ in nothing but their seed are one row. --join also writes all results as one file,
each way once, a line each.
"""
import json, statistics, sys


def way(leaf):
    """What was done after training, as people write it; the parameters in which the ways of these files differ."""
    return tuple((s["stage"], tuple(sorted((k, json.dumps(v)) for k, v in s["parameters"].items())))
                 for s in leaf["stages"] if s["stage"] not in ("evaluate",))


def main(files, join):
    leaves = {}
    for file in files:
        with open(file) as opened:
            for leaf in json.load(opened):
                leaves[(leaf["model"], leaf["dataset"], leaf["seed"], way(leaf))] = leaf
    if join:
        with open(join, "w") as out:
            out.write("[\n" + ",\n".join(json.dumps(leaf) for leaf in leaves.values()) + "\n]\n")
    rows = {}
    for (model, dataset, seed, steps), leaf in leaves.items():
        rows.setdefault((model, dataset, steps), {})[seed] = leaf
    values = {}
    for model, dataset, steps in rows:
        for place, (stage, parameters) in enumerate(steps):
            for name, value in parameters:
                values.setdefault((place, stage, name), set()).add(value)
    # A parameter that only some versions know tells their ways apart, too.
    for place, stage, name in values:
        if any(len(steps) > place and steps[place][0] == stage and name not in dict(steps[place][1]) for _, _, steps in rows):
            values[place, stage, name].add(None)
    print("| way | top-1 % by seed | mean | spread | params | mults | KiB |\n|---|---|---|---|---|---|---|")
    for (model, dataset, steps), seeds in sorted(rows.items(), key=lambda r: (r[0][0], r[0][1], len(r[0][2]))):
        words = []
        for place, (stage, parameters) in enumerate(steps):
            told = [f"{n}={json.loads(v)}" for n, v in parameters if len(values[(place, stage, n)]) > 1]
            words.append(" ".join([stage, *told]))
        top1 = [100 * seeds[s]["top1"] for s in sorted(seeds) if seeds[s].get("top1") is not None]
        if not top1:
            continue
        one = next(iter(seeds.values()))
        print(f"| {model} {dataset}: {' > '.join(words)} | {', '.join(f'{t:.2f}' for t in top1)} | {statistics.mean(top1):.2f} | {max(top1) - min(top1):.2f} "
              f"| {one['parametersRatio']:.3f} | {one['multiplicationsRatio']:.3f} | {one['bytes'] / 1024:,.1f} |")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    target = None
    if "--join" in arguments:
        at = arguments.index("--join")
        target = arguments[at + 1] if at + 1 < len(arguments) else sys.exit(__doc__)
        del arguments[at:at + 2]
    if not arguments:
        sys.exit(__doc__)
    main(arguments, target)
