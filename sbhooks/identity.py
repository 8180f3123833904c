"""Who and where, without saying who: pseudonyms of user and machine.

A pseudonym is HMAC-SHA256 of the name under a random key of this installation, shortened
to 64 bits. A plain hash would not do: names and e-mail addresses are few enough to try all
of them. Whoever has the key can link a name to its pseudonym; nobody else can.

Standard library only: host processes import this module.
"""

from __future__ import annotations

import json
import os
from os.path import join
from types import SimpleNamespace

from sbhooks.folders import make_private
from sbhooks.ids import new_id

KEY_FILE = "identity.json"
_SECRET_BYTES = 32
_BLOCK_BYTES = 64  #: Of SHA-256.
_MAX_ID = 32
_DIGITS = frozenset("0123456789abcdef")
_OLD_KEY_FILE = "identity.old.json"  # exists only while a rotation is under way


class Key(SimpleNamespace):  # a named tuple would compile code in each host
    """The installation's secret.

    Attributes:
        id: Names the key; part of every pseudonym, so that rotation is visible.
        secret: 32 random bytes.
    """

    id: str
    secret: bytes

    def __init__(self, id: str, secret: bytes) -> None:
        super().__init__(id=id, secret=secret)


def load_key(home: str) -> Key:
    """Read the key, making one at the first call.

    Raises:
        OSError: The home cannot be read or written.
        ValueError: The file is not a key.
    """
    path = join(home, KEY_FILE)
    try:
        return _read(path)
    except FileNotFoundError:
        return replace_key(home, only_if_missing=True)


def replace_key(home: str, *, only_if_missing: bool = False) -> Key:
    """Make a new key; with ``only_if_missing`` the one that another process made wins.

    Raises:
        OSError: The home cannot be written.
    """
    make_private(home)
    path = join(home, KEY_FILE)
    key = Key(os.urandom(3).hex(), os.urandom(_SECRET_BYTES))
    draft = f"{path}.{new_id()}"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)  # a host's umask may take our own rights away
        with open(fd, "w", encoding="ascii") as file:
            json.dump({"id": key.id, "secret": key.secret.hex()}, file)
            file.flush()
            os.fsync(file.fileno())
        if not only_if_missing:
            os.replace(draft, path)
            return key
        try:
            os.link(draft, path)  # fails where os.replace would overwrite
        except FileExistsError:
            return _read(path)
        except OSError:  # a file system without hard links
            os.replace(draft, path)
            return _read(path)
        return key
    finally:
        try:
            os.unlink(draft)
        except FileNotFoundError:
            pass


def replace_key_keeping_old(home: str) -> tuple[Key, Key]:
    """Make a new key; the old one stays aside until :func:`forget_old_key`.

    Called again before that, it goes on where it was interrupted and makes no further key.

    Returns:
        The old key and the new one.

    Raises:
        OSError: The home cannot be written.
        ValueError: A key file is damaged.
    """
    current = load_key(home)
    aside = join(home, _OLD_KEY_FILE)
    try:
        os.link(join(home, KEY_FILE), aside)
    except FileExistsError:
        pass
    old = _read(aside)
    return old, current if current.id != old.id else replace_key(home)


def forget_old_key(home: str) -> None:
    """End a rotation: from now on nobody can tell whom an old pseudonym stood for."""
    try:
        os.unlink(join(home, _OLD_KEY_FILE))
    except FileNotFoundError:
        pass


def is_user(name: str) -> bool:
    """Whether this is a user's pseudonym, under whatever key."""
    kind, _, rest = name.partition("-")
    key, _, digits = rest.partition("-")
    shaped = kind == "user" and 0 < len(key) <= _MAX_ID and len(digits) == 16
    return shaped and _DIGITS.issuperset(key + digits)


def pseudonym(key: Key, kind: str, name: str) -> str:
    """Stand-in for a name: ``kind-keyid-16 hexadecimal digits``.

    Args:
        key: Of this installation.
        kind: ``"user"`` or ``"host"``; the same name has unrelated pseudonyms as either.
        name: What is to stay private.
    """
    digest = _hmac(key.secret, f"{kind}\0{name}".encode(errors="replace"))
    return f"{kind}-{key.id}-{digest[:8].hex()}"


def _hmac(secret: bytes, message: bytes) -> bytes:
    """HMAC-SHA256; the module ``hmac`` would cost each host more than all that is signed with it.

    Args:
        secret: At most 64 bytes.
        message: What is signed.

    References:
        RFC 2104: HMAC: keyed-hashing for message authentication.
    """
    from hashlib import sha256

    block = secret.ljust(_BLOCK_BYTES, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def user_name() -> str:
    """The account that runs this process; not ``$USER``, which tests and sudo change."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, OSError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "user"


def host_name() -> str:
    """The name of this machine."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "host")


def who(home: str) -> tuple[str, str]:
    """Pseudonyms of this user and this machine.

    Raises:
        OSError: The home cannot be read or written.
        ValueError: The key file is damaged.
    """
    key = load_key(home)
    return pseudonym(key, "user", user_name()), pseudonym(key, "host", host_name())


def _read(path: str) -> Key:
    with open(path, "rb") as file:
        data = file.read(4096)
    try:
        table = json.loads(data)
        key = Key(table["id"], bytes.fromhex(table["secret"]))
        # No regular expression: each host would compile it for this one text.
        is_id = isinstance(key.id, str) and 0 < len(key.id) <= _MAX_ID
        is_id = is_id and _DIGITS.issuperset(key.id)
        if len(key.secret) != _SECRET_BYTES or not is_id:
            raise ValueError("too short, or not hexadecimal")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: delete it, and a new key is made") from error
    return key
