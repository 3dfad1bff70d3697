"""Messages as they travel: CloudEvents 1.0 in JSON, and the queues they travel through (docs/wire.md)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

Json = Any

MEDIA_TYPE = "application/cloudevents+json"
LARGEST = 4 << 20
COORDINATOR = "lathe.coordinator"
DEAD = "lathe.dead"
BROADCASTS = ("Lathe.Contracts.Messages:AnnounceStages", "Lathe.Contracts.Messages:CancelExecutions")

EXECUTE, CANCEL, CHECK, ANNOUNCE = (
    "lathe.execute-stage.v1", "lathe.cancel-executions.v1", "lathe.check-stage.v1", "lathe.announce-stages.v1")
CHECKED, ANNOUNCED, STARTED, PROGRESSED, COMPLETED, FAILED, CANCELLED = (
    "lathe.stage-checked.v1", "lathe.stage-announced.v1", "lathe.stage-started.v1", "lathe.stage-progressed.v1", "lathe.stage-completed.v1",
    "lathe.stage-failed.v1", "lathe.stage-cancelled.v1")

_KEPT = {"x-queue-type": "quorum", "x-delivery-limit": 100, "x-dead-letter-exchange": DEAD}
STAGE_ARGUMENTS: dict[str, Json] = {**_KEPT, "x-consumer-timeout": 30 * 24 * 3600 * 1000}
"""Everyone who declares the queue of a stage declares it with the same arguments, or the broker refuses."""

COORDINATOR_ARGUMENTS: dict[str, Json] = _KEPT

DEAD_ARGUMENTS: dict[str, Json] = {"x-queue-type": "quorum"}


class Malformed(Exception):
    """A message that cannot be what its sender meant."""


@dataclass(frozen=True)
class Event:
    """A message that was read."""

    type: str
    data: Mapping[str, Json]
    traceparent: str | None
    requestid: str | None
    replyto: str | None

    @property
    def reply_queue(self) -> str | None:
        """The queue that an answer goes to: the last segment of `replyto`."""
        return self.replyto.split("?")[0].rsplit("/", 1)[-1].rsplit(":", 1)[-1] if self.replyto else None


def write(type: str, source: str, data: Mapping[str, Json], *, traceparent: str | None = None, requestid: str | None = None) -> bytes:
    """A message as bytes."""
    event: dict[str, Json] = {
        "specversion": "1.0", "id": str(uuid.uuid4()), "source": source, "type": type, "time": datetime.now(timezone.utc).isoformat(),
    }
    if traceparent is not None:
        event["traceparent"] = traceparent
    if requestid is not None:
        event["requestid"] = requestid
    event["data"] = data
    return json.dumps(event, allow_nan=False).encode()


def read(body: bytes) -> Event:
    """Reads a message."""
    if len(body) > LARGEST:
        raise Malformed(f"it has {len(body)} bytes; no message here has more than {LARGEST}")
    try:
        event = json.loads(body)
    except ValueError as error:
        raise Malformed(f"it cannot be read: {error}") from error
    if not isinstance(event, dict) or event.get("specversion") != "1.0" or not isinstance(event.get("type"), str) or not isinstance(event.get("data"), dict):
        raise Malformed("it is no CloudEvent 1.0 with a type and an object as data")
    return Event(event["type"], event["data"], event.get("traceparent"), event.get("requestid"), event.get("replyto"))


def is_pool(name: str) -> bool:
    """Whether a text can be the name of a pool of workers."""
    return re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", name) is not None


def stage_queue(stage: str, version: str, pool: str | None = None) -> str:
    """The queue of a stage's version, or of a pool of its workers."""
    return f"stage.{stage}.{version}" + (f".pool.{pool}" if pool else "")


def check_queue(stage: str, version: str) -> str:
    return f"stage.{stage}.{version}.check"
