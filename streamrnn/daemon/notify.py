"""Messages to the service manager (systemd's sd_notify protocol): one datagram each, where it asked for them."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send `state`, such as "READY=1", to $NOTIFY_SOCKET; does nothing where that is not set."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.sendto(state.encode(), address)
