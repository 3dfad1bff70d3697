"""Parameters against the JSON Schema that `manifest.schema_of` makes of a dataclass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Any

_WORDS = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "a text", "array": "a list", "object": "an object", "null": "null"}


def problems(schema: Mapping[str, Json], value: Json, pointer: str = "") -> Iterator[tuple[str, str]]:
    """What is wrong with a value, each with a JSON pointer to it."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is(value, name) for name in types):
        yield pointer, f"is {_shown(value)}, expected {_expected(schema, types)}"
        return
    if value is None:
        return
    if "enum" in schema and value not in schema["enum"]:
        yield pointer, f"is {_shown(value)}, expected one of {', '.join(str(choice) for choice in schema['enum'])}"
    elif _is(value, "number") and not _is_within(value, schema):
        yield pointer, f"is {_shown(value)}, expected {_expected(schema, types)}"
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from problems(schema["items"], item, f"{pointer}/{index}")
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name in schema.get("required", []):
            if name not in value:
                yield f"{pointer}/{_escaped(name)}", "is missing"
        for name, item in value.items():
            place = f"{pointer}/{_escaped(name)}"
            if name in known:
                yield from problems(known[name], item, place)
            elif others is False:
                yield place, f"is an unknown key; known keys are {', '.join(known)}"
            elif isinstance(others, dict):
                yield from problems(others, item, place)


def _is_within(value: float, schema: Mapping[str, Json]) -> bool:
    return schema.get("minimum", value) <= value <= schema.get("maximum", value) and not (
        "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"] or "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"])


def _is(value: Json, name: str) -> bool:
    match name:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return not isinstance(value, bool) and (isinstance(value, int) or isinstance(value, float) and value.is_integer())
        case "number":
            return not isinstance(value, bool) and isinstance(value, (int, float))
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return value is None


def _expected(schema: Mapping[str, Json], types: list[str]) -> str:
    limits = [f"at {word} {schema[key]}" for key, word in (("minimum", "least"), ("maximum", "most")) if key in schema]
    return " ".join([" or ".join(_WORDS[name] for name in types), *[" and ".join(limits)] * bool(limits)])


def _shown(value: Json) -> str:
    return f"the text '{value}'" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else str(value).lower()


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
