"""Entry points are read from folders as importlib.metadata reads them."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from sbhooks.entries import Entry, installed
from sbhooks.errors import PluginError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which distributions are looked for."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def add(folder: Path, name: str, text: str | bytes) -> None:
    (folder / name).mkdir(parents=True)
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name / "entry_points.txt").write_bytes(data)
    (folder / name / "METADATA").write_text("Name: acme\nVersion: 1.0\n")


@pytest.mark.parametrize("group", ["sbhooks", "pytest11", "console_scripts", "nothing"])
def test_they_are_those_that_importlib_finds(group: str) -> None:
    found = {(entry.name, entry.value) for entry in installed(group).entries}
    assert found == {(entry.name, entry.value) for entry in entry_points(group=group)}


def test_an_entry_says_where_it_comes_from(path: Path) -> None:
    text = (
        "# ours\n[other]\nx = y\n\n[sbhooks]\n; why\nacme = sbhooks_acme.plugin\nb=c:d.e [fast]\n"
    )
    add(path, "acme_tools-1.2.3.dist-info", text)
    assert installed("sbhooks").entries == [
        Entry("acme", "sbhooks_acme.plugin", "acme-tools", "1.2.3"),
        Entry("b", "c:d.e [fast]", "acme-tools", "1.2.3"),
    ]


def test_a_distribution_that_is_there_twice_counts_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(path / "first", "acme-1.0.dist-info", "[sbhooks]\na = first\n")
    add(path / "second", "Acme-2.0.dist-info", "[sbhooks]\na = second\n")
    monkeypatch.setattr(sys, "path", [str(path / "first"), str(path / "second"), "/nonexistent"])
    assert [entry.value for entry in installed("sbhooks").entries] == ["first"]


@pytest.mark.parametrize(
    "text",
    [b"[sbhooks]\nno pair\n", b"[sbhooks]\na =\n", b"[sbhooks]\n= a\n", b"\xff\xfe[sbhooks]"],
)
def test_a_damaged_list_is_reported_and_the_others_count(path: Path, text: bytes) -> None:
    add(path, "bad-1.0.dist-info", text)
    add(path, "good-1.0.egg-info", "[sbhooks]\na = b\n")
    found = installed("sbhooks")
    assert [entry.value for entry in found.entries] == ["b"]
    assert ["bad-1.0.dist-info" in trouble for trouble in found.troubles] == [True]


def test_what_is_in_a_zip_file_is_found_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("acme-1.0.dist-info/METADATA", "Name: acme\nVersion: 1.0\n")
        archive.writestr("acme-1.0.dist-info/entry_points.txt", "[sbhooks]\na = acme\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "all.zip")])
    assert installed("sbhooks").entries == [Entry("a", "acme", "acme", "1.0")]


def test_an_entry_loads_a_module_or_what_is_in_it() -> None:
    assert Entry("a", "sbhooks.entries", "d", "1").load() is sys.modules["sbhooks.entries"]
    assert Entry("a", "sbhooks.entries:Entry.load [x]", "d", "1").load() is Entry.load
    with pytest.raises(ModuleNotFoundError):
        Entry("a", "sbhooks_nothing.plugin", "d", "1").load()


class TestBundles:
    """An entry that leads to a table stands for the plugins in it."""

    @pytest.fixture
    def bundle(self, path: Path) -> Callable[[str], Entry]:
        """An installed bundle with this source text."""

        def bundle(source: str) -> Entry:
            add(path, "acme-1.0.dist-info", "[sbhooks]\nacme = acme_bundle:PLUGINS\n")
            (path / "acme_bundle.py").write_text(source)
            (entry,) = installed("sbhooks").entries
            return entry

        return bundle

    @pytest.fixture(autouse=True)
    def forget(self) -> Iterator[None]:
        yield
        sys.modules.pop("acme_bundle", None)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("acme:PLUGINS", True),
            ("acme.plugins : PLUGINS [fast]", True),
            ("acme.PLUGINS", False),
            ("PLUGINS", False),
            ("acme:PLUGINS.first", False),
            ("acme:PLUGINS_OF_OURS", False),
            ("acme.plugin", False),
        ],
    )
    def test_an_entry_shows_it_without_an_import(self, value: str, expected: bool) -> None:
        assert Entry("a", value, "d", "1").is_bundle is expected

    def test_its_plugins_are_entries_like_all_others(self, bundle: Callable[[str], Entry]) -> None:
        entry = bundle("PLUGINS = {'acme-a': 'absent.a', 'acme-b': 'acme_bundle:PLUGINS.get'}")
        first, second = entry.plugins()
        assert first == Entry("acme-a", "absent.a", "acme", "1.0")
        assert (second.source, second.load()("acme-a")) == ("acme 1.0", "absent.a")

    def test_it_may_be_empty(self, bundle: Callable[[str], Entry]) -> None:
        assert bundle("PLUGINS = {}").plugins() == []

    @pytest.mark.parametrize(
        "table",
        [
            "['acme']", "'acme'", "None", "{'acme': 1}", "{1: 'acme'}", "{'': 'acme'}",
            "{'acme': ' '}", "{'acme': 'acme_bundle:PLUGINS'}",
            "dict.fromkeys(map(str, range(101)), 'x')",
        ],
    )  # fmt: skip
    def test_what_is_no_table_is_refused(self, bundle: Callable[[str], Entry], table: str) -> None:
        with pytest.raises(PluginError, match="no dict of at most 100 plugins"):
            bundle(f"PLUGINS = {table}").plugins()
