"""ZeroMQ: samples in, results out, and `Sender` for programs that publish samples."""

from streamrnn_connectors.zeromq.sender import Sender
from streamrnn_connectors.zeromq.sink import ZeromqSink, ZeromqSinkOptions
from streamrnn_connectors.zeromq.source import ZeromqSource, ZeromqSourceOptions

__all__ = ["Sender", "ZeromqSink", "ZeromqSinkOptions", "ZeromqSource", "ZeromqSourceOptions"]
