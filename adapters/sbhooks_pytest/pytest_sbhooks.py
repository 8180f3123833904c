"""The pytest plugin of sbhooks: its options, and whether to record.

Imports nothing until a run is to be recorded: what is merely installed must cost nothing.
That is also why signatures stand in comments: annotations, and the import that keeps them
unevaluated, cost every run of pytest more than an option does.
"""

import os

TYPE_CHECKING = False  # as in typing, from which importing it takes longer
if TYPE_CHECKING:
    import argparse  # noqa: F401 - in signatures

    import pytest  # noqa: F401 - in signatures

#: Options of pytest that only show something; such runs are not recorded.
_SHOWS = (
    "help",
    "version",
    "markers",
    "collectonly",
    "showfixtures",
    "show_fixtures_per_test",
    "setupplan",
    "setuponly",
    "cacheshow",
)


def __dir__():
    # type: () -> list[str]
    # pytest looks at every attribute of a plugin, and longer than it runs a whole test.
    return ["pytest_addoption", "pytest_configure"]


def pytest_addoption(parser, pluginmanager):
    # type: (pytest.Parser, pytest.PytestPluginManager) -> None
    """Declare the options, each with its twin in the configuration file.

    Each costs every run of pytest some 300,000 instructions, used or not: what is seldom wanted
    is a setting alone, for which pytest has ``-o NAME=VALUE``.
    """

    def experiment(name):
        # type: (str) -> str
        """The option is given: its plugin joins before options and conftests are final."""
        from sbhooks_pytest.experiment import join

        join(pluginmanager, name, _is_wanted)
        return name

    group = parser.getgroup("sbhooks", "recording of test runs (sbhooks)")
    group.addoption(
        "--no-sbhooks", action="store_true", default=False, help="Do not record this run."
    )
    group.addoption(
        "--sbhooks-summary",
        action="store_true",
        default=False,
        help="Say more about the recorded run at its end.",
    )
    group.addoption(
        "--sbhooks-experiment",
        metavar="NAME",
        type=experiment,
        help="Run with the options of this experiment's variant, and record how it ends.",
    )
    parser.addini("sbhooks", "Record test runs.", type="bool", default=True)
    parser.addini("sbhooks_summary", "As --sbhooks-summary.", type="bool", default=False)
    parser.addini("sbhooks_nested", "Record runs that tests start.", type="bool", default=False)


def pytest_configure(config):
    # type: (pytest.Config) -> None
    """Start the recorder if this run is to be recorded."""
    if not _is_wanted(config, config.option):
        return
    try:
        from sbhooks_pytest.recorder import start

        start(config)
    except Exception:  # noqa: BLE001 - recording must never break a test run
        return


def _is_wanted(config, option):
    # type: (pytest.Config, argparse.Namespace) -> bool
    """Whether this process runs tests, for a user who wants them recorded."""
    if option.no_sbhooks or not config.getini("sbhooks"):
        return False
    if hasattr(config, "workerinput"):
        return False  # an xdist worker: the controller sees all of its reports
    if any(getattr(option, name, False) for name in _SHOWS):
        return False
    disabled = os.environ.get("SBHOOKS_DISABLE", "")
    if disabled and not {"all", "pytest"}.isdisjoint(disabled.replace(" ", "").split(",")):
        return False
    if "PYTEST_CURRENT_TEST" in os.environ:
        return bool(config.getini("sbhooks_nested"))
    return True
