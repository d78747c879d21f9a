"""Everything that streamrnn raises on purpose.

StreamrnnError
├── ConfigError      a configuration file or option is wrong: file, key path, found, expected
├── ModelError       a model that cannot be built: an impossible pair, a size out of range
├── StateError       stored bytes are damaged, of another version, or belong to another model
├── InputError       a sample that cannot be used; also a ValueError
│   └── WireError    a message that cannot be decoded; carries the Reason it is counted under
└── ConnectorError   a source or sink that cannot be found, opened or used

Every message says what, where, got, expected and what to do, as far as each is known.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why input was refused or masked: the `reason` label of `streamrnn_input_rejected_total`."""

    MALFORMED = "malformed"
    """The message is neither a frame nor a JSON object nor a MessagePack map of the documented form."""
    TRUNCATED = "truncated"
    """The header promises more, or less, than the message holds."""
    OVERSIZE = "oversize"
    """The message is larger than `max_message_bytes`."""
    UNKNOWN_STREAM = "unknown_stream"
    """No hello has bound this stream id, or the configuration does not admit the name."""
    TOO_MANY_STREAMS = "too_many_streams"
    """The stream is new and `streams.limit` is reached."""
    WRONG_CHANNELS = "wrong_channels"
    """The sample has another number of channels than its stream."""
    NOT_A_NUMBER = "not_a_number"
    """Text, null or something else stands where a number should be."""
    NOT_FINITE = "not_finite"
    """A value is ±inf or beyond 1e150: that value is masked, the rest of the sample is used."""
    LATE = "late"
    """The time is before that of the stream's last sample."""
    DUPLICATE = "duplicate"
    """The sequence number or the time was seen before."""
    BAD_TIME = "bad_time"
    """The time is not a finite number or lies outside 1970 … 2262."""


class StreamrnnError(Exception):
    """Base of all errors here. Joins what, where, got, expected and hint into one readable message."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        got: object = None,
        expected: object = None,
        hint: str | None = None,
    ) -> None:
        self.what, self.where, self.got, self.expected, self.hint = what, where, got, expected, hint
        text = f"{where}: {what}" if where else what
        details = [f"{name} {value}" for name, value in (("got", got), ("expected", expected)) if value is not None]
        if details:
            text += f" ({', '.join(details)})"
        if hint:
            text += f". {hint}"
        super().__init__(text)


class ConfigError(StreamrnnError):
    """A configuration file or option is wrong."""


class ModelError(StreamrnnError):
    """A model that cannot be built."""


class StateError(StreamrnnError):
    """Stored bytes cannot be used."""


class InputError(StreamrnnError, ValueError):
    """A sample that cannot be used."""


class WireError(InputError):
    """A message that cannot be decoded; `reason`: the name it is counted under; `stream`: whose it claims to be."""

    def __init__(
        self, reason: Reason, what: str, *, stream: str = "", got: object = None, expected: object = None
    ) -> None:
        self.reason, self.stream = reason, stream
        super().__init__(what, where=stream or None, got=got, expected=expected)


class ConnectorError(StreamrnnError):
    """A source or sink that cannot be found, opened or used."""
