"""What a body of sent events holds: which are events, which are not, and why.

A body is a JSON array of events, or their lines as the spool has them (NDJSON), as it is or
compressed. One bad event does not harm its neighbours: it is refused by its place.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from sbhooks.events import MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, MAX_EVENT_BYTES, Codec, Event

MOST_EVENTS = 50_000
MAX_UNPACKED_BYTES = 64 << 20
_MAX_ID_BYTES = 128
_NO_EVENT = "is no event: "
_encode = msgspec.json.Encoder().encode


class BatchError(Exception):
    """A body that cannot be read at all.

    Args:
        status: Of HTTP.
        detail: Why, in words.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was not taken.

    Attributes:
        index: Its place in the body, from 0.
        error: Why.
    """

    index: int
    error: str


class Batch(msgspec.Struct, kw_only=True):
    """What a body held.

    Attributes:
        events: Those that can be stored.
        places: Where each of them stood, from 0.
        rejected: The others.
    """

    events: list[Event]
    places: list[int]
    rejected: list[Rejected]


def unpacked(body: bytes, encoding: str) -> bytes:
    """Undo a content encoding, within bounds.

    Args:
        body: As it was sent.
        encoding: ``"gzip"``, ``"zstd"``, ``"identity"`` or empty.

    Raises:
        BatchError: It is not what it says, or holds more than ``MAX_UNPACKED_BYTES``.
    """
    try:
        match encoding.strip().lower():
            case "gzip":
                return _gunzip(body)
            case "zstd":
                return _unzstd(body)
            case _:
                return body
    except zlib.error as error:
        raise BatchError(400, f"the body is no {encoding} data") from error


def parse(body: bytes, codec: Codec, *, lines: bool) -> Batch:
    """Read the events of a body.

    Args:
        body: Without compression.
        codec: Knows every declared kind.
        lines: Whether it is NDJSON; otherwise a JSON array.

    Raises:
        BatchError: It is no array, or holds more than ``MOST_EVENTS``.
    """
    parts: list[Any] = (
        [line for line in body.split(b"\n") if line.strip()] if lines else _array(body)
    )
    if len(parts) > MOST_EVENTS:
        raise BatchError(413, f"more than {MOST_EVENTS} events: send them in parts")
    batch = Batch(events=[], places=[], rejected=[])
    for index, part in enumerate(parts):
        try:
            event = codec.decode(part)
        except (msgspec.DecodeError, UnicodeDecodeError) as failure:
            batch.rejected.append(Rejected(index=index, error=_NO_EVENT + str(failure)[:300]))
            continue
        size = len(part) if lines else memoryview(part).nbytes
        if error := _too_large(event, size):
            batch.rejected.append(Rejected(index=index, error=error))
        else:
            batch.events.append(event)
            batch.places.append(index)
    return batch


def _array(body: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BatchError(400, f"the body is no JSON array: {error}") from error


def _too_large(event: Event, size: int) -> str:
    """Why an event is larger than any that a recorder writes; "" if it is not."""
    if size > MAX_EVENT_BYTES:
        return f"has {size} bytes, more than {MAX_EVENT_BYTES}"
    if not 0 < len(event.id) <= _MAX_ID_BYTES:
        return f"has an id of {len(event.id)} characters: 1 to {_MAX_ID_BYTES} are allowed"
    if not event.attributes:
        return ""
    if len(event.attributes) > MAX_ATTRIBUTES:
        return f"has {len(event.attributes)} attributes, more than {MAX_ATTRIBUTES}"
    if len(_encode(event.attributes)) > MAX_ATTRIBUTE_BYTES:
        return f"has more than {MAX_ATTRIBUTE_BYTES} bytes of attributes"
    return ""


def _gunzip(body: bytes) -> bytes:
    worker = zlib.decompressobj(wbits=31)
    data = worker.decompress(body, MAX_UNPACKED_BYTES + 1)
    if len(data) > MAX_UNPACKED_BYTES:
        raise _bomb()
    if not worker.eof or worker.unused_data:
        raise BatchError(400, "the gzip data are cut off, or something follows them")
    return data


def _unzstd(body: bytes) -> bytes:
    import zstandard

    try:
        # The window, and with it the memory, is bounded too.
        reader = zstandard.ZstdDecompressor(max_window_size=8 << 20).stream_reader(body)
        data: bytes = reader.read(MAX_UNPACKED_BYTES + 1)
    except zstandard.ZstdError as error:
        raise BatchError(400, "the body is no zstd data") from error
    if len(data) > MAX_UNPACKED_BYTES:
        raise _bomb()
    return data


def _bomb() -> BatchError:
    return BatchError(413, f"the body unpacks to more than {MAX_UNPACKED_BYTES} bytes")
