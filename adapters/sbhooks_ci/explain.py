"""Which CI run this is, and what says so: for people who wonder at what was recorded."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sbhooks import ci, context, vcs
from sbhooks.output import FAINT, Cell, Column, Output
from sbhooks.settings import HostSettings

#: What CI systems are called.
TITLES = {
    "appveyor": "AppVeyor", "azure": "Azure Pipelines", "bitbucket": "Bitbucket Pipelines",
    "bitrise": "Bitrise", "buddy": "Buddy", "buildkite": "Buildkite", "circleci": "CircleCI",
    "codebuild": "AWS CodeBuild", "codefresh": "Codefresh", "drone": "Drone",
    "gitea": "Gitea Actions", "github": "GitHub Actions", "gitlab": "GitLab CI",
    "jenkins": "Jenkins", "semaphore": "Semaphore", "teamcity": "TeamCity", "travis": "Travis CI",
    "woodpecker": "Woodpecker CI",
}  # fmt: skip


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact and where it comes from.

    Attributes:
        name: Field of ``Ci`` or ``Vcs``, or of ``SessionStart``.
        value: As it would be recorded.
        source: A variable, a template of variables, or ``"git"``, ``"settings"``, ``"folder"``.
    """

    name: str
    value: str | int
    source: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks ci explain --json` prints.

    Attributes:
        provider: The CI system; ``None`` outside of any, ``"unknown"`` in one that is not known.
        facts: What would be recorded of the run and the change.
        unknown: Facts that nothing tells.
    """

    provider: str | None
    facts: list[Fact]
    unknown: list[str]


def explain(settings: HostSettings, folder: str, environ: Mapping[str, str]) -> Explanation:
    """Say what would be recorded here, fact by fact."""
    found = ci.detect(environ)
    checkout = vcs.checkout(folder)
    facts = [
        Fact(name=name, value=found.facts[name], source=found.sources[name])
        for name in (*ci.RUN_FACTS, *ci.CHANGE_FACTS)
        if found is not None and name in found.facts
    ]
    known = {fact.name for fact in facts}
    facts += [
        Fact(name=name, value=value, source="git")
        for name, value in context.change(found, checkout).items()
        if name not in known
    ]
    project = settings.project or context.project_name(folder, checkout)
    if project:
        source = "settings" if settings.project else "git" if checkout else "folder"
        facts.append(Fact(name="project", value=project, source=source))
    trace = context.traceparent(environ.get("TRACEPARENT", ""))
    if trace:
        facts.append(Fact(name="traceparent", value=trace, source="TRACEPARENT"))
    known = {fact.name for fact in facts}
    return Explanation(
        provider=found.provider if found else None,
        facts=facts,
        unknown=[name for name in (*ci.RUN_FACTS, *ci.CHANGE_FACTS) if name not in known]
        if found
        else [],
    )


def draw(out: Output, found: Explanation) -> None:
    """Show it to people."""
    if found.provider is None:
        out.line("This is no CI run: neither CI nor any provider's variables are set.")
    elif found.provider == "unknown":
        out.line("This is a CI run, but of a system that sbhooks does not know.")
    else:
        out.line(f"This is a run in {TITLES[found.provider]}.")
    if found.facts:
        out.line("")
        out.table(
            [Column("fact"), Column("value", least=24), Column("told by", least=12)],
            [
                (fact.name, str(fact.value), Cell(_place(fact.source), FAINT))
                for fact in found.facts
            ],
        )
    if found.unknown:
        out.line("")
        out.note(f"Not told: {', '.join(found.unknown)}.")


def _place(source: str) -> str:
    """For people: what holds the value, without conditions, and the first of several variables."""
    if "{" in source:
        return f"{source.partition('{')[2].partition('}')[0]}, …"
    return source.rpartition("&")[2]
