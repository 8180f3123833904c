"""The pytest plugin of sbhooks: its options, and whether to record.

Imports nothing until a run is to be recorded: what is merely installed must cost nothing.
pytest reads the byte code of plugins piece by piece, and each piece (a name, a constant, a part
of a function) costs every start of pytest 2,000 instructions. That is why signatures stand in
comments, and why there are few functions and names. For the same reason: PYTEST_DONT_REWRITE.
"""

import os

TYPE_CHECKING = False  # as in typing, from which importing it takes longer
if TYPE_CHECKING:
    import argparse  # noqa: F401 - in signatures

    import pytest  # noqa: F401 - in signatures

#: Options of pytest that only show something; such runs are not recorded.
_SHOWS = (
    "help version markers collectonly showfixtures show_fixtures_per_test setupplan setuponly "
    "cacheshow"
)


def __dir__():
    # type: () -> list[str]
    # pytest looks at every attribute of a plugin, and longer than it runs a whole test.
    return ["pytest_addoption", "pytest_configure"]


def pytest_addoption(parser, pluginmanager):
    # type: (pytest.Parser, pytest.PytestPluginManager) -> None
    """Declare the options, each with its twin in the configuration file."""
    # Each costs every run of pytest some 300,000 instructions, used or not: what is seldom
    # wanted is a setting alone, for which pytest has ``-o NAME=VALUE``.

    def experiment(name):
        # type: (str) -> str
        # The option is given: its plugin joins before options and conftests are final.
        from sbhooks_pytest.experiment import join

        return join(pluginmanager, name, _is_wanted)

    add = parser.getgroup("sbhooks", "recording of test runs (sbhooks)").addoption
    flag = "store_true"
    add("--no-sbhooks", action=flag, help="Do not record this run.")
    add("--sbhooks-summary", action=flag, help="Say more about the recorded run at its end.")
    add(
        "--sbhooks-experiment",
        metavar="NAME",
        type=experiment,
        help="Run with the options of this experiment's variant, and record how it ends.",
    )
    ini = parser.addini
    ini("sbhooks", "Record test runs.", "bool", True)
    ini("sbhooks_summary", "As --sbhooks-summary.", "bool", False)
    ini("sbhooks_nested", "Record runs that tests start.", "bool", False)


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
    # Whether this process runs tests, for a user who wants them recorded.
    if option.no_sbhooks or not config.getini("sbhooks"):
        return False
    if hasattr(config, "workerinput"):
        return False  # an xdist worker: the controller sees all of its reports
    for name in _SHOWS.split():
        if getattr(option, name, False):
            return False
    disabled = os.environ.get("SBHOOKS_DISABLE", "")
    if disabled and not {"all", "pytest"}.isdisjoint(disabled.replace(" ", "").split(",")):
        return False
    if "PYTEST_CURRENT_TEST" in os.environ:
        return bool(config.getini("sbhooks_nested"))
    return True
