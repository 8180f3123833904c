"""Why a test did not pass: type, first line, and a fingerprint of the cause.

Reads pytest's representation of the failure, not the exception: xdist and forked children
only hand over the former, and the same failure must have the same fingerprint everywhere.
"""

from __future__ import annotations

import re
from hashlib import sha256
from os.path import basename
from typing import TYPE_CHECKING, Any

from sbhooks_pytest.privacy import MAX_READ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sbhooks_pytest.privacy import Privacy

_DEFINED = re.compile(r">?\s*(?:async\s+)?def\s+(\w+)")
_NATIVE = re.compile(r'\s*File "(.+)", line \d+, in (.+)(?:\n\s*(.*))?')
_NOT_OURS = ("site-packages", "dist-packages", "/lib/python", "<")


def failure(longrepr: Any, nodeid: str, privacy: Privacy) -> dict[str, str]:
    """The fields of ``sbhooks.events.Failure`` for the ``longrepr`` of a test's report."""
    text, cause = _doctest(longrepr) or (_message(longrepr), _top_frame(longrepr, nodeid) or "")
    kind, message = _split(text)
    told = privacy.line(message)
    # Of what has neither type nor place, the message is all that tells causes apart.
    return fields(kind, told if privacy.messages else None, cause or (told if not kind else ""))


def fields(kind: str | None, message: str | None, cause: str) -> dict[str, str]:
    """A failure's fields; ``cause`` is what the fingerprint tells apart beside the type."""
    told = sha256(f"{kind}\0{cause}".encode("utf-8", "replace")).hexdigest()[:16]
    found = {"fingerprint": told, "type": kind, "message": message}
    return {name: value for name, value in found.items() if value}


def skip_reason(longrepr: Any) -> str:
    """Why a test was skipped, in its author's words."""
    reason = longrepr[2] if isinstance(longrepr, tuple) and len(longrepr) == 3 else longrepr
    return str(reason or "")[:MAX_READ].removeprefix("Skipped: ")


def _message(longrepr: Any) -> str:
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message)[:MAX_READ]
    own = getattr(longrepr, "longrepr", None) or getattr(longrepr, "errorstring", None)
    if isinstance(own, str):  # a collection error; a fixture that does not exist
        return _last_error(own)
    return _last_error(str(longrepr or ""))


def _last_error(text: str) -> str:
    """Of a formatted traceback the line with the error; of any other text the first line."""
    errors = [line[1:].strip() for line in text[-MAX_READ:].splitlines() if line[:2] == "E "]
    if not errors:
        return text
    # Of a syntax error, the first lines are the place and the source.
    return errors[-1] if errors[0].startswith('File "') else errors[0]


def _doctest(longrepr: Any) -> tuple[str, str] | None:
    """Type and message of a doctest's failure, and the example that failed.

    From the text, for that is all that a worker of xdist hands over. It ends with the place
    and one of two words; an unexpected exception stands in the line before.
    """
    text = str(longrepr or "").rstrip()
    above, _, last = text.rpartition("\n")
    place, _, word = last.rpartition(": ")
    if word not in {"DocTestFailure", "UnexpectedException"}:
        return None
    examples = [line.lstrip("0123456789? ") for line in above.splitlines()]
    example = next((line for line in reversed(examples) if line.startswith(">>> ")), "")
    error = above.rpartition("\n")[2] if word == "UnexpectedException" else word
    return error, f"{basename(place.rpartition(':')[0])}: {example}"


def _split(text: str) -> tuple[str | None, str]:
    """Take the exception's type off the front of a message."""
    first = text.strip().partition("\n")[0]
    kind, colon, rest = first.partition(":")
    if kind.replace(".", "_").isidentifier() and (colon or "." in kind or kind[0].isupper()):
        return kind[:100], rest.strip() or first
    if first.startswith("assert"):
        return "AssertionError", first
    if first.startswith("[XPASS(strict)]"):
        return "XPASS(strict)", first.removeprefix("[XPASS(strict)]").strip()
    return None, first


def _top_frame(longrepr: Any, nodeid: str) -> str | None:
    """File, function and source line of the innermost frame inside the project.

    The source line, not its number: code above it may come and go. The function, because
    ``assert result == expected`` stands in many. Of the test's own file the whole path, for
    files of tests are often named alike; it is taken from the test's id, since what a frame says
    of it depends on the folder that the test was in.
    """
    own, _, name_of_test = nodeid.partition("::")
    fallback = None
    for path, function, code in _frames(longrepr, name_of_test.partition("[")[0]):
        name = basename(path)
        place = f"{own if name == basename(own) else name}: {function}: {code}"
        if not any(mark in path for mark in _NOT_OURS):
            return place
        fallback = fallback or place
    return fallback


def _frames(longrepr: Any, test: str) -> Iterator[tuple[str, str, str]]:
    """Path, function and source line of each frame, the innermost first."""
    traceback = getattr(longrepr, "reprtraceback", None)
    for entry in reversed(getattr(traceback, "reprentries", ())):
        lines, location = getattr(entry, "lines", []), getattr(entry, "reprfileloc", None)
        if location is not None:
            yield str(location.path), _function(str(location.message), lines), _code(lines)
        else:  # --tb=native: the interpreter's own words
            for found in filter(None, map(_NATIVE.match, reversed(lines))):
                yield found[1], found[2], found[3] or ""
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:  # --tb=line or no: neither function nor source is told
        yield str(crash.path), test, ""


def _function(message: str, lines: list[str]) -> str:
    """What a frame is in: short entries say it, long ones show it from its first line on."""
    if message.startswith("in "):
        return message.removeprefix("in ")
    return next((found[1] for found in map(_DEFINED.match, lines) if found), "")


def _code(lines: list[str]) -> str:
    marked = [line[1:] for line in lines if line.startswith(">")]
    plain = [line for line in lines if not line.startswith(("E ", "E\t"))]
    return next(iter(marked or plain), "").strip()[:200]
