"""Which CI run is this? Read from the environment by one table.

Each provider is a row of :data:`sbhooks.ci_providers.PROVIDERS`: the signs that give it away,
and for every fact the places to look, best first. Values that say "none" (``""``, ``"false"``,
``"null"``) count as not set.

The commit of a pull request is its head, not the merge commit that the provider makes
for the occasion: history must say which change was tested.

Standard library only: host processes import this module. Nothing here raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sbhooks.ci_providers import GENERIC, PROVIDERS, QUEUE

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Facts about the run (fields of ``sbhooks.events.Ci``) and about the change (of ``Vcs``).
RUN_FACTS = (
    "pipeline", "run_id", "attempt", "job", "stage", "url", "pr",
    "environment", "triggered_by", "shard", "worker",
)  # fmt: skip
CHANGE_FACTS = ("commit", "branch", "tag", "base")

#: Parameters of a URL that name a page; any other may be a secret.
_PAGE_PARAMETERS = frozenset(
    {"buildId", "buildTypeId", "id", "j", "jobId", "region", "t", "tab", "view"}
)

_NONE = frozenset({"", "false", "null", "none", "0" * 40})
_COUNTED_FROM_ZERO = frozenset({("buildkite", "attempt")})
_TAG = ("refs/tags/", "origin/tags/", "tags/")
_BRANCH = ("refs/heads/", "refs/", "origin/")
_MAX_VALUE = 500
_MAX_EVENT_FILE = 8 << 20


class Context:
    """A CI run as its environment describes it.

    Attributes:
        provider: Key of ``PROVIDERS``, or ``"unknown"``.
        facts: Fact → value, of :data:`RUN_FACTS` and :data:`CHANGE_FACTS`; ``attempt`` is a
            number from 1, all others are text.
        sources: Fact → the variable, template or file that told it.
    """

    __slots__ = ("facts", "provider", "sources")

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.facts: dict[str, str | int] = {}
        self.sources: dict[str, str] = {}

    def run(self) -> dict[str, str | int]:
        """The fields of ``sbhooks.events.Ci``."""
        known = {name: self.facts[name] for name in RUN_FACTS if name in self.facts}
        return {"provider": self.provider, **known}

    def change(self) -> dict[str, str]:
        """The fields of ``sbhooks.events.Vcs`` that the provider knows."""
        return {name: str(self.facts[name]) for name in CHANGE_FACTS if name in self.facts}


def detect(environ: Mapping[str, str]) -> Context | None:
    """Describe the CI run around this process, or ``None`` outside of any."""
    if environ.get("CI", "").lower() == "false":
        return None
    for provider, (signs, table) in PROVIDERS.items():
        if all(_shows(environ, sign) for sign in signs):
            context = Context(provider)
            for fact, places in table.items():
                _look_up(context, fact, places, environ)
            _tell_tag_from_branch(context)
            if provider in {"github", "gitea"}:
                _pull_request(context, environ)
            return context
    return Context("unknown") if any(_value(environ, name) for name in GENERIC) else None


def queued_s(provider: str, environ: Mapping[str, str]) -> float | None:
    """Seconds that the run waited before it began, where the provider says so."""
    places = QUEUE.get(provider)
    if places is None:
        return None
    asked, begun = (environ.get(place, "") for place in places)
    if not (asked.isdecimal() and begun.isdecimal() and len(asked) == len(begun) == 10):
        return None
    return float(max(0, int(begun) - int(asked)))


def without_credentials(url: str) -> str:
    """A URL without user and password, and with only those parameters that name a page."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    host, slash, path = rest.partition("/")
    path, _, query = path.partition("?")
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] in _PAGE_PARAMETERS]
    question = "?" if kept else ""
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}{question}{'&'.join(kept)}"


def _look_up(
    context: Context, fact: str, places: tuple[str, ...], environ: Mapping[str, str]
) -> None:
    for place in places:
        raw = _told(environ, place)
        value = _tidied(context.provider, fact, raw) if raw else None
        if value is not None:
            context.facts[fact] = value
            context.sources[fact] = place
            return


def _shows(environ: Mapping[str, str], sign: str) -> bool:
    name, equals, value = sign.partition("=")
    return environ.get(name) == value if equals else _value(environ, name) is not None


def _told(environ: Mapping[str, str], place: str) -> str | None:
    """What stands at a place; see :mod:`sbhooks.ci_providers`."""
    if "{" in place:
        return _filled(environ, place)
    *conditions, name = place.split("&")
    if all(_value(environ, condition) for condition in conditions):
        return _value(environ, name)
    return None


def _value(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name, "").strip()
    return value if value.lower() not in _NONE else None


def _filled(environ: Mapping[str, str], template: str) -> str | None:
    text = template
    for piece in template.split("{")[1:]:
        name = piece.partition("}")[0]
        value = _value(environ, name)
        if value is None:
            return None
        text = text.replace("{" + name + "}", value)
    return text


def _tidied(provider: str, fact: str, raw: str) -> str | int | None:
    if fact == "attempt":
        if not raw.isdecimal() or len(raw) > 9:
            return None
        return max(1, int(raw) + ((provider, fact) in _COUNTED_FROM_ZERO))
    if fact == "url":
        return without_credentials(raw)[:_MAX_VALUE]
    if fact == "pr":
        return _pull_request_number(raw)
    if fact == "tag":
        raw = _without(raw, ("refs/heads/", *_TAG))
    if fact in {"branch", "base"} and not raw.startswith(_TAG):
        raw = _without(raw, _BRANCH)
    if provider == "codebuild" and fact == "pipeline":
        raw = raw.rpartition("/")[2].partition(":")[0]  # the project of "project:build"
    return raw.strip("{}")[:_MAX_VALUE] or None


def _without(text: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        text = text.removeprefix(prefix)
    return text


def _tell_tag_from_branch(context: Context) -> None:
    """A build of a tag has no branch, whatever its variable for branches says."""
    branch = str(context.facts.get("branch", ""))
    if branch.startswith(_TAG):
        if "tag" not in context.facts:
            context.facts["tag"] = _without(branch, _TAG)
            context.sources["tag"] = context.sources["branch"]
        context.facts["branch"] = context.facts["tag"]
    if branch and context.facts["branch"] == context.facts.get("tag"):
        del context.facts["branch"], context.sources["branch"]
    if context.provider == "jenkins" and "pipeline" in context.facts:
        context.facts["pipeline"] = _job(str(context.facts["pipeline"]), branch)


def _job(path: str, branch: str) -> str:
    """Jenkins' name of a job, without the branch and the axes of a matrix that it may end in."""
    suffix = f"/{branch}"
    for end in (suffix, suffix.replace("/", "%2F").replace("%2F", "/", 1)):
        path = path.removesuffix(end) if branch else path
    return "/".join(part for part in path.split("/") if part and "=" not in part) or path


def _pull_request_number(raw: str) -> str | None:
    """The number in ``12``, ``pr/12``, ``refs/pull/12/merge`` or a pull request's URL."""
    if raw.startswith("refs/"):
        raw = raw.split("/")[2] if raw.startswith("refs/pull/") else ""
    elif not raw.startswith(("pr/", "http://", "https://")) and "/" in raw:
        return None  # CodeBuild: "branch/main"
    number = raw.rstrip("/").rpartition("/")[2]
    return number if number.isdecimal() and len(number) < 20 else None


def _pull_request(context: Context, environ: Mapping[str, str]) -> None:
    """GitHub's variables name the merge commit only; its event file knows the head."""
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path or not environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        return
    head = _event(path).get("head")
    commit = head.get("sha") if isinstance(head, dict) else None
    if isinstance(commit, str) and commit:
        context.facts["commit"] = commit[:64]
        context.sources["commit"] = "GITHUB_EVENT_PATH"


def _event(path: str) -> dict[str, Any]:
    import json

    try:
        with open(path, "rb") as file:
            change = json.loads(file.read(_MAX_EVENT_FILE)).get("pull_request")
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return change if isinstance(change, dict) else {}
