"""The table of a finished grid for search.sh: a row for each point, with its losses and the seconds of its executions.

table.py RESULTS.json OUT.json AXIS ...      RESULTS.json is what `lathe results SWEEP --json RESULTS.json` writes; an axis is stage.parameter, or stage.parameter.member
"""
import json
import sys

OBJECTIVES = {"validationTop1After": -1, "bytes": 1}


def value(stages, axis):
    stage, *steps = axis.split(".", 2)
    at = next(s["parameters"] for s in stages if s["stage"] == stage)
    for step in steps:
        # One number of bits stands for all layers.
        at = at[step] if isinstance(at, dict) else at
    return at


if __name__ == "__main__":
    source, out, *axes = sys.argv[1:]
    leaves = [leaf for leaf in json.load(open(source)) if all(leaf.get(o) is not None for o in OBJECTIVES)]
    levels = {axis: sorted({value(leaf["stages"], axis) for leaf in leaves}) for axis in axes}
    rows, executions = [], {}
    for leaf in leaves:
        for stage in leaf["stages"]:
            executions.setdefault(stage["key"], len(executions))
        rows.append({
            "levels": [levels[axis].index(value(leaf["stages"], axis)) for axis in axes],
            "losses": [sign * round(leaf[o], 6) for o, sign in OBJECTIVES.items()],
            "executions": {executions[s["key"]]: round(s["seconds"], 2) for s in leaf["stages"]},
        })
    rows.sort(key=lambda row: row["levels"])
    with open(out, "w") as file:
        file.write('{"axes": ' + json.dumps([{"name": a, "values": levels[a], "isOrdered": not isinstance(levels[a][0], str)} for a in axes]) + ',\n"rows": [\n')
        file.write(",\n".join(json.dumps(row) for row in rows) + "\n]}\n")
    size = 1
    for axis in axes:
        size *= len(levels[axis])
    print(f"{len(rows)} rows of {size} points", file=sys.stderr)
