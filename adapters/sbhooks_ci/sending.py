"""Hands exported data to a receiver over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from time import sleep
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from sbhooks.errors import SbhooksError

_TIMEOUT_S = 30
_MOST_BYTES = 1 << 20  # of an answer
_TRIES = 3  #: A receiver that says it is busy is asked that often.
_PAUSE_S = 0.3  # after the first try, twice that after the second
_BUSY = {429, 502, 503, 504}  # what OTLP says may be tried again


def checked(url: str, *, path: str = "") -> str:
    """A URL that can be sent to.

    Args:
        url: As it was given.
        path: What to add where it names only a host.

    Raises:
        SbhooksError: It is no URL of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SbhooksError(f"{url!r} is no URL to send to. Write http://host:port/path")
    return urlunsplit(parts._replace(path=path)) if parts.path in {"", "/"} and path else url


def send(url: str, body: object, content_type: str, headers: Mapping[str, str]) -> Any:
    """Send JSON; returns what the receiver answered, ``None`` when that is no JSON.

    Raises:
        SbhooksError: It was not taken.
    """
    data = json.dumps(body, separators=(",", ":")).encode()
    sent = {**headers, "Content-Type": content_type, "User-Agent": "sbhooks"}
    request = Request(url, data=data, headers=sent, method="POST")  # noqa: S310 - checked
    for tries_left in reversed(range(_TRIES)):
        try:
            with _opener().open(request, timeout=_TIMEOUT_S) as answer:
                return _read(answer.read(_MOST_BYTES))
        except HTTPError as error:
            with error:
                if not tries_left or error.code not in _BUSY:
                    raise SbhooksError(f"{url} refused: {error.code} {error.reason}") from error
            sleep(_PAUSE_S * (_TRIES - tries_left))
        except (OSError, HTTPException) as error:
            raise SbhooksError(f"cannot send to {url}: {_why(error)}") from error
    return None


def _why(error: Exception) -> str:
    """What went wrong, without the words that urllib puts around it."""
    inner = getattr(error, "reason", error)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


def _opener() -> OpenerDirector:
    """One that follows no redirects: a redirected POST would become a GET without its data."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
