"""What of a command line is recorded: names of options, tests, and values known to be harmless.

A redactor cannot know that ``--password hunter2`` names a secret, and any plugin may add
options. So only what follows an option listed here is recorded; of all others the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: Options whose value says how the tests were run.
VALUES = frozenset(
    {
        "--asyncio-mode", "--capture", "--color", "--count", "--cov", "--cov-config",
        "--cov-context", "--cov-fail-under", "--cov-report", "--deselect", "--dist",
        "--doctest-glob", "--durations", "--durations-min", "--group", "--ignore",
        "--ignore-glob", "--import-mode", "--last-failed-no-failures", "--lfnf", "--log-cli-level",
        "--log-level", "--max-worker-restart", "--maxfail", "--maxprocesses", "--num-shards",
        "--numprocesses", "--random-order-bucket", "--random-order-seed", "--randomly-seed",
        "--reruns", "--reruns-delay", "--rootdir", "--shard-id", "--splits",
        "--splitting-algorithm",
        "--tb", "--timeout", "--timeout-method", "--verbosity",
        "-k", "-m", "-n", "-p", "-r",
    }
)  # fmt: skip
_FLAGS = frozenset("hlqsvxV")  #: One-letter options without a value, which may be joined.


def told(args: Iterable[str], tests: Collection[str]) -> str:
    """A command line without values that may be secret.

    Args:
        args: As given.
        tests: Which of them pytest took for files, folders and tests.
    """
    words: list[str] = []
    wanted = only_tests = False
    for arg in args:
        if only_tests or not arg.startswith("-") or arg == "-":
            if wanted or arg in tests:
                words.append(arg)
            wanted = False
            continue
        only_tests = arg == "--"
        word = _option(arg)
        wanted = word in VALUES and word == arg
        words.append(word)
    return " ".join(words)


def _option(arg: str) -> str:
    """An option, with the value that is joined to it only where that may be known."""
    if arg.startswith("--"):
        name, _, _ = arg.partition("=")
        return arg if name in VALUES else name
    name, rest = arg[:2], arg[2:]
    return arg if not rest or name in VALUES or _FLAGS.issuperset(arg[1:]) else name
