import re
import re._parser as sre  # type: ignore[import-not-found]
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.redact import HINTS, MARK, PATTERNS, redact

LETTERS = "Zx9Kq2Lm7Tn4Rb6Vw1Yc8Pd3Hf5Gj0SaUeIo"

#: Made up, and put together here so that no scanner takes this file for a leak.
SECRETS = {
    "GitHub token": "ghp" + "_" + LETTERS,
    "GitHub fine-grained token": "github" + "_pat_" + LETTERS,
    "GitLab token": "glpat" + "-" + LETTERS[:20],
    "Slack token": "xoxb" + "-" + LETTERS[:24],
    "OpenAI key": "sk" + "-proj-" + LETTERS,
    "Stripe key": "sk" + "_live_" + LETTERS[:24],
    "AWS key id": "AKIA" + "IOSFODNN7EXAMPLE",
    "Google key": "AIza" + LETTERS[:35],
    "Google OAuth": "ya29" + "." + LETTERS,
    "npm token": "npm" + "_" + LETTERS,
    "PyPI token": "pypi" + "-" + LETTERS,
    "Hugging Face token": "hf" + "_" + LETTERS,
    "DigitalOcean token": "dop" + "_v1_" + LETTERS,
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + LETTERS,
    "e-mail": "ada.lovelace+test@mail.example.org",
}

#: Text, and the part of it that may not be left.
IN_CONTEXT = [
    ("Authorization: Bearer " + LETTERS, LETTERS),
    ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("assert password == 'hunter2'", "hunter2"),
    ('password = "correct horse battery"', "horse"),
    ("{'password': 'hunter2', 'user': 'x'}", "hunter2"),
    ('{"api_key":"abcdefgh"}', "abcdefgh"),
    ("PGPASSWORD=swordfish psql", "swordfish"),
    ("aws_secret_access_key = " + LETTERS, LETTERS),
    ("AccountKey=" + LETTERS + ";x", LETTERS),
    ("--auth-token=opensesame", "opensesame"),
    ("?access_key=opensesame&y=1", "opensesame"),
    ("login[token-abc123]", "abc123"),
    ("client_secret: opensesame", "opensesame"),
    ("DB_PASS=hunter2", "hunter2"),
    ("pwd=hunter2", "hunter2"),
    ("--auth=user:hunter2", "hunter2"),
    ("cookie: sid=abcdef; other=ghi", "abcdef"),
    ("GET /callback?state=1&code=abc123", "abc123"),
    ("my passphrase='open sesame'", "sesame"),
    ("postgresql://ada:hunter2@db/prod", "hunter2"),
    ("https://x:p@ss@host/path", "p@ss"),
    ("https://opensesame@github.com/a/b.git", "opensesame"),
    ("amqp+ssl://u:opensesame@h", "opensesame"),
    ("https://hooks.slack.com/services/T00/B00/" + LETTERS, LETTERS),
    ("GET http://localhost:8000/admin?x=1 failed", "8000/admin"),
    ("see https://wiki.corp/secret/page", "secret/page"),
    ("http://10.1.2.3/x http://192.168.0.1 http://172.20.0.1/y", "10.1.2.3"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEcut off", "MIIE"),
]

ORDINARY = [
    "compass=north, passenger=bob, bypass: yes",
    "12 passed, pass: 12, cwd=/srv/app",
    "exit code=1, key=value, the author: me",
    "assert 1 == 2",
    "AssertionError: expected 200, got 404",
    "basic authentication failed",
    "unexpected token identifier here",
    "token-based auth for the password-protected area",
    "login[password-reset]",
    "assert len(tokens) == 12345",
    "KeyError: 'name'",
    "https://docs.python.org/3/library/re.html#re.sub",
    "http://172.15.0.1/ and http://172.32.0.1/ are public",
    "tests/test_x.py:12: in test_login[admin-127]",
    "TypeError: f() missing 1 required positional argument: 'x'",
    "user@host and a@b",
    "the secretary said: keys: 3",
    "sk-learn and pypi-server",
    "",
]


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("frame", ["{}", "got {} instead", "['{}']", "x={};", "<{}>", "\n{}\n"])
def test_known_forms_of_secrets_are_masked_and_their_surroundings_kept(
    secret: str, frame: str
) -> None:
    assert redact(frame.format(secret)) == frame.format(MARK)


@pytest.mark.parametrize(("text", "secret"), IN_CONTEXT)
def test_what_stands_where_secrets_stand_is_masked(text: str, secret: str) -> None:
    masked = redact(text)
    assert secret not in masked
    assert MARK in masked


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_kept(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abcdefgh1", f"Authorization: Bearer {MARK}"),
        ("a password=abc, b", f"a password={MARK}, b"),
        ("(token=abcdef)", f"(token={MARK})"),
        ('{"secret": "a b c", "n": 1}', f'{{"secret": {MARK}, "n": 1}}'),
        ("https://ada:pw@host.example/x", f"https://{MARK}@host.example/x"),
        ("mail ada@example.org!", f"mail {MARK}!"),
        ("two: ada@example.org, bob@example.org", f"two: {MARK}, {MARK}"),
        ("Token abcdefgh1 password=xyz", f"Token {MARK} password={MARK}"),
    ],
)
def test_only_the_secret_goes_and_what_names_it_stays(text: str, masked: str) -> None:
    assert redact(text) == masked


def test_letters_of_either_case_are_recognised() -> None:
    assert redact("PASSWORD=abcdef Password: abcdef") == f"PASSWORD={MARK} Password: {MARK}"
    assert redact("BEARER abcdef12") == f"BEARER {MARK}"


def test_every_pattern_is_used_by_some_example() -> None:
    examples = [*SECRETS.values(), *(text for text, _ in IN_CONTEXT)]
    for name, expression in PATTERNS.items():
        found = re.compile(expression, re.IGNORECASE)
        assert any(found.search(text) for text in examples), name


@given(st.text(st.characters()))
def test_nothing_raises_and_a_second_time_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


PIECES = [
    *SECRETS.values(), *(text for text, _ in IN_CONTEXT), MARK, "password", "token", "=", ": ", "-",
    "'", '"', " ", "@", "://", "https", "a1", ".", "eyJ", "]", "basic ",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_secrets_glued_together_settle(text: str) -> None:
    twice = redact(redact(text))
    assert redact(twice) == twice


def repeats(tree: Any, *, end: bool = True, pin: bool = False) -> Iterator[tuple[bool, bool]]:
    """Of each repetition without a bound: can nothing behind it fail? Does it keep what it took?"""
    pin = pin or tree[0][0] in {sre.ASSERT, sre.ASSERT_NOT}
    for position, (code, value) in enumerate(tree):
        rest = list(tree)[position + 1 :]
        last = end and all(c is sre.MAX_REPEAT and v[0] == 0 for c, v in rest)
        if code in {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}:
            if value[1] == sre.MAXREPEAT:
                yield last, pin and code is sre.POSSESSIVE_REPEAT
            yield from repeats(value[2], end=last, pin=pin)
        elif code is sre.BRANCH:
            for branch in value[1]:
                yield from repeats(branch, end=last, pin=pin)
        elif code is sre.SUBPATTERN:
            yield from repeats(value[3], end=last, pin=pin)
        elif code in {sre.ASSERT, sre.ASSERT_NOT}:
            yield from repeats(value[1], end=False, pin=pin)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_work_grows_with_the_text_and_not_with_its_square(name: str) -> None:
    # What costs a square is a repetition without a bound that begins at many places and
    # gives back what it took when something behind it fails.
    for last, kept in repeats(sre.parse(PATTERNS[name], re.IGNORECASE)):
        assert last or kept


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (r"\beyJ[\w-]{8,}\.x", [(False, False)]),
        (r"(?<!a)b{8,}+c{1,9}", [(False, True)]),
        (r"b{8,}+c{1,9}", [(False, False)]),
        (r"(?:x|(?P<keep>y\s+))w*", [(True, False), (True, False)]),
        (r"(?:x|(?P<keep>y\s+))w", [(False, False)]),
        (r"(?=a*b)c", [(False, False)]),
        (r"a*(?:end)?", [(True, False)]),
    ],
)
def test_the_check_for_squares_sees_them(expression: str, found: list[tuple[bool, bool]]) -> None:
    assert list(repeats(sre.parse(expression))) == found


@pytest.mark.parametrize("name", sorted(PATTERNS))
@given(data=st.data())
def test_whatever_a_pattern_matches_has_a_hint(name: str, data: st.DataObject) -> None:
    pattern = re.compile(PATTERNS[name], re.IGNORECASE | re.ASCII)
    text = data.draw(st.from_regex(pattern))
    assert any(hint in text.lower() for hint in HINTS)
