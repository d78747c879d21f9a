"""This machine's processor, load, memory, disks and network as a source."""

from streamrnn_connectors.host.source import HostSource, HostSourceOptions

__all__ = ["HostSource", "HostSourceOptions"]
