"""Whether a stage can be served with what it says of itself, and whether what it made is what it said.

The same rules, in the same words, as `ManifestCheck` and `OutcomeCheck` of Lathe.Hosting; tests/unsound-manifests.json holds both to them.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy

from lathe_stage import schema

Json = Any

_STAGE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METRIC = re.compile(r"[^\s<>=\x00-\x1f\x7f]{1,100}")
_PARAMETER = re.compile(r"[\w-]{1,100}")
_CHECK_END = ".check"
_KEYS_OF_SWEEPS = ("search",)
_MEMBERS_OF_RESULTS = ("model", "dataset", "seed", "state", "stages", "members")
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems")


def nearest(name: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt name as part of a message, or nothing."""
    near = difflib.get_close_matches(name.lower(), [k for k in known], 1, 0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""


def manifest_problems(manifest: Mapping[str, Json]) -> list[str]:
    """Everything that is wrong with a manifest: what, and what to do."""
    problems: list[str] = []
    name, version = manifest.get("name"), manifest.get("version")
    if not isinstance(name, str) or not _STAGE.fullmatch(name):
        problems.append(f"the name is '{name or ''}'; expected a lower-case letter, then lower-case letters, digits and dashes, 64 at most")
    elif name in _KEYS_OF_SWEEPS:
        problems.append(f"the name '{name}' is a key of sweep files; choose another one")
    if not isinstance(version, str) or not _VERSION.fullmatch(version) or version.endswith(_CHECK_END):
        problems.append(f"the version is '{version or ''}'; expected letters, digits, points, dashes and underscores, 64 at most, and no '{_CHECK_END}' at the end")
    if not str(manifest.get("summary") or "").strip():
        problems.append("the summary is empty; expected one line for a person")
    problems.extend(_of_schema(manifest.get("parametersSchema")))
    problems.extend(_of_metrics(manifest.get("metrics") or []))
    return problems


def figure_problem(stage: str, metrics: Sequence[Mapping[str, Json]], figures: Mapping[str, Any]) -> str | None:
    """What is wrong with the figures of a result; None: nothing. A declared metric may be missing: not every parameter leaves every figure."""
    declared = list(dict.fromkeys(m[k] for m in metrics for k in ("name", "denseName", "ratioName", "lowName", "highName") if m.get(k)))
    for name, value in figures.items():
        if name not in declared:
            return (
                f"stage {stage} measured '{name}', which its manifest does not declare{nearest(str(name), declared)}: add it to the metrics of the manifest, or leave it out of the result; "
                + (f"declared are {', '.join(declared)}" if declared else "no metric is declared"))
        try:
            figure = float(value)
        except (TypeError, ValueError):
            word = repr(value) if isinstance(value, (str, type(None))) and len(repr(value)) <= 40 else f"a {type(value).__name__}"
            return f"stage {stage} measured '{name}' as {word}; expected a finite number: leave the metric out where there is none"
        if not math.isfinite(figure):
            word = "NaN" if math.isnan(figure) else "infinity" if figure > 0 else "minus infinity"
            return f"stage {stage} measured '{name}' as {word}; expected a finite number: leave the metric out where there is none"
    return None


def panel_problem(stage: str, panel: Any) -> str | None:
    """Why a panel cannot be kept; None: it can."""
    name = panel.get("id") if isinstance(panel, Mapping) else None
    if not isinstance(panel, Mapping) or not isinstance(panel.get("kind"), str) or not isinstance(name, str):
        return f"stage {stage} made a panel without kind and id; expected a dict as in docs/stages.md"
    try:
        json.dumps(dict(panel), allow_nan=False)
    except (TypeError, ValueError) as error:
        why = "with a value that is no finite number; leave such points out" if isinstance(error, ValueError) else f"with a value that JSON has not ({error}); use numbers, texts and lists of Python"
        return f"stage {stage} made the panel '{name}' {why}"
    try:
        wrong = next(((what, found, expected) for what, found, expected in _lengths(panel) if found != expected), None)
    except (TypeError, AttributeError, KeyError) as error:
        return f"stage {stage} made the panel '{name}', whose parts are not those of a panel of kind {panel['kind']} ({type(error).__name__}: {error}); expected a dict as in docs/stages.md"
    return f"stage {stage} made the panel '{name}', where {wrong[0]}: {wrong[1]}, expected {wrong[2]}" if wrong else None


def tensor_problem(stage: str, tensors: Mapping[str, Any]) -> str | None:
    """The first tensor, as a numpy array, with values that are NaN or infinite; None: there is none."""
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and (count := int(tensor.size - numpy.isfinite(tensor).sum())):
            return (
                f"stage {stage} wrote a checkpoint whose tensor '{name}' has {count} of {tensor.size} values that are NaN or infinite; "
                "expected finite numbers: see what the stage divides by, or its learning rate")
    return None


def _lengths(panel: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Lists of a panel that belong together have one length."""
    if panel["kind"] == "lines":
        for line in panel["lines"]:
            yield f"line '{line['name']}' has not as many vertical values as horizontal ones", len(line["y"]), len(line["x"])
    elif panel["kind"] == "bars":
        for series in panel["series"]:
            yield f"series '{series['name']}' has not one value for each category", len(series["values"]), len(panel["categories"])
        if panel.get("labels"):
            yield "there is not one label for each category", len(panel["labels"]), len(panel["categories"])
    elif panel["kind"] == "heat":
        yield "there is not one list of values for each row", len(panel["values"]), len(panel["rows"])
        for number, row in enumerate(panel["values"], 1):
            yield f"the values of row {number} are not as many as the columns", len(row), len(panel["columns"])
    elif panel["kind"] == "table":
        for number, row in enumerate(panel["rows"], 1):
            yield f"row {number} has not one cell for each column", len(row), len(panel["columns"])


def _of_metrics(metrics: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    known: set[str] = set()
    for metric in metrics:
        name = metric.get("name")
        if not isinstance(name, str) or not _METRIC.fullmatch(name):
            yield f"a metric is called '{name or ''}'; expected 1 to 100 characters without spaces, '<', '>' and '='"
        elif name in _MEMBERS_OF_RESULTS:
            yield f"the metric '{name}' has the name of a member of every result; choose another one"
        elif name in known:
            yield f"the metric '{name}' is described twice; take one of the two out"
        elif not str(metric.get("title") or "").strip():
            yield f"the metric '{name}' has no title; expected the head of its column"
        known.add(str(name))


def _of_schema(given: Json) -> Iterator[str]:
    if not isinstance(given, dict):
        yield "there is no schema of the parameters; expected a JSON Schema of an object"
        return
    found: list[str] = []
    if given.get("additionalProperties") is not False:
        found.append("the schema allows parameters that it does not name, so that a misspelt one would change nothing; expected additionalProperties: false")
    properties = given.get("properties", {})
    for name, rule in properties.items():
        if not _PARAMETER.fullmatch(name):
            found.append(f"a parameter is called '{name}'; expected letters, digits, dashes and underscores")
        else:
            found.extend(_of_rule(f"parameter '{name}'", rule))
    found.extend(f"the schema requires {json.dumps(name)}, which is none of its parameters" for name in given.get("required", []) if name not in properties)
    yield from found
    if not found:
        yield from _of_values(given)


def _of_values(given: Mapping[str, Json]) -> Iterator[str]:
    """A default that the schema refuses, or a choice that can never be made."""
    for name, rule in given.get("properties", {}).items():
        if "default" in rule:
            for pointer, message in schema.problems(rule, rule["default"]):
                yield f"parameter '{name}' has a default that it refuses: {f'at /{name}{pointer} it ' if pointer else 'it '}{message}"
        for choice in rule.get("enum", []):
            if any(True for _ in schema.problems(rule, choice)):
                yield f"parameter '{name}' offers the choice {json.dumps(choice)}, which its type or its limits refuse"


def _of_rule(place: str, rule: Mapping[str, Json]) -> Iterator[str]:
    """Limits between which nothing lies, and choices among nothing."""
    wrong = [key for key in _LIMITS if key in rule and (isinstance(rule[key], bool) or not isinstance(rule[key], (int, float)))]
    if wrong:
        yield from (f"{place} has a limit that is no number ({key})" for key in wrong)
        return
    yield from _of_numbers(place, rule)
    for least, most, what in (("minLength", "maxLength", "characters"), ("minItems", "maxItems", "items")):
        if least in rule and most in rule and rule[least] > rule[most]:
            yield f"{place} has from {rule[least]} to {rule[most]} {what}, and nothing has; give the smaller limit first"
    if "enum" in rule and not rule["enum"]:
        yield f"{place} offers no choice; expected one or more values"
    if isinstance(rule.get("items"), dict):
        yield from _of_rule(f"an item of {place}", rule["items"])
    if isinstance(rule.get("additionalProperties"), dict):
        yield from _of_rule(f"a value of {place}", rule["additionalProperties"])


def _of_numbers(place: str, rule: Mapping[str, Json]) -> Iterator[str]:
    types = rule.get("type", [])
    types = [types] if isinstance(types, str) else types
    least, under, most, over = (rule.get(key) for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"))
    if any(limit is not None for limit in (least, under, most, over)) and types and not {"number", "integer"} & set(types):
        yield f"{place} has limits of a number, and it takes none; take the range away, or make it a number"
    first = max(x for x in (least, under, -math.inf) if x is not None)
    last = min(x for x in (most, over, math.inf) if x is not None)
    if first > last or first == last and (under == first or over == last):
        yield f"{place} has the range from {_shown(first)} to {_shown(last)}, in which no number lies; give the smaller limit first"
    elif "integer" in types and "number" not in types and math.isfinite(first) and math.isfinite(last):
        whole = math.ceil(first) + (1 if math.ceil(first) == under else 0)
        if not (whole < last or whole == last and whole != over):
            yield f"{place} has the range from {_shown(first)} to {_shown(last)}, in which no whole number lies"


def _shown(limit: float) -> str:
    return str(int(limit)) if math.isfinite(limit) and limit == int(limit) else repr(limit)
