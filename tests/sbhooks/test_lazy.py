import sys
from pathlib import Path

import pytest

from sbhooks.errors import MissingExtraError
from sbhooks.lazy import missing, require


def test_an_installed_library_is_imported() -> None:
    assert require("json", install="x") is sys.modules["json"]
    assert require("os.path", install="x") is sys.modules["os.path"]


@pytest.mark.parametrize("module", ["absent_library", "absent_library.part"])
def test_a_library_that_is_not_there_is_an_error_with_the_command(module: str) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'sbhooks\[x\]'") as caught:
        require(module, install="sbhooks[x]")
    assert caught.value.module == module


def test_what_a_library_itself_lacks_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_there.py").write_text("import absent_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError) as caught:
        require("half_there", install="x")
    assert not isinstance(caught.value, MissingExtraError)
    assert caught.value.name == "absent_dependency"


def test_what_is_missing_is_listed_in_order_without_importing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "explosive.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    found = missing({"explosive": "a", "absent_b": "b[x]", "absent_a.part": "a[x]", "json": "j"})
    assert [(error.module, error.install) for error in found] == [
        ("absent_b", "b[x]"),
        ("absent_a.part", "a[x]"),
    ]
    assert "explosive" not in sys.modules


def test_nothing_is_missing_of_nothing() -> None:
    assert missing({}) == []
