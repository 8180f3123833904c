"""Secrets out of text: tokens, keys, passwords, e-mail addresses, private URLs.

Runs over failure messages, test parameters and queries before they are recorded. What a
secret looks like is data (:data:`PATTERNS`); every pattern is linear in the text. A redactor
cannot know every secret, which is why failure messages can be switched off whole
(``privacy.failure_messages = false``).

Standard library only: host processes import this module.
"""

from __future__ import annotations

import re
from functools import cache

MARK = "[redacted]"

#: Name → expression. A group named ``keep`` stays in front of the mark.
#:
#: Linear means: a repetition without a bound is followed by nothing that can fail, or begins
#: where a word begins, so that no character is looked at from many starts.
PATTERNS: dict[str, str] = {
    "private key": r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}-----)?",
    "provider token": (
        r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}"
        r"|sk-[\w-]{16,}|(?:sk|pk|rk)_(?:live|test)_\w{10,}|AKIA[A-Z0-9]{12,}|ASIA[A-Z0-9]{12,}"
        r"|AIza[\w-]{30,}|ya29\.[\w-]{10,}|npm_\w{20,}|pypi-[\w-]{20,}|hf_\w{20,}|dop_v1_\w{20,})"
    ),
    "JSON web token": r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{4,}+\.[\w-]*",
    "authorization": (
        # A word of small letters alone is ordinary text: "basic authentication failed".
        r"(?P<keep>\b(?:bearer|basic|token)\s{1,8})"
        r"(?=[\w.~+/=-]{0,200}?(?-i:\d|[a-z][A-Z]|[=+/~]))(?!\[redacted)[\w.~+/=-]{8,}"
    ),
    "password": (
        r"(?P<keep>(?:password|passwd|passphrase|secret|api[_-]?key"
        r"|(?:access|account)[_-]?key|auth[_-]?token|credential|token|(?<![a-z])pwd"
        r"|(?:_|\b)pass(?![a-z])|(?<=-)auth|(?<=[?&])(?:code|key|sig|signature))\w{0,20}[\"']?"
        r"\s{0,3}(?:==?|!=|:|-(?=[a-z_]{0,40}\d))\s{0,3})"
        r"(?:\"[^\"\n]{3,500}\"|'[^'\n]{3,500}'|[\"']?(?!\[redacted)[^\s\"',;&)\]}=]{3,})"
    ),
    "cookie": r"(?P<keep>\b(?:set-)?cookie\s{0,3}:\s{0,3})(?!\[redacted)[^\n]{3,500}",
    "URL credentials": r"(?P<keep>\b[a-z][a-z0-9+.-]{1,20}://)(?!\[redacted)[^\s/?#]{1,400}(?=@)",
    "webhook": r"(?P<keep>\bhttps://hooks\.slack\.com/)[\w/]{8,}",
    "private URL": (
        r"\bhttps?://(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|10\.\d{1,3}\.\d{1,3}\.\d{1,3}"
        r"|192\.168\.\d{1,3}\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])\.\d{1,3}\.\d{1,3}"
        r"|[\w.-]{1,200}\.(?:internal|local|corp|lan|intranet))\b[^\s\"'<>]*"
    ),
    "e-mail address": r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
}


#: Whatever matches a pattern contains one of these, in small letters. Compiling the patterns
#: costs a host more than all else it does for sbhooks at its start, and most texts need none.
HINTS = (
    "-----begin", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "sk-",
    "sk_", "pk_", "rk_", "akia", "asia", "aiza", "ya29.", "npm_", "pypi-", "hf_", "dop_v1_", "eyj",
    "bearer", "basic", "token", "pass", "secret", "api", "key", "credential", "cookie", "pwd",
    "auth", "?code", "&code", "?sig", "&sig",
    "://", "@",
)  # fmt: skip


def redact(text: str) -> str:
    """Replace whatever looks like a secret by ``[redacted]``."""
    if text.isascii():
        small = text.lower()
        if not any(hint in small for hint in HINTS):
            return text
    return _pattern().sub(_mark, text)


@cache
def _pattern() -> re.Pattern[str]:
    """All patterns as one, so that a text is searched once; compiled at first use."""
    parts = []
    for number, expression in enumerate(PATTERNS.values()):
        parts.append(expression.replace("(?P<keep>", f"(?P<keep{number}>"))
    return re.compile("|".join(f"(?:{part})" for part in parts), re.IGNORECASE)


def _mark(match: re.Match[str]) -> str:
    kept = next((text for text in match.groupdict().values() if text), "")
    return f"{kept}{MARK}"
