"""`streamrnn replay FILE`: the same engine as live over a CSV file, as fast as the machine allows.

What the engine says of a row depends on that row and those before it alone, so the outputs of a file's beginning are
those of the whole file's beginning, bit for bit, under whatever name it is stored.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any, cast

import msgspec

from streamrnn.daemon.config import load
from streamrnn.daemon.findings import findings_of
from streamrnn.daemon.outputs import Answer, predictions_file, scores_file, whole_file
from streamrnn.daemon.picture import Picture
from streamrnn.daemon.progress import Progress
from streamrnn.daemon.recorder import Recorder, Tap, TextSource
from streamrnn.daemon.report import Report, page
from streamrnn.daemon.scorecard import Scorecard
from streamrnn.daemon.service import warm
from streamrnn.daemon.summary import Outcome, as_json, as_text
from streamrnn.engine.discoveries import EVERYTHING
from streamrnn.engine.fleet import Admission
from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import Batch, Reject
from streamrnn.engine.registry import load_source
from streamrnn.errors import ConfigError, InputError
from streamrnn.tasks.detect import Detector
from streamrnn.tasks.recipe import Recipe

STREAM = "replay"
"""The stream's name unless another is given. A model's first weights come from the stream's name, not the file's."""
MOST_CHANNELS = 1024
FIRST_WAIT = 1.0
"""Seconds between two looks for the first rows of a pipe."""


@dataclass(slots=True, frozen=True)
class Outputs:
    """Files to write; None: not wanted."""

    scores: Path | None = None
    predictions: Path | None = None
    report: Path | None = None


def replay(
    path: str,
    recipe: Recipe,
    *,
    outputs: Outputs = Outputs(),
    progress: Callable[[int, float | None], None] = lambda rows, share: None,
    **options: Any,
) -> Outcome:
    """Run the engine over a CSV file.

    path       the file, "-" for standard input
    recipe     what the model is made of
    outputs    files to write; each appears whole at the end, or not at all
    progress   called with the rows done and the share of the file, None where that is unknown
    options    further options of the source `files`: time, columns, interval, on_error, stream

    Raises InputError at a row that cannot be read, unless on_error is "skip", ConnectorError where the file cannot be
    opened, ConfigError where an output cannot be written, ModelError where the recipe cannot be built.
    """
    _check_apart(path, outputs)
    with contextlib.closing(_open_source({"stream": STREAM, "path": path} | options)) as source:
        first = _first_rows(source, path)
        names = source.names
        scorecard, picture = Scorecard(names[1:]), Picture(names[1:])
        stop = threading.Event()
        models: list[Detector] = []
        rows = 0
        with _opened(outputs, names, recipe) as (writers, report):

            def answered(answer: Answer) -> None:
                nonlocal rows
                if answer.result is not None:
                    scorecard.add(answer.result)
                    picture.add(answer.result)
                for write in writers:
                    write(answer)
                rows += len(answer.text)
                progress(rows, source.share)

            def build(channels: tuple[str, ...], recipe: Recipe) -> Detector:
                models.append(Detector(channels, recipe))
                return models[-1]

            recorder = Recorder(answered, stop)
            engine = Engine(
                Tap(source, first, recorder),
                {"recorder": recorder},
                recipe,
                admission=Admission(channel_limit=MOST_CHANNELS, most_ahead=0.0),
                build=build,
                alarms=EVERYTHING,
            )
            began = time.monotonic()
            with _silent_engine():
                engine.run(stop)
            recorder.finish()
            seconds = time.monotonic() - began
            rejected = {reason: count for reason, count in engine.rejected().items() if count}
            findings = findings_of(models[0]) if models else None
            outcome = Outcome(path, rows, scorecard, rejected, seconds, findings)
            if report is not None:
                told = Report(_label(path), outcome, picture, describe(recipe), recipe.alarms_per_week)
                report.write(page(told).encode())
    return outcome


def describe(recipe: Recipe) -> str:
    """A recipe in a few words.

    >>> describe(Recipe(horizon=8))
    'elman, 8 units, learner rtrl, update dekf, 16 lags, 8 rows ahead'
    """
    ahead = f"{recipe.horizon} row{'s' if recipe.horizon > 1 else ''} ahead"
    net = f"{recipe.cell}, {recipe.units} units, learner {recipe.learner}, update {recipe.update}"
    return f"{net}, {recipe.lags} lags, {ahead}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `streamrnn replay`."""
    parser.add_argument("file", metavar="FILE", help="CSV with a header; - is standard input")
    parser.add_argument("--config", type=Path, metavar="CONFIG", help="TOML file: its [model] table is used")
    parser.add_argument("--horizon", type=int, metavar="H", help="forecast 1 … H rows ahead")
    parser.add_argument("--time", default="", metavar="COLUMN", help="the column that holds the time")
    parser.add_argument(
        "--columns", default="", metavar="A,B", help="the value columns (default: all that hold numbers)"
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=0.0,
        metavar="S",
        help="rows are S seconds apart; no column is taken for the time",
    )
    parser.add_argument("--on-error", choices=("stop", "skip"), default="stop", help="what a broken row does")
    parser.add_argument(
        "--stream",
        default=STREAM,
        metavar="NAME",
        help="the stream's name, which seeds its model (default: %(default)s)",
    )
    parser.add_argument(
        "--scores", type=Path, metavar="OUT.csv", help="write each row's time, values and anomaly score"
    )
    parser.add_argument(
        "--predictions", type=Path, metavar="OUT.npz", help="write each row's forecasts with their bands"
    )
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="write a page with plots, alarms and errors")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="print nothing, show no progress")


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line says. The exit code."""
    outputs = Outputs(arguments.scores, arguments.predictions, arguments.report)
    recipe = _recipe(arguments.config, arguments.horizon)
    warm(recipe)
    with Progress(sys.stderr, _label(arguments.file), enabled=not arguments.quiet) as progress:
        outcome = replay(
            arguments.file,
            recipe,
            outputs=outputs,
            progress=progress.update,
            time=arguments.time,
            columns=next(csv.reader([arguments.columns]), []),
            interval=arguments.interval,
            on_error=arguments.on_error,
            stream=arguments.stream,
        )
    if arguments.json:
        print(as_json(outcome).decode())
    elif not arguments.quiet:
        print(as_text(outcome))
    return 0


def _recipe(config: Path | None, horizon: int | None) -> Recipe:
    recipe = load(config, for_daemon=False).model if config is not None else Recipe()
    if horizon is None:
        return recipe
    try:
        return msgspec.convert(msgspec.to_builtins(recipe) | {"horizon": horizon}, Recipe)
    except msgspec.ValidationError as problem:
        raise ConfigError("no such horizon", where="--horizon", got=horizon, expected="1 to 1024") from problem


def _open_source(options: dict[str, Any]) -> TextSource:
    kind = load_source("files")
    build = cast(Callable[[msgspec.Struct], TextSource], kind)
    try:
        checked = msgspec.convert(options, kind.Options)
    except msgspec.ValidationError as problem:
        raise ConfigError(f"wrong option: {problem}", where=f"replay {options['path']}") from problem
    return build(checked)


def _first_rows(source: TextSource, path: str) -> Sequence[Batch | Reject]:
    """The first rows of a source: only they tell which columns there are."""
    while True:
        items = source.next_batch(FIRST_WAIT)
        if items is None:
            raise InputError("the file has no rows", where=_label(path), expected="rows after the header")
        if source.names:
            return items


@contextlib.contextmanager
def _opened(
    outputs: Outputs, names: Sequence[str], recipe: Recipe
) -> Iterator[tuple[list[Callable[[Answer], None]], IO[bytes] | None]]:
    """What takes answers, and the report's file: opened before the first row, so that a wrong path shows at once."""
    with contextlib.ExitStack() as stack:
        writers = []
        if outputs.scores is not None:
            writers.append(stack.enter_context(scores_file(outputs.scores, names)))
        if outputs.predictions is not None:
            writers.append(stack.enter_context(predictions_file(outputs.predictions, names[1:], recipe.horizon)))
        report = stack.enter_context(whole_file(outputs.report, "--report")) if outputs.report is not None else None
        yield writers, report


def _check_apart(path: str, outputs: Outputs) -> None:
    """Raise ConfigError where an output would take the place of the input or of another output."""
    taken = {} if path == "-" else {Path(path).resolve(): "the input"}
    for option in ("scores", "predictions", "report"):
        output = getattr(outputs, option)
        if output is None:
            continue
        if (other := taken.setdefault(output.resolve(), f"--{option}")) != f"--{option}":
            raise ConfigError(f"is {other} as well", where=f"--{option} {output}", expected="a file of its own")


@contextlib.contextmanager
def _silent_engine() -> Iterator[None]:
    """Alarms and refused rows go into the outcome, not into the log as well."""
    logger = logging.getLogger("streamrnn.engine")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _label(path: str) -> str:
    return "standard input" if path == "-" else PurePath(path).name
