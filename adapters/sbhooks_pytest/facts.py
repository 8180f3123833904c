"""The facts that hold for a whole run: who, where, on which code, with which pytest."""

from __future__ import annotations

import os
import sys
from os.path import basename, relpath
from typing import TYPE_CHECKING, Any

from sbhooks import identity, vcs
from sbhooks_pytest.arguments import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from sbhooks.ci import Context
    from sbhooks.settings import HostSettings
    from sbhooks_pytest.privacy import Privacy

_MAX_ARGS = 500
_MAX_PLUGINS = 30

#: Variables without which no provider of ``sbhooks.ci`` is detected: it need not be loaded.
CI_SIGNS = frozenset(
    {
        "APPVEYOR", "BITBUCKET_COMMIT", "BITRISE_BUILD_SLUG", "BUDDY", "BUILDKITE", "CF_BUILD_ID",
        "CI", "CIRCLECI", "CODEBUILD_BUILD_ARN", "CONTINUOUS_INTEGRATION", "DRONE",
        "GITEA_ACTIONS", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "SEMAPHORE",
        "TEAMCITY_VERSION", "TF_BUILD", "TRAVIS",
    }
)  # fmt: skip

#: Options of plugins that set the order of tests → attribute.
ORDER = {
    "randomly_seed": "seed",
    "random_order_seed": "seed",
    "random_order_bucket": "order",
    "randomly_reorganize": "order",
}


def start_fields(
    settings: HostSettings, privacy: Privacy, environ: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of ``sbhooks.events.SessionStart`` beyond those of every event."""
    import pytest

    found = vcs.checkout(privacy.root)
    context = _ci(environ)
    user, host = _who(settings.home)
    fields = {
        "tool": "pytest",
        "tool_version": pytest.__version__,
        "project": settings.project or privacy.name(project_name(privacy.root, found)),
        "user": user,
        "host": host,
        "python": ".".join(map(str, sys.version_info[:3])),
        "platform": _platform(),
        "vcs": _vcs(found, context),
        "ci": context and _run(context, host),
        "traceparent": environ.get("TRACEPARENT", "")[:200],
        "parent": environ.get("SBHOOKS_SESSION", "")[:100],
    }
    return {name: value for name, value in fields.items() if value}


def project_name(root: str, found: vcs.Checkout | None) -> str:
    """Name of the repository, and the folder in it when the tests have a root of their own."""
    if found is None:
        return basename(root) or "root"
    name = found.remote or basename(found.root) or "root"
    return name if found.root == root else f"{name}/{relpath(root, found.root)}"


def attributes(config: pytest.Config, privacy: Privacy) -> dict[str, str | int]:
    """What of the command line and the plugins explains how the run went."""
    option = config.option
    given = config.invocation_params.args
    texts = {
        "args": told(map(str, given), getattr(option, "file_or_dir", ())) if given else "",
        "keyword": getattr(option, "keyword", ""),
        "markexpr": getattr(option, "markexpr", ""),
        "plugins": " ".join(_plugins(config)),
    }
    rootdir = privacy.name(basename(privacy.root))
    found: dict[str, str | int] = {"rootdir": rootdir} if rootdir else {}
    for name, text in texts.items():
        if text:
            found[name] = privacy.text(str(text), _MAX_ARGS)
    workers = getattr(option, "numprocesses", None)
    if isinstance(workers, int) and workers:
        found["numprocesses"] = workers
        found["dist"] = str(getattr(option, "dist", ""))
    for name, attribute in ORDER.items():
        value = getattr(option, name, None)
        if name.startswith("random_order") and not _is_shuffled(option):
            continue
        if value not in {None, "", False}:
            found[attribute] = str(value).removeprefix("default:")[:100]
    return found


def _is_shuffled(option: Any) -> bool:
    """Whether pytest-random-order is on: by its switch, or by any other of its options."""
    names = ("random_order_seed", "random_order_bucket")
    given = [str(getattr(option, name, "default:")) for name in names]
    is_on = getattr(option, "random_order_enabled", False)
    return is_on or any(not text.startswith("default:") for text in given)


def _who(home: str) -> tuple[str | None, str | None]:
    try:
        return identity.who(home)
    except (OSError, ValueError):
        return None, None  # the emitter will say that the home cannot be used


def _ci(environ: Mapping[str, str]) -> Context | None:
    if CI_SIGNS.isdisjoint(environ):
        return None
    from sbhooks import ci

    return ci.detect(environ)


def _run(context: Context, host: str | None) -> dict[str, str | int]:
    """The CI run; a worker that is named like this machine gets the machine's stand-in."""
    run = context.run()
    own = identity.host_name().lower()
    if str(run.get("worker", "")).lower() in {own, own.partition(".")[0]}:
        run.pop("worker")
        if host:
            run["worker"] = host
    return run


def _platform() -> str:
    machine = os.uname().machine if hasattr(os, "uname") else ""
    return f"{sys.platform}-{machine}" if machine else sys.platform


def _vcs(found: vcs.Checkout | None, context: Context | None) -> dict[str, str]:
    told = context.change() if context else {}
    if found is not None:
        told.setdefault("commit", found.commit or "")
        told.setdefault("branch", found.branch or "")
    return {name: value for name, value in told.items() if value}


def _plugins(config: pytest.Config) -> list[str]:
    """Names and versions of the installed plugins, without parsing their metadata.

    The folder of a distribution tells both; reading a version the official way parses a
    whole e-mail header per plugin.
    """
    names = set()
    for _, dist in config.pluginmanager.list_plugin_distinfo():
        folder = getattr(getattr(dist, "_dist", dist), "_path", None)
        name = basename(str(folder)) if folder is not None else ""
        if name.endswith(".dist-info"):
            names.add(name.removesuffix(".dist-info").removeprefix("pytest_"))
    return sorted(names)[:_MAX_PLUGINS]
