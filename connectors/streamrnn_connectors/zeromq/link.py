"""A link: one open socket, the rule of which endpoints it may have, and what its end waits for."""

from __future__ import annotations

import ipaddress
from typing import Literal

import zmq

from streamrnn.errors import ConnectorError

Kind = Literal["pull", "sub", "push", "pub"]

_KINDS = {"pull": zmq.PULL, "sub": zmq.SUB, "push": zmq.PUSH, "pub": zmq.PUB}
_TRANSPORTS = ("tcp", "ipc", "inproc")


def check_endpoint(bind: str, connect: str, insecure: bool) -> None:
    """Raises ValueError unless exactly one of the two is an endpoint, and one that may be opened.

    Binding where another machine could reach it takes `insecure`: there is neither encryption nor authentication.
    """
    if bool(bind) == bool(connect):
        got = "both" if bind else "neither"
        raise ValueError(f"got {got} of bind and connect, expected exactly one, as in bind = 'tcp://127.0.0.1:5600'")
    endpoint = bind or connect
    transport, _, address = endpoint.partition("://")
    if transport not in _TRANSPORTS or not address:
        raise ValueError(f"got endpoint {endpoint!r}, expected tcp://HOST:PORT, ipc://PATH or inproc://NAME")
    if transport != "tcp":
        return
    host, _, port = address.rpartition(":")
    any_port = port == "*" and bool(bind)
    if not host or not (any_port or (port.isdecimal() and int(port) < 2**16)):
        raise ValueError(f"got endpoint {endpoint!r}, expected tcp://HOST:PORT with a port from 0 to 65535")
    if bind and not insecure and not _is_loopback(host):
        raise ValueError(
            f"got bind = {endpoint!r}, which other machines can reach but nothing on it is encrypted or authenticated; "
            "expected tcp://127.0.0.1:PORT, ipc:// or inproc://, or insecure = true where the network is trusted"
        )


def _is_loopback(host: str) -> bool:
    if host in ("lo", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Link:
    """An open socket.

    kind              pull, sub, push or pub
    bind, connect     an endpoint in one of them, "" in the other
    high_water_mark   messages held for each peer, in and out
    largest           bytes beyond which libzmq drops the peer that sends such a message, before it allocates for it
    linger            seconds that close() waits for messages that are still to go out
    insecure          allow a bind that other machines can reach

    Raises ConnectorError where the endpoint is not allowed or cannot be opened.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        bind: str = "",
        connect: str = "",
        high_water_mark: int = 1000,
        largest: int = -1,
        linger: float = 0.0,
        insecure: bool = False,
    ) -> None:
        where = f"zeromq {kind} socket, {'bind' if bind else 'connect'} {bind or connect}"
        try:
            check_endpoint(bind, connect, insecure)
        except ValueError as error:
            raise ConnectorError(str(error), where=where) from None
        # inproc names live in one context; anything else has its own, whose end waits for what is still to go out
        shared = (bind or connect).startswith("inproc:")
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance() if shared else zmq.Context()
        self._own = not shared
        self._linger = round(linger * 1000)
        self.socket = self._context.socket(_KINDS[kind])
        try:
            self.socket.ipv6 = "[" in (bind or connect)
            self.socket.hwm = high_water_mark
            self.socket.maxmsgsize = largest
            if bind:
                self.socket.bind(bind)
            else:
                self.socket.connect(connect)
        except zmq.ZMQError as error:
            self._linger = 0
            self.close()
            hint = "Another process has the port: stop it or choose another" if error.errno == zmq.EADDRINUSE else None
            raise ConnectorError("cannot open the socket", where=where, got=error, hint=hint) from error
        self.endpoint = self.socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0") if bind else connect
        """Where the socket is: with the real port where `*` was asked for."""

    def close(self) -> None:
        """Close, waiting for outgoing messages as long as `linger` says. Safe to call twice."""
        self.socket.close(self._linger)
        if self._own:
            self._context.term()
