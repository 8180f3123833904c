"""Tokens that somebody else issues: signed claims, checked with the issuer's key alone.

What decides is ours, never the token's: the algorithm follows from the key (RS256 for an RSA
public key, HS256 for a shared secret), so a token cannot choose a weaker one. A token must say
who issued it, for whom, for which subject and until when, and which of our scopes it has.

A public key that is not recognized would be a secret that everybody knows: anyone could sign with
it. So only a PEM file is a key, and what looks like a key in another form is refused at the start.

References:
    RFC 7519 (claims), RFC 8725 (best current practices), RFC 8693, section 4.2 (scope);
    ITU-T X.690, section 8.1.3 (lengths in DER).
"""

from __future__ import annotations

import binascii
import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sbhooks.errors import ConfigError
from sbhooks_server.tokens import SCOPES, Scope

LONGEST = 8_000  #: Characters of a token.
_FEWEST_BYTES, _FEWEST_BITS = 32, 2048
_LEEWAY_S = 30  # clocks differ
_LONGEST_NAME = 200
_END_OF_TIME = 10**12  # issuers write any number
_NEEDED = ["exp", "iss", "aud", "sub"]
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SSH = (b"ssh-", b"ecdsa-sha2-")


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says that holds.

    Attributes:
        name: Whom it was issued to, as ``jwt:SUBJECT``.
        scopes: What it is good for; those that are none of ours are left out.
        until: From then on it is refused, in seconds since 1970.
    """

    name: str
    scopes: tuple[Scope, ...]
    until: float


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
        until = min(int(found["exp"]), _END_OF_TIME) + _LEEWAY_S
        return Claims(name=f"jwt:{name[:_LONGEST_NAME]}", scopes=scopes, until=until)


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
        return _secret(data, path), "HS256"
    try:
        key = load_pem_public_key(data)
    except ValueError as error:
        raise ConfigError(f"--jwt-key {path} holds no public key (PEM)") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < _FEWEST_BITS:
        raise ConfigError(f"--jwt-key {path} is no RSA key of 2048 bits or more")
    return key, "RS256"


def _secret(data: bytes, path: Path) -> bytes:
    """A secret, without the end of its line.

    Raises:
        ConfigError: It is too short, or looks like something that is no secret.
    """
    form = _form_of_no_secret(data)
    if form is not None:
        raise ConfigError(
            f"--jwt-key {path} is {form}, and would be taken as a secret: give the RSA public key "
            "as a PEM file ('-----BEGIN PUBLIC KEY-----', in ASCII), or the secret itself as text"
        )
    secret = data.removesuffix(b"\r\n") if data.endswith(b"\r\n") else data.removesuffix(b"\n")
    if len(secret) < _FEWEST_BYTES:
        raise ConfigError(f"--jwt-key {path} holds {len(secret)} bytes: a secret has 32 at least")
    return secret


def _form_of_no_secret(data: bytes) -> str | None:
    """What a file is, when it is no secret: a key in another form, or text in another code."""
    if data.startswith(_BOMS):
        return "text with a byte order mark"
    if b"\0" in data and not _is_der(data):
        return "binary or UTF-16 text (it has NUL bytes)"
    for form, plain in _decoded(data):
        if b"BEGIN " in plain:
            return f"a PEM or SSH2 key{form}"
        if _is_der(plain):
            return f"a key or certificate in DER{form}"
        if any(name in plain for name in _SSH):
            return f"a key for SSH{form}"
        if b"<RSAKeyValue" in plain or _is_json(plain):
            return f"a JSON or XML document{form}"
    return None


def _decoded(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What was read, and what it says in base64 (of either alphabet) and in hexadecimal."""
    yield "", data
    packed = b"".join(data.split())
    try:
        standard = packed.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        yield " in base64", binascii.a2b_base64(standard + b"=" * (-len(standard) % 4))
    except binascii.Error:
        pass
    try:
        yield " in hexadecimal", binascii.unhexlify(packed)
    except binascii.Error:
        pass


def _is_der(data: bytes) -> bool:
    """Whether all of it is one SEQUENCE, as every key and certificate is.

    That a random secret looks so has a probability of 1 in 65,536 or less.
    """
    if len(data) < 2 or data[0] != 0x30:
        return False
    more = data[1] & 0x7F if data[1] & 0x80 else 0
    length = int.from_bytes(data[2 : 2 + more], "big") if more else data[1]
    return len(data) >= 2 + more + length and not data[2 + more + length :].strip()


def _is_json(data: bytes) -> bool:
    """Whether it is a document, or a part of one that has a key; digits alone may be a secret."""
    try:
        return b'"kty"' in data or isinstance(msgspec.json.decode(data), dict | list | str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
