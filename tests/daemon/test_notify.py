import os
import socket

import pytest

from streamrnn.daemon.notify import notify


@pytest.mark.parametrize("abstract", [False, True])
def test_a_message_reaches_the_manager(monkeypatch, tmp_path, abstract):
    monkeypatch.chdir(tmp_path)  # a socket's path has to be short
    name = f"@streamrnn-{os.getpid()}" if abstract else "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(5.0)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_without_a_manager_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
