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
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from sbhooks.errors import ConfigError
from sbhooks_server.address import Address, check, policy
from sbhooks_server.jwts import Issuer

from .conftest import PATIENCE_S, Serving

Serve = Callable[..., Serving]
ISSUER = "https://id.example.org"
SECRET = b"0123456789abcdef0123456789abcdef"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def der(key: Any, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, form)


def jwks() -> bytes:
    key = jwt.algorithms.RSAAlgorithm.to_jwk(PRIVATE.public_key())
    return f'{{"keys": [{key}]}}'.encode()


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


def test_a_listener_is_let_go_when_its_time_is_over(served: Callable[[bytes], Serving]) -> None:
    server = served(SECRET)
    url = f"ws://127.0.0.1:{server.port}/ws"
    for more_s in (2, 10, 100):  # a loaded machine takes its time
        with connect(url, proxy=None) as socket:
            ends_at = time.time() + more_s
            token = signed(SECRET, "HS256", exp=ends_at - 30)  # clocks may differ by that
            socket.send(json.dumps({"type": "authenticate", "token": token}))
            if json.loads(socket.recv(PATIENCE_S))["type"] == "authenticated":
                assert json.loads(socket.recv(PATIENCE_S))["code"] == "token_expired"
                assert time.time() >= ends_at - 1  # whole seconds count
                with pytest.raises(ConnectionClosedError, match="1008"):
                    socket.recv(PATIENCE_S)
                return
    pytest.fail("nobody was let in")


def test_a_listener_whose_token_lasts_for_ages_is_let_in(
    served: Callable[[bytes], Serving],
) -> None:
    server = served(SECRET)
    token = signed(SECRET, "HS256", exp=10**30)
    with connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None) as socket:
        for say in ({"type": "authenticate", "token": token}, {"type": "ping"}):
            socket.send(json.dumps(say))
        told = [json.loads(socket.recv(PATIENCE_S))["type"] for _ in range(2)]
    assert told == ["authenticated", "pong"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (b"short", "32 at least"),
        (b"-----BEGIN PUBLIC KEY-----\nnothing\n-----END PUBLIC KEY-----\n", "no public key"),
        (pem(rsa.generate_private_key(65537, 1024)), "2048 bits"),  # noqa: S505 - too weak
        (pem(ec.generate_private_key(ec.SECP256R1())), "2048 bits"),
        (der(PRIVATE), "DER, and"),
        (der(PRIVATE) + b"\n", "DER, and"),
        (der(PRIVATE, PublicFormat.PKCS1), "DER, and"),
        (der(ed25519.Ed25519PrivateKey.generate()), "DER, and"),
        (base64.b64encode(der(PRIVATE)), "DER in base64"),
        (base64.encodebytes(der(PRIVATE)), "DER in base64"),
        (base64.urlsafe_b64encode(der(PRIVATE)).rstrip(b"="), "DER in base64"),
        (b"".join(pem(PRIVATE).splitlines(keepends=True)[1:-1]), "DER in base64"),
        (der(PRIVATE).hex().encode(), "DER in hexadecimal"),
        (base64.b64encode(pem(PRIVATE)), "PEM or SSH2 key in base64"),
        (pem(PRIVATE).decode().encode("utf-16"), "byte order mark"),
        (pem(PRIVATE).decode().encode("utf-16-le"), "NUL"),
        (pem(PRIVATE).decode().encode("utf-16-be"), "NUL"),
        (b"\xef\xbb\xbf" + SECRET, "byte order mark"),
        (jwks(), "JSON"),
        (jwks().removesuffix(b"}"), "JSON"),
        (base64.b64encode(jwks()), "JSON or XML document in base64"),
        (PRIVATE.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "for SSH"),
        (PRIVATE.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1],
         "for SSH in base64"),
        (b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAAB3NzaC1yc2EAAAADAQABAAABgQC7\n", "SSH2"),
    ],
)  # fmt: skip
def test_a_weak_key_is_refused_at_the_start(tmp_path: Path, key: bytes, said: str) -> None:
    (tmp_path / "key").write_bytes(key)
    with pytest.raises(ConfigError, match=said):
        check(Address(jwt_key=tmp_path / "key", jwt_issuer=ISSUER), tmp_path)


@pytest.mark.parametrize(
    ("file", "secret"),
    [
        (SECRET, SECRET),
        (SECRET + b"\r\n", SECRET),
        (b" \t" + SECRET + b" \n\n", b" \t" + SECRET + b" \n"),
        (base64.b64encode(SECRET), base64.b64encode(SECRET)),
        (SECRET.hex().encode(), SECRET.hex().encode()),
        (b"7" * 40, b"7" * 40),
        (b"{not a document, but a long password}", b"{not a document, but a long password}"),
        (bytes(range(0x30, 0x80)), bytes(range(0x30, 0x80))),
    ],
)  # fmt: skip
def test_a_secret_is_what_the_file_says_but_for_one_line_end(
    tmp_path: Path, file: bytes, secret: bytes
) -> None:
    (tmp_path / "key").write_bytes(file)
    found = Issuer(tmp_path / "key", ISSUER, "sbhooks").claims(signed(secret, "HS256"))
    assert found is not None
    assert found.name == "jwt:ann"


def test_half_of_what_is_needed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(SECRET)
    with pytest.raises(ConfigError, match="both"):
        check(Address(jwt_key=tmp_path / "key"), tmp_path)
    with pytest.raises(ConfigError, match="cannot read"):
        check(Address(jwt_key=tmp_path / "none", jwt_issuer=ISSUER), tmp_path)
