"""Checkpoints: safetensors files with the network's graph, its lineage and the format of each fixed-point weight in their metadata."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from lathe_stage.soundness import nearest
from lathe_stage.store import CheckpointRef

Json = Any
Array = NDArray[Any]

_FORMAT, _GRAPH, _LINEAGE, _QUANTIZATION = "lathe.format", "lathe.graph", "lathe.lineage", "lathe.quantization"
_DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"}
_NAMES = {numpy.dtype(v).str: k for k, v in _DTYPES.items()}


class CheckpointError(Exception):
    """The file is no sound checkpoint; the message says why."""


@dataclass(frozen=True)
class WeightFormat:
    """Fixed-point format of a weight: whole numbers of `bits` bits in steps of 2 to the power of minus `fraction`."""

    bits: int
    fraction: int


@dataclass(frozen=True)
class Checkpoint:
    """A network: its graph, tensors by name, lineage, and what the file said of packed weights.

    `tensors` holds the float weights of every layer. A stage changes them by `with_tensors`; a packed weight that is replaced is stored as float.
    """

    graph: Mapping[str, Json]
    tensors: Mapping[str, Array]
    lineage: Mapping[str, Json]
    quantization: Mapping[str, Json]
    stored: Mapping[str, Array]
    format: str

    @staticmethod
    def read(path: Path) -> "Checkpoint":
        """Reads a file. Weights that an earlier stage quantized keep their packed form as long as a stage leaves them alone."""
        metadata, stored = _read(path.read_bytes(), str(path))
        for key in (_FORMAT, _GRAPH, _LINEAGE, _QUANTIZATION):
            if key not in metadata:
                raise CheckpointError(f"{path} is a safetensors file, but no Lathe checkpoint: its metadata has no '{key}'")
        quantization = json.loads(metadata[_QUANTIZATION])
        packed = {name + end for name in quantization for end in (".packed", ".fraction")}
        return Checkpoint(
            json.loads(metadata[_GRAPH]), {name: tensor for name, tensor in stored.items() if name not in packed}, json.loads(metadata[_LINEAGE]),
            quantization, stored, metadata[_FORMAT])

    def is_fixed_point(self, name: str) -> bool:
        """Whether an earlier stage has quantized a weight; its values are then no floats that a stage could change."""
        return name in self.quantization

    def with_tensors(self, changed: Mapping[str, Array]) -> "Checkpoint":
        """The same network with other values in some tensors; shapes stay."""
        for name, tensor in changed.items():
            if name not in self.tensors:
                packed = " that is not quantized" if name in self.quantization else ""
                raise CheckpointError(f"the network has no float tensor '{name}'{packed}{nearest(name, self.tensors)}; it has {', '.join(self.tensors)}")
            if tensor.shape != self.tensors[name].shape:
                raise CheckpointError(f"tensor '{name}' has shape {list(tensor.shape)}; the network needs {list(self.tensors[name].shape)}")
            if not numpy.isfinite(tensor).all():
                raise CheckpointError(f"tensor '{name}' has values that are no finite numbers")
        new = {name: numpy.ascontiguousarray(tensor, dtype="<f4") for name, tensor in changed.items()}
        return Checkpoint(self.graph, {**self.tensors, **new}, self.lineage, self.quantization, {**self.stored, **new}, self.format)

    def weights(self) -> dict[str, Array]:
        """Float weights of convolutions and linear layers, by name."""
        layers = [node["name"] for node in self.graph["nodes"] if node["op"] in ("conv2d", "linear")]
        return {f"{layer}.weight": self.tensors[f"{layer}.weight"] for layer in layers if f"{layer}.weight" in self.tensors}

    def to_bytes(self, step: Mapping[str, Json], compresses: bool, source: CheckpointRef | None) -> bytes:
        """The file with one more step in its lineage. The same checkpoint always gives the same bytes."""
        steps = list(self.lineage["steps"])
        if step.get("data") is None and steps:
            step = {**step, "data": steps[-1]["data"]}
        dense = self.lineage.get("dense") or (source.to_json() if compresses and source else None)
        metadata = {
            _FORMAT: self.format, _GRAPH: _compact(self.graph), _LINEAGE: _compact({"steps": [*steps, step], "dense": dense}),
            _QUANTIZATION: _compact(self.quantization),
        }
        return _write(metadata, self.stored)


def _compact(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _read(content: bytes, source: str) -> tuple[dict[str, str], dict[str, Array]]:
    if len(content) < 8:
        raise CheckpointError(f"{source} has {len(content)} bytes; expected a safetensors file")
    (length,) = struct.unpack_from("<Q", content)
    if length > len(content) - 8:
        raise CheckpointError(f"{source} is cut off: its header has {length} bytes and the file {len(content)}")
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if entry["dtype"] not in _DTYPES or not 0 <= begin <= end <= len(content) - 8 - length:
            raise CheckpointError(f"{source} has a damaged entry for tensor '{name}'")
        data = numpy.frombuffer(content, dtype=_DTYPES[entry["dtype"]], offset=8 + length + begin, count=(end - begin) // numpy.dtype(_DTYPES[entry["dtype"]]).itemsize)
        tensors[name] = data.reshape(entry["shape"])
    return metadata, tensors


def _write(metadata: Mapping[str, str], tensors: Mapping[str, Array]) -> bytes:
    header: dict[str, Json] = {"__metadata__": dict(metadata)}
    parts, offset = [], 0
    # Wide elements first, so that each lies at a multiple of its size, as the format asks.
    for name in sorted(tensors, key=lambda n: (-tensors[n].dtype.itemsize, n)):
        data = numpy.ascontiguousarray(tensors[name]).tobytes()
        header[name] = {"dtype": _NAMES[tensors[name].dtype.str], "shape": list(tensors[name].shape), "data_offsets": [offset, offset + len(data)]}
        parts.append(data)
        offset += len(data)
    text = _compact(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)
