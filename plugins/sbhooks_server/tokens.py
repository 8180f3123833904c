"""Tokens: what a program shows to be let in.

A token is ``sbh_``, 256 random bits, and a checksum, by which a mistyped token is told from a
wrong one and scanners recognise a leaked one. Only its SHA-256 is kept: nobody can guess 256
bits, so a slow hash would protect nothing. The file is read again when it changes, so a
revoked token is refused at once, by a running server too.

References:
    GitHub's description of its token formats (2021), for prefix and checksum.
"""

from __future__ import annotations

import hmac
import re
import secrets
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from sbhooks.errors import ConfigError, SbhooksError
from sbhooks.events import utc_now
from sbhooks.folders import make_private
from sbhooks.whole_files import replace

Scope = Literal["ingest", "read", "admin"]
SCOPES: tuple[Scope, ...] = ("ingest", "read", "admin")
MOST_TOKENS = 1000
_SECRET = re.compile(r"sbh_[0-9a-f]{64}[0-9a-f]{8}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a token.

    Attributes:
        name: What its owner calls it.
        sha256: Of the token itself, in hexadecimal digits.
        scopes: What it allows: ``ingest`` to send events, ``read`` to ask, ``admin`` for all.
        created_at: UTC.
        expires_at: From then on it is refused; ``None`` for never.
    """

    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether it is good for something; ``admin`` is good for everything."""
        return scope in self.scopes or "admin" in self.scopes

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it may be shown."""

    name: str  #: What its owner calls it.
    scopes: tuple[Scope, ...]  #: What it is good for.
    created_at: datetime  #: UTC.
    expires_at: datetime | None  #: UTC; ``None`` for never.
    expired: bool  #: Whether its time is over.


class TokenList(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks token list --json` prints."""

    tokens: list[TokenRow]  #: Oldest first.


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks token create --json` prints."""

    name: str  #: What its owner calls it.
    token: str  #: The secret, shown this once.


class RotatedToken(NewToken, frozen=True, kw_only=True):
    """What `sbhooks token rotate --json` prints."""


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks token revoke --json` prints."""

    revoked: str  #: The token that is refused from now on.


def described(tokens: Sequence[Token], now: datetime) -> TokenList:
    """Tokens as they may be shown."""
    rows = [
        TokenRow(
            name=token.name,
            scopes=token.scopes,
            created_at=token.created_at,
            expires_at=token.expires_at,
            expired=token.is_expired(now),
        )
        for token in tokens
    ]
    return TokenList(tokens=rows)


def new_secret() -> str:
    """A token that nobody has seen before."""
    random = secrets.token_hex(32)
    return f"sbh_{random}{_checksum(random)}"


def is_well_formed(secret: str) -> bool:
    """Whether a text can be a token at all: its prefix, length and checksum fit."""
    return bool(_SECRET.fullmatch(secret)) and secret[-8:] == _checksum(secret[4:-8])


class TokenFile:
    """The tokens of one installation, in a file that only its owner can read.

    Args:
        home: The folder of sbhooks' data.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "tokens.json"
        self._stamp: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def tokens(self) -> tuple[Token, ...]:
        """All that are kept, expired ones included, oldest first.

        Raises:
            ConfigError: The file cannot be read as tokens.
        """
        stamp = self._current()
        if stamp != self._stamp:
            self._tokens = () if stamp is None else self._read()
            self._stamp = stamp
        return self._tokens

    def usable(self, now: datetime) -> tuple[Token, ...]:
        """Those that have not expired."""
        return tuple(token for token in self.tokens() if not token.is_expired(now))

    def find(self, secret: str, now: datetime) -> Token | None:
        """The token that a secret is, unless it is unknown or expired.

        Takes the same time for every wrong secret.
        """
        if not is_well_formed(secret):
            return None
        digest = _digest(secret)
        found = None
        for token in self.usable(now):
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def create(self, name: str, scopes: Sequence[Scope], lifetime: timedelta | None) -> str:
        """Make a token; returns the secret, which is shown once and kept nowhere.

        Raises:
            SbhooksError: The name is taken or no name.
        """
        known = self.tokens()
        if not _NAME.fullmatch(name):
            raise SbhooksError(
                f"{name!r} cannot name a token: use up to 64 letters, digits, '.', '_' and '-'"
            )
        if any(token.name == name for token in known):
            raise SbhooksError(
                f"there is a token {name!r}. Run: sbhooks token rotate {name}, or choose a name"
            )
        if len(known) >= MOST_TOKENS:
            raise SbhooksError(f"there are {MOST_TOKENS} tokens. Revoke those nobody uses")
        secret = new_secret()
        self._write((*known, _kept(name, secret, scopes, lifetime)))
        return secret

    def rotate(self, name: str) -> str:
        """Replace the secret of a token, with the same scopes and a fresh life of equal length.

        Raises:
            SbhooksError: There is no such token.
        """
        old = self._named(name)
        lifetime = old.expires_at - old.created_at if old.expires_at is not None else None
        secret = new_secret()
        new = _kept(name, secret, old.scopes, lifetime)
        self._write(tuple(new if token.name == name else token for token in self.tokens()))
        return secret

    def revoke(self, name: str) -> None:
        """Refuse a token from now on.

        Raises:
            SbhooksError: There is no such token.
        """
        self._named(name)
        self._write(tuple(token for token in self.tokens() if token.name != name))

    def _named(self, name: str) -> Token:
        for token in self.tokens():
            if token.name == name:
                return token
        raise SbhooksError(f"there is no token {name!r}. Run: sbhooks token list")

    def _current(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> tuple[Token, ...]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=tuple[Token, ...])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} cannot be read as tokens: {error}") from error

    def _write(self, tokens: tuple[Token, ...]) -> None:
        """Replace the file whole, so that a reader never meets half of it."""
        make_private(str(self.path.parent))
        data = msgspec.json.format(msgspec.json.encode(tokens)) + b"\n"
        replace(str(self.path), data, durable=True)


def _kept(name: str, secret: str, scopes: Sequence[Scope], lifetime: timedelta | None) -> Token:
    now = utc_now()
    return Token(
        name=name,
        sha256=_digest(secret),
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
    )


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _checksum(random: str) -> str:
    return f"{zlib.crc32(random.encode()):08x}"
