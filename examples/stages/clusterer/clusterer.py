"""Weight clustering: each layer keeps a handful of values that all its weights share, so that the file packs well."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy
from numpy.typing import NDArray

from lathe_stage import (
    Better, Doc, Metric, MetricFormat, Outcome, Problem, Range, StageCheck, StageRun, serve, stage,
)

Array = NDArray[Any]


@dataclass(frozen=True)
class Parameters:
    clusters: Annotated[int, Range(2, 256), Doc("Values that the weights of a layer share.")] = 16
    iterations: Annotated[int, Range(1, 1000), Doc("Steps of Lloyd's algorithm at most; it ends early where nothing moves.")] = 50
    skip: Annotated[list[str], Doc("Layers that stay as they are.")] = field(default_factory=list)


def check(parameters: Parameters, context: StageCheck) -> list[Problem]:
    if context.graph is None:
        return []
    layers = [node["name"] for node in context.graph["nodes"] if node["op"] in ("conv2d", "linear")]
    return [
        Problem(f"/skip/{i}", f"the network has no layer '{name}'; its layers are {', '.join(layers)}")
        for i, name in enumerate(parameters.skip) if name not in layers
    ]


def cluster(weights: Array, clusters: int, iterations: int) -> Array:
    """The weights with each replaced by the nearest of `clusters` values (k-means in one dimension, begun at the quantiles)."""
    flat = weights.ravel().astype(numpy.float64)
    centres = numpy.unique(numpy.quantile(flat, (numpy.arange(clusters) + 0.5) / clusters))
    nearest = numpy.zeros(flat.size, dtype=numpy.int64)
    for _ in range(iterations):
        nearest = numpy.searchsorted((centres[1:] + centres[:-1]) / 2, flat)
        sums = numpy.bincount(nearest, flat, minlength=centres.size)
        counts = numpy.bincount(nearest, minlength=centres.size)
        moved = numpy.where(counts > 0, sums / numpy.maximum(counts, 1), centres)
        if numpy.array_equal(moved, centres):
            break
        centres = numpy.sort(moved)
    shared: Array = centres[nearest].astype(numpy.float32).reshape(weights.shape)
    return shared


@stage(
    "cluster", "1", "Gives the weights of each layer a few values that they share", Parameters, check=check,
    metrics=[
        Metric("clusterError", "cluster err", format=MetricFormat.NUMBER, better=Better.LOWER, is_column=True, rank=60,
               description="Size of what clustering changed, over the size of the weights (root of the sum of squares)."),
        Metric("deflatedBytes", "deflated", "KiB", MetricFormat.BYTES, Better.LOWER, is_column=True, rank=61,
               description="Bytes of the weights after deflate, as zip and PNG pack them."),
    ])
def clusterer(run: StageRun, parameters: Parameters) -> Outcome:
    checkpoint = run.read()
    changed: dict[str, Array] = {}
    errors: dict[str, float] = {}
    weights = checkpoint.weights()
    for done, (name, weight) in enumerate(weights.items()):
        run.progress("clustering", epoch=done, epochs=len(weights))
        layer = name.removesuffix(".weight")
        if layer in parameters.skip:
            continue
        changed[name] = cluster(weight, parameters.clusters, parameters.iterations)
        size = float(numpy.linalg.norm(weight))
        errors[layer] = float(numpy.linalg.norm(changed[name] - weight)) / size if size > 0 else 0.0
    clustered = checkpoint.with_tensors(changed)
    square = sum(float(numpy.sum((clustered.tensors[n] - w) ** 2)) for n, w in weights.items())
    total = sum(float(numpy.sum(w.astype(numpy.float64) ** 2)) for w in weights.values())
    metrics = {
        "clusterError": (square / total) ** 0.5 if total > 0 else 0.0,
        "deflatedBytes": float(len(zlib.compress(b"".join(w.tobytes() for w in clustered.weights().values()), 9))),
    }
    panel = {
        "kind": "bars", "id": "error", "title": "What clustering changed in each layer", "unit": "relative error", "section": "Clustering",
        "categories": list(errors), "series": [{"name": "error", "values": list(errors.values())}],
    }
    return Outcome(run.write(clustered, metrics, compresses=True), metrics, [panel] if errors else [])


if __name__ == "__main__":
    serve(clusterer)
