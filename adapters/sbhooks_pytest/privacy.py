"""What of texts may be recorded: no secrets, no user's name in paths, no more than a line."""

from __future__ import annotations

from os.path import basename, expanduser
from typing import TYPE_CHECKING

from sbhooks.identity import user_name
from sbhooks.redact import MARK, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sbhooks.settings import HostSettings
    from sbhooks_pytest.masks import Masks
    from sbhooks_pytest.paths import Paths

MAX_MESSAGE = 300
MAX_READ = 4_000  #: Characters of a text that are looked at.


#: Account names that say nothing about a person, and that many a folder has.
NOBODY = frozenset(
    {
        "admin", "app", "build", "builder", "ci", "circleci", "code", "coder", "data", "debian",
        "dev", "docker", "ec2-user", "git", "gitlab-runner", "home", "jenkins", "nobody", "node",
        "project", "root", "runner", "src", "test", "tests", "travis", "ubuntu", "user",
        "vagrant", "vscode", "work", "www-data",
    }
)  # fmt: skip

#: Where temporary files may be, beside what the environment says.
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - nothing is written there
#: A variable with one of these in its name has a secret value; shorter ones stand for nothing.
_SECRET = (
    "PASSW",
    "PASSPHRASE",
    "TOKEN",
    "SECRET",
    "CREDENTIAL",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
)
_SHORTEST_SECRET = 8
_USER_VARIABLES = ("USER", "LOGNAME")
_TEMPORARY_VARIABLES = ("PYTEST_DEBUG_TEMPROOT", "TMPDIR", "TEMP", "TMP")


class Privacy:
    """Makes texts fit to be recorded.

    Args:
        settings: Whether messages are recorded, and whether secrets are taken out.
        root: The root folder of the tests; paths below it become relative.
        environ: Of this process, before any test could change it.

    Attributes:
        messages: Whether messages are recorded at all.
        root: As given.
    """

    __slots__ = (
        "_hints",
        "_home",
        "_masks",
        "_paths",
        "_redact",
        "_secrets",
        "_temporary",
        "_users",
        "messages",
        "root",
    )

    def __init__(self, settings: HostSettings, root: str, environ: Mapping[str, str]) -> None:
        self.messages = settings.failure_messages
        self.root = root
        self._redact = settings.redact
        self._home = expanduser("~").rstrip("/")
        names = {user_name(), basename(self._home), *map(environ.get, _USER_VARIABLES)}
        self._users = frozenset(name for name in names if name) - NOBODY
        self._secrets = [
            value
            for name, value in environ.items()
            if len(value) >= _SHORTEST_SECRET and _is_secret(name.upper())
        ]
        self._hints = {hint for secret in self._secrets for hint in _hints(secret)}
        given = [environ.get(name, "") for name in _TEMPORARY_VARIABLES]
        self._temporary = (*_TEMPORARY, *given)
        self._masks: Masks | None = None
        self._paths: Paths | None = None

    def text(self, text: str, longest: int) -> str:
        """A text without secrets and private paths, cut to a length."""
        is_cut = len(text) >= MAX_READ
        text = text[:MAX_READ]
        if self._redact:
            text = redact(self._masked(text, cut=is_cut))
        if "/" in text:
            text = (self._paths or self._load_paths()).shorten(text)
        return text if len(text) <= longest else text[: longest - 1] + "…"

    def line(self, text: str, longest: int = MAX_MESSAGE) -> str:
        """The first line of a text, fit to be recorded."""
        return self.text(text[:MAX_READ].strip().partition("\n")[0].rstrip("\r"), longest)

    def params(self, params: str) -> str:
        """Parameters of a test without private paths; different ones stay different."""
        if self._redact:
            params = self._masked(params)
        if "/" not in params:
            return params
        return (self._paths or self._load_paths()).shorten_exactly(params)

    def name(self, name: str) -> str | None:
        """Name of a project or folder; ``None`` where it is that of the user or their home."""
        is_private = self.root == self._home or not self._users.isdisjoint(name.split("/"))
        return None if is_private else name

    def _masked(self, text: str, *, cut: bool = False) -> str:
        """Without the values of variables that hold secrets, however they are quoted."""
        is_whole = not cut and "..." not in text and "…" not in text
        if not self._secrets or (is_whole and not any(hint in text for hint in self._hints)):
            return text
        if self._masks is None:
            from sbhooks_pytest.masks import Masks

            self._masks = Masks(self._secrets, MARK)
        return self._masks.hide(text, cut=cut)

    def _load_paths(self) -> Paths:
        from sbhooks_pytest.paths import Paths

        self._paths = Paths(self.root, self._home, self._users, self._temporary)
        return self._paths


def _is_secret(variable: str) -> bool:
    """Whether a variable of this name has a secret value; plain, for each host asks this often."""
    for part in _SECRET:
        if part in variable:
            return True
    return variable.endswith("PASS")  # not TOX_TESTENV_PASSENV


def _hints(secret: str) -> set[str]:
    """What a text must hold to hold the value or a line of it, in whatever form.

    Every way to quote leaves letters and digits of ASCII as they are, so the longest run of
    them is in each form. Most texts hold none, and what knows the forms need not be loaded.
    """
    plain = (
        "".join([char if char.isascii() and char.isalnum() else " " for char in line])
        for line in (secret, *secret.splitlines())
    )
    return {max(runs.split(), key=len, default="") for runs in plain}
