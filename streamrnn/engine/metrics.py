"""Metrics for Prometheus, read from the engine's arrays when they are scraped. docs/metrics.md has the table."""

from __future__ import annotations

import itertools
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamrnn._bind import compiled_so_far
from streamrnn.engine.fleet import Stream
from streamrnn.engine.loop import Engine
from streamrnn.engine.ports import CONDITIONS
from streamrnn.engine.tally import STEP_SECONDS


class Exposure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which streams have metrics of their own. The `[metrics]` table of a configuration is an Exposure."""

    streams: tuple[str, ...] = ()
    """Shell patterns of the names of streams that have metrics of their own; empty: none has."""
    limit: Annotated[int, Meta(ge=0)] = 50
    """Most streams with metrics of their own; further ones that match are counted as suppressed."""


class EngineCollector(Collector):
    """All metrics of one engine, which had learned `backfilled` samples of the past before it was ready."""

    def __init__(self, engine: Engine, exposure: Exposure, backfilled: int = 0) -> None:
        self._engine, self._exposure, self._backfilled = engine, exposure, backfilled

    def describe(self) -> Iterable[Metric]:
        """Empty: tells the registry not to collect at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything, as it is now."""
        matching = [s for s in self._engine.fleet if any(fnmatchcase(s.name, p) for p in self._exposure.streams)]
        exposed = matching[: self._exposure.limit]
        yield from self._process()
        yield from self._input()
        yield from self._streams(len(matching) - len(exposed))
        yield from self._sinks()
        yield from self._of_streams(exposed)
        yield from self._of_channels(exposed)

    def _process(self) -> Iterator[Metric]:
        info = {"version": version("streamrnn"), "python": platform.python_version(), "numba": version("numba")}
        build = GaugeMetricFamily("streamrnn_build_info", "Versions; always 1.", labels=list(info))
        build.add_metric(list(info.values()), 1.0)
        yield build
        functions, seconds = compiled_so_far()
        yield _counter("streamrnn_compiled_functions", "Functions compiled rather than loaded.", functions)
        yield _counter("streamrnn_compile_seconds", "Time spent on compiling.", seconds)

    def _input(self) -> Iterator[Metric]:
        engine = self._engine
        counters, tally = engine.fleet.counters, engine.tally
        yield _counter("streamrnn_samples", "Samples judged and learned.", counters.samples.sum())
        yield _counter("streamrnn_backfilled_samples", "Those of them that were learned as the past.", self._backfilled)
        rejected = CounterMetricFamily(
            "streamrnn_input_rejected", "Samples, messages or values refused.", labels=["reason"]
        )
        for reason, count in engine.rejected().items():
            rejected.add_metric([reason], count)
        yield rejected
        yield _counter("streamrnn_values_missing", "Values that were missing.", engine.fleet.total("missing"))
        yield _counter("streamrnn_sequence_gaps", "Samples lost on the way, by number.", counters.gaps.sum())
        yield _counter("streamrnn_sequence_restarts", "Times a sender counted anew.", counters.restarts.sum())
        edges = [*map(str, STEP_SECONDS), "+Inf"]
        buckets = list(zip(edges, itertools.accumulate(map(float, tally.steps)), strict=True))
        yield HistogramMetricFamily(
            "streamrnn_step_seconds",
            "Time to judge and learn one sample.",
            buckets=buckets,
            sum_value=tally.step_seconds,
        )
        newest = tally.newest
        lag = np.nan if newest is None else (engine.clock.now() - newest) / 1e9
        yield GaugeMetricFamily("streamrnn_lag_seconds", "Age of the newest sample.", value=lag)

    def _streams(self, suppressed: int) -> Iterator[Metric]:
        fleet = self._engine.fleet
        silent = len(fleet.silent(self._engine.clock.monotonic()))
        yield GaugeMetricFamily("streamrnn_streams", "Streams taken in.", value=len(fleet))
        yield GaugeMetricFamily("streamrnn_streams_silent", "Streams unheard for too long.", value=silent)
        yield GaugeMetricFamily(
            "streamrnn_streams_suppressed", "Streams without metrics of their own for want of room.", value=suppressed
        )
        counters = fleet.counters
        yield _counter("streamrnn_alarms", "Events started.", counters.alarms.sum())
        yield GaugeMetricFamily("streamrnn_alarms_active", "Told events that last.", value=float(counters.active.sum()))
        yield _counter("streamrnn_alarms_held_back", "Events held back at their start.", counters.held_back.sum())
        holding = float(counters.holding.sum())
        yield GaugeMetricFamily("streamrnn_alarms_held_back_active", "Held-back events that last.", value=holding)
        refusing = sum(stream.model.refusing for stream in fleet)
        yield GaugeMetricFamily("streamrnn_streams_refusing", "Streams whose event is refused.", value=refusing)
        muted = float(np.count_nonzero(counters.muted[: len(fleet)]))
        yield GaugeMetricFamily("streamrnn_streams_muted", "Streams in maintenance.", value=muted)
        active = GaugeMetricFamily("streamrnn_conditions_active", "Conditions that hold, by kind.", labels=["kind"])
        started = CounterMetricFamily("streamrnn_conditions", "Conditions that began, by kind.", labels=["kind"])
        for kind, holding, begun in zip(
            CONDITIONS, counters.conditions[: len(fleet)].sum(0), counters.condition_starts, strict=True
        ):
            active.add_metric([kind], float(holding))
            started.add_metric([kind], float(begun))
        yield active
        yield started
        models = GaugeMetricFamily(
            "streamrnn_models", "Models, by the variant that the budget allows.", labels=["variant"]
        )
        for variant, count in Counter(stream.model.variant for stream in fleet).items():
            models.add_metric([variant], count)
        yield models
        if fleet.recipe.audit:
            known = [cosine for s in fleet if not np.isnan(cosine := s.model.gradient_cosine)]
            yield GaugeMetricFamily(
                "streamrnn_gradient_cosine_ratio",
                "Cosine between the learner's gradient and the exact one, median of all streams.",
                value=float(np.median(known)) if known else np.nan,
            )

    def _sinks(self) -> Iterator[Metric]:
        dropped = CounterMetricFamily("streamrnn_sink_dropped", "Results dropped by a sink.", labels=["sink"])
        errors = CounterMetricFamily("streamrnn_sink_errors", "Failures of a sink.", labels=["sink"])
        for name, sink in self._engine.sinks.items():
            dropped.add_metric([name], sink.dropped)
            errors.add_metric([name], self._engine.sink_errors[name])
        yield dropped
        yield errors

    def _of_streams(self, streams: Sequence[Stream]) -> Iterator[Metric]:
        counters = self._engine.fleet.counters
        samples = CounterMetricFamily("streamrnn_stream_samples", "Samples judged and learned.", labels=["stream"])
        score = GaugeMetricFamily("streamrnn_stream_score", "Anomaly score of the newest sample.", labels=["stream"])
        alarm = GaugeMetricFamily("streamrnn_stream_alarm", "1 while an event lasts.", labels=["stream"])
        alarms = CounterMetricFamily("streamrnn_stream_alarms", "Events started.", labels=["stream"])
        held_back = CounterMetricFamily(
            "streamrnn_stream_alarms_held_back", "Events held back at their start.", labels=["stream"]
        )
        muted = GaugeMetricFamily("streamrnn_stream_muted", "1 in maintenance.", labels=["stream"])
        families = (
            (samples, counters.samples),
            (score, counters.score),
            (alarm, counters.active),
            (alarms, counters.alarms),
            (held_back, counters.held_back),
            (muted, counters.muted > 0),
        )
        for family, numbers in families:
            for stream in streams:
                family.add_metric([stream.name], float(numbers[stream.index]))
            yield family
        refusing = GaugeMetricFamily("streamrnn_stream_refusing", "1 while its event is refused.", labels=["stream"])
        condition = GaugeMetricFamily(
            "streamrnn_stream_condition", "Channels of which it holds; silent, rate: 0 or 1.", labels=["stream", "kind"]
        )
        for stream in streams:
            refusing.add_metric([stream.name], float(stream.model.refusing))
            for kind, holding in zip(CONDITIONS, counters.conditions[stream.index], strict=True):
                condition.add_metric([stream.name, kind], float(holding))
        yield refusing
        yield condition
        if self._engine.fleet.recipe.audit:
            cosine = GaugeMetricFamily(
                "streamrnn_stream_gradient_cosine_ratio",
                "Cosine between the learner's gradient and the exact one.",
                labels=["stream"],
            )
            for stream in streams:
                cosine.add_metric([stream.name], stream.model.gradient_cosine)
            yield cosine

    def _of_channels(self, streams: Sequence[Stream]) -> Iterator[Metric]:
        labels = ["stream", "channel"]
        gauges = [
            GaugeMetricFamily("streamrnn_value", "Newest value; NaN: missing.", labels=labels),
            GaugeMetricFamily("streamrnn_expected", "What was expected in its place.", labels=labels),
            GaugeMetricFamily("streamrnn_expected_lower", "Lower end of the band.", labels=labels),
            GaugeMetricFamily("streamrnn_expected_upper", "Upper end of the band.", labels=labels),
        ]
        error = CounterMetricFamily("streamrnn_absolute_error", "Sum of absolute errors.", labels=labels)
        persistence = CounterMetricFamily(
            "streamrnn_persistence_absolute_error", "The same, had the last value been the forecast.", labels=labels
        )
        coverage = GaugeMetricFamily("streamrnn_coverage_ratio", "Share of values within the band.", labels=labels)
        skill = GaugeMetricFamily(
            "streamrnn_skill_ratio",
            "1 - mean absolute error over that of the best of persistence, seasonal persistence and an autoregression.",
            labels=labels,
        )
        for stream in streams:
            sums, skills = stream.model.statistics, stream.model.skill
            for c, channel in enumerate(stream.channels):
                where = [stream.name, channel]
                for gauge, row in zip(gauges, stream.latest, strict=True):
                    gauge.add_metric(where, float(row[c]))
                error.add_metric(where, float(sums["absolute_error"][c]))
                persistence.add_metric(where, float(sums["absolute_change"][c]))
                judged = float(sums["judged"][c])
                coverage.add_metric(where, float(sums["covered"][c]) / judged if judged else np.nan)
                skill.add_metric(where, float(skills[c]))
        yield from (*gauges, error, persistence, coverage, skill)


def _counter(name: str, meaning: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, meaning, value=float(value))
