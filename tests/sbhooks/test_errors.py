import pickle

import pytest

from sbhooks import errors
from sbhooks.errors import MigrationError, MissingExtraError, PluginError, SbhooksError, StoreError

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_an_sbhooks_error_and_drawn_in_the_tree(kind: type[Exception]) -> None:
    assert issubclass(kind, SbhooksError)
    assert kind.__name__ in (errors.__doc__ or "")


def test_a_missing_extra_says_what_is_missing_and_what_to_run() -> None:
    error = MissingExtraError("numba", install="sbhooks[fast]")
    assert str(error) == (
        "'numba' is needed here but is not installed. Run: pip install 'sbhooks[fast]'"
    )
    assert (error.module, error.install) == ("numba", "sbhooks[fast]")


def test_a_missing_extra_is_an_import_error_and_concerns_a_plugin() -> None:
    assert issubclass(MissingExtraError, ImportError)
    assert issubclass(MissingExtraError, PluginError)
    assert issubclass(MigrationError, StoreError)


@pytest.mark.parametrize("kind", [c for c in CLASSES if c is not MissingExtraError])
def test_errors_cross_process_borders(kind: type[Exception]) -> None:
    assert pickle.loads(pickle.dumps(kind("why"))).args == ("why",)  # noqa: S301
