"""The command line. What a command needs is imported when it runs: `--help` answers at once."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from streamrnn.errors import ConfigError, StreamrnnError

if TYPE_CHECKING:
    from streamrnn.daemon.config import Config

EXIT_ERROR, EXIT_INTERRUPTED = 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. The exit code: 0 well, 1 failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = _parser(words[:1]).parse_args(words)
        code = int(arguments.command(arguments))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("streamrnn: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except StreamrnnError as problem:
        print(f"streamrnn: {problem}", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:  # whoever read our output has gone: `| head`
        _drop_output()
        return EXIT_ERROR
    except OSError as problem:
        _drop_output()
        print(f"streamrnn: {problem}", file=sys.stderr)
        return EXIT_ERROR


def _drop_output() -> None:
    """Send what standard output still holds nowhere, so that flushing it at exit cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(chosen: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="streamrnn", description="Recurrent networks that learn from live time series while they run."
    )
    parser.add_argument("--version", action="version", version=f"streamrnn {version('streamrnn')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run the daemon; without a configuration it watches this machine")
    run.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="TOML file")
    run.add_argument("--port", type=int, metavar="N", help="serve metrics on this port (0: any) and not on http.port")
    run.set_defaults(command=_run)

    check = commands.add_parser("check", help="check a configuration; opens and binds nothing")
    check.add_argument("config", type=Path, metavar="CONFIG", help="TOML file")
    check.set_defaults(command=_check)

    replay = commands.add_parser("replay", help="the same engine over a CSV file: scores, forecasts, report")
    if "replay" in chosen:
        from streamrnn.daemon.replay import add_arguments

        add_arguments(replay)
    replay.set_defaults(command=_replay)

    accept = commands.add_parser("accept", help="tell a running daemon that what goes on in a stream is normal")
    accept.set_defaults(command=_accept)
    forget = commands.add_parser("forget", help="have a running daemon forget a window of a stream")
    when = "seconds since 1970, or a date and time as 2026-11-28T22:00:00Z"
    forget.add_argument("--since", required=True, metavar="TIME", help=f"begin of the window: {when}")
    forget.add_argument("--until", metavar="TIME", help="end of the window (default: now)")
    forget.set_defaults(command=_forget)
    for order in (accept, forget):
        order.add_argument("stream", metavar="NAME", help="name of the stream")
        order.add_argument("--url", metavar="URL", help="where the daemon serves (default: as --config says)")
        order.add_argument("--config", type=Path, metavar="CONFIG", help="its TOML file; without it: the default port")

    warmup = commands.add_parser("warmup", help="compile ahead what a configuration needs")
    warmup.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="TOML file; without it: the defaults")
    warmup.set_defaults(command=_warmup)

    plan = commands.add_parser("plan", help="memory and time that a configuration will take, measured here")
    plan.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="TOML file; without it: the defaults")
    plan.add_argument("--streams", type=int, default=0, metavar="N", help="further streams that are expected")
    plan.add_argument("--channels", type=int, default=1, metavar="N", help="channels of each of those (1)")
    plan.set_defaults(command=_plan)

    explain = commands.add_parser("explain", help="what the model is made of, what it costs, where it comes from")
    explain.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="TOML file; without it: the defaults")
    explain.set_defaults(command=_explain)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    import msgspec

    from streamrnn.daemon.config import load
    from streamrnn.daemon.demo import demo_config, host_sensor
    from streamrnn.daemon.logs import set_up
    from streamrnn.daemon.service import serve

    config: Config = load(arguments.config) if arguments.config else demo_config()
    if arguments.port is not None:
        if not 0 <= arguments.port <= 65535:
            raise ConfigError("no such port", where="--port", got=arguments.port, expected="0 to 65535")
        config = replace(config, http=msgspec.structs.replace(config.http, port=arguments.port))
    set_up(config.log.format, config.log.level)
    return serve(config, sensor=None if arguments.config else host_sensor)


def _check(arguments: argparse.Namespace) -> int:
    from streamrnn.daemon.config import load

    config = load(arguments.config)
    sources = ", ".join(connection.name for connection in config.sources)
    sinks = ", ".join(connection.name for connection in config.sinks) or "none"
    print(f"{arguments.config}: good; sources: {sources}; sinks: {sinks}")
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from streamrnn.daemon.replay import run

    return run(arguments)


def _accept(arguments: argparse.Namespace) -> int:
    from streamrnn.daemon.control import order

    order(_url(arguments), arguments.stream, "accept")
    print(f"{arguments.stream}: accepted as normal")
    return 0


def _forget(arguments: argparse.Namespace) -> int:
    from streamrnn.daemon.control import order

    window = {"since": arguments.since, "until": arguments.until}
    asked = {name: value for name, value in window.items() if value is not None}
    answer = order(_url(arguments), arguments.stream, "forget", **asked)
    print(f"{arguments.stream}: forgot {answer['rows']} rows")
    return 0


def _url(arguments: argparse.Namespace) -> str:
    """Where the daemon serves that an order is for."""
    from streamrnn.daemon.control import DEFAULT_URL

    if arguments.url:
        return str(arguments.url)
    if not arguments.config:
        return DEFAULT_URL
    from streamrnn.daemon.config import load

    http = load(arguments.config).http
    if http.port == 0:
        raise ConfigError("any free port: the log of the daemon names it", where="http.port", got=0, expected="--url")
    return f"http://{f'[{http.host}]' if ':' in http.host else http.host}:{http.port}"


def _warmup(arguments: argparse.Namespace) -> int:
    import time

    from streamrnn._bind import compiled_so_far
    from streamrnn.daemon.config import load
    from streamrnn.daemon.logs import set_up
    from streamrnn.daemon.service import warm
    from streamrnn.tasks.recipe import Recipe

    set_up("text", "info")
    began = time.monotonic()
    warm(load(arguments.config, for_daemon=False).model if arguments.config else Recipe())
    functions, seconds = compiled_so_far()
    print(f"ready in {time.monotonic() - began:.1f} s; compiled {functions} functions in {seconds:.1f} s")
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from streamrnn.daemon.config import load
    from streamrnn.daemon.plan import plan
    from streamrnn.engine.fleet import Admission
    from streamrnn.tasks.recipe import Recipe

    if arguments.streams < 0 or arguments.channels < 1:
        got = f"{arguments.streams}, {arguments.channels}"
        raise ConfigError("nothing to plan for", where="--streams, --channels", got=got, expected="0 and 1, or more")
    config = load(arguments.config, for_daemon=False) if arguments.config else None
    recipe, admission = (config.model, config.streams) if config else (Recipe(), Admission())
    print(plan(recipe, admission, arguments.channels, arguments.streams))
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    from streamrnn.daemon.config import load
    from streamrnn.daemon.explain import explain
    from streamrnn.tasks.recipe import Recipe

    print(explain(load(arguments.config, for_daemon=False).model if arguments.config else Recipe()))
    return 0
