"""The context of a session, for recorders: project, people, version control, CI run, trace.

What :class:`sbhooks.events.SessionStart` says beyond the tool itself, as plain values for
JSON. The CI system knows the change better than the checkout does (pull requests are checked
out as merge commits, tags and branches as detached heads), so it is asked first, and git
answers what it does not say.

Standard library only: host processes import this module. Nothing here raises.
"""

from __future__ import annotations

import os
import sys
from os.path import basename, expanduser, relpath
from typing import TYPE_CHECKING, Any

from sbhooks import ci, identity, vcs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sbhooks.ci import Context
    from sbhooks.settings import HostSettings

_MAX_TEXT = 200
_ZEROS = frozenset("0-")


def session_fields(
    settings: HostSettings,
    folder: str,
    environ: Mapping[str, str],
    *,
    context: Context | None = None,
    session: str | None = None,
) -> dict[str, Any]:
    """The fields of ``SessionStart`` that hold for any tool; those that are unknown left out.

    Args:
        settings: Where the key for pseudonyms lies, and what the project is called.
        folder: Where the tool works.
        environ: The environment.
        context: The CI run; looked up by default.
        session: The session itself, which is never its own parent.
    """
    context = context or ci.detect(environ)
    found = vcs.checkout(folder)
    user, host = _who(settings.home)
    parent = environ.get("SBHOOKS_SESSION", "")[:100]
    fields = {
        "project": settings.project or project_name(folder, found),
        "user": user,
        "host": host,
        "platform": platform(),
        "vcs": change(context, found),
        "ci": context and run(context, host),
        "traceparent": traceparent(environ.get("TRACEPARENT", "")),
        "parent": parent if parent != session else None,
    }
    return {name: value for name, value in fields.items() if value}


def change(context: Context | None, found: vcs.Checkout | None) -> dict[str, str]:
    """The fields of ``Vcs``: what the CI system says, and from git what it leaves out."""
    told = context.change() if context else {}
    if found is not None:
        if found.commit:
            told.setdefault("commit", found.commit)
        if found.branch and "tag" not in told:
            told.setdefault("branch", found.branch)
    return told


def run(context: Context, host: str | None) -> dict[str, str | int]:
    """The fields of ``Ci``; a worker that is named like this machine gets its pseudonym."""
    fields = context.run()
    own = identity.host_name().lower()
    if str(fields.get("worker", "")).lower() in {own, own.partition(".")[0]}:
        del fields["worker"]
        if host:
            fields["worker"] = host
    return fields


def project_name(folder: str, found: vcs.Checkout | None) -> str | None:
    """Name of the repository, and of the folder in it; ``None`` where it is a user's home."""
    if folder == expanduser("~").rstrip("/"):
        return None
    if found is None:
        return basename(folder) or None
    name = found.remote or basename(found.root) or "root"
    return name if found.root == folder else f"{name}/{relpath(folder, found.root)}"


def platform() -> str:
    """Operating system and kind of machine, for example ``"linux-x86_64"``."""
    machine = os.uname().machine if hasattr(os, "uname") else ""
    return f"{sys.platform}-{machine}" if machine else sys.platform


def traceparent(text: str) -> str | None:
    """A valid ``traceparent`` in its normal form, or ``None``.

    References:
        W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header.
    """
    parts = text.strip().lower().split("-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    if any(set(part) - set("0123456789abcdef") for part in parts[:4]) or parts[0] == "ff":
        return None
    if not set(parts[1]) - _ZEROS or not set(parts[2]) - _ZEROS:
        return None
    return "-".join(parts)[:_MAX_TEXT] if parts[0] != "00" or len(parts) == 4 else None


def _who(home: str) -> tuple[str | None, str | None]:
    try:
        return identity.who(home)
    except (OSError, ValueError):
        return None, None  # the emitter will say that the home cannot be used
