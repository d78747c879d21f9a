"""The daemon: opens what a configuration names, runs the engine until it is told to stop, and cleans up."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from types import FrameType
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from streamrnn.daemon.backfill import Relay, backfill
from streamrnn.daemon.config import Config
from streamrnn.daemon.control import control_of
from streamrnn.daemon.demo import Sensor
from streamrnn.daemon.notify import notify
from streamrnn.daemon.status import Status
from streamrnn.daemon.web import WebServer
from streamrnn.engine.loop import Engine, detector
from streamrnn.engine.merge import merge
from streamrnn.engine.metrics import EngineCollector
from streamrnn.errors import ConfigError, StreamrnnError
from streamrnn.tasks.recipe import Recipe

logger = logging.getLogger("streamrnn.service")

STALLED = 10.0
"""Seconds without a turn of the loop after which `/healthz` says so."""


def serve(config: Config, sensor: Callable[[str], list[str]] | None = None) -> int:
    """Run until SIGINT, SIGTERM or the end of all sources. The exit code: 1 where a source broke, else 0.

    config  what to open
    sensor  command of a child process that sends to the first source's endpoint; None: there is none

    Raises ConfigError, ConnectorError or ModelError where it cannot start.
    """
    _log("starting", f"streamrnn {version('streamrnn')}", version=version("streamrnn"))
    with ExitStack() as opened:
        stop = opened.enter_context(_stop_on_signal())
        warm(config.model)
        if stop.is_set():
            _log("stopped", "told to stop before the start")
            return 0
        sinks = {}
        for sink in config.sinks:
            sinks[sink.name] = sink.open()
            opened.callback(sinks[sink.name].close)
            _announce("sink", sink.name, sinks[sink.name])
        relay = Relay()
        engine = Engine(
            relay, sinks, config.model, admission=config.streams, windows=config.maintenance, alarms=config.alarms
        )
        registry = CollectorRegistry()
        web = opened.enter_context(_web(config, engine, registry))
        backfilled = 0
        if config.backfill.parts:
            backfilled = backfill(config.backfill, engine, relay, stop)
            if stop.is_set():
                _log("stopped", f"told to stop during the backfill, after {backfilled} samples", samples=backfilled)
                return 0
        sources = {}
        for source in config.sources:
            sources[source.name] = source.open()
            opened.callback(sources[source.name].close)
            _announce("source", source.name, sources[source.name])
        relay.source = merge(sources)
        opened.callback(relay.source.close)
        registry.register(EngineCollector(engine, config.metrics, backfilled))
        _log("listening", f"metrics on {web.url}/metrics, health on {web.url}/healthz", http=web.url)
        if sensor is not None:
            endpoint = endpoint_of(next(iter(sources.values())))
            assert endpoint is not None, "a sensor needs a source with an endpoint"
            opened.callback(Sensor(sensor(endpoint)).close)
        opened.callback(Status(engine, config.log.every).close)
        gc.collect()
        gc.freeze()
        notify("READY=1")
        try:
            engine.run(stop)
        except StreamrnnError as problem:
            logger.error(str(problem), extra={"event": "failed"})
            return 1
        samples = int(engine.fleet.counters.samples.sum())
        reason = "told to stop" if stop.is_set() else "all sources have ended"
        _log("stopped", f"{reason}; {samples} samples of {len(engine.fleet)} streams", samples=samples)
    return 0


def warm(recipe: Recipe) -> None:
    """Compile, or load from the cache, everything that a model of this recipe needs. Raises ModelError."""
    model = detector(("warm-up",), recipe)
    model.run(np.array([0, 1_000_000_000, 2_000_000_000]), np.zeros((3, 1)))


def endpoint_of(connector: object) -> str | None:
    """Where a connector listens or connects to, where it says so by an attribute `endpoint`."""
    endpoint = getattr(connector, "endpoint", None)
    return endpoint if isinstance(endpoint, str) else None


def _announce(kind: str, name: str, connector: object) -> None:
    endpoint = endpoint_of(connector)
    where = f" at {endpoint}" if endpoint else ""
    _log(kind, f"{kind} {name}{where}", name=name, endpoint=endpoint)


@contextmanager
def _web(config: Config, engine: Engine, registry: CollectorRegistry) -> Iterator[WebServer]:
    began = engine.clock.monotonic()

    def health() -> tuple[bool, Mapping[str, Any]]:
        now = engine.clock.monotonic()
        samples = int(engine.fleet.counters.samples.sum())
        return now - engine.turned < STALLED, {
            "samples": samples,
            "streams": len(engine.fleet),
            "uptime": round(now - began, 3),
        }

    try:
        control = control_of(engine, config.http.host) if config.http.control else None
        server = WebServer(config.http.host, config.http.port, registry, health, control)
    except OSError as problem:
        raise ConfigError(
            "cannot listen here",
            where="http",
            got=f"{config.http.host}, port {config.http.port}: {problem.strerror or problem}",
            hint="Use --port or http.port with another one, or with 0 for any that is free",
        ) from problem
    try:
        yield server
    finally:
        server.close()


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process at once."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)
        notify("STOPPING=1")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log(event: str, text: str, **fields: object) -> None:
    logger.info(text, extra={"event": event, "fields": fields})
