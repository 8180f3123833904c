import hashlib
import hmac
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks import identity
from sbhooks.identity import KEY_FILE, Key, load_key, pseudonym, replace_key, who

KEY = Key("a1b2c3", bytes(range(32)))


def test_a_pseudonym_is_the_keyed_hash_of_kind_and_name() -> None:
    digest = hmac.new(KEY.secret, b"user\0ada", hashlib.sha256).hexdigest()
    assert pseudonym(KEY, "user", "ada") == f"user-a1b2c3-{digest[:16]}"


def test_kinds_names_and_keys_give_unrelated_pseudonyms() -> None:
    other = Key("a1b2c3", bytes(32))
    made = {
        pseudonym(KEY, "user", "ada"),
        pseudonym(KEY, "user", "bob"),
        pseudonym(KEY, "host", "ada"),
        pseudonym(other, "user", "ada"),
    }
    assert len({text.rpartition("-")[2] for text in made}) == 4


@given(st.text(st.characters()))
def test_every_name_has_a_pseudonym_that_does_not_contain_it(name: str) -> None:
    made = pseudonym(KEY, "user", name)
    assert len(made) == len("user-a1b2c3-") + 16
    assert len(name) < 5 or name not in made


def test_the_key_is_made_once_private_and_random(home: Path) -> None:
    key = load_key(str(home))
    assert load_key(str(home)) == key
    assert len(key.secret) == 32
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [path.name for path in home.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("umask", [0, 0o777])
def test_no_umask_opens_the_key_or_locks_us_out(home: Path, umask: int) -> None:
    home.mkdir()
    before = os.umask(umask)
    try:
        load_key(str(home))
    finally:
        os.umask(before)
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600


def test_two_installations_have_nothing_in_common(tmp_path: Path) -> None:
    first, second = load_key(str(tmp_path / "a")), load_key(str(tmp_path / "b"))
    assert first.id != second.id
    assert first.secret != second.secret


def test_replacing_changes_key_and_id(home: Path) -> None:
    old = load_key(str(home))
    new = replace_key(str(home))
    assert (new.id != old.id, new.secret != old.secret) == (True, True)
    assert load_key(str(home)) == new


def test_with_only_if_missing_the_first_key_stays(home: Path) -> None:
    first = load_key(str(home))
    assert replace_key(str(home), only_if_missing=True) == first
    assert [path.name for path in home.iterdir()] == [KEY_FILE]


def test_processes_that_start_together_agree_on_one_key(home: Path) -> None:
    program = f"from sbhooks.identity import load_key; print(load_key({str(home)!r}).id)"
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    assert len({process.communicate()[0] for process in running}) == 1
    assert {process.returncode for process in running} == {0}


def test_a_file_system_without_links_gets_a_key_all_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    key = load_key(str(home))
    assert load_key(str(home)) == key
    assert [path.name for path in home.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 4096,
        b'{"id": "ab"}',
        b'{"id": "ab", "secret": ""}',
        b'{"id": "ab", "secret": "00"}',
        b'{"id": "ab", "secret": 5}',
        json.dumps({"id": 5, "secret": "00" * 32}).encode(),
        json.dumps({"id": "", "secret": "00" * 32}).encode(),
        json.dumps({"id": "a\nb", "secret": "00" * 32}).encode(),
        json.dumps({"id": "xyz", "secret": "00" * 32}).encode(),
        json.dumps({"id": "ab", "secret": "00" * 33}).encode(),
        json.dumps({"id": "ab", "secret": "zz" * 32}).encode(),
    ],
)
def test_a_damaged_key_is_refused_with_its_file_and_what_to_do(home: Path, content: bytes) -> None:
    home.mkdir(parents=True)
    (home / KEY_FILE).write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: delete it, and a new key is made") as caught:
        load_key(str(home))
    assert str(home / KEY_FILE) in str(caught.value)
    assert (home / KEY_FILE).read_bytes() == content


def test_an_unwritable_home_is_an_os_error(home: Path) -> None:
    home.parent.joinpath("file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        load_key(str(home.parent / "file" / "home"))


def test_who_names_neither_user_nor_machine(home: Path) -> None:
    user, host = who(str(home))
    key = load_key(str(home))
    assert user == pseudonym(key, "user", identity.user_name())
    assert host == pseudonym(key, "host", identity.host_name())
    assert os.uname().nodename not in host


def test_the_user_is_the_account_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pwd

    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert identity.user_name() == pwd.getpwuid(os.getuid()).pw_name
    assert identity.host_name() == os.uname().nodename


def test_an_account_without_a_name_has_its_number(
    python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become an account without a name")
    ran = python(
        "import os, pwd; from sbhooks.identity import user_name\n"
        "os.setuid(54321); print(user_name())"
    )
    assert (ran.stdout, ran.stderr) == ("uid 54321\n", "")


def test_a_rotation_keeps_the_old_key_until_it_is_forgotten(home: Path) -> None:
    first = load_key(str(home))
    old, new = identity.replace_key_keeping_old(str(home))
    assert (old, load_key(str(home))) == (first, new)
    assert new.secret != first.secret
    assert identity.replace_key_keeping_old(str(home)) == (old, new)  # interrupted: goes on
    identity.forget_old_key(str(home))
    assert [path.name for path in home.iterdir()] == [KEY_FILE]
    identity.forget_old_key(str(home))
    assert identity.replace_key_keeping_old(str(home))[0] == new


@pytest.mark.parametrize(
    ("name", "is_it"),
    [("user-3fa1c2-52e5a2f6c1d0b944", True), ("host-3fa1c2-52e5a2f6c1d0b944", False),
     ("user-service", False), ("user--52e5a2f6c1d0b944", False), ("", False),
     ("user-3fa1c2-52e5a2f6c1d0b94x", False), ("user-3fa1c2-52e5a2f6c1d0b944-", False)],
)  # fmt: skip
def test_a_pseudonym_is_known_by_its_form(name: str, is_it: bool) -> None:
    assert identity.is_user(name) is is_it


def test_everybodys_pseudonym_has_that_form(home: Path) -> None:
    assert identity.is_user(identity.who(str(home))[0])
