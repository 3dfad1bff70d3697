"""What the package does without a broker. The talk with one is tested by the tests of Lathe, against a real one."""

import contextlib
import dataclasses
import importlib.util
import io
import json
import logging
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Optional

import numpy

from lathe_stage import Checkpoint, Choice, Doc, Metric, Outcome, Range, StageRun, serve, stage, wire
from lathe_stage.checkpoint import CheckpointError
from lathe_stage.manifest import schema_of
from lathe_stage.schema import problems
from lathe_stage.spans import Spans, address, headers
from lathe_stage.store import CheckpointRef, FolderBlobs, InputLost, Store, StoreAway, StoreRefused, StoreUnknown, blobs_of
from lathe_stage.soundness import figure_problem, manifest_problems, panel_problem, tensor_problem
from lathe_stage.worker import Worker, _failure


@dataclass(frozen=True)
class Parameters:
    layer_name: Annotated[str, Doc("A layer.")]
    share: Annotated[float, Range(0, 1)] = 0.5
    steps: Annotated[int, Range(1)] = 3
    mode: Annotated[str, Choice("hard", "soft")] = "hard"
    skip: list[str] = field(default_factory=list)
    limit: Optional[int] = None


class Describing(unittest.TestCase):
    def test_the_schema_says_types_limits_defaults_and_what_is_required(self) -> None:
        schema = schema_of(Parameters)
        self.assertEqual(["layerName"], schema["required"])
        self.assertFalse(schema["additionalProperties"])
        self.assertEqual({"type": "string", "description": "A layer."}, schema["properties"]["layerName"])
        self.assertEqual({"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}, schema["properties"]["share"])
        self.assertEqual({"type": "integer", "minimum": 1, "default": 3}, schema["properties"]["steps"])
        self.assertEqual({"type": "string", "enum": ["hard", "soft"], "default": "hard"}, schema["properties"]["mode"])
        self.assertEqual({"type": "array", "items": {"type": "string"}, "default": []}, schema["properties"]["skip"])
        self.assertEqual({"type": ["integer", "null"], "default": None}, schema["properties"]["limit"])

    def test_a_type_that_JSON_has_not_is_refused_by_name(self) -> None:
        Odd = dataclasses.make_dataclass("Odd", [("when", complex)])
        with self.assertRaisesRegex(TypeError, "parameter when is a .*complex.*; expected bool, int"):
            schema_of(Odd)
        with self.assertRaisesRegex(TypeError, "int is no dataclass of parameters"):
            schema_of(int)

    def test_parameters_are_read_as_the_dataclass(self) -> None:
        made = stage("x", "1", "Does nothing", Parameters)(lambda run, parameters: None)
        self.assertEqual(Parameters("a", share=1.0, steps=2), made.read({"layerName": "a", "share": 1, "steps": 2}))
        with self.assertRaisesRegex(ValueError, "shares: unknown parameter; expected one of layerName, share"):
            made.read({"layerName": "a", "shares": 1})

    def test_parameters_that_the_schema_forbids_are_refused_with_a_pointer(self) -> None:
        schema = schema_of(Parameters)

        def refused(**parameters: object) -> list[tuple[str, str]]:
            return list(problems(schema, {"layerName": "a", **parameters}))

        self.assertEqual([], refused(share=1, steps=2, mode="soft", skip=["b"], limit=None))
        self.assertEqual([("/share", "is 2, expected a number at least 0 and at most 1")], refused(share=2))
        self.assertEqual([("/steps", "is 1.5, expected a whole number at least 1")], refused(steps=1.5))
        self.assertEqual([("/steps", "is true, expected a whole number at least 1")], refused(steps=True))
        self.assertEqual([("/mode", "is the text 'loose', expected one of hard, soft")], refused(mode="loose"))
        self.assertEqual([("/skip/1", "is 3, expected a text")], refused(skip=["b", 3]))
        self.assertEqual([("/limit", "is the text 'x', expected a whole number or null")], refused(limit="x"))
        self.assertEqual(["/a~1b"], [pointer for pointer, _ in refused(**{"a/b": 1})])
        self.assertEqual([("/layerName", "is missing")], list(problems(schema, {})))

    def test_what_cannot_be_served_is_told_in_the_words_of_the_table(self) -> None:
        table = json.loads((Path(__file__).parents[3] / "tests" / "unsound-manifests.json").read_text())
        sound = {
            "name": "toy", "version": "1", "summary": "Counts.", "input": "checkpoint", "output": "checkpoint", "readsData": False, "metrics": [{"name": "loss", "title": "loss"}],
        }
        self.assertGreater(len(table), 20)
        for row in table:
            schema = {"type": "object", "additionalProperties": False, "properties": row.get("properties", {"steps": {"type": "integer", "minimum": 1, "default": 3}})}
            manifest = {**sound, "parametersSchema": schema, **row.get("change", {})}
            manifest["metrics"] = row.get("metrics", manifest["metrics"])
            self.assertEqual(row["problems"], manifest_problems(manifest), row)

    def test_a_slip_of_the_author_is_told_by_the_stage_and_not_by_a_stack_trace(self) -> None:
        Backwards = dataclasses.make_dataclass("Backwards", [("share", Annotated[float, Range(2, 0)], 1.0)])
        Twins = dataclasses.make_dataclass("Twins", [("layer_name", str), ("layerName", str)])
        Odd = dataclasses.make_dataclass("Odd", [("when", complex)])
        for made, word in (
            (stage("My Stage", "1", "Does", Parameters), "the name is 'My Stage'"), (stage("x", "1", "Does", Backwards), "the range from 2 to 0"), (stage("x", "1", "Does", Twins), "two parameters are called 'layerName'"),
            (stage("x", "1", "Does", Odd), "parameter when is a"), (stage("x", "1", "Does", int), "int is no dataclass"), (stage("x", "1", "Does", Parameters, metrics=["loss"]), "'loss' is no description of a metric"),  # type: ignore[list-item]
            (stage("x", "1", "Does", Parameters, metrics=[Metric("a", "a"), Metric("a", "b")]), "'a' is described twice"),
        ):
            self.assertIn(word, "; ".join(made(lambda run, parameters: None).problems()))
        self.assertEqual([], stage("x", "1", "Does", Parameters)(lambda run, parameters: None).problems())

    def test_the_manifest_has_what_the_contract_asks_for(self) -> None:
        made = stage("x", "2", "Does nothing", Parameters, metrics=[Metric("error", "err", is_column=True)])(lambda run, parameters: None)
        manifest = made.manifest()
        self.assertEqual(("x", "2", "checkpoint", "checkpoint", False), tuple(manifest[k] for k in ("name", "version", "input", "output", "readsData")))
        self.assertEqual(("error", "neither", "number", True), tuple(manifest["metrics"][0][k] for k in ("name", "better", "format", "isColumn")))


class Talking(unittest.TestCase):
    def test_an_event_is_read_as_it_was_written(self) -> None:
        event = wire.read(wire.write(wire.COMPLETED, "test", {"a": 1}, traceparent="00-a-b-01", requestid="7"))
        self.assertEqual((wire.COMPLETED, {"a": 1}, "00-a-b-01", "7", None), (event.type, event.data, event.traceparent, event.requestid, event.reply_queue))

    def test_a_pool_has_a_queue_of_its_own(self) -> None:
        self.assertEqual(("stage.x.1", "stage.x.1.pool.gpu-large"), (wire.stage_queue("x", "1"), wire.stage_queue("x", "1", "gpu-large")))
        self.assertEqual(["a", "gpu-large", "x" * 32], [p for p in ("a", "gpu-large", "x" * 32, "x" * 33, "", "-a", "a-", "A", "a.b") if wire.is_pool(p)])

    def test_the_queue_of_an_answer_is_the_last_part_of_its_address(self) -> None:
        for address in ("rabbitmq://host:5672/v/bus-1?temporary=true", "queue:bus-1", "exchange:bus-1?durable=false"):
            body = json.dumps({"specversion": "1.0", "type": "t", "data": {}, "replyto": address}).encode()
            self.assertEqual("bus-1", wire.read(body).reply_queue)

    def test_what_is_no_event_is_malformed(self) -> None:
        for body in (b"", b"no JSON", b"[]", b"{}", b'{"specversion": "0.3", "type": "t", "data": {}}', b'{"specversion": "1.0", "type": "t", "data": 3}'):
            with self.assertRaises(wire.Malformed):
                wire.read(body)

    def test_what_is_no_number_is_never_sent(self) -> None:
        with self.assertRaises(ValueError):
            wire.write(wire.COMPLETED, "test", {"a": float("nan")})


class Storing(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.store = Store(FolderBlobs(self.folder / "store"), self.folder / "cache")

    def test_a_checkpoint_lies_under_its_digest_and_is_verified(self) -> None:
        reference = self.store.write_checkpoint(b"content")
        place = self.folder / "store" / reference.sha256[:2] / f"{reference.sha256}.safetensors"
        self.assertEqual(b"content", place.read_bytes())
        self.assertEqual(b"content", self.store.path_of(reference).read_bytes())
        place.write_bytes(b"cOntent")
        self.assertFalse(self.store.has(reference))
        with self.assertRaisesRegex(InputLost, "is damaged"):
            self.store.path_of(reference)
        with self.assertRaisesRegex(InputLost, "is not in the store"):
            self.store.path_of(CheckpointRef("0" * 64, 3))

    def test_a_result_that_cannot_be_read_is_none(self) -> None:
        self.store.commit_result({"key": "k", "output": {"sha256": "0", "bytes": 1}})
        self.assertIsNotNone(self.store.find_result("k"))
        (self.folder / "store" / "results" / "k.json").write_text("{")
        self.assertIsNone(self.store.find_result("k"))
        self.assertIsNone(self.store.find_result("other"))

    def test_nothing_half_written_stays(self) -> None:
        blobs = FolderBlobs(self.folder / "x")
        blobs.write("a", b"1")
        with self.assertRaises(TypeError):
            blobs.write("a", "no bytes")  # type: ignore[arg-type]
        self.assertEqual((b"1", ["a"]), (blobs.read("a"), [f.name for f in (self.folder / "x").iterdir()]))


class Refusing(unittest.TestCase):
    def test_a_store_that_is_none_is_named(self) -> None:
        for wrong in ("s3://", "http://foo/bar", __file__):
            with self.assertRaisesRegex(StoreUnknown, "LATHE_STORE is"):
                blobs_of(wrong)

    def test_a_figure_that_is_none_or_that_nobody_declared_is_named(self) -> None:
        metrics = [Metric("loss", "loss", dense_name="lossDense").to_json()]
        for right in ({}, {"loss": numpy.float32(1.5)}, {"lossDense": 2}):
            self.assertIsNone(figure_problem("x", metrics, right))
        for wrong, word in ((float("nan"), "as NaN"), (-float("inf"), "as minus infinity"), ("big", "as 'big'"), (None, "as None"), (numpy.zeros(3), "as a ndarray"), ("x" * 1000, "as a str")):
            self.assertIn(f"measured 'loss' {word}; expected a finite number", figure_problem("x", metrics, {"loss": wrong}) or "")
        self.assertEqual(
            "stage x measured 'losss', which its manifest does not declare (did you mean 'loss'?): add it to the metrics of the manifest, or leave it out of the result; declared are loss, lossDense",
            figure_problem("x", metrics, {"losss": 1.0}))
        self.assertIn("no metric is declared", figure_problem("x", [], {"a": 1.0}) or "")

    def test_a_panel_that_cannot_be_kept_is_named(self) -> None:
        self.assertIsNone(panel_problem("x", {"kind": "bars", "id": "error", "categories": ["a"], "series": [{"name": "s", "values": [1.0]}]}))
        self.assertIn("whose parts are not those of a panel of kind bars (KeyError: 'series')", panel_problem("x", {"kind": "bars", "id": "error", "values": [1.0]}) or "")
        for panel, word in (
            ({"kind": "bars", "id": "error", "values": [float("nan")]}, "the panel 'error' with a value that is no finite number"),
            ({"kind": "bars", "id": "error", "values": [numpy.float32(1)]}, "the panel 'error' with a value that JSON has not"), ({"kind": "bars"}, "without kind and id"), ("bars", "without kind and id"),
        ):
            self.assertIn(word, panel_problem("x", panel) or "")

    def test_lists_of_a_panel_that_do_not_fit_are_told_in_the_words_of_the_table(self) -> None:
        for row in json.loads((Path(__file__).parents[3] / "tests" / "unsound-panels.json").read_text()):
            self.assertEqual(row["words"] and f"stage x {row['words']}", panel_problem("x", row["panel"]), row)

    def test_a_checkpoint_with_values_that_are_no_finite_numbers_is_not_written(self) -> None:
        self.assertIsNone(tensor_problem("x", {"a": numpy.ones(3, "<f4"), "b": numpy.ones(3, "<i8")}))
        self.assertEqual(
            "stage x wrote a checkpoint whose tensor 'a' has 2 of 4 values that are NaN or infinite; expected finite numbers: see what the stage divides by, or its learning rate",
            tensor_problem("x", {"a": numpy.array([1, numpy.inf, numpy.nan, 0], "<f4")}))

    def test_help_and_version_say_what_the_program_is(self) -> None:
        toy = stage("toy", "1", "Counts.", Parameters)(lambda run, parameters: None)
        for option, words in (("--help", ["Worker of stage toy, version 1: ", "LATHE_BROKER", "  share", "[0.5]"]), ("--version", ["stage toy, version 1"])):
            with contextlib.redirect_stdout(io.StringIO()) as output:
                serve(toy, [option])
            for word in words:
                self.assertIn(word, output.getvalue())

    def test_a_home_that_cannot_be_written_is_told_before_work_is_taken(self) -> None:
        toy = stage("toy", "1", "Counts.", Parameters)(lambda run, parameters: None)
        with contextlib.redirect_stderr(io.StringIO()) as errors, self.assertRaises(SystemExit) as end:
            serve(toy, ["--broker", "amqp://127.0.0.1:1", "--home", "/dev/null/home"])
        self.assertEqual(2, end.exception.code)
        self.assertIn("lathe worker toy: the folder /dev/null/home cannot be written (Not a directory); name another one with --home or LATHE_HOME", errors.getvalue())

    def test_a_stage_that_ends_the_program_has_failed(self) -> None:
        try:
            raise SystemExit("bye")
        except SystemExit as error:
            kind, message = _failure(error, "x")
        self.assertIsNone(kind)
        self.assertIn("SystemExit: bye", message)


class Failing(unittest.TestCase):
    def test_a_store_that_refuses_or_is_away_is_reported_to_whoever_waits(self) -> None:
        command = {
            "executionId": str(uuid.uuid4()), "sweepId": str(uuid.uuid4()), "key": "a" * 64, "stage": "x", "version": "1", "parameters": {}, "input": None, "data": None, "seed": 1, "attempt": 1,
            "fresh": False, "replyTo": "lathe.coordinator", "threads": 1, "device": None, "sentAt": "2026-01-01T00:00:00Z",
        }
        for fault, kind in (
            (StoreRefused("there are no credentials for s3://bucket"), "elsewhere"), (StoreAway("it does not answer"), "transient"), (PermissionError(13, "Permission denied"), "elsewhere"), (KeyError("odd"), "permanent"),
        ):
            class Refuses:
                def find_result(self, key: str, fault: Exception = fault) -> None:
                    raise fault

            made = stage("x", "1", "Does nothing", Parameters)(lambda run, parameters: None)
            log = logging.getLogger("failing")
            log.setLevel(logging.CRITICAL)
            worker = Worker(made, "amqp://127.0.0.1:1", Refuses(), log)  # type: ignore[arg-type]
            told: list[tuple[str, dict[str, object]]] = []
            worker._report = lambda execution, type, data, traceparent=None: told.append((type, data))  # type: ignore[method-assign,assignment]
            worker._channel = unittest.mock.Mock()
            worker._on_execute(None, unittest.mock.Mock(delivery_tag=7), None, wire.write(wire.EXECUTE, "test", command))
            self.assertEqual((wire.FAILED, kind), (told[0][0], told[0][1]["kind"]))
            self.assertIn(str(fault.args[-1]), str(told[0][1]["message"]))
            worker._channel.basic_ack.assert_called_once_with(7)


class Starting(unittest.TestCase):
    """Programs as an author starts them."""

    def run_it(self, *args: str, change: str = "", **environment: str) -> tuple[int, str]:
        program = (
            "from dataclasses import dataclass\nfrom typing import Annotated\nfrom lathe_stage import Choice, Metric, Outcome, Range, serve, stage\n"
            "@dataclass(frozen=True)\nclass Parameters:\n    share: Annotated[float, Range(0, 1)] = 0.5\n"
            f"{change}\n"
            "@stage('x', '1', 'Does nothing', Parameters)\ndef run(run, parameters): return Outcome(None, {})\nserve(run)\n")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("LATHE_", "AWS_"))}
        with tempfile.TemporaryDirectory() as folder:
            ended = subprocess.run(
                [sys.executable, "-B", "-c", program, *args], cwd=folder, capture_output=True, text=True, timeout=60,
                env={**clean, "PYTHONPATH": str(Path(__file__).parents[1]), "AWS_EC2_METADATA_DISABLED": "true", "HOME": folder, **environment})
        return ended.returncode, ended.stderr.strip()

    def test_a_misspelt_option_is_refused_with_a_suggestion(self) -> None:
        known = "known are --broker, --store, --home, --pool, --announce"
        for args, line in (
            (("--brokr", "x"), f"unknown option '--brokr' (did you mean '--broker'?); {known}"), (("--anounce",), f"unknown option '--anounce' (did you mean '--announce'?); {known}"),
            (("--brokr=x",), f"unknown option '--brokr' (did you mean '--broker'?); {known}"), (("now",), f"unknown option 'now'; {known}"), (("--broker",), "--broker needs a value"),
            (("--store", "a", "--store", "b"), "--store is given twice"), ((), "a worker needs a broker to take work from: set LATHE_BROKER or --broker to amqp://user:password@host:port/vhost"),
            (("--broker", "amqp://127.0.0.1:1", "--pool", "GPU"), "--pool is 'GPU'; expected 1 to 32 characters: lower-case letters, digits, and dashes between them, for example gpu-large"),
            (("--broker", "nonsense:x"), "LATHE_BROKER is no address of a broker; expected amqp://user:password@host:port/vhost"),
        ):
            self.assertEqual((2, f"lathe worker x: {line}"), self.run_it(*args))

    def test_a_stage_that_cannot_be_served_does_not_start(self) -> None:
        change = "Parameters.__dataclass_fields__['share'].default = 3.0"
        for args in ((), ("--announce",)):
            self.assertEqual(
                (2, "lathe worker x: the manifest cannot be served: parameter 'share' has a default that it refuses: it is 3.0, expected a number at least 0 and at most 1"),
                self.run_it(*args, change=change, LATHE_BROKER="amqp://127.0.0.1:1"))

    def test_a_broker_that_is_away_is_told_in_one_line_where_the_stage_is_only_announced(self) -> None:
        code, line = self.run_it("--announce", LATHE_BROKER="amqp://127.0.0.1:1")
        self.assertEqual((1, 1), (code, len(line.splitlines())), line)
        self.assertIn("no broker answers at 127.0.0.1:1", line)

    def test_a_broker_that_never_was_there_ends_the_start(self) -> None:
        code, lines = self.run_it(LATHE_BROKER="amqp://me:secret@127.0.0.1:1")
        self.assertEqual((1, "lathe worker x: no broker answers at 127.0.0.1:1: start one, or name another (LATHE_BROKER or --broker)"), (code, lines.splitlines()[-1]))
        self.assertNotIn("secret", lines)
        self.assertNotIn("Traceback", lines)

    def test_a_function_that_is_no_stage_is_refused(self) -> None:
        code, line = self.run_it(change="def plain(run, parameters): pass\nserve(plain)")
        self.assertEqual((2, "lathe worker plain: serve was given a function; expected what @stage(...) makes of a function"), (code, line))

    @unittest.skipUnless(importlib.util.find_spec("boto3"), "boto3 is missing")
    def test_a_bucket_without_credentials_ends_the_start(self) -> None:
        code, line = self.run_it(LATHE_BROKER="amqp://127.0.0.1:1", LATHE_STORE="s3://bucket/a", AWS_ENDPOINT_URL_S3="http://127.0.0.1:1")
        self.assertEqual(2, code)
        self.assertRegex(line.splitlines()[-1], "^lathe worker x: there are no credentials for s3://bucket/a/results/0+.json: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        self.assertNotIn("Traceback", line)


class Sending_spans(unittest.TestCase):
    def test_the_variables_of_opentelemetry_say_where_they_go(self) -> None:
        base = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}
        self.assertEqual((None, None), address({}))
        self.assertEqual(("http://c:4318/v1/traces", None), address(base))
        self.assertEqual(("https://c/t", None), address({**base, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/t"}))
        self.assertEqual((None, None), address({**base, "OTEL_SDK_DISABLED": "true"}))
        for wrong in ({**base, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:xx"}):
            where, problem = address(wrong)
            self.assertIsNone(where)
            self.assertIn("http://", problem or "")
        self.assertEqual({"a": "b c", "d": "e=f"}, headers({"OTEL_EXPORTER_OTLP_HEADERS": "a=b%20c, d=e=f,broken"}))

    def test_a_collector_that_is_away_holds_up_nothing(self) -> None:
        log = logging.getLogger("spans of a test")
        with self.assertLogs(log, logging.WARNING) as lines:
            spans = Spans("x", log, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
            for _ in range(3):
                spans.add("stage x", f"00-{'1' * 32}-{'2' * 16}-01", None, 1.0, 2.0, {})
            spans.close(60)
        self.assertEqual(1, len(lines.output))


class Reading_checkpoints(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "c.safetensors"

    def write(self, **metadata: str) -> None:
        header = {
            "__metadata__": metadata, "fc.weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
            "q.weight.packed": {"dtype": "U8", "shape": [1], "data_offsets": [8, 9]}, "q.weight.fraction": {"dtype": "I8", "shape": [1], "data_offsets": [9, 10]},
        }
        text = json.dumps(header).encode()
        self.path.write_bytes(struct.pack("<Q", len(text)) + text + numpy.array([1, 2], "<f4").tobytes() + b"\x01\x02")

    def whole(self) -> Checkpoint:
        graph = {"nodes": [{"op": "linear", "name": "fc"}, {"op": "linear", "name": "q"}]}
        self.write(**{
            "lathe.format": "1", "lathe.graph": json.dumps(graph), "lathe.lineage": json.dumps({"steps": [{"stage": "train", "data": {"name": "d"}}], "dense": None}),
            "lathe.quantization": json.dumps({"q.weight": {"bits": 2}})})
        return Checkpoint.read(self.path)

    def test_float_weights_are_tensors_and_packed_ones_stay_packed(self) -> None:
        checkpoint = self.whole()
        self.assertEqual(["fc.weight"], list(checkpoint.tensors))
        self.assertTrue(checkpoint.is_fixed_point("q.weight"))
        changed = checkpoint.with_tensors({"fc.weight": numpy.array([[3.0, 4.0]])})
        source = CheckpointRef("a" * 64, 1)
        self.path.write_bytes(changed.to_bytes({"stage": "x", "data": None}, True, source))
        again = Checkpoint.read(self.path)
        numpy.testing.assert_array_equal([[3.0, 4.0]], again.tensors["fc.weight"])
        numpy.testing.assert_array_equal([1], again.stored["q.weight.packed"])
        self.assertEqual((["train", "x"], {"name": "d"}, source.to_json()), ([s["stage"] for s in again.lineage["steps"]], again.lineage["steps"][1]["data"], again.lineage["dense"]))
        self.assertEqual(self.path.read_bytes(), changed.to_bytes({"stage": "x", "data": None}, True, source))

    def test_what_does_not_fit_the_network_is_refused(self) -> None:
        checkpoint = self.whole()
        for name, value, message in (("gone", [[1.0]], "no float tensor 'gone'; it has fc.weight"), ("fc.weight", [1.0], r"has shape \[1\]; the network needs \[1, 2\]"), ("fc.weight", [[1.0, numpy.nan]], "no finite")):
            with self.assertRaisesRegex(CheckpointError, message):
                checkpoint.with_tensors({name: numpy.array(value)})

    def test_damaged_files_are_refused_with_what_is_wrong(self) -> None:
        self.write()
        with self.assertRaisesRegex(CheckpointError, "no Lathe checkpoint: its metadata has no 'lathe.format'"):
            Checkpoint.read(self.path)
        self.path.write_bytes(self.path.read_bytes()[:-20])
        with self.assertRaisesRegex(CheckpointError, "damaged entry|cut off"):
            Checkpoint.read(self.path)
        self.path.write_bytes(b"123")
        with self.assertRaisesRegex(CheckpointError, "has 3 bytes"):
            Checkpoint.read(self.path)


if __name__ == "__main__":
    unittest.main()
