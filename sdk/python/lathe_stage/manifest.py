"""What a stage says of itself: its name and version, a JSON Schema of its parameters, and descriptions of its figures."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lathe_stage.soundness import manifest_problems

Parameters = TypeVar("Parameters")
Json = Any


class StageInput(enum.Enum):
    """What a stage needs before it can run."""

    MODEL = "model"
    CHECKPOINT = "checkpoint"


class StageOutput(enum.Enum):
    """What a stage leaves: a new checkpoint, or figures only."""

    CHECKPOINT = "checkpoint"
    METRICS = "metrics"


class Better(enum.Enum):
    """Which of two values of a metric is the better one."""

    NEITHER = "neither"
    HIGHER = "higher"
    LOWER = "lower"


class MetricFormat(enum.Enum):
    """How a metric's value is written for people."""

    NUMBER = "number"
    COUNT = "count"
    PERCENT = "percent"
    BYTES = "bytes"
    SECONDS = "seconds"
    RATIO = "ratio"
    BITS = "bits"


class DataSplit(enum.Enum):
    """Images that a metric was measured on."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class Metric:
    """What one figure means.

    `dense_name` names the figure that holds the same of the dense network, `ratio_name` the one that holds this one over it, `low_name` and `high_name` the ends of its 95%
    interval. `split` says which images it was measured on; a search takes no figure of the test images as its objective.
    """

    name: str
    title: str
    unit: str = ""
    format: MetricFormat = MetricFormat.NUMBER
    better: Better = Better.NEITHER
    is_column: bool = False
    dense_name: str | None = None
    description: str = ""
    rank: int = 90
    long_title: str | None = None
    ratio_name: str | None = None
    low_name: str | None = None
    high_name: str | None = None
    split: DataSplit | None = None

    def to_json(self) -> dict[str, Json]:
        more = {
            "longTitle": self.long_title, "ratioName": self.ratio_name, "lowName": self.low_name, "highName": self.high_name,
            "split": self.split.value if self.split else None,
        }
        return {
            "name": self.name, "title": self.title, "unit": self.unit, "format": self.format.value, "better": self.better.value,
            "isColumn": self.is_column, "denseName": self.dense_name, "description": self.description, "rank": self.rank,
            **{key: value for key, value in more.items() if value is not None},
        }


SIZE_METRICS: tuple[Metric, ...] = (
    Metric("bytes", "KiB", "KiB", MetricFormat.BYTES, Better.LOWER, description="Bytes of the checkpoint's tensors."),
)
"""Descriptions of the sizes that `StageRun.write` measures."""


@dataclass(frozen=True)
class Range:
    """Least and most that a number may be, both included; None: no limit."""

    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Choice:
    """The values that a parameter may have."""

    values: tuple[str | int | float, ...]

    def __init__(self, *values: str | int | float) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Doc:
    """One sentence about a parameter, for people."""

    text: str


@dataclass(frozen=True)
class Stage(Generic[Parameters]):
    """A stage: its function and everything that others need to know of it."""

    name: str
    version: str
    summary: str
    parameters: type[Parameters]
    run: Callable[..., Any]
    input: StageInput = StageInput.CHECKPOINT
    output: StageOutput = StageOutput.CHECKPOINT
    reads_data: bool = False
    metrics: Sequence[Metric] = ()
    check: Callable[..., Any] | None = None
    schema: Mapping[str, Json] = field(default_factory=dict)
    slips: Sequence[str] = ()
    """What kept the schema from being made."""

    def problems(self) -> list[str]:
        """Everything that keeps the stage from being served: what is wrong, and what to do. A worker asks before it starts; a test of yours may ask too."""
        return list(self.slips) or manifest_problems(self.manifest())

    def manifest(self) -> dict[str, Json]:
        """The manifest as it travels on the bus."""
        return {
            "name": self.name, "version": self.version, "summary": self.summary, "input": self.input.value, "output": self.output.value,
            "parametersSchema": self.schema, "metrics": [metric.to_json() for metric in self.metrics], "readsData": self.reads_data,
        }

    def read(self, parameters: Mapping[str, Json]) -> Parameters:
        """The parameters as the stage's dataclass. The coordinator has checked them by the schema."""
        known = {_camel(f.name): f for f in dataclasses.fields(typing.cast(Any, self.parameters))}
        strangers = sorted(set(parameters) - set(known))
        if strangers:
            raise ValueError(f"{strangers[0]}: unknown parameter; expected one of {', '.join(known)}")
        hints = typing.get_type_hints(self.parameters)
        values = {}
        for name, value in parameters.items():
            attribute = known[name].name
            # JSON has one kind of number: 1 may stand for 1.0.
            values[attribute] = float(value) if hints[attribute] is float and isinstance(value, int) else value
        return self.parameters(**values)


def stage(
    name: str,
    version: str,
    summary: str,
    parameters: type[Parameters],
    *,
    input: StageInput = StageInput.CHECKPOINT,
    output: StageOutput = StageOutput.CHECKPOINT,
    reads_data: bool = False,
    metrics: Sequence[Metric] = (),
    check: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Stage[Parameters]]:
    """Makes a stage of a function `run(run: StageRun, parameters) -> Outcome`.

    Change `version` whenever the same input could give another result: it is part of the key under which results are found again.
    `check(parameters, check: StageCheck) -> list[Problem]` says before anything runs what the schema cannot say.
    """
    schema: dict[str, Json] = {}
    slips: list[str] = []
    # A decorator that raises shows its author a stack trace; `serve` says it in one line.
    try:
        schema = schema_of(parameters)
    except TypeError as error:
        slips.append(str(error))
    except NameError as error:
        slips.append(f"the types of {getattr(parameters, '__name__', parameters)} cannot be read ({error}); import them, or define them at the top of the file")
    slips.extend(f"{each!r} is no description of a metric; expected Metric('name', 'title')" for each in metrics if not isinstance(each, Metric))

    def make(function: Callable[..., Any]) -> Stage[Parameters]:
        return Stage(name, version, summary, parameters, function, input, output, reads_data, tuple(metrics), check, schema, tuple(slips))

    return make


def schema_of(parameters: type[Any]) -> dict[str, Json]:
    """JSON Schema of a parameters dataclass: types and defaults from its fields, limits from `Annotated[float, Range(0, 1), Doc("...")]`."""
    if not dataclasses.is_dataclass(parameters):
        raise TypeError(f"{getattr(parameters, '__name__', parameters)} is no dataclass of parameters; expected a class with @dataclass and one field for each parameter")
    hints = typing.get_type_hints(parameters, include_extras=True)
    properties: dict[str, Json] = {}
    required: list[str] = []
    for each in dataclasses.fields(parameters):
        if _camel(each.name) in properties:
            raise TypeError(f"two parameters are called '{_camel(each.name)}'; give one of them another name")
        described = _described(each.name, hints[each.name])
        if each.default is not dataclasses.MISSING:
            described["default"] = each.default
        elif each.default_factory is not dataclasses.MISSING:
            described["default"] = each.default_factory()
        else:
            required.append(_camel(each.name))
        properties[_camel(each.name)] = described
    schema: dict[str, Json] = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = required
    return schema


def _described(name: str, hint: Any) -> dict[str, Json]:
    notes: tuple[Any, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *rest = typing.get_args(hint)
        notes = tuple(rest)
    schema = _type(name, hint)
    for note in notes:
        if isinstance(note, Range):
            if note.least is not None:
                schema["minimum"] = note.least
            if note.most is not None:
                schema["maximum"] = note.most
        elif isinstance(note, Choice):
            schema["enum"] = list(note.values)
        elif isinstance(note, Doc):
            schema["description"] = note.text
    return schema


def _type(name: str, hint: Any) -> dict[str, Json]:
    words = {bool: "boolean", int: "integer", float: "number", str: "string"}
    if hint in words:
        return {"type": words[hint]}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        inner = _type(name, next(a for a in arguments if a is not type(None)))
        return {**inner, "type": [inner["type"], "null"]}
    if origin is list:
        return {"type": "array", "items": _type(name, arguments[0])}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": _type(name, arguments[1])}
    raise TypeError(f"parameter {name} is a {hint.__name__ if isinstance(hint, type) else hint}; expected bool, int, float, str, a list or dict of them, or one of these with None; a choice is Annotated[str, Choice(\"a\", \"b\")]")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
