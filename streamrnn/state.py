"""The arena: everything that a model remembers, in one block of memory.

A block has three sections, one after the other:

    ints    int64       counters, times, ring positions
    wide    float64     levels, scales, raw values: what needs full precision in any case
    real    float64 or float32   weights, influence, readout

A `Layout` says which field lies where. A block starts on a cache line and has whole ones, and so do the section `real`
and its fields of a cache line or more: a vector that lies across two lines costs two accesses. A snapshot is a copy of
the block; a restored model continues to the same bits.

Bytes on disk (little-endian): 8 magic "SRNSTATE", u32 format version, u32 length of the header, the header (JSON: the
owner's description and the layout), u32 CRC-32 of all that, u64 length of the block, the block, u32 CRC-32 of length
and block. Nothing is pickled.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from streamrnn._types import Array, Floats, Ints
from streamrnn.errors import StateError

MAGIC = b"SRNSTATE"
VERSION = 2
LINE = 64  # bytes of a cache line
LARGEST_HEADER = 1 << 20
DIMENSIONS = 4

Section = Literal["ints", "wide", "real"]
SECTIONS: tuple[Section, ...] = ("ints", "wide", "real")


class Field(NamedTuple):
    """One named array of the arena."""

    name: str
    section: Section
    shape: tuple[int, ...]


class Named(Protocol):
    """An arena, or part of one: arrays by name."""

    def __getitem__(self, name: str) -> Array: ...


class Layout:
    """Which field lies where, for one kind of model and its sizes."""

    def __init__(self, fields: Iterable[Field], dtype: str) -> None:
        self.fields, self.dtype = tuple(fields), dtype
        self.real_size = np.dtype(dtype).itemsize
        self.sizes = {"ints": 0, "wide": 0, "real": 0}
        self.table: Ints = np.zeros((len(self.fields), 1 + DIMENSIONS), np.int64)
        """(fields, 5): offset within the section, then the dimensions, 1 where there is none. Kernels read this."""
        line = LINE // self.real_size
        for row, field in zip(self.table, self.fields, strict=True):
            size = math.prod(field.shape)
            if field.section == "real" and size >= line:
                self.sizes["real"] = -(-self.sizes["real"] // line) * line
            row[0] = self.sizes[field.section]
            row[1:] = 1
            row[1 : 1 + len(field.shape)] = field.shape
            self.sizes[field.section] += size
        self.sizes["wide"] += -(self.sizes["ints"] + self.sizes["wide"]) % (LINE // 8)
        self.sizes["real"] = -(-self.sizes["real"] // line) * line

    @property
    def nbytes(self) -> int:
        """Bytes of a block."""
        return 8 * (self.sizes["ints"] + self.sizes["wide"]) + self.real_size * self.sizes["real"]

    def describe(self) -> dict[str, Any]:
        """The layout as JSON values; equal descriptions are interchangeable blocks."""
        return {"dtype": self.dtype, "fields": [[f.name, f.section, list(f.shape)] for f in self.fields]}


class Arena:
    """A block and its named views. Views stay valid for as long as the arena lives: restoring writes into the block."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        room = np.zeros((layout.nbytes + LINE) // 8, np.uint64)
        start = -room.ctypes.data % LINE // 8
        self.block = room[start : start + layout.nbytes // 8]
        ints, wide = layout.sizes["ints"], layout.sizes["wide"]
        self.ints: Ints = self.block[:ints].view(np.int64)
        self.wide: Floats = self.block[ints : ints + wide].view(np.float64)
        self.real: Array = self.block[ints + wide :].view(layout.dtype)
        self._views = {}
        for field, row in zip(layout.fields, layout.table, strict=True):
            section: Array = getattr(self, field.section)
            self._views[field.name] = section[row[0] : row[0] + math.prod(field.shape)].reshape(field.shape)

    def __getitem__(self, name: str) -> Array:
        """The view called `name`, of the field's shape; writing to it writes to the model."""
        return self._views[name]

    def snapshot(self) -> Array:
        """A copy of the block: (words,) uint64."""
        return self.block.copy()

    def restore(self, snapshot: Array) -> None:
        """Continue from a snapshot of an arena of the same layout. Raises StateError where the size differs."""
        if snapshot.shape != self.block.shape or snapshot.dtype != self.block.dtype:
            raise StateError(
                "this snapshot is of another model",
                got=f"{snapshot.dtype} {snapshot.shape}",
                expected=f"uint64 {self.block.shape}",
            )
        self.block[:] = snapshot

    def to_bytes(self, owner: dict[str, Any]) -> bytes:
        """The arena as bytes that can be told apart, checked, and read by any later version.

        owner   JSON values that say what to build before `read_bytes` can be loaded into it
        """
        header = json.dumps({"owner": owner, "layout": self.layout.describe()}, separators=(",", ":")).encode()
        head = MAGIC + struct.pack("<II", VERSION, len(header)) + header
        body = struct.pack("<Q", self.block.nbytes) + self.block.astype("<u8", copy=False).tobytes()
        return b"".join((head, struct.pack("<I", zlib.crc32(head)), body, struct.pack("<I", zlib.crc32(body))))

    def load(self, stored: StoredState) -> None:
        """Continue from stored bytes. Raises StateError where they are of another layout."""
        if stored.layout != self.layout.describe():
            raise StateError(
                "stored state is of a model with other sizes", got=stored.layout, expected=self.layout.describe()
            )
        self.restore(stored.block)


class StoredState(NamedTuple):
    """Bytes of an arena, verified."""

    owner: dict[str, Any]
    layout: dict[str, Any]
    block: Array


def read_bytes(data: bytes | memoryview) -> StoredState:
    """Check and split what `Arena.to_bytes` wrote.

    Raises StateError where the bytes are not ours, of another version, truncated, or damaged in a single bit; sizes
    are compared with what is there before any memory is asked for.
    """
    data = memoryview(data)
    if len(data) < 16 or bytes(data[:8]) != MAGIC:
        raise StateError("not a streamrnn state", got=repr(bytes(data[:8])), expected=repr(MAGIC))
    version, length = struct.unpack_from("<II", data, 8)
    if version != VERSION:
        raise StateError("unknown state format", got=f"version {version}", expected=f"version {VERSION}")
    end = 16 + length
    if length > LARGEST_HEADER or len(data) < end + 16:
        raise StateError("the state is truncated", got=f"{len(data)} bytes", expected=f"at least {end + 16}")
    if zlib.crc32(data[:end]) != struct.unpack_from("<I", data, end)[0]:
        raise StateError("the state's header is damaged: its checksum does not fit")
    (size,) = struct.unpack_from("<Q", data, end + 4)
    if size % 8 or len(data) != end + 16 + size:
        raise StateError("the state has the wrong length", got=f"{len(data)} bytes", expected=f"{end + 16 + size}")
    body = data[end + 4 : end + 12 + size]
    if zlib.crc32(body) != struct.unpack_from("<I", data, end + 12 + size)[0]:
        raise StateError("the state is damaged: its checksum does not fit")
    try:
        header = json.loads(bytes(data[16:end]))
        owner, layout = header["owner"], header["layout"]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise StateError(f"the state's header is not ours: {problem!r}") from None
    return StoredState(owner, layout, np.frombuffer(body[8:], "<u8").astype(np.uint64))
