"""What a stage's function gets and gives."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lathe_stage.checkpoint import Checkpoint
from lathe_stage.soundness import tensor_problem
from lathe_stage.store import CheckpointRef, Store

Json = Any


class StageError(Exception):
    """The sweep's author must change something: the message says what was wrong, what was expected and what to do."""

    kind = "permanent"


class Transient(StageError):
    """It passes: the execution is tried again, a few times."""

    kind = "transient"


class Elsewhere(StageError):
    """This worker lacks something: another one tries."""

    kind = "elsewhere"


class Cancelled(Exception):
    """The execution has to end: it was paused or cancelled, or the worker goes. Let it pass; the state that was saved is kept."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the parameters. `pointer` is a JSON pointer into them, for example `/clusters`."""

    pointer: str
    message: str


@dataclass(frozen=True)
class StageCheck:
    """What is known of an execution before it runs. `graph` is the network that enters, or None where it is unknown;
    where `is_exact` is False, an earlier stage is going to make its layers narrower."""

    dataset: str
    graph: Mapping[str, Json] | None
    is_exact: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a stage leaves. `output` is None for a stage that only measures."""

    output: CheckpointRef | None
    metrics: Mapping[str, float]
    panels: Sequence[Mapping[str, Json]] = ()


@dataclass
class StageRun:
    """One execution as the stage's function sees it."""

    key: str
    stage: str
    version: str
    parameters: Mapping[str, Json]
    seed: int
    threads: int | None
    input: CheckpointRef | None
    input_path: Path | None
    data: Mapping[str, Json] | None
    store: Store
    state_slot: str
    log: logging.Logger
    stopping: threading.Event
    report: Callable[[Mapping[str, Json]], None]
    began: float = field(default_factory=time.monotonic)

    def read(self) -> Checkpoint:
        """The checkpoint that enters."""
        if self.input_path is None:
            raise StageError(f"stage {self.stage} was given no checkpoint; put it behind a stage that leaves one")
        return Checkpoint.read(self.input_path)

    def write(self, checkpoint: Checkpoint, facts: Mapping[str, float] | None = None, *, compresses: bool = False) -> CheckpointRef:
        """Writes a checkpoint with this stage as the last step of its lineage.

        `compresses` says that the stage makes the network smaller: the first such stage's input is what later figures are compared with.
        """
        if not isinstance(checkpoint, Checkpoint):
            raise StageError(f"stage {self.stage} gave run.write a {type(checkpoint).__name__}; expected a checkpoint, as run.read().with_tensors(...) makes one")
        problem = tensor_problem(self.stage, checkpoint.stored)
        if problem is not None:
            raise StageError(problem)
        return self.store.write_checkpoint(checkpoint.to_bytes(self._step(facts or {}), compresses, self.input))

    def progress(
        self, phase: str, epoch: float | None = None, epochs: int | None = None, loss: float | None = None, accuracy: float | None = None,
        seconds_left: float | None = None,
    ) -> None:
        """Says how far the stage is. Call it as often as you like: a report leaves every two seconds. Raises `Cancelled` where the stage has to end."""
        self.report({"phase": phase, "epoch": epoch, "epochs": epochs, "loss": loss, "accuracy": accuracy, "secondsLeft": seconds_left})
        self.check_stop()

    def check_stop(self) -> None:
        """Raises `Cancelled` where the stage has to end. Call it at least once in a batch."""
        if self.stopping.is_set():
            raise Cancelled()

    def save_state(self, state: bytes) -> None:
        """Keeps what the stage needs to go on from here, whole or not at all."""
        self.store.write_state(self.state_slot, state)

    def load_state(self) -> bytes | None:
        """What an earlier attempt at this execution saved last; None: nothing."""
        return self.store.read_state(self.state_slot)

    def _step(self, facts: Mapping[str, float]) -> dict[str, Json]:
        return {
            "stage": self.stage, "version": self.version, "parameters": dict(self.parameters), "seed": self.seed,
            "input": self.input.to_json() if self.input else None, "data": dict(self.data) if self.data else None, "versions": _versions(), "facts": dict(facts),
        }


def _versions() -> dict[str, str]:
    import platform

    import numpy

    return {"python": platform.python_version(), "numpy": numpy.__version__}
