"""Identity of a test: what is stable in its node id, apart from its parameters.

A node id may hold anything: ``::`` and ``[`` inside parameters, line ends, megabytes, bytes
that are no text, addresses that change with each run, and secrets. What is recorded is
short, is text, and still tells different parameters apart.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from sbhooks.redact import redact

if TYPE_CHECKING:
    import re

MAX_TEST = 600  #: Characters of a test's identity.
MAX_PARAMS = 200  #: Characters of its parameters.

#: What makes parameters differ from run to run → expression, in lower case.
UNSTABLE = {
    "address": r"0x[0-9a-f]{6,16}\b",
    "uuid": r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[1-8][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}\b",
    "time": r"\b20\d\d-\d\d-\d\d[t ]\d\d:\d\d|\b1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9})?\b",
    "temporary folder": r"/pytest-of-|/tmp/|/var/folders/",
}


def split(nodeid: str, *, groups: bool = False) -> tuple[str, str | None]:
    """Take the parameters off a node id: what stands in the brackets with which it ends.

    Args:
        nodeid: For example ``tests/test_a.py::TestB::test_c[1-x]``.
        groups: Whether xdist appends ``@group`` (``--dist loadgroup``).
    """
    path, colons, tail = nodeid.partition("::")
    if not colons:
        return nodeid, None  # a file; its name may hold brackets
    if groups:
        tail = _without_group(tail)
    name, bracket, params = tail.partition("[")
    if not bracket or not params.endswith("]"):
        return f"{path}::{tail}", None  # items of other tools may have any name
    return f"{path}::{name}", params.removesuffix("]")


def shorten(text: str, longest: int, key: bytes = b"") -> str:
    """Cut a text; a short hash of all of it keeps different texts different."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - 10]}…#{_digest(text, key)}"


def clean_params(params: str, *, secret: bytes | None) -> str:
    """Parameters as they are recorded: redacted, short and still distinguishing.

    Args:
        params: As in the node id.
        secret: Key of the hash that stands for what was redacted, since a plain hash of a
            password tells it to whoever tries the likely ones; ``None`` to redact nothing.
    """
    if secret is None:
        return shorten(params, MAX_PARAMS)
    redacted = redact(params)
    if redacted == params:
        return shorten(params, MAX_PARAMS)
    return f"{redacted[: MAX_PARAMS - 9]}#{_digest(params, secret)}"


def instability(params: str) -> str | None:
    """Why these parameters will not come again in the next run; ``None`` if they may."""
    match = _unstable().search(params.lower())
    return list(UNSTABLE)[match.lastindex - 1] if match and match.lastindex else None


_compiled: list[re.Pattern[str]] = []


def _unstable() -> re.Pattern[str]:
    """The expressions as one, compiled when the first parameters are met."""
    if not _compiled:
        import re

        _compiled.append(re.compile("|".join(f"({part})" for part in UNSTABLE.values())))
    return _compiled[0]


def _without_group(tail: str) -> str:
    if tail.endswith("]"):
        return tail  # parameters, and no group behind them
    at = tail.rfind("]@")
    return tail[: at + 1] if at >= 0 else tail.partition("@")[0]


def _digest(text: str, key: bytes) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=4).hexdigest()
