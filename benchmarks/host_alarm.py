"""python -m benchmarks.host_alarm: how soon a busy processor is flagged, with the real host sensor and a real load.

Starts the daemon as a process and the host sensor as another, lets both run for 40 seconds, then keeps every processor
busy for ten, and prints when the alarm came and what it said. Run it on a machine that is otherwise quiet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIG = """
[http]
port = 0
[log]
format = "json"
every = 0.0
[[sources]]
connector = "zeromq"
bind = "tcp://127.0.0.1:*"
"""
QUIET, BUSY = 40.0, 10.0


def main() -> int:
    """The exit code: 0 where the processor was flagged within two seconds."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str, **options: Any) -> subprocess.Popen[str]:
        processes.append(subprocess.Popen([sys.executable, *words], text=True, **options))
        return processes[-1]

    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "daemon.toml"
            path.write_text(CONFIG)
            daemon = start("-m", "streamrnn.daemon", "run", str(path), stdout=subprocess.PIPE)
            assert daemon.stdout is not None
            entries = map(json.loads, daemon.stdout)
            endpoint = next(e["endpoint"] for e in entries if e.get("endpoint"))
            start("-m", "streamrnn_connectors.host", "--connect", endpoint, "--parent", str(os.getpid()))
            print(f"watching for {QUIET:g} s ...", flush=True)
            time.sleep(QUIET)
            began = time.time()
            for _ in range(os.cpu_count() or 1):
                start("-c", f"import time; end = time.time() + {BUSY}\nwhile time.time() < end: pass")
            time.sleep(BUSY)
            daemon.terminate()
            alarms = [e for e in entries if e["event"] == "alarm" and e["time"] / 1e9 >= began]
            for entry in alarms:
                print(f"{entry['time'] / 1e9 - began:6.2f} s  {entry['message']}")
            cpu = [e for e in alarms if (e["stream"], e["channel"]) == ("host.cpu", "busy")]
            return 0 if cpu and cpu[0]["time"] / 1e9 - began <= 2.0 else 1
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
