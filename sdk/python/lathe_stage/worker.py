"""Serves a stage: takes executions from its queue, one at a time, and reports what became of them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pika
import pika.exceptions

from lathe_stage import schema, wire
from lathe_stage.checkpoint import CheckpointError
from lathe_stage.manifest import Stage
from lathe_stage.run import Cancelled, Outcome, StageCheck, StageError, StageRun, Transient
from lathe_stage.spans import Spans
from lathe_stage.soundness import figure_problem, panel_problem
from lathe_stage.store import CheckpointRef, InputLost, Store, StoreAway, StoreRefused

Json = Any

_PACE = 2.0  # seconds between two reports of progress
_FIRST = 10.0  # seconds that a worker looks for its broker when it starts
_HEARTBEAT = 4.0  # no worker that computes says nothing for longer
_NOT_FOUND = 404  # what the broker answers where there is no such queue or exchange
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REPORTS = re.compile(r"lathe\.[A-Za-z0-9._-]{1,249}")


class _Execution:
    """One execution in this process."""

    def __init__(self, command: Mapping[str, Json], traceparent: str | None, tag: int) -> None:
        self.command = command
        self.traceparent = traceparent
        self.tag = tag
        self.stopping = threading.Event()
        self.reason: str | None = None
        self.progress: dict[str, Json] = {"phase": "taken"}
        self.changed = True

    @property
    def names(self) -> dict[str, Json]:
        """What every report names."""
        return {k: self.command[k] for k in ("executionId", "attempt", "key", "stage")}

    def stop(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.stopping.set()


class Worker:
    """A stage at work. All talk with the broker is on the thread that calls `run`; the stage computes on a thread of its own."""

    def __init__(self, stage: Stage[Any], broker: str, store: Store, log: logging.Logger, pool: str | None = None) -> None:
        self._stage = stage
        try:
            self._parameters = pika.URLParameters(broker)
        except (ValueError, TypeError) as error:
            # Without the address, which has a password.
            raise StageError("LATHE_BROKER is no address of a broker; expected amqp://user:password@host:port/vhost") from error
        self._parameters.heartbeat = 60
        self._store = store
        self._log = log
        self._queue = wire.stage_queue(stage.name, stage.version, pool)
        self._name = f"{socket.gethostname()}:{os.getpid()}:{stage.name}"
        self._source = f"lathe/worker/{self._name}"
        self._spans = Spans(f"lathe-{stage.name}", log)
        self._going = threading.Event()
        self._execution: _Execution | None = None
        self._thread: threading.Thread | None = None
        self._connection: Any = None
        self._channel: Any = None
        self._outbox: Any = None
        self._consumer = ""

    @property
    def _place(self) -> str:
        """The broker's address, without a password."""
        return f"{self._parameters.host}:{self._parameters.port}"

    def stop(self) -> None:
        """Ends `run`: a running execution saves no more, and its message goes back to its queue."""
        self._going.set()
        if self._execution is not None:
            self._execution.stop("shutting down")

    def run(self) -> None:
        """Works until `stop`. Connects again whenever the broker goes away; one that was never there ends it."""
        wait, began, known = 0.5, time.monotonic(), False
        while not self._going.is_set():
            try:
                self._connect()
                wait, known = 0.5, True
                self._log.info("worker %s takes work of %s version %s", self._name, self._stage.name, self._stage.version)
                self._loop()
            except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError) as error:
                raise StageError(f"the broker at {self._place} refuses user, password or virtual host ({_words(error)}): check them in LATHE_BROKER or --broker") from error
            except (pika.exceptions.AMQPError, OSError) as error:
                if self._going.is_set():
                    break
                if not known and time.monotonic() - began > _FIRST:
                    raise Transient(f"no broker answers at {self._place}: start one, or name another (LATHE_BROKER or --broker)") from error
                self._log.warning("the broker at %s is away (%s); connecting again in %.1f s", self._place, _words(error), wait)
                self._abandon()
                self._going.wait(wait)
                wait = min(wait * 2, 10)
        self._abandon()
        if self._connection is not None and self._connection.is_open:
            self._connection.close()
        self._spans.close()

    def announce(self) -> None:
        """Says that the stage exists, and takes no work."""
        try:
            self._connection = pika.BlockingConnection(self._parameters)
            self._ensure(wire.DEAD, wire.DEAD_ARGUMENTS)
            self._ensure(wire.COORDINATOR, wire.COORDINATOR_ARGUMENTS)
            self._announce(wire.COORDINATOR)
            self._connection.close()
        except (pika.exceptions.AMQPError, OSError) as error:
            raise Transient(f"no broker answers at {self._place}, or it refuses ({_words(error)}): start one, or name another (LATHE_BROKER or --broker)") from error

    def _connect(self) -> None:
        self._connection = pika.BlockingConnection(self._parameters)
        self._channel = channel = self._connection.channel()
        queue = self._queue
        check = wire.check_queue(self._stage.name, self._stage.version)
        self._ensure(wire.DEAD, wire.DEAD_ARGUMENTS)
        self._ensure(wire.COORDINATOR, wire.COORDINATOR_ARGUMENTS)
        _declare(channel, queue, wire.STAGE_ARGUMENTS)
        channel.exchange_declare(check, "fanout", durable=True, auto_delete=True)
        channel.queue_declare(check, durable=True, auto_delete=True)
        channel.queue_bind(check, check)
        # Not a name of the broker's choice: the rights of a user name queues by how they begin.
        own = f"lathe.worker.{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex}"
        channel.queue_declare(own, exclusive=True)
        for broadcast in wire.BROADCASTS:
            channel.exchange_declare(broadcast, "fanout", durable=True)
            channel.queue_bind(own, broadcast)
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(own, self._on_broadcast, auto_ack=True)
        channel.basic_consume(check, self._on_check, auto_ack=True)
        self._consumer = channel.basic_consume(queue, self._on_execute)
        self._announce(wire.COORDINATOR)

    def _ensure(self, name: str, arguments: Mapping[str, Json]) -> None:
        """Declares a queue that others read, unless it is there: the user of one stage has no right to declare it."""
        channel = self._connection.channel()
        try:
            channel.queue_declare(name, passive=True)
            channel.close()
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != _NOT_FOUND:
                raise
            channel = self._connection.channel()
            _declare(channel, name, arguments)
            channel.close()

    def _loop(self) -> None:
        heard = 0.0
        while not self._going.is_set():
            self._connection.process_data_events(time_limit=0.25)
            execution = self._execution
            if execution is None:
                continue
            now = time.monotonic()
            if self._thread is not None and not self._thread.is_alive():
                self._thread = None
            elif now - heard >= (_PACE if execution.changed else _HEARTBEAT):
                execution.changed, heard = False, now
                self._report(execution, wire.PROGRESSED, {"worker": self._name, "progress": execution.progress})

    def _abandon(self) -> None:
        """Ends what this process computes; without a connection its message is in its queue again already."""
        execution, thread = self._execution, self._thread
        if execution is None:
            return
        execution.stop("the connection is lost")
        if thread is not None:
            thread.join()
        self._execution = self._thread = None

    # Messages

    def _on_broadcast(self, _channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        try:
            event = wire.read(body)
            orders = [(str(each["executionId"]), int(each["attempt"]), str(each["reason"])) for each in event.data["executions"]] if event.type == wire.CANCEL else []
        except (wire.Malformed, LookupError, TypeError, ValueError) as error:
            self._log.warning("a broadcast cannot be read: %r", error)
            return
        if event.type == wire.ANNOUNCE and _REPORTS.fullmatch(str(event.data.get("replyTo"))):
            self._announce(str(event.data["replyTo"]))
        for identity, attempt, reason in orders:
            if self._execution is not None and identity == self._execution.command["executionId"] and self._execution.command["attempt"] <= attempt:
                self._execution.stop(reason)

    def _on_check(self, _channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        try:
            event = wire.read(body)
            if event.type != wire.CHECK or event.reply_queue is None:
                return
            inputs = event.data["inputs"]
            asked = [(question["parameters"], question["dataset"], None if question["input"] is None else inputs[question["input"]]) for question in event.data["questions"]]
        except (wire.Malformed, LookupError, TypeError) as error:
            self._log.warning("a question cannot be read: %r", error)
            return
        forecasts = [self._forecast(*question) for question in asked]
        self._send(event.reply_queue, wire.write(wire.CHECKED, self._source, {"forecasts": forecasts}, requestid=event.requestid))

    def _forecast(self, parameters: Json, dataset: str, form: Mapping[str, Json] | None) -> dict[str, Json]:
        problems = [{"pointer": pointer, "message": message} for pointer, message in schema.problems(self._stage.schema, parameters)]
        if self._stage.check is not None and not problems:
            try:
                check = StageCheck(dataset, form["graph"] if form else None, bool(form["isExact"]) if form else True)
                problems = [{"pointer": p.pointer, "message": p.message} for p in self._stage.check(self._stage.read(parameters), check)]
            except Exception:
                # A check that breaks down says nothing about the parameters.
                self._log.exception("the check of stage %s broke down", self._stage.name)
        # Widths and sizes of what leaves a stage in Python are known when it has run.
        return {"problems": problems, "form": form if self._stage.output.value == "metrics" else None}

    def _on_execute(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        try:
            event = wire.read(body)
            if event.type != wire.EXECUTE:
                raise wire.Malformed(f"nobody here reads messages of type {event.type}")
            _check(event.data, self._stage)
        except wire.Malformed as error:
            self._bury(method, properties, body, str(error))
            return
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self._bury(method, properties, body, f"it has a value of another type than expected: {error}")
            return
        execution = _Execution(event.data, event.traceparent, method.delivery_tag)
        try:
            found = self._known(event.data)
        except Exception as error:
            # The store refuses or is away: whoever waits for the execution hears it, and not this worker's log alone.
            self._fail(execution, error)
            self._channel.basic_ack(method.delivery_tag)
            return
        if found is not None:
            self._completed(execution, found, found=True)
            self._channel.basic_ack(method.delivery_tag)
            return
        self._execution = execution
        waited = max(0.0, (datetime.now(timezone.utc) - _moment(event.data["sentAt"])).total_seconds())
        self._report(execution, wire.STARTED, {"worker": self._name, "queueSeconds": waited})
        self._thread = threading.Thread(target=self._compute, args=(execution,), name=self._stage.name, daemon=True)
        self._thread.start()

    def _known(self, command: Mapping[str, Json]) -> dict[str, Json] | None:
        """A result that an earlier execution left under the key, if it is wanted and whole."""
        found = self._store.find_result(command["key"])
        if found is None or command["fresh"] and found.get("sweepId") != command["sweepId"]:
            return None
        return found if self._store.has(CheckpointRef.of(found["output"])) else None

    def _fail(self, execution: _Execution, error: BaseException) -> None:
        """Reports on the thread of the connection that an execution failed."""
        kind, message = _failure(error, self._stage.name)
        self._log.warning("%s %s failed: %s", self._stage.name, execution.command["key"], message, exc_info=error if kind is None else None)
        self._report(execution, wire.FAILED, {"kind": kind or "permanent", "message": message, "worker": self._name})

    # Computing, on a thread of its own

    def _compute(self, execution: _Execution) -> None:
        end: Callable[[], None]
        began = time.time()
        try:
            result = self._execute(execution)
            self._trace(execution, began, {"lathe.checkpoint.sha256": str(result["output"]["sha256"])})
            end = lambda: self._finish(execution, lambda: self._completed(execution, result, found=False))
        except Cancelled:
            if self._going.is_set() or execution.reason == "the connection is lost":
                end = lambda: self._give_back(execution)
            else:
                end = lambda: self._finish(execution, lambda: self._report(execution, wire.CANCELLED, {"worker": self._name}))
        except BaseException as error:
            # SystemExit too: a library that ends the program would end this thread alone, and its message would never be done with.
            failed = error
            self._trace(execution, began, {}, _failure(error, self._stage.name)[1])
            end = lambda: self._finish(execution, lambda: self._fail(execution, failed))
        try:
            self._connection.add_callback_threadsafe(end)
        except pika.exceptions.AMQPError:
            # Its message is in its queue again, and the result, if there is one, is found there.
            self._execution = None

    def _execute(self, execution: _Execution) -> dict[str, Json]:
        command = execution.command
        for pointer, message in schema.problems(self._stage.schema, command["parameters"]):
            raise StageError(f"{self._stage.name}{pointer.replace('/', '.')}: {message}")
        reference = CheckpointRef.of(command["input"]) if command["input"] else None
        slot = str(command["key"]) + (f"-{command['sweepId'].replace('-', '')}" if command["fresh"] else "")

        def report(progress: Mapping[str, Json]) -> None:
            execution.progress, execution.changed = dict(progress), True

        run = StageRun(
            key=command["key"], stage=self._stage.name, version=self._stage.version, parameters=command["parameters"], seed=command["seed"], threads=command["threads"],
            input=reference, input_path=self._store.path_of(reference) if reference else None, data=command["data"], store=self._store, state_slot=slot, log=self._log,
            stopping=execution.stopping, report=report)
        run.progress("starting")
        outcome = self._stage.run(run, self._stage.read(command["parameters"]))
        if not isinstance(outcome, Outcome):
            raise StageError(f"stage {self._stage.name} returned {type(outcome).__name__}; expected an Outcome")
        output = outcome.output or reference
        if output is None:
            raise StageError(f"stage {self._stage.name} left no checkpoint and was given none; expected what run.write returns")
        if not isinstance(output, CheckpointRef):
            raise StageError(f"stage {self._stage.name} left {type(output).__name__} as its checkpoint; expected what run.write returns")
        if not isinstance(outcome.metrics, Mapping):
            raise StageError(f"stage {self._stage.name} left {type(outcome.metrics).__name__} as its metrics; expected a dict of numbers")
        declared: list[dict[str, Json]] = self._stage.manifest()["metrics"]
        problem = figure_problem(self._stage.name, declared, outcome.metrics) or next(filter(None, (panel_problem(self._stage.name, p) for p in outcome.panels)), None)
        if problem is not None:
            raise StageError(problem)
        metrics = {str(name): float(value) for name, value in outcome.metrics.items()}
        result: dict[str, Json] = {
            "key": command["key"], "stage": self._stage.name, "output": output.to_json(), "metrics": metrics, "seconds": time.monotonic() - run.began,
            "sweepId": command["sweepId"], "traceParent": _span(execution.traceparent, command["key"]),
        }
        if outcome.panels:
            result["panels"] = [dict(panel) for panel in outcome.panels]
        self._store.commit_result(result)
        self._store.drop_state(slot)
        return result

    def _trace(self, execution: _Execution, began: float, attributes: Mapping[str, str], error: str | None = None) -> None:
        key = str(execution.command["key"])
        self._spans.add(
            f"stage {self._stage.name}", _span(execution.traceparent, key), execution.traceparent, began, time.time(),
            {"lathe.stage": self._stage.name, "lathe.execution.key": key, **attributes}, error)

    # Ends, on the thread of the connection

    def _finish(self, execution: _Execution, report: Callable[[], None]) -> None:
        report()
        self._channel.basic_ack(execution.tag)
        self._execution = None

    def _give_back(self, execution: _Execution) -> None:
        if self._going.is_set():
            # First: the broker would give the message to this worker again at once.
            self._channel.basic_cancel(self._consumer)
        self._channel.basic_nack(execution.tag, requeue=True)
        self._execution = None

    def _completed(self, execution: _Execution, result: Mapping[str, Json], found: bool) -> None:
        data = {k: result[k] for k in ("output", "metrics", "seconds")}
        self._report(execution, wire.COMPLETED, {**data, "found": found}, result.get("traceParent"))

    def _report(self, execution: _Execution, type: str, data: Mapping[str, Json], traceparent: str | None = None) -> None:
        self._send(str(execution.command["replyTo"]), wire.write(type, self._source, {**execution.names, **data}, traceparent=traceparent))

    def _announce(self, queue: str) -> None:
        self._send(queue, wire.write(wire.ANNOUNCED, self._source, {"manifest": self._stage.manifest(), "worker": self._name}))

    def _send(self, queue: str, body: bytes) -> None:
        properties = pika.BasicProperties(content_type=wire.MEDIA_TYPE, delivery_mode=2)
        try:
            self._publish(queue, properties, body)
        except pika.exceptions.UnroutableError:
            self._log.warning("nobody reads queue %s; a message to it is lost", queue)

    def _publish(self, queue: str, properties: Any, body: bytes) -> None:
        """Through the exchange of the queue's name: a user with a right to the broker's default exchange could send to every queue.

        On a channel of its own, since the broker closes the channel where there is no such exchange.
        """
        if self._outbox is None or not self._outbox.is_open or self._outbox.connection is not self._connection:
            self._outbox = self._connection.channel()
            self._outbox.confirm_delivery()
        try:
            self._outbox.basic_publish(queue, "", body, properties, mandatory=True)
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != _NOT_FOUND:
                raise
            raise pika.exceptions.UnroutableError([]) from error

    def _bury(self, method: Any, properties: Any, body: bytes, reason: str) -> None:
        """Moves a message that cannot be understood to the dead letters, as it came, with the reason."""
        properties.headers = {**(properties.headers or {}), "lathe-queue": self._queue, "lathe-reason": reason}
        self._publish(wire.DEAD, properties, body)
        self._channel.basic_ack(method.delivery_tag)
        self._log.warning("moved a message to the dead letters: %s", reason)


def _words(error: BaseException) -> str:
    """Faults of the client library often have no text of their own."""
    return str(error) or type(error).__name__


def _declare(channel: Any, name: str, arguments: Mapping[str, Json]) -> None:
    channel.exchange_declare(name, "fanout", durable=True)
    channel.queue_declare(name, durable=True, arguments=arguments)
    channel.queue_bind(name, name)


def _check(command: Mapping[str, Json], stage: Stage[Any]) -> None:
    """Whether a command can be what a coordinator sent: its names become files and queues."""
    wanted = ("executionId", "sweepId", "key", "stage", "version", "parameters", "input", "data", "seed", "attempt", "fresh", "replyTo", "threads", "sentAt")
    missing = [name for name in wanted if name not in command]
    problem = (
        f"{missing[0]} is missing" if missing
        else "key is no SHA-256 of 64 lower-case hexadecimal characters" if not _DIGEST.fullmatch(str(command["key"]))
        else "parameters is no object" if not isinstance(command["parameters"], dict)
        else f"replyTo names no queue of reports" if not _REPORTS.fullmatch(str(command["replyTo"]))
        else "input is no reference to a checkpoint" if command["input"] is not None and not _DIGEST.fullmatch(str(command["input"].get("sha256")))
        else "attempt is no number from 1 on" if not isinstance(command["attempt"], int) or command["attempt"] < 1
        else f"it is for {command['stage']} version {command['version']}" if (command["stage"], command["version"]) != (stage.name, stage.version)
        else None)
    if problem is not None:
        raise wire.Malformed(problem)
    for name in ("executionId", "sweepId"):
        uuid.UUID(command[name])
    _moment(command["sentAt"])


def _failure(error: BaseException, stage: str) -> tuple[str | None, str]:
    if isinstance(error, StageError):
        return error.kind, str(error)
    if isinstance(error, InputLost):
        return "inputLost", str(error)
    if isinstance(error, StoreRefused):
        return "elsewhere", str(error)
    if isinstance(error, StoreAway):
        return "transient", str(error)
    if isinstance(error, CheckpointError):
        return "permanent", str(error)
    if isinstance(error, (OSError, MemoryError)):
        return "elsewhere", f"{type(error).__name__}: {error}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return None, f"a fault in stage {stage}: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno}); the worker's log has the stack trace"


def _span(parent: str | None, key: str) -> str | None:
    """A span of its own in the trace of its input, named after the key, so that a message that comes twice gives the same."""
    if parent is None or parent.count("-") != 3:
        return parent
    version, trace, _, flags = parent.split("-")
    return f"{version}-{trace}-{hashlib.sha256(key.encode()).hexdigest()[:16]}-{flags}"


def _moment(text: str) -> datetime:
    # Python 3.10 reads six digits of a second at most, .NET writes seven.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))
