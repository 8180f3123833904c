import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sbhooks import EventQuery, EventStore
from sbhooks.errors import StoreError
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import Timeline
from sbhooks.testing.plugin_contract import PluginContract
from sbhooks_acme_jsonstore.store import JsonEventStore

CODEC = EventStoreContract.codec


class TestPlugin(PluginContract):
    name = "acme-jsonstore"
    module = "sbhooks_acme_jsonstore.plugin"


class TestStore(EventStoreContract):
    @pytest.fixture
    def reopened(self, tmp_path: Path) -> Callable[[], EventStore]:
        return lambda: JsonEventStore(tmp_path / "folder" / "events.jsonl", self.codec)

    @pytest.fixture
    def store(self, reopened: Callable[[], EventStore]) -> Iterator[EventStore]:
        store = reopened()
        yield store
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], JsonEventStore]]:
    """Opens the file, as several processes would; closes all at the end."""
    stores: list[JsonEventStore] = []

    def open_one() -> JsonEventStore:
        stores.append(JsonEventStore(path, CODEC))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def test_two_see_what_the_other_does(opened: Callable[[], JsonEventStore]) -> None:
    first, second, time = opened(), opened(), Timeline()
    start, end, other = time.start(user="ada"), time.end(), Timeline("other").end()
    assert first.append([start]) == 1
    assert second.append([start, end]) == 1
    assert first.append([other, end]) == 1
    assert second.rename_people({"ada": "bob"}) == 1
    assert first.erase_user("bob") == 2
    for store in (first, second, opened()):
        assert list(store.events(EventQuery())) == [other]
        assert store.tail(0) == first.tail(0)
        assert store.high_water() == first.high_water()


def test_positions_stay_when_others_are_erased(opened: Callable[[], JsonEventStore]) -> None:
    store = opened()
    mine, theirs = Timeline("mine"), Timeline("theirs")
    first, second = mine.start(user="ada"), theirs.start(user="bob")
    store.append([first])
    store.append([second])
    after_first = store.tail(0, limit=1).position
    store.erase_user("ada")
    assert list(store.tail(after_first).events) == [second]
    assert list(opened().tail(after_first).events) == [second]


def test_nothing_of_the_erased_or_renamed_is_left_in_the_file(
    opened: Callable[[], JsonEventStore], path: Path
) -> None:
    store = opened()
    store.append([Timeline("one").start(user="user-ada"), Timeline("two").start(user="user-bob")])
    store.erase_user("user-ada")
    store.rename_people({"user-bob": "user-eve"})
    text = path.read_text()
    assert "user-ada" not in text
    assert "user-bob" not in text
    assert "user-eve" in text


def test_half_a_line_of_a_killed_process_is_not_read_and_goes(
    opened: Callable[[], JsonEventStore], path: Path
) -> None:
    events = Timeline().one_of_each()
    opened().append(events[:1])
    with path.open("ab") as file:
        file.write(b'[{"kind":"invoc')
    store = opened()
    assert store.append(events[1:2]) == 1
    assert list(opened().events(EventQuery())) == events[:2]


def test_a_full_disk_leaves_what_was_there(
    opened: Callable[[], JsonEventStore], path: Path
) -> None:
    store, time = opened(), Timeline()
    first = time.start()
    store.append([first])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
    try:
        with pytest.raises(StoreError, match="the disk is full"):
            store.append([time.end()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for each in (store, opened()):
        assert list(each.events(EventQuery())) == [first]


@pytest.mark.parametrize("text", ["garbage\n", "{}\n", "[5]\n", '[{"kind": "nobody-knows"}]\n'])
def test_a_file_that_cannot_be_read_is_an_error_naming_it(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(StoreError, match=r"cannot use .*events\.jsonl"):
        JsonEventStore(path, CODEC)


def test_a_path_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot open"):
        JsonEventStore(tmp_path / "file" / "events.jsonl", CODEC)
