"""/metrics as Prometheus's own linter sees it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

PROMTOOL = shutil.which("promtool")


@pytest.mark.skipif(
    PROMTOOL is None and "CI" not in os.environ, reason="promtool (Debian: prometheus) is not installed"
)
def test_names_and_types_pass_promtool(run_daemon):
    assert PROMTOOL, "promtool is missing in CI: .ci/run installs it"
    daemon = run_daemon('[metrics]\nstreams = ["*"]\n[[sources]]\nconnector = "host"\nevery = 0.1\n')
    url = daemon.wait_for("listening")["http"]
    text = ""
    while "streamrnn_stream_samples_total{" not in text:
        text = daemon.get("/metrics", url)[1]
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert daemon.end() == 0
