"""Tokens of another issuer: what holds gets in, and nothing that only looks like it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")
pytest.importorskip("jwt")

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.sync.client import connect

from sbhooks.errors import ConfigError
from sbhooks_server.address import Address, check, policy

from .conftest import Serving

Serve = Callable[..., Serving]
ISSUER = "https://id.example.org"
SECRET = b"0123456789abcdef0123456789abcdef"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**more: Any) -> dict[str, Any]:
    known = {"iss": ISSUER, "aud": "sbhooks", "sub": "ann", "exp": time.time() + 600,
             "scope": "openid read"}  # fmt: skip
    return {name: value for name, value in {**known, **more}.items() if value is not None}


def signed(key: Any = PRIVATE, algorithm: str = "RS256", **more: Any) -> str:
    return jwt.encode(claims(**more), key, algorithm)


def by_hand(header: Any, body: Any, key: bytes = b"") -> str:
    """A token that no library would make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
             for part in (header, body)]  # fmt: skip
    signature = hmac.new(key, ".".join(parts).encode(), hashlib.sha256).digest() if key else b""
    return ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])


@pytest.fixture
def served(serving: Serve, tmp_path: Path) -> Callable[[bytes], Serving]:
    def start(key: bytes) -> Serving:
        (tmp_path / "key").write_bytes(key)
        address = Address(require_token=True, jwt_key=tmp_path / "key", jwt_issuer=ISSUER)
        check(address, tmp_path)
        return serving(policy(address))

    return start


def status(server: Serving, token: str, method: str = "GET", path: str = "/health") -> int:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    with server.client() as client:
        return client.request(method, path, headers=headers, content=b"[]" if method == "POST"
                              else None).status_code  # fmt: skip


@pytest.mark.parametrize(
    ("file", "key", "algorithm"),
    [(pem(PRIVATE), PRIVATE, "RS256"), (SECRET + b"\n", SECRET, "HS256")],
    ids=["RS256", "HS256"],
)
def test_a_token_is_good_for_its_scopes(
    served: Callable[[bytes], Serving], file: bytes, key: Any, algorithm: str
) -> None:
    server = served(file)
    reads = signed(key, algorithm)
    assert status(server, reads) == 200
    assert status(server, reads, "POST", "/api/v1/events") == 403
    sends = signed(key, algorithm, scope="ingest")
    assert status(server, sends, "POST", "/api/v1/events") == 200
    assert status(server, sends) == 403
    assert status(server, signed(key, algorithm, scope=None)) == 403


def test_what_only_looks_like_a_good_token_is_refused(served: Callable[[bytes], Serving]) -> None:
    server = served(pem(PRIVATE))
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = signed()
    bad = {
        "of another key": signed(other),
        "without a signature": by_hand({"alg": "none"}, claims()),
        "signed with the public key as a secret": by_hand(
            {"alg": "HS256", "typ": "JWT"}, claims(), pem(PRIVATE)
        ),
        "changed": good[:-8] + ("AAAAAAAA" if good[-8:] != "AAAAAAAA" else "BBBBBBBB"),
        "too old": signed(exp=time.time() - 60),
        "not good yet": signed(nbf=time.time() + 600),
        "for ever": signed(exp=None),
        "of another issuer": signed(iss="https://evil.example.org"),
        "for somebody else": signed(aud="other"),
        "of nobody": signed(sub=None),
        "too long": signed(more="x" * 9_000),
        "no token": "a.b.c",
    }
    with server.client() as client:
        for number, (name, token) in enumerate(bad.items()):
            headers = {"authorization": f"Bearer {token}"}
            answer = client.get("/health", headers=headers)
            assert answer.status_code in {401, 429 if number > 8 else 401}, name
        assert client.get("/health", headers={"authorization": f"Bearer {good}"}).is_success


def test_a_listener_may_show_one(served: Callable[[bytes], Serving]) -> None:
    server = served(SECRET)
    with connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None) as socket:
        socket.send(json.dumps({"type": "authenticate", "token": signed(SECRET, "HS256")}))
        assert json.loads(socket.recv()) == {"type": "authenticated", "name": "jwt:ann"}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (b"short", "32 at least"),
        (b"-----BEGIN PUBLIC KEY-----\nnothing\n-----END PUBLIC KEY-----\n", "no public key"),
        (pem(rsa.generate_private_key(65537, 1024)), "2048 bits"),  # noqa: S505 - too weak
        (pem(ec.generate_private_key(ec.SECP256R1())), "2048 bits"),
    ],
)
def test_a_weak_key_is_refused_at_the_start(tmp_path: Path, key: bytes, said: str) -> None:
    (tmp_path / "key").write_bytes(key)
    with pytest.raises(ConfigError, match=said):
        check(Address(jwt_key=tmp_path / "key", jwt_issuer=ISSUER), tmp_path)


def test_half_of_what_is_needed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(SECRET)
    with pytest.raises(ConfigError, match="both"):
        check(Address(jwt_key=tmp_path / "key"), tmp_path)
    with pytest.raises(ConfigError, match="cannot read"):
        check(Address(jwt_key=tmp_path / "none", jwt_issuer=ISSUER), tmp_path)
