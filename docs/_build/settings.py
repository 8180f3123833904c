"""The page of settings: every key, who may set it, and every environment variable."""

from __future__ import annotations

import sbhooks.config
import sbhooks.settings
from sbhooks.config import KEYS, SECRET, Config, PrivacyConfig
from sbhooks.settings import ENVIRONMENT, LISTS, PERSONAL

from _build import prose, structs

_DEFAULTS = {
    "home": "the platform's folder for a user's data, see below",
    "store": "`sqlite:///` and `sbhooks.db` in `home`",
    "project": "the repository's name, else its folder's",
}
_ONLY_LOCAL = "project (`sqlite:` only), user, environment, command line"
#: Variables that are no settings, and what they are for.
_READ = [
    (
        "`SBHOOKS_SESSION`",
        "Id of the session around this one; a recorder writes it down as "
        "[`parent`](events.md#sessionstart).",
    ),
    (
        "`SBHOOKS_CRACKERJACK_LOG`",
        "Set by `sbhooks crackerjack run`: the file that the observer in Crackerjack's process "
        "writes to.",
    ),
    ("`TRACEPARENT`", "The trace around the session (W3C Trace Context)."),
    ("`NO_COLOR`", "When set: no colours."),
    ("`COLUMNS`", "Width of tables where there is no terminal; else 80."),
]
#: What lies where on each platform.
_PLACES = [
    (
        "Data (`home`)",
        "`$XDG_DATA_HOME/sbhooks`, else `~/.local/share/sbhooks`",
        "`~/Library/Application Support/sbhooks`",
        "`%LOCALAPPDATA%\\sbhooks`",
    ),
    (
        "Your settings",
        "`$XDG_CONFIG_HOME/sbhooks/config.toml`, else `~/.config/sbhooks/config.toml`",
        "`~/Library/Application Support/sbhooks/config.toml`",
        "`%LOCALAPPDATA%\\sbhooks\\config.toml`",
    ),
]


def page() -> str:
    """Every setting."""
    return "\n\n".join(
        [
            "# Settings",
            prose.for_users(sbhooks.settings),
            "A key that is unknown, of the wrong type, or in a place where it may not stand is "
            "refused: `sbhooks` prints one line with file and key and ends with status 2. Host "
            "tools such as pytest never stop for that; they ignore the value, and "
            "`sbhooks doctor` says so.",
            "## Keys",
            prose.table(
                ["Key", "Type", "Default", "Variable", "May be set by", "Meaning"],
                [_row(key) for key in KEYS if key != "privacy"],
            ),
            "In files, lists are TOML lists; in variables they are separated by commas. The "
            "values of " + _names(sorted(SECRET)) + " are never shown.",
            "## `[privacy]`",
            prose.docstring(PrivacyConfig).text,
            structs.field_table(structs.fields(PrivacyConfig)),
            "These tables are merged key by key: what your own file says of a key wins over what "
            "the project's file says of it.",
            "## Tables of plugins",
            "A table named like an installed plugin belongs to that plugin, which checks it. A "
            "table that no installed plugin reads is refused.",
            "## Environment variables",
            prose.table(["Variable", "Sets", "How it is written"], _variables()),
            "Read as well, but no settings:",
            prose.table(["Variable", "What for"], _READ),
            "An empty variable counts as not set. `SBHOOKS_DISABLE=all` is the emergency stop: "
            "nothing is recorded.",
            "## Where things lie",
            prose.table(["", "Linux", "macOS", "Windows"], _PLACES),
        ]
    )


def _row(key: str) -> tuple[str, ...]:
    field = {f.name: f for f in structs.fields(Config)}[key]
    variable = {key: name for name, key in ENVIRONMENT.items()}.get(key, "")
    default = _DEFAULTS.get(key, field.default)
    return f"`{key}`", field.kind, default, prose.code(variable), _sources(key), field.meaning


def _sources(key: str) -> str:
    if key in PERSONAL:
        return "user, environment, command line"
    return _ONLY_LOCAL if key == "store" else "project, user, environment, command line"


def _variables() -> list[tuple[str, str, str]]:
    return [(f"`{name}`", f"`{key}`", _written(key)) for name, key in ENVIRONMENT.items()]


def _written(key: str) -> str:
    if key in LISTS:
        return "names, separated by commas"
    return "`1`; `0`, `false`, `no` and `off` mean no" if key == "trace" else "text"


def _names(keys: list[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)
