"""Identities and times: UUIDv7 text, and a clock that tests cannot bend.

Host tools patch time: freezegun replaces ``time.time``, time-machine changes
``clock_gettime(CLOCK_REALTIME)`` below Python. Durations therefore come from
the monotonic clock, bound here at import, and the wall-clock time of an event
is the time at which the clock was made plus the monotonic time since.

Standard library only: host processes import this module.
"""

from __future__ import annotations

import os
import time
from itertools import count
from os import urandom
from time import clock_gettime_ns, gmtime

_MONOTONIC = time.CLOCK_MONOTONIC
#: Goes on counting while the machine sleeps, where the system has such a clock.
_ELAPSED: int = getattr(time, "CLOCK_BOOTTIME", _MONOTONIC)
_COUNTER_BITS = 18
_COUNTER_LIMIT = 1 << _COUNTER_BITS

#: A millisecond, the text before and after the counter, and the counter.
_Series = tuple[int, str, str, "count[int]"]


class Clock:
    """Wall-clock time that goes on evenly, whatever the process patches.

    Made once per session, as early as possible. A change of the system's
    clock during the session is not followed: the order of a session's events
    matters more than its offset.
    """

    __slots__ = ("_offset_ns", "_read")

    def __init__(self) -> None:
        self._read = clock_gettime_ns
        self._offset_ns = self._read(time.CLOCK_REALTIME) - self._read(_ELAPSED)

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return self._read(_ELAPSED) + self._offset_ns

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return (self._read(_ELAPSED) + self._offset_ns) // 1000


def monotonic_ns(_read=clock_gettime_ns, _clock: int = _MONOTONIC) -> int:  # type: ignore[no-untyped-def]
    """Nanoseconds from an arbitrary start; for durations."""
    return _read(_clock)  # type: ignore[no-any-return]


class IdFactory:
    """Makes UUIDv7 in text form, strictly increasing within one process.

    The layout follows RFC 9562, method 1 of section 6.2: 48 bits of
    milliseconds, then an 18-bit counter (12 bits before the variant, 6 after),
    then 56 random bits drawn once per millisecond.

    Usable from several threads and from signal handlers without a lock, which a fork could
    leave behind locked: what belongs to one millisecond is one tuple, replaced as a whole.
    """

    __slots__ = ("_clock", "_series")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def __call__(self) -> str:
        """Return the next identity."""
        ms = self._clock.now_ns() // 1_000_000
        series = self._series
        if ms > series[0]:
            series = self._start(ms, after=series)
        counter = next(series[3])
        while counter >= _COUNTER_LIMIT:  # the millisecond is used up: borrow from the next
            series = self._start(series[0] + 1, after=series)
            counter = next(series[3])
        return f"{series[1]}{counter >> 6:03x}-{0x80 | counter & 63:02x}{series[2]}"

    def reset(self) -> None:
        """Forget the current millisecond, so that a forked child does not go on in the parent's."""
        self._series: _Series = (0, "", "", count(_COUNTER_LIMIT))

    def _start(self, ms: int, *, after: _Series) -> _Series:
        """Begin a millisecond: new random bits, the counter somewhere in its lower quarter."""
        noise = urandom(9)
        head, tail = f"{ms:012x}", noise[2:].hex()
        begun = (
            ms,
            f"{head[:8]}-{head[8:]}-7",
            f"{tail[:2]}-{tail[2:]}",
            count(int.from_bytes(noise[:2], "big")),
        )
        if self._series is after:  # otherwise another thread was faster: go on in its series
            self._series = begun
        return self._series


def iso(at_us: int) -> str:
    """Write microseconds since 1970 as ``2026-11-20T12:00:00.000000Z``."""
    seconds, micros = divmod(at_us, 1_000_000)
    year, month, day, hour, minute, second = gmtime(seconds)[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{micros:06d}Z"


def pack_id(text: str) -> bytes | str:
    """Shorten an id for keeping: 16 bytes for a UUID in canonical text, any other id as it is."""
    digits = text.replace("-", "")
    if len(text) != 36 or len(digits) != 32 or text[8:24:5] != "----":
        return text
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return text
    return packed if packed.hex() == digits else text  # not for upper case or blanks


def unpack_id(packed: bytes | str) -> str:
    """The id that ``pack_id`` shortened."""
    if isinstance(packed, str):
        return packed
    text = packed.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


#: One clock and one sequence of identities for callers that have no session of their own.
CLOCK = Clock()
new_id = IdFactory(CLOCK)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=new_id.reset)
