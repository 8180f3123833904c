"""Tokens: what is kept of them, who is recognised, and the commands."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks.errors import ConfigError, SbhooksError
from sbhooks.events import utc_now
from sbhooks_server.audit import AuditLog
from sbhooks_server.limiter import Limiter
from sbhooks_server.tokens import TokenFile, is_well_formed, new_secret


def test_only_a_fingerprint_is_kept_and_only_its_owner_reads_it(home: Path) -> None:
    tokens = TokenFile(home)
    secret = tokens.create("ci", ["ingest"], timedelta(days=1))
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert secret not in tokens.path.read_text()
    assert secret[4:-8] not in tokens.path.read_text()
    found = tokens.find(secret, utc_now())
    assert found is not None
    assert (found.name, found.scopes) == ("ci", ("ingest",))
    assert [path.name for path in home.iterdir()] == ["tokens.json"]


def test_a_token_ends_when_its_time_is_over(home: Path) -> None:
    tokens = TokenFile(home)
    secret = tokens.create("ci", ["read"], timedelta(days=1))
    assert tokens.find(secret, utc_now() + timedelta(hours=23)) is not None
    assert tokens.find(secret, utc_now() + timedelta(hours=25)) is None


def test_a_mistyped_token_is_no_token() -> None:
    secret = new_secret()
    assert is_well_formed(secret)
    swapped = secret[:10] + ("0" if secret[10] != "0" else "1") + secret[11:]
    for wrong in (swapped, secret[:-1], secret + "0", secret.upper(), "", "sbh_", "é" * 76):
        assert not is_well_formed(wrong)


def test_rotating_keeps_scopes_and_length_of_life(home: Path) -> None:
    tokens = TokenFile(home)
    old = tokens.create("ci", ["read", "ingest"], timedelta(days=7))
    new = tokens.rotate("ci")
    (kept,) = tokens.tokens()
    assert tokens.find(old, utc_now()) is None
    assert tokens.find(new, utc_now()) == kept
    assert kept.scopes == ("ingest", "read")
    assert kept.expires_at is not None
    assert kept.expires_at - kept.created_at == timedelta(days=7)


def test_names_are_unique_and_known(home: Path) -> None:
    tokens = TokenFile(home)
    tokens.create("ci", ["read"], None)
    for act in (
        lambda: tokens.create("ci", ["read"], None),
        lambda: tokens.create("../ci", ["read"], None),
        lambda: tokens.create("", ["read"], None),
        lambda: tokens.rotate("other"),
        lambda: tokens.revoke("other"),
    ):
        with pytest.raises(SbhooksError):
            act()
    assert len(tokens.tokens()) == 1


def test_a_damaged_file_is_an_error_and_not_an_empty_list(home: Path) -> None:
    tokens = TokenFile(home)
    tokens.create("ci", ["read"], None)
    tokens.path.write_text('[{"name":')
    with pytest.raises(ConfigError, match=r"tokens\.json cannot be read"):
        tokens.tokens()


def test_the_commands_make_list_and_revoke(
    sbhooks: Callable[..., Any], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = sbhooks("token", "create", "ci", "--scope", "ingest", "--days", "0")
    assert is_well_formed(made["token"])
    (row,) = sbhooks("token", "list")["tokens"]
    assert (row["name"], row["scopes"], row["expires_at"]) == ("ci", ["ingest"], None)
    assert main(["token", "list"]) == 0
    shown = capsys.readouterr().out
    assert "for ever" in shown
    assert made["token"] not in shown
    assert sbhooks("token", "revoke", "ci") == {"revoked": "ci"}
    assert sbhooks("token", "list") == {"tokens": []}
    assert [act.act for act in AuditLog(home).read()] == ["token created", "token revoked"]


def test_what_a_person_sees_is_the_token_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", "ci"]) == 0
    assert is_well_formed(capsys.readouterr().out.removesuffix("\n"))
    assert main(["token", "create", "ci"]) == 2
    assert "sbhooks token rotate ci" in capsys.readouterr().err


def test_the_audit_log_is_bounded_and_private(home: Path) -> None:
    log = AuditLog(home)
    for _ in range(20_000):
        log.write("token refused", by="x" * 500)
    files = [log.path, log.path.with_name("audit.1.jsonl")]
    assert sum(path.stat().st_size for path in files if path.exists()) < 2.2 * (1 << 20)
    assert stat.S_IMODE(files[1].stat().st_mode) == 0o600
    assert json.loads(files[1].read_text().splitlines()[0])["by"] == "x" * 200


def test_a_bucket_gains_allowances_back_and_is_bounded() -> None:
    now = [0.0]
    limiter = Limiter(2.0, 3.0, clock=lambda: now[0])
    assert [limiter.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    now[0] = 0.5
    assert [limiter.wait_s("a"), limiter.wait_s("a")] == [0, 0.5]
    now[0] = 100
    assert [limiter.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    for number in range(20_000):
        limiter.wait_s(str(number))
    assert len(limiter._buckets) == 10_000
