"""The program of a stage: its options and settings, and what is wrong with them in one line."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from lathe_stage.manifest import Stage
from lathe_stage.run import StageError, Transient
from lathe_stage.soundness import nearest
from lathe_stage.store import Store, StoreAway, StoreRefused, StoreUnknown, blobs_of
from lathe_stage.wire import is_pool
from lathe_stage.worker import Worker

_OPTIONS = ("--broker", "--store", "--home", "--pool")
_FLAGS = ("--announce",)
_HELP = """
It takes executions of its stage from a broker until it is stopped (SIGTERM or Ctrl-C).

Options; each also is a variable of the environment, and the option goes before it:
  --broker ADDRESS   RabbitMQ, amqp://user:password@host:port/vhost. Needed. [LATHE_BROKER]
  --store PLACE      Folder or bucket (s3://BUCKET/PREFIX) of checkpoints and results. [LATHE_STORE; default in the home]
  --home FOLDER      Folder of everything that lasts. [LATHE_HOME; default .lathe]
  --pool NAME        Takes only the executions of sweeps that name this pool. [LATHE_POOL]
  --announce         Say to the coordinator that the stage exists, and end.
  --help, --version

Parameters of the stage in a sweep:"""


def serve(stage: Stage[Any], args: Sequence[str] | None = None) -> None:
    """The whole program of a stage: works until SIGTERM or Ctrl-C. Settings come from the environment, or from options, which go before it.

    `LATHE_BROKER`, `--broker` (required) is amqp://user:password@host:port/vhost; `LATHE_STORE`, `--store` the folder or bucket of checkpoints (default: the store of
    `LATHE_HOME`, `--home`, which is .lathe in the current folder); `LATHE_POOL`, `--pool` the pool of workers that it belongs to (default: none); `--announce` only says that the stage exists, and ends. `args` are those of the program; give an empty list
    where they are yours.
    """
    if not isinstance(stage, Stage):
        _refuse(getattr(stage, "__name__", "?"), f"serve was given a {type(stage).__name__}; expected what @stage(...) makes of a function")
    given = sys.argv[1:] if args is None else args
    if any(word in ("--help", "-h") for word in given):
        print(_help(stage))
        return
    if "--version" in given:
        print(f"stage {stage.name}, version {stage.version}")
        return
    options = _options(stage.name, given)
    problems = stage.problems()
    if problems:
        _refuse(stage.name, f"the manifest cannot be served: {'; '.join(problems)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # its faults come here as exceptions
    log = logging.getLogger("lathe")
    broker = options.get("--broker") or os.environ.get("LATHE_BROKER")
    if not broker:
        _refuse(stage.name, "a worker needs a broker to take work from: set LATHE_BROKER or --broker to amqp://user:password@host:port/vhost")
    home = Path(options.get("--home") or os.environ.get("LATHE_HOME") or ".lathe").absolute()
    place = options.get("--store") or os.environ.get("LATHE_STORE") or str(home / "checkpoints")
    _check_folder(stage.name, home, "--home or LATHE_HOME")
    if "://" not in place:
        _check_folder(stage.name, Path(place), "--store or LATHE_STORE")
    pool = options.get("--pool") or os.environ.get("LATHE_POOL") or None
    if pool is not None and not is_pool(str(pool)):
        _refuse(stage.name, f"{'--pool' if options.get('--pool') else 'LATHE_POOL'} is '{pool}'; expected 1 to 32 characters: lower-case letters, digits, and dashes between them, for example gpu-large")
    try:
        store = Store(blobs_of(place), home / "cache" / "python")
        worker = Worker(stage, str(broker), store, log, pool)
        if "--announce" in options:
            worker.announce()
            return
        _try(store)
    except (StageError, StoreUnknown, StoreRefused) as error:
        _refuse(stage.name, str(error), 1 if isinstance(error, Transient) else 2)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: worker.stop())
    try:
        worker.run()
    except StageError as error:
        _refuse(stage.name, str(error), 1 if isinstance(error, Transient) else 2)


def _help(stage: Stage[Any]) -> str:
    """What the program is, its settings, and the parameters of its stage."""
    lines = [f"Worker of stage {stage.name}, version {stage.version}: {stage.manifest()['summary']}", *_HELP.splitlines()]
    for name, rule in stage.schema.get("properties", {}).items():
        default = f" [{json.dumps(rule['default'])}]" if rule.get("default") is not None else ""
        lines.append(f"  {name:<17}  {rule.get('description', '')}{default}".rstrip())
    return "\n".join(lines if stage.schema.get("properties") else [*lines, "  none"])


def _check_folder(stage: str, folder: Path, setting: str) -> None:
    """A folder that cannot be written ends the start: every execution would fail there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        _refuse(stage, f"the folder {folder} cannot be written ({error.strerror or error}); name another one with {setting}, or give this user the right to it")


def _refuse(stage: str, message: str, code: int = 2) -> NoReturn:
    """Ends the program in one line: with 2 over a mistake of its user, with 1 over what is away and may come back."""
    print(f"lathe worker {stage}: {message}", file=sys.stderr)
    sys.exit(code)


def _try(store: Store) -> None:
    """A bucket that refuses this worker ends its start, not every execution after it. One that is away may come back."""
    try:
        store.find_result("0" * 64)
    except StoreRefused:
        raise
    except StoreAway as error:
        logging.getLogger("lathe").warning("%s", error)


def _options(stage: str, args: Sequence[str]) -> dict[str, str]:
    """The options of a program; a word that is none ends it, so that a misspelt one is not passed over."""
    found: dict[str, str] = {}
    left = list(args)
    while left:
        name, equals, value = left.pop(0).partition("=")
        if name in _FLAGS and not equals:
            found[name] = ""
        elif name in _OPTIONS:
            if not equals and not left:
                _refuse(stage, f"{name} needs a value")
            if name in found:
                _refuse(stage, f"{name} is given twice")
            found[name] = value if equals else left.pop(0)
        else:
            _refuse(stage, f"unknown option '{name}'{nearest(name, (*_OPTIONS, *_FLAGS))}; known are {', '.join((*_OPTIONS, *_FLAGS))}")
    return found
