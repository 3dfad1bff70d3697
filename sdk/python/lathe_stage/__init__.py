"""Compression stages for Lathe in Python. A stage is a function with a parameters dataclass; `serve` runs it as a worker."""

from lathe_stage.checkpoint import Checkpoint, WeightFormat
from lathe_stage.manifest import (
    Better, Choice, DataSplit, Doc, Metric, MetricFormat, Range, Stage, StageInput, StageOutput, SIZE_METRICS, stage,
)
from lathe_stage.program import serve
from lathe_stage.run import Cancelled, Elsewhere, Outcome, Problem, StageCheck, StageError, StageRun, Transient

__all__ = [
    "Better", "Cancelled", "Checkpoint", "Choice", "DataSplit", "Doc", "Elsewhere", "Metric", "MetricFormat", "Outcome", "Problem", "Range", "SIZE_METRICS",
    "Stage", "StageCheck", "StageError", "StageInput", "StageOutput", "StageRun", "Transient", "WeightFormat", "serve", "stage",
]
