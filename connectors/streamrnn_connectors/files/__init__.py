"""CSV files and standard input as a source."""

from streamrnn_connectors.files.source import FileBatch, FileReject, FileSource, FileSourceOptions

__all__ = ["FileBatch", "FileReject", "FileSource", "FileSourceOptions"]
