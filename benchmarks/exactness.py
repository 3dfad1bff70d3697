#!/usr/bin/env python3
"""The table of docs/results/hfp-exactness.md from a sweep's results: python3 benchmarks/exactness.py RESULTS.json

For each network and pair of targets: what was reached, as shares of the dense network, and what they would be with the further channel that comes nearest to fitting. Ends
with 1 if a target was missed, or if another channel would have fitted."""
import json
import sys

SIZES = ("parameters", "multiplications")


def main(path):
    wrong = 0
    print("| network | target: parameters, multiplications | reached | with one more channel | surgery: logits, top-1 |")
    print("|---|---|---|---|---|")
    for result in json.load(open(path)):
        stage = next(s for s in result["stages"] if s["stage"] == "prune")
        facts, asked = stage["metrics"], stage["parameters"]
        reached = [facts[f"{size}Ratio"] for size in SIZES]
        dense = [facts[size] / facts[f"{size}Ratio"] for size in SIZES]
        more = [facts[f"oneMoreChannel{size.capitalize()}"] / d + r for size, d, r in zip(SIZES, dense, reached)]
        targets = [asked[size] for size in SIZES]
        over = any(r > t for r, t in zip(reached, targets))
        fits = all(m <= t for m, t in zip(more, targets))
        wrong += over or fits
        print(
            f"| {result['model']} | {targets[0]:g}, {targets[1]:g} | {reached[0]:.6f}, {reached[1]:.6f} | {more[0]:.6f}, {more[1]:.6f} "
            f"| {facts['surgeryLogitDifference']:.0e}, {100 * facts['surgeryAgreement']:g}% |" + (" **wrong**" if over or fits else ""))
    print(f"\n{wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 2 else __doc__)
