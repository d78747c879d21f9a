"""A sensor of its own: `python -m streamrnn_connectors.host --connect tcp://127.0.0.1:5600`.

Publishes the figures of this machine over ZeroMQ until SIGINT or SIGTERM, or until its parent process is gone.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

import msgspec
import psutil
from streamrnn_connectors.host.publisher import publish
from streamrnn_connectors.host.source import HostSource, HostSourceOptions
from streamrnn_connectors.zeromq import Sender

from streamrnn.errors import StreamrnnError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m streamrnn_connectors.host", description=__doc__)
    parser.add_argument("--connect", required=True, metavar="ENDPOINT", help="the receiver, as tcp://127.0.0.1:5600")
    parser.add_argument("--every", type=float, default=0.2, metavar="SECONDS", help="between samples (default: 0.2)")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process is gone")
    given = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        options = msgspec.convert({"every": given.every}, HostSourceOptions)
        parent = None if given.parent is None else psutil.Process(given.parent)
        with Sender(given.connect, timeout=0.0, linger=0.2) as sender:
            publish(HostSource(options), sender, stop, parent)
    except psutil.NoSuchProcess:
        return 0  # the parent was gone before it was looked at
    except (StreamrnnError, msgspec.ValidationError) as error:
        print(f"host: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
