import errno
import fcntl
import os
import resource
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks import descriptors as low
from sbhooks import segments as reading
from sbhooks.errors import SpoolError
from sbhooks.segments import Segment, last_will, lines, remove, segments
from sbhooks.spool import MAX_LINE_BYTES, SLOT_BYTES, SpoolWriter

Program = Callable[..., CompletedProcess[str]]


@pytest.fixture
def writer(home: Path) -> Iterator[SpoolWriter]:
    made = SpoolWriter(str(home))
    yield made
    made.close()


def names(home: Path) -> list[str]:
    """Endings of what is in the spool, oldest first."""
    return [path.suffix for path in sorted((home / "spool").iterdir())]


def descriptors() -> set[int]:
    """What this process has open."""
    return {int(path.name) for path in Path("/proc/self/fd").iterdir()}


def kept(home: Path) -> list[bytes]:
    """Every complete line in the spool, in order."""
    return [
        line.rstrip(b"\n")
        for segment in segments(str(home))
        for line, _ in lines(segment.file)
        if line.endswith(b"\n")
    ]


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestAppending:
    def test_nothing_is_created_before_the_first_line(self, home: Path) -> None:
        writer = SpoolWriter(str(home))
        writer.will(0, b"w")
        writer.close()
        assert not home.exists()

    def test_a_line_is_in_the_file_when_append_returns(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        for number in range(3):
            writer.append(b"%d" % number)
            (segment,) = segments(str(home))
            assert segment.state == "open"
            assert Path(segment.file).read_bytes().splitlines()[-1] == b"%d" % number

    def test_each_line_is_one_write(self, home: Path, python: Program) -> None:
        ran = python(
            """
            import os, sys
            real, calls = os.write, []
            os.write = lambda fd, data: calls.append(data) or real(fd, data)
            from sbhooks.spool import SpoolWriter
            writer = SpoolWriter(sys.argv[1])
            for number in range(5):
                writer.append(b"line %d" % number)
            assert calls == [b"line %d\\n" % n for n in range(5)], calls
            """,
            home,
        )
        assert ran.stderr == ""

    @pytest.mark.parametrize("umask", [0, 0o777])
    def test_files_and_folder_are_private_but_not_from_ourselves(
        self, home: Path, writer: SpoolWriter, umask: int
    ) -> None:
        before = os.umask(umask)
        try:
            writer.append(b"x")
        finally:
            os.umask(before)
        assert stat.S_IMODE((home / "spool").stat().st_mode) == 0o700
        assert {stat.S_IMODE(p.stat().st_mode) for p in (home / "spool").iterdir()} == {0o600}

    def test_a_name_tells_process_and_order(self, home: Path) -> None:
        for number in range(3):
            writer = SpoolWriter(str(home))
            writer.append(b"%d" % number)
            writer.close()
        found = segments(str(home))
        assert kept(home) == [b"0", b"1", b"2"]
        assert {Path(s.path).suffix for s in found} == {f".{os.getpid()}"}

    def test_a_closed_segment_is_sealed_and_leaves_nothing_else(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        writer.will(0, b"w")
        writer.append(b"x")
        assert names(home) == [".open", ".will"]
        writer.close()
        writer.close()
        assert names(home) == [".seg"]
        assert [s.state for s in segments(str(home))] == ["sealed"]

    def test_a_closed_writer_begins_anew(self, home: Path, writer: SpoolWriter) -> None:
        writer.append(b"1")
        writer.close()
        writer.append(b"2")
        assert kept(home) == [b"1", b"2"]
        assert [s.state for s in segments(str(home))] == ["sealed", "open"]

    def test_a_full_segment_is_sealed_and_the_next_begun(self, home: Path) -> None:
        writer = SpoolWriter(str(home), max_bytes=10)
        for number in range(5):
            writer.append(b"%05d" % number)
        # Six bytes each: the first two and the next two exceed ten.
        assert [s.state for s in segments(str(home))] == ["sealed", "sealed", "open"]
        assert [Path(s.file).stat().st_size for s in segments(str(home))] == [12, 12, 6]
        writer.close()
        assert kept(home) == [b"%05d" % number for number in range(5)]

    @given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=30))
    def test_what_is_appended_is_what_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, written: list[bytes]
    ) -> None:
        home = tmp_path_factory.mktemp("home")
        writer = SpoolWriter(str(home), max_bytes=100)
        for line in written:
            writer.append(line)
        assert kept(home) == written
        writer.close()
        assert kept(home) == written

    def test_a_line_that_nobody_would_read_is_refused(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        longest = b"x" * (MAX_LINE_BYTES - 1)
        writer.append(longest)
        with pytest.raises(SpoolError, match="1048576 bytes is too long"):
            writer.append(longest + b"x")
        assert kept(home) == [longest]

    def test_it_holds_no_low_descriptor(self, home: Path, writer: SpoolWriter) -> None:
        before = descriptors()
        writer.append(b"x")
        opened = descriptors() - before
        assert len(opened) == 2
        assert min(opened) >= 900
        assert not any(os.get_inheritable(fd) for fd in opened)
        writer.close()
        assert descriptors() == before

    def test_it_works_where_few_descriptors_are_allowed(self, home: Path, python: Program) -> None:
        ran = python(
            """
            import resource, sys
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            from sbhooks.spool import SpoolWriter
            writer = SpoolWriter(sys.argv[1])
            writer.append(b"x")
            print(writer._fd)
            """,
            home,
        )
        assert (ran.stdout, ran.stderr) == ("48\n", "")
        assert kept(home) == [b"x"]

    def test_two_writers_of_one_process_do_not_meet(self, home: Path) -> None:
        first, second = SpoolWriter(str(home)), SpoolWriter(str(home))
        first.append(b"a")
        second.append(b"b")
        first.append(b"c")
        first.close()
        assert sorted(s.state for s in segments(str(home))) == ["open", "sealed"]
        second.close()
        assert sorted(kept(home)) == [b"a", b"b", b"c"]


class TestTrouble:
    def test_a_home_that_cannot_be_made_is_an_error_naming_the_folder(self, home: Path) -> None:
        home.parent.joinpath("file").write_text("")
        writer = SpoolWriter(str(home.parent / "file" / "home"))
        for _ in range(3):
            with pytest.raises(SpoolError, match="Not a directory") as caught:
                writer.append(b"x")
        assert str(home.parent / "file" / "home" / "spool") in str(caught.value)
        assert "sbhooks doctor" in str(caught.value)

    @pytest.mark.parametrize("bad", ["a\0b", ""])
    def test_a_home_that_is_no_path_is_an_error(
        self, bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        tmp_path.rmdir()
        with pytest.raises(SpoolError, match="cannot write the spool"):
            SpoolWriter(bad).append(b"x")

    def test_nothing_of_a_line_that_does_not_fit_is_left(self, home: Path) -> None:
        writer = SpoolWriter(str(home))
        writer.append(b"1234567")
        with file_size_limit(12):
            for _ in range(3):
                with pytest.raises(SpoolError, match="only 4 of 9 bytes fit"):
                    writer.append(b"abcdefgh")
            writer.append(b"abc")
            with pytest.raises(SpoolError, match="File too large"):
                writer.append(b"")
        writer.append(b"after")
        writer.close()
        assert kept(home) == [b"1234567", b"abc", b"after"]
        assert len(segments(str(home))) == 1

    def test_a_torn_line_that_cannot_be_taken_back_ends_its_segment(
        self, home: Path, python: Program
    ) -> None:
        ran = python(
            """
            import os, resource, sys
            def refuse(*_): raise OSError(5, "Input/output error")
            os.ftruncate = refuse
            from sbhooks.errors import SpoolError
            from sbhooks.spool import SpoolWriter
            writer = SpoolWriter(sys.argv[1])
            writer.append(b"1234567")
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (12, hard))
            try:
                writer.append(b"abcdefgh")
            except SpoolError as error:
                assert "Input/output error" in str(error), error
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            writer.append(b"after")
            writer.close()
            """,
            home,
        )
        assert ran.stderr == ""
        assert kept(home) == [b"1234567", b"after"]
        assert [s.state for s in segments(str(home))] == ["sealed", "sealed"]

    def test_a_segment_that_cannot_be_begun_leaves_nothing(self, home: Path) -> None:
        writer = SpoolWriter(str(home))
        writer.will(0, b"w" * 100)
        before = descriptors()
        with file_size_limit(50):
            for _ in range(3):
                with pytest.raises(SpoolError, match="the disk is full"):
                    writer.append(b"x")  # the will does not fit
        assert names(home) == []
        assert descriptors() == before
        writer.append(b"x")
        assert kept(home) == [b"x"]
        writer.close()

    def test_without_flock_there_is_a_clear_error(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(low.System, "flock", None)
        with pytest.raises(SpoolError, match=r"needs flock\(2\)"):
            SpoolWriter(str(home)).append(b"x")
        assert names(home) == []

    def test_a_deleted_spool_is_written_again_when_it_is_sealed(self, home: Path) -> None:
        writer = SpoolWriter(str(home))
        big = b"x" * 70_000
        writer.append(big)
        for path in (home / "spool").iterdir():
            path.unlink()
        (home / "spool").rmdir()
        home.rmdir()
        writer.append(b"after")
        writer.close()
        assert kept(home) == [big, b"after"]
        assert names(home) == [".seg"]

    def test_a_deleted_segment_that_cannot_be_written_again_is_an_error(self, home: Path) -> None:
        writer = SpoolWriter(str(home))
        writer.append(b"x")
        for path in (home / "spool").iterdir():
            path.unlink()
        (home / "spool").rmdir()
        (home / "spool").write_text("in the way")
        with pytest.raises(SpoolError, match="cannot seal a segment"):
            writer.close()
        writer.close()

    def test_a_segment_that_cannot_be_sealed_counts_as_complete(
        self, home: Path, python: Program
    ) -> None:
        ran = python(
            """
            import os, sys
            real = os.rename
            def rename(old, new):
                if new.endswith(".seg"):
                    raise OSError(30, "Read-only file system")
                real(old, new)
            os.rename = rename
            from sbhooks.spool import SpoolWriter
            writer = SpoolWriter(sys.argv[1])
            writer.will(0, b"will")
            writer.append(b"x")
            writer.close()
            """,
            home,
        )
        assert ran.stderr == ""
        (segment,) = segments(str(home))
        assert (segment.state, last_will(segment), kept(home)) == ("dead", [], [b"x"])


class TestForeignDescriptors:
    def test_closed_descriptors_are_replaced(self, home: Path, writer: SpoolWriter) -> None:
        writer.append(b"before")
        os.close(writer._fd)
        os.close(writer._will_fd)
        writer.append(b"after")
        assert kept(home) == [b"before", b"after"]
        assert [s.state for s in segments(str(home))] == ["sealed", "open"]

    @pytest.mark.parametrize("content", [b"", b"12345", b"before\n"])
    def test_recycled_descriptors_are_never_written_to(
        self, home: Path, tmp_path: Path, writer: SpoolWriter, content: bytes
    ) -> None:
        writer.append(b"before")
        foreign = tmp_path / "foreign"
        foreign.write_bytes(content)
        taken = [writer._fd, writer._will_fd]
        other = os.open(foreign, os.O_RDWR | os.O_APPEND)
        for fd in taken:
            os.dup2(other, fd)
        os.close(other)
        writer.will(0, b"w")
        if content == b"before\n":
            os.lseek(taken[0], 3, os.SEEK_SET)
        writer.append(b"after")
        writer.will(0, b"w")
        writer.close()
        assert foreign.read_bytes() == content
        assert kept(home) == [b"before", b"after"]
        for fd in taken:
            os.fstat(fd)  # left open: it is not ours
            os.close(fd)

    def test_a_pipe_in_place_of_the_segment_is_recognised(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        writer.append(b"before")
        read, write = os.pipe()
        os.dup2(write, writer._fd)
        os.dup2(write, writer._will_fd)
        mine = writer._fd, writer._will_fd
        writer.will(0, b"w")
        writer.append(b"after")
        os.close(write)
        for fd in mine:
            os.close(fd)
        assert os.read(read, 100) == b""
        os.close(read)
        assert kept(home) == [b"before", b"after"]

    def test_a_foreign_file_at_its_beginning_is_not_taken_for_an_empty_segment(
        self, home: Path, tmp_path: Path, writer: SpoolWriter
    ) -> None:
        with file_size_limit(0), pytest.raises(SpoolError):
            writer.append(b"does not fit")
        assert writer._fd >= 0
        other = os.open(tmp_path / "foreign", os.O_RDWR | os.O_CREAT)
        mine = writer._fd
        os.dup2(other, mine)
        os.close(other)
        writer.append(b"x")
        os.close(mine)
        assert (tmp_path / "foreign").read_bytes() == b""
        assert kept(home) == [b"x"]

    def test_closing_everything_and_opening_other_files_harms_neither(
        self, home: Path, python: Program, tmp_path: Path
    ) -> None:
        ran = python(
            """
            import os, sys
            from sbhooks.spool import SpoolWriter
            writer = SpoolWriter(sys.argv[1])
            writer.will(0, b"will")
            foreign = [os.open(f"own{n}", os.O_CREAT | os.O_RDWR) for n in range(3)]
            for round in range(20):
                writer.append(b"%d" % round)
                os.closerange(3, 2048)
                foreign = [os.open(f"f{round}.{n}", os.O_CREAT | os.O_RDWR) for n in range(1500)]
                writer.will(round % 3, b"will %d" % round)
            writer.close()
            """,
            home,
        )
        assert ran.stderr == ""
        assert kept(home) == [b"%d" % number for number in range(20)]
        assert {path.stat().st_size for path in tmp_path.glob("f*.*")} == {0}


class TestWill:
    def will_of(self, home: Path) -> list[bytes]:
        (segment,) = segments(str(home))
        return last_will(Segment(segment.path, "dead"))

    def test_each_slot_holds_one_line(self, home: Path, writer: SpoolWriter) -> None:
        writer.will(0, b"before the first line")
        writer.append(b"x")
        writer.will(2, b"two")
        assert self.will_of(home) == [b"before the first line", b"two"]
        writer.will(0, b"zero")
        writer.will(2, b"")
        assert self.will_of(home) == [b"zero"]

    def test_a_line_that_does_not_fit_clears_the_slot(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        writer.append(b"x")
        writer.will(0, b"y" * (SLOT_BYTES - 1))
        assert self.will_of(home) == [b"y" * (SLOT_BYTES - 1)]
        writer.will(0, b"z" * SLOT_BYTES)
        assert self.will_of(home) == []

    def test_only_the_dead_have_one(self, home: Path, writer: SpoolWriter) -> None:
        writer.append(b"x")
        writer.will(0, b"w")
        (segment,) = segments(str(home))
        assert segment.state == "open"
        assert last_will(segment) == []
        assert last_will(Segment(segment.path, "sealed")) == []
        assert last_will(Segment(segment.path + "0", "dead")) == []

    def test_the_next_segment_has_the_same_will(self, home: Path) -> None:
        writer = SpoolWriter(str(home), max_bytes=1)
        writer.will(1, b"w")
        writer.append(b"one")
        writer.append(b"two")
        assert names(home) == [".seg", ".open", ".will"]
        last = segments(str(home))[-1]
        assert last_will(Segment(last.path, "dead")) == [b"w"]
        writer.close()

    def test_there_is_a_will_at_every_moment_of_a_change_of_segments(
        self, home: Path, python: Program
    ) -> None:
        ran = python(
            """
            import os, sys
            from sbhooks.spool import SpoolWriter
            writer = SpoolWriter(sys.argv[1], max_bytes=1)
            writer.will(0, b"w")
            writer.append(b"one")
            folder, seen = os.path.join(sys.argv[1], "spool"), []
            def look(event, _):
                if event.startswith("os.") or event == "open":
                    names = os.listdir.__call__(folder) if not seen or seen[-1] is not None else []
                    wills = [n for n in names if n.endswith(".will")]
                    seen.append(any(n[:-5] + ".open" in names for n in wills))
            busy = False
            def audit(event, args):
                global busy
                if busy or event == "os.listdir":
                    return
                busy = True
                look(event, args)
                busy = False
            sys.addaudithook(audit)
            writer.append(b"two")
            moments = list(seen)
            assert len(moments) >= 4 and all(moments), moments
            """,
            home,
        )
        assert ran.stderr == ""

    def test_a_full_disk_is_an_error_and_the_lines_go_on(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        writer.append(b"x")
        with file_size_limit(100):
            with pytest.raises(SpoolError, match="cannot write a will to the spool"):
                writer.will(1, b"w")
            writer.append(b"y")
            writer.will(1, b"w2")
        assert kept(home) == [b"x", b"y"]


class TestLastWords:
    def test_they_are_kept_where_no_line_fits_any_more(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        for slot in range(3):
            writer.will(slot, b"%d" % slot)
        writer.append(b"x")
        with file_size_limit(2), pytest.raises(SpoolError):
            writer.append(b"the end")
        assert writer.leave([b"the end"])
        (left,) = segments(str(home))
        assert left.state == "open"  # as long as this process lives
        assert last_will(left._replace(state="dead")) == [b"the end"]
        assert [line for line, _ in lines(left.file)] == [b"x\n"]

    def test_without_a_segment_there_is_nothing_to_leave(self, writer: SpoolWriter) -> None:
        assert not writer.leave([b"the end"])


class TestForks:
    def test_a_fork_writes_nothing_and_leaves_the_segment_alone(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        writer.append(b"parent")
        child = os.fork()
        if child == 0:
            errors = 0
            for call in (lambda: writer.append(b"x"), lambda: writer.will(0, b"x")):
                try:
                    call()
                except SpoolError:
                    errors += 1
            writer.close()
            writer.abandon()
            os._exit(errors)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        writer.append(b"still")
        assert names(home) == [".open", ".will"]
        assert kept(home) == [b"parent", b"still"]

    def test_a_child_that_outlives_its_parent_does_not_keep_the_segment(
        self, home: Path, python: Program
    ) -> None:
        read, write = os.pipe()
        os.set_inheritable(read, True)
        ran = python(
            """
            import os, sys, time
            from sbhooks.spool import SpoolWriter
            writer = SpoolWriter(sys.argv[1])
            writer.append(b"x")
            if os.fork() == 0:
                for fd in (1, 2):
                    os.close(fd)
                os.read(int(sys.argv[2]), 1)  # lives until the test is done looking
                os._exit(0)
            os.kill(os.getpid(), 9)
            """,
            home,
            read,
            pass_fds=[read],
        )
        try:
            assert ran.returncode == -signal.SIGKILL
            assert [s.state for s in segments(str(home))] == ["dead"]
        finally:
            os.close(write)
            os.close(read)

    def test_a_parent_that_writes_before_its_child_runs_is_let_go_of_all_the_same(
        self, home: Path, writer: SpoolWriter
    ) -> None:
        writer.append(b"x")
        fd, will_fd = writer._fd, writer._will_fd
        size, writer._size = writer._size, 0  # the offset has moved on since the fork
        child = os.fork()
        if child == 0:
            left = sum(low.identity_of(each) != (0, 0) for each in (fd, will_fd))
            os._exit(left)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        writer._size = size


class TestInterruptions:
    def test_a_signal_handler_may_append_while_an_append_is_under_way(self, home: Path) -> None:
        writer = SpoolWriter(str(home), max_bytes=200)
        written: list[bytes] = []
        inner: list[bytes] = []

        def handler(*_: object) -> None:
            line = b"inner %d" % len(inner)
            writer.append(line)
            inner.append(line)
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + len(inner) * 37 % 300))

        before = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0001)
        try:
            while len(inner) < 200:
                line = b"outer %d" % len(written)
                writer.append(line)
                written.append(line)
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        writer.close()
        found = kept(home)
        assert sorted(found) == sorted(written + inner)
        assert [line for line in found if line.startswith(b"outer")] == written
        assert set(names(home)) == {".seg"}

    @pytest.mark.parametrize("point", range(40))
    def test_an_exception_out_of_a_signal_handler_leaves_a_usable_writer(
        self, home: Path, point: int
    ) -> None:
        """The exception appears at the n-th place where Python looks for signals."""
        writer = SpoolWriter(str(home), max_bytes=1)
        writer.will(0, b"w")
        writer.append(b"first")

        class Timeout(BaseException):
            pass

        def interrupt(frame: object, event: str, arg: object) -> None:
            nonlocal point
            if event in {"call", "c_return"}:
                point -= 1
                if point == 0:
                    sys.setprofile(None)
                    raise Timeout

        before = descriptors()
        sys.setprofile(interrupt)
        try:
            writer.append(b"second")
        except Timeout:
            pass
        finally:
            sys.setprofile(None)
        writer.append(b"third")
        writer.close()
        assert kept(home)[0] == b"first"
        assert kept(home)[-1] == b"third"
        assert set(kept(home)) <= {b"first", b"second", b"third"}
        assert {s.state for s in segments(str(home))} <= {"sealed", "dead"}
        assert not [s for s in segments(str(home)) if last_will(s)]
        assert len(descriptors() - before) <= 2  # of the interrupted segment

    def test_threads_that_take_turns_lose_nothing(self, home: Path, fast_switching: None) -> None:
        writer = SpoolWriter(str(home), max_bytes=2_000)
        lock = threading.Lock()

        def work(name: int) -> None:
            for number in range(200):
                with lock:
                    writer.append(b"%d %d" % (name, number))

        threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.close()
        assert sorted(kept(home)) == sorted(b"%d %d" % (a, b) for a in range(6) for b in range(200))


class TestReading:
    def test_no_spool_has_no_segments(self, home: Path) -> None:
        assert segments(str(home)) == []

    def test_a_spool_that_cannot_be_read_is_an_error(self, home: Path) -> None:
        home.mkdir()
        (home / "spool").write_text("")
        with pytest.raises(SpoolError, match="cannot read the spool"):
            segments(str(home))

    def test_other_files_are_no_segments(self, home: Path) -> None:
        (home / "spool" / "aside").mkdir(parents=True)
        for name in ("x.new", "x.will", "notes", ".seg", "x.seg.bak"):
            (home / "spool" / name).write_text("")
        assert segments(str(home)) == []

    def test_what_is_beside_a_sealed_segment_is_known_from_the_listing(self, home: Path) -> None:
        (home / "spool").mkdir(parents=True)
        for name in ("1.seg", "1.told", "2.seg", "2.will", "2.told", "3.seg", "4.will"):
            (home / "spool" / name).write_bytes(b"")
        found = segments(str(home))
        assert [s.beside for s in found] == [(".told",), (".will", ".told"), ()]
        for segment in found:
            remove(segment)
        assert [file.name for file in (home / "spool").iterdir()] == ["4.will"]

    def test_states_are_told_by_name_and_lock(self, home: Path) -> None:
        (home / "spool").mkdir(parents=True)
        for name in ("1.seg", "2.open", "3.open"):
            (home / "spool" / name).write_bytes(b"x\n")
        with (home / "spool" / "3.open").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            folder = home / "spool"
            assert segments(str(home)) == [
                Segment(str(folder / "1"), "sealed", ()),
                Segment(str(folder / "2"), "dead"),
                Segment(str(folder / "3"), "open"),
            ]
        assert [s.file for s in segments(str(home))] == [
            str(folder / "1.seg"),
            str(folder / "2.open"),
            str(folder / "3.open"),
        ]

    def test_collectors_do_not_take_each_other_for_writers(self, home: Path) -> None:
        (home / "spool").mkdir(parents=True)
        (home / "spool" / "1.open").write_bytes(b"x\n")
        with (home / "spool" / "1.open").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            assert [s.state for s in segments(str(home))] == ["dead"]

    def test_lines_come_with_the_offset_behind_them(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"a\n\nccc\ntorn")
        assert list(lines(str(tmp_path / "f"))) == [
            (b"a\n", 2),
            (b"\n", 3),
            (b"ccc\n", 7),
            (b"torn", 11),
        ]
        assert list(lines(str(tmp_path / "f"), offset=3)) == [(b"ccc\n", 7), (b"torn", 11)]

    def test_an_endless_line_comes_in_pieces(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"x" * (MAX_LINE_BYTES + 5) + b"\n{}\n")
        pieces = [(len(line), line[-1:], offset) for line, offset in lines(str(tmp_path / "f"))]
        assert pieces == [
            (MAX_LINE_BYTES, b"x", MAX_LINE_BYTES),
            (6, b"\n", MAX_LINE_BYTES + 6),
            (3, b"\n", MAX_LINE_BYTES + 9),
        ]

    def test_removing_takes_segment_and_will_and_may_be_done_twice(self, home: Path) -> None:
        (home / "spool").mkdir(parents=True)
        for name in ("1.open", "1.will", "2.seg"):
            (home / "spool" / name).write_bytes(b"")
        for _ in range(2):
            for path, state in (("1", "dead"), ("2", "sealed")):
                remove(Segment(str(home / "spool" / path), state))
        assert names(home) == []

    def test_a_writer_whose_lock_was_taken_away_is_not_taken_for_dead(
        self, home: Path, python: Program
    ) -> None:
        ran = python(
            """
            import os
            from sbhooks.segments import segments
            from sbhooks.spool import SpoolWriter
            writer = SpoolWriter(os.environ["SBHOOKS_HOME"])
            writer.append(b"1")
            os.closerange(3, 4096)
            print([segment.state for segment in segments(os.environ["SBHOOKS_HOME"])])
            writer.append(b"2")
            print([segment.state for segment in segments(os.environ["SBHOOKS_HOME"])])
            """
        )
        assert ran.stdout.splitlines() == ["['open']", "['sealed', 'open']"]
        assert [s.state for s in segments(str(home))] == ["sealed", "dead"]

    @pytest.mark.parametrize(
        ("process", "age_s"),
        [
            (os.getpid(), 10**6),  # started after the segment: the number was used again
            (os.getpid(), 0),
            (2**22 + 1, 0),  # beyond the highest number that a process can have
        ],
    )
    def test_a_silent_or_older_segment_is_dead_whoever_has_the_number_now(
        self, home: Path, process: int, age_s: int
    ) -> None:
        (home / "spool").mkdir(parents=True)
        ms = int((time.time() - age_s) * 1e3)
        identity = f"{ms:012x}"
        name = f"{identity[:8]}-{identity[8:]}-7000-8000-000000000000.{process}.open"
        (home / "spool" / name).write_bytes(b"x\n")
        long_ago = time.time() - 3_700
        os.utime(home / "spool" / name, (long_ago, long_ago))
        assert [segment.state for segment in segments(str(home))] == ["dead"]

    def test_a_vanished_segment_is_not_taken_for_dead(self, home: Path) -> None:
        assert reading._is_locked(str(home / "gone.open"))


def test_pyfakefs_neither_gets_lines_nor_has_its_descriptors_written_to(
    home: Path, python: Program
) -> None:
    ran = python(
        """
        import os, sys
        from pyfakefs.fake_filesystem_unittest import Patcher
        from sbhooks.spool import SpoolWriter
        held = os.open("real", os.O_CREAT | os.O_RDWR)
        writer = SpoolWriter(sys.argv[1], max_bytes=1)
        writer.append(b"0")
        with Patcher() as patcher:
            patcher.fs.create_file("/fake")
            with open("/fake", "w") as fake:
                for number in (b"1", b"2"):
                    writer.will(0, b"w" + number)
                    writer.append(number)
        os.close(held)
        writer.append(b"3")
        writer.close()
        assert os.stat("real").st_size == 0
        """,
        home,
    )
    assert ran.stderr == ""
    assert kept(home) == [b"0", b"1", b"2", b"3"]


def test_errors_that_are_not_about_descriptors_are_told(home: Path, python: Program) -> None:
    ran = python(
        f"""
        import os, sys
        real, broken = os.lseek, False
        def lseek(*arguments):
            if broken:
                raise OSError({errno.EIO}, "Input/output error")
            return real(*arguments)
        os.lseek = lseek
        from sbhooks.errors import SpoolError
        from sbhooks.spool import SpoolWriter
        writer = SpoolWriter(sys.argv[1])
        writer.append(b"x")
        broken = True
        for call in (lambda: writer.append(b"y"), lambda: writer.will(0, b"w")):
            try:
                call()
            except SpoolError as error:
                print("Input/output error" in str(error))
        """,
        home,
    )
    assert (ran.stdout, ran.stderr) == ("True\nTrue\n", "")


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a place where nothing can be made"
)
def test_a_folder_that_cannot_be_made_is_one_clear_error() -> None:
    with pytest.raises(SpoolError, match="No such file or directory"):
        SpoolWriter("/proc/nothing/here").append(b"{}")
