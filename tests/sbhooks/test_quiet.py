import sys
import threading
import warnings

import pytest

from sbhooks.quiet import Quiet


def test_inside_a_host_nothing_appears(capfd: pytest.CaptureFixture[str]) -> None:
    with Quiet(inside_host=True):
        print("out")
        print("err", file=sys.stderr)
        sys.stdout.buffer.write(b"bytes")
        sys.stdout.writelines(["lines"])
        sys.stdout.flush()
        assert not sys.stdout.isatty()
        assert sys.stdout.encoding == "utf-8"
    print("after")
    assert capfd.readouterr() == ("after\n", "")


def test_in_our_own_process_everything_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Quiet(inside_host=False):
        print("out")
        print("err", file=sys.stderr)
    print("after")
    assert capsys.readouterr() == ("after\n", "out\nerr\n")


@pytest.mark.parametrize("inside_host", [True, False])
def test_the_streams_are_back_afterwards_whatever_happened(inside_host: bool) -> None:
    before = sys.stdout, sys.stderr, warnings.showwarning
    with pytest.raises(ZeroDivisionError), Quiet(inside_host=inside_host):
        sys.stdout = None  # type: ignore[assignment]
        sys.stderr = None  # type: ignore[assignment]
        _ = 1 / 0
    assert (sys.stdout, sys.stderr, warnings.showwarning) == before


def test_it_may_be_entered_within_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with Quiet(inside_host=True):
        with Quiet(inside_host=True):
            print("inner")
        print("outer")
    print("after")
    assert capsys.readouterr() == ("after\n", "")


def test_other_threads_print_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        print("other thread")
        print("its error", file=sys.stderr)

    with Quiet(inside_host=True):
        print("plugin")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert capsys.readouterr() == ("other thread\n", "its error\n")


def test_overlapping_threads_leave_working_streams(capsys: pytest.CaptureFixture[str]) -> None:
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with Quiet(inside_host=True):
            entered.set()
            leave.wait(60)
            print("second plugin")

    thread = threading.Thread(target=work)
    with Quiet(inside_host=True):
        thread.start()
        entered.wait(60)
    leave.set()
    thread.join()
    print("host")
    assert capsys.readouterr().out == "host\n"


@pytest.mark.parametrize("inside_host", [True, False])
def test_threads_that_overlap_again_and_again_leave_no_chain_of_switches(
    inside_host: bool,
) -> None:
    def stay(entered: threading.Event, leave: threading.Event) -> None:
        with Quiet(inside_host=inside_host):
            entered.set()
            leave.wait(60)

    before = sys.stdout, sys.stderr, warnings.showwarning
    last: tuple[threading.Thread, threading.Event] | None = None
    for _ in range(30):
        entered, leave = threading.Event(), threading.Event()
        thread = threading.Thread(target=stay, args=(entered, leave))
        thread.start()
        entered.wait(60)
        if last is not None:  # it goes while the next one is in
            last[1].set()
            last[0].join()
        last = thread, leave
    assert last is not None
    last[1].set()
    last[0].join()
    assert (sys.stdout, sys.stderr, warnings.showwarning) == before


def test_what_a_plugin_puts_in_place_of_the_streams_goes_while_others_are_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Quiet(inside_host=True):
        with Quiet(inside_host=True):
            sys.stdout = None  # type: ignore[assignment]
        print("still quiet")
    print("host")
    assert capsys.readouterr().out == "host\n"


def test_warnings_inside_a_host_are_dropped_without_touching_filters() -> None:
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        with Quiet(inside_host=True):
            warnings.warn("of the plugin", DeprecationWarning, stacklevel=1)
            assert warnings.filters == filters
            thread = threading.Thread(target=lambda: warnings.warn("of a thread", stacklevel=1))
            thread.start()
            thread.join()
        warnings.warn("of the host", stacklevel=1)
    assert [str(each.message) for each in recorded] == ["of a thread", "of the host"]


def test_the_streams_are_not_closed_when_the_stand_ins_are_collected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import gc

    with Quiet(inside_host=True):
        pass
    gc.collect()
    print("still open")
    assert capsys.readouterr().out == "still open\n"
