"""Reads JUnit XML of any language, in a stream.

The format has no standard: Ant began it, Maven Surefire wrote a schema, and everybody else
writes something like it. Understood are

* ``testsuites``, ``testsuite`` (also nested) and ``testcase`` with ``name``, ``classname``,
  ``file`` and ``time``, whatever stands around them;
* ``failure``, ``error`` and ``skipped``;
* Surefire's reruns: ``flakyFailure`` and ``flakyError`` are attempts before one that passed,
  ``rerunFailure`` and ``rerunError`` attempts after one that failed;
* a test case that is repeated right after it failed, as other tools write reruns.

A file may be huge and may come from a stranger: memory is bounded whatever its size, document
type declarations (entities!) are refused, as are tags without end and endless nesting.

References:
    Maven Surefire, ``surefire-test-report.xsd`` and "Rerun failing tests".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

import msgspec

from sbhooks.errors import SbhooksError

_CHUNK = 1 << 16
_MOST_PENDING = 4 << 20  #: Bytes of one tag that nobody would write.
_DEEPEST = 100
_LONGEST = 4_000  #: Characters of a text that are looked at.
_BAD = {"failure": "failed", "error": "error"}
_BEFORE = {"flakyFailure": "failed", "flakyError": "error"}
_AFTER = {"rerunFailure": "failed", "rerunError": "error"}
_SKIPPED = {"skipped", "ignored", "disabled"}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a test case.

    Attributes:
        detail: ``passed``, ``failed``, ``error`` or ``skipped``.
        number: 1 for the first.
        type: Of the failure, as the file says it.
        message: Its message, else the beginning of its text.
        time_s: Of the attempt; ``None`` where the file does not say.
    """

    detail: str
    number: int = 1
    type: str | None = None
    message: str | None = None
    time_s: float | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test case with all of its attempts."""

    name: str
    classname: str | None
    file: str | None
    suite: str | None
    timestamp: datetime | None  #: When its suite began, in the zone that the file says, if any.
    attempts: list[Attempt]


def cases(path: Path) -> Iterator[Case]:
    """Yield the test cases of a file in its order.

    Raises:
        SbhooksError: It cannot be read, is not XML, or is not JUnit's.
    """
    try:
        with path.open("rb") as file:
            yield from _Reader(path).read(file)
    except OSError as error:
        raise SbhooksError(f"cannot read {path}: {error.strerror}") from error


class _Reader:
    """Hears of tags, and makes cases of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ready: list[Case] = []
        self._stack: list[str] = []
        self._suites: list[tuple[str | None, datetime | None]] = []
        self._case: dict[str, str] | None = None
        self._found: list[tuple[str, dict[str, str], str]] = []  # tag, attributes, text
        self._text: list[str] | None = None
        self._size = 0
        self._last: tuple[tuple[str | None, ...], int] | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read(self, file: BinaryIO) -> Iterator[Case]:
        fed = 0
        try:
            while chunk := file.read(_CHUNK):
                self._parser.Parse(chunk, False)
                fed += len(chunk)
                if fed - max(self._parser.CurrentByteIndex, 0) > _MOST_PENDING:
                    raise self._wrong("a tag of more than 4 MB")
                yield from self._ready
                self._ready.clear()
            self._parser.Parse(b"", True)
            yield from self._ready
        except (expat.ExpatError, ValueError, LookupError) as error:
            why = str(error).partition(": line ")[0]  # the place is told already
            raise self._wrong(f"is no XML that can be read: {why}") from error

    def _refuse(self, *_: object) -> None:
        raise self._wrong("has a document type declaration, which could make it endless")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if not self._stack and tag not in {"testsuites", "testsuite"}:
            raise self._wrong(f"begins with <{tag}>, so it is no JUnit report")
        self._stack.append(tag)
        if len(self._stack) > _DEEPEST:
            raise self._wrong("is nested too deeply")
        if tag in {"testsuite", "testsuites"}:
            before = self._suites[-1] if self._suites else (None, None)
            began = _timestamp(attributes.get("timestamp")) or before[1]
            self._suites.append((_short(attributes.get("name")) or before[0], began))
        elif tag == "testcase":
            self._case, self._found = attributes, []
        elif self._is_verdict(tag):
            self._text, self._size = [], 0
            self._found.append((tag, attributes, ""))

    def _is_verdict(self, tag: str) -> bool:
        if self._case is None or len(self._found) >= _DEEPEST:
            return False
        return tag in {*_BAD, *_BEFORE, *_AFTER, *_SKIPPED}

    def _characters(self, text: str) -> None:
        if self._text is not None and self._size < _LONGEST:
            self._text.append(text[: _LONGEST - self._size])
            self._size += len(text)

    def _end(self, tag: str) -> None:
        tag = self._stack.pop()
        if self._text is not None and self._found and self._found[-1][0] == tag:
            kind, attributes, _ = self._found[-1]
            self._found[-1] = (kind, attributes, "".join(self._text).strip())
            self._text = None
        if tag in {"testsuite", "testsuites"}:
            self._suites.pop()
        elif tag == "testcase" and self._case is not None:
            self._ready.append(self._made(self._case))
            self._case = None

    def _made(self, attributes: dict[str, str]) -> Case:
        suite, began = self._suites[-1] if self._suites else (None, None)
        name, classname = _short(attributes.get("name")), _short(attributes.get("classname"))
        file = _short(attributes.get("file"))
        key = (suite, classname, file, name)
        first = self._last[1] + 1 if self._last is not None and self._last[0] == key else 1
        attempts = self._attempts(_seconds(attributes.get("time")), first)
        failed = attempts[-1].detail in {"failed", "error"}
        self._last = (key, attempts[-1].number) if failed else None
        return Case(
            name=name or "(unnamed)",
            classname=classname,
            file=file,
            suite=suite,
            timestamp=began,
            attempts=attempts,
        )

    def _attempts(self, time_s: float | None, first: int) -> list[Attempt]:
        """The attempts in the order in which they were made."""
        before = [part for part in self._found if part[0] in _BEFORE]
        after = [part for part in self._found if part[0] in _AFTER]
        main = [part for part in self._found if part[0] in {*_BAD, *_SKIPPED}][:1]
        made = [*before, *(main or [("", {}, "")]), *after]
        return [
            _attempt(part, number, time_s if part in main or not part[0] else None)
            for number, part in enumerate(made, start=first)
        ]

    def _wrong(self, what: str) -> SbhooksError:
        return SbhooksError(f"{self._path}, line {self._parser.CurrentLineNumber}: {what}")


def _attempt(part: tuple[str, dict[str, str], str], number: int, time_s: float | None) -> Attempt:
    tag, attributes, text = part
    words = {**_BAD, **_BEFORE, **_AFTER}
    if tag not in words:
        reason = attributes.get("message") or text or None
        detail = "skipped" if tag else "passed"
        return Attempt(detail=detail, number=number, message=reason, time_s=time_s)
    return Attempt(
        detail=words[tag],
        number=number,
        type=_short(attributes.get("type")),
        message=(attributes.get("message") or text)[:_LONGEST] or None,
        time_s=_seconds(attributes.get("time")) if time_s is None else time_s,
    )


def _short(text: str | None) -> str | None:
    return text.strip()[:_LONGEST] or None if text else None


def _seconds(text: str | None) -> float | None:
    """A time in seconds; some tools write ``1,234.5``."""
    try:
        value = float((text or "").replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1e9 else None


def _timestamp(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
