"""Tokens that somebody else issues: signed claims, checked with the issuer's key alone.

What decides is ours, never the token's: the algorithm follows from the key (RS256 for an RSA
public key, HS256 for a shared secret), so a token cannot choose a weaker one. A token must say
who issued it, for whom, for which subject and until when, and which of our scopes it has.

References:
    RFC 7519 (claims), RFC 8725 (best current practices), RFC 8693, section 4.2 (scope).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from sbhooks.errors import ConfigError
from sbhooks_server.tokens import SCOPES, Scope

LONGEST = 8_000  #: Characters of a token.
_FEWEST_BYTES, _FEWEST_BITS = 32, 2048
_LEEWAY_S = 30  # clocks differ
_LONGEST_NAME = 200
_NEEDED = ["exp", "iss", "aud", "sub"]


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says that holds.

    Attributes:
        name: Whom it was issued to, as ``jwt:SUBJECT``.
        scopes: What it is good for; those that are none of ours are left out.
    """

    name: str
    scopes: tuple[Scope, ...]


class Issuer:
    """Whoever signs the tokens.

    Args:
        key: File of an RSA public key (PEM), or of a secret of at least 32 bytes.
        issuer: What tokens say in ``iss``.
        audience: What they say in ``aud``.

    Raises:
        ConfigError: The key is none, or too weak; or what reads tokens is not installed.
    """

    def __init__(self, key: Path, issuer: str, audience: str) -> None:
        self._key, self._algorithm = _read(key)
        self._issuer = issuer
        self._audience = audience

    def claims(self, text: str) -> Claims | None:
        """What a token says; ``None`` when it is not to be believed."""
        import jwt

        if len(text) > LONGEST:
            return None
        try:
            found: dict[str, Any] = jwt.decode(
                text, self._key, algorithms=[self._algorithm], issuer=self._issuer,
                audience=self._audience, leeway=_LEEWAY_S, options={"require": _NEEDED},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
            return None
        name, scope = found["sub"], found.get("scope", "")
        if not isinstance(name, str) or not name or not isinstance(scope, str):
            return None
        chosen = frozenset(scope.split())
        scopes: tuple[Scope, ...] = tuple(one for one in SCOPES if one in chosen)
        return Claims(name=f"jwt:{name[:_LONGEST_NAME]}", scopes=scopes)


def _read(path: Path) -> tuple[Any, str]:
    """A key, and the algorithm that it is for.

    Raises:
        ConfigError: See :class:`Issuer`.
    """
    try:
        import jwt  # noqa: F401 - told now that it is missing, not at the first request
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise ConfigError(
            "cannot check JWTs: a library is missing. Run: pip install 'sbhooks[jwt]'"
        ) from error
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read --jwt-key {path}: {error.strerror}") from error
    if b"-----BEGIN" not in data:
        secret = data.strip()
        if len(secret) < _FEWEST_BYTES:
            raise ConfigError(
                f"--jwt-key {path} holds {len(secret)} bytes: a secret has 32 at least"
            )
        return secret, "HS256"
    try:
        key = load_pem_public_key(data)
    except ValueError as error:
        raise ConfigError(f"--jwt-key {path} holds no public key (PEM)") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < _FEWEST_BITS:
        raise ConfigError(f"--jwt-key {path} is no RSA key of 2048 bits or more")
    return key, "RS256"
