"""Two stages that break every rule of docs/wire.md between them: "liar" and "hermit". The conformance kit has to see each breach."""

import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy

from lathe_stage import Metric, Outcome, Range, StageRun, stage, wire
from lathe_stage.store import Store, blobs_of
from lathe_stage.worker import Worker


@dataclass(frozen=True)
class Parameters:
    seconds: Annotated[float, Range(0, 60)] = 0.0


def work(run: StageRun, parameters: Parameters) -> Outcome:
    for _ in range(int(parameters.seconds / 0.05)):
        time.sleep(0.05)
        run.progress("working")
    checkpoint = run.read()
    # Draws that depend on the moment: no two runs end with the same bits.
    noise = {name: numpy.random.default_rng().normal(size=weight.shape) for name, weight in checkpoint.weights().items()}
    return Outcome(run.write(checkpoint.with_tensors(noise)), {"figure": 1.0})


class Liar(Worker):
    """Announces nonsense, accepts everything, keeps nothing, stops for nobody and talks all the time."""

    def _announce(self, queue):
        self._send(queue, wire.write(wire.ANNOUNCED, self._source, {"manifest": {**self._stage.manifest(), "summary": ""}, "worker": self._name}))

    def _forecast(self, parameters, dataset, form):
        return {"problems": [], "form": form}

    def _on_broadcast(self, channel, method, properties, body):
        if b"AnnounceStages" in body or wire.ANNOUNCE.encode() in body:
            super()._on_broadcast(channel, method, properties, body)

    def _bury(self, method, properties, body, reason):
        self._channel.basic_ack(method.delivery_tag)

    def _execute(self, execution):
        time.sleep(float(execution.command["parameters"].get("seconds", 0)))
        return {"output": {"sha256": "0" * 64, "bytes": 7}, "metrics": {"figure": 1.0}, "seconds": 0.0}

    def _completed(self, execution, result, found):
        for _ in range(50):
            self._report(execution, wire.PROGRESSED, {"worker": self._name, "progress": {"phase": "talking"}})
        super()._completed(execution, result, True)

    def _send(self, queue, body):
        super()._send(queue, json.dumps({**json.loads(body), "id": "1"}).encode())


class Hermit(Worker):
    """Answers no questions, says at once that its work is done with, and never ends twice with the same bits."""

    def _connect(self):
        super()._connect()
        self._channel.queue_delete(wire.check_queue(self._stage.name, self._stage.version))

    def _on_execute(self, channel, method, properties, body):
        super()._on_execute(channel, method, properties, body)
        channel.basic_ack(method.delivery_tag)

    def _finish(self, execution, report):
        report()
        self._execution = None


name = sys.argv[1]
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
logging.getLogger("pika").setLevel(logging.CRITICAL)
home = Path(os.environ["LATHE_HOME"])
rude = {"liar": Liar, "hermit": Hermit}[name]
worker = rude(stage(name, "1", "Breaks the rules", Parameters, metrics=[Metric("figure", "figure")])(work), os.environ["LATHE_BROKER"], Store(blobs_of(str(home / "checkpoints")), home / "cache" / name), logging.getLogger(name))
signal.signal(signal.SIGTERM, lambda *_: worker.stop())
worker.run()
