"""The files that `replay` writes for other tools: anomaly scores as CSV, forecasts as npz. Each appears whole or not.

Both have one row for each row of the input. A row that the engine refused (late, duplicate) was not scored: its score
is 0, and its forecast is the one that stood.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import IO

import numpy as np

from streamrnn.engine.ports import Ints, Result
from streamrnn.errors import ConfigError

SCORE = "anomaly_score"
"""Name of the column that is added to the scores."""


@dataclass(slots=True, frozen=True)
class Answer:
    """Consecutive rows of the input and what the engine said of them."""

    text: Sequence[tuple[str, ...]]
    """Of each row the cells to write back, as the input has them."""
    used: Ints
    """Which of these rows the result's rows are, rising, counting from 0."""
    result: Result | None
    """None where no row was used."""


@contextlib.contextmanager
def whole_file(path: Path, option: str) -> Iterator[IO[bytes]]:
    """Write a file under a temporary name beside `path`, and give it its name when the block has ended well."""
    if path.is_dir():
        raise ConfigError("this is a folder", where=f"{option} {path}", expected="the name of a file")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        file = part.open("xb")
    except OSError as error:
        raise ConfigError(
            "cannot write here",
            where=f"{option} {path}",
            got=error.strerror,
            expected="a folder that exists and may be written to",
        ) from error
    try:
        with file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def scores_file(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Answer], None]]:
    """A CSV of `columns`, in the input's own text, and `anomaly_score`; the block is given the function that adds rows.

    Scores are written with all their digits: read back, they are the same numbers.
    """
    if SCORE in columns:
        raise ConfigError(
            f"the input has a column {SCORE} already",
            where=f"--scores {path}",
            hint="Choose others with --columns",
        )
    with whole_file(path, "--scores") as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*columns, SCORE])

        def write(answer: Answer) -> None:
            score = np.zeros(len(answer.text))
            if answer.result is not None:
                score[answer.used] = answer.result.score
            writer.writerows((*cells, repr(value)) for cells, value in zip(answer.text, score.tolist(), strict=True))

        yield write
        text.flush()
        text.detach()


@contextlib.contextmanager
def predictions_file(path: Path, channels: Sequence[str], horizon: int) -> Iterator[Callable[[Answer], None]]:
    """An npz of `row` (T,), `horizon` (H,), `channel` (C,), `prediction`, `lower`, `upper` (T, H, C) and `level`.

    `prediction[t, k, c]` is the forecast of channel c at row `row[t] + horizon[k]`, made when row `row[t]` was the last
    one known; NaN until the channel has had a value. The arrays are collected in unnamed files beside `path`, so that
    memory stays bounded; the same arrays give the same bytes.
    """
    shape = (horizon, len(channels))
    standing = np.full((3, *shape), np.nan)
    level, rows = 0.0, 0
    with whole_file(path, "--predictions") as file, contextlib.ExitStack() as stack:
        spools = [stack.enter_context(tempfile.TemporaryFile(dir=path.parent)) for _ in range(3)]

        def write(answer: Answer) -> None:
            nonlocal standing, level, rows
            result = answer.result
            issued = np.searchsorted(answer.used, np.arange(len(answer.text)), side="right")
            for place, spool in enumerate(spools):
                known = standing[place][None]
                if result is not None:
                    made = (result.forecast, result.forecast_lower, result.forecast_upper)[place]
                    known = np.concatenate([known, made])
                spool.write(known[issued].tobytes())
                standing[place] = known[-1]
            level = result.level if result is not None else level
            rows += len(answer.text)

        yield write
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _add_array(archive, "row", np.arange(rows, dtype=np.int64))
            _add_array(archive, "horizon", np.arange(1, horizon + 1, dtype=np.int64))
            _add_array(archive, "channel", np.array(channels, dtype=np.str_))
            for name, spool in zip(("prediction", "lower", "upper"), spools, strict=True):
                _add_spool(archive, name, spool, (rows, *shape))
            _add_array(archive, "level", np.array(level))


def _add_array(archive: zipfile.ZipFile, name: str, array: np.typing.NDArray[np.generic]) -> None:
    with _member(archive, name) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _add_spool(archive: zipfile.ZipFile, name: str, spool: IO[bytes], shape: tuple[int, ...]) -> None:
    spool.seek(0)
    with _member(archive, name) as member:
        header = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, header)
        copyfileobj(spool, member, 1 << 20)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """A member with a constant date, so that the same arrays give the same file."""
    return archive.open(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), "w", force_zip64=True)
