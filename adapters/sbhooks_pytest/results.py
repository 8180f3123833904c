"""Test results as lines of JSON, and the will beside them.

Lines are written without msgspec, which would double what recording adds to pytest's
start-up; a test decodes every kind of line with ``sbhooks.events.Codec``. A test that
passes takes the short way through :meth:`Results.begin` and :meth:`Results.end`: these two
are what recording costs, and are written for the interpreter rather than for beauty.
"""

from __future__ import annotations

import json
import time
from json.encoder import encode_basestring as quote
from os import urandom
from time import clock_gettime_ns
from typing import TYPE_CHECKING, Any

from sbhooks.ids import iso
from sbhooks_pytest.attempt import Attempt
from sbhooks_pytest.tally import SLOW_S, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from sbhooks.emitter import Emitter
    from sbhooks_pytest.privacy import Privacy

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  #: As the emitter's clock.
_LONGEST_PLAIN = 500  #: Characters of a node id that needs no work.
_SECOND_NS = 1_000_000_000
_FRONT = b'{"kind":"test-result","source":"pytest","session":"%b","id":"'
_KILLED = (
    b'"test":%%b,"outcome":"error","detail":"error"%%b,"failure":{"fingerprint":"killed",'
    b'"type":"Killed","message":"the process ended while this test was running"},'
    b'"invocation":"%b"}'
)
_PASSED = (
    b'"test":%%b,"outcome":"success","detail":"passed"%%b,"setup_s":%%de-6,"call_s":%%de-6,'
    b'"teardown_s":%%de-6,"invocation":"%b"}'
)
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_OTHER = b'"test":%%b,%%b,"invocation":"%b"}'


def encode(text: str) -> bytes:
    """UTF-8, whatever is in it: what stands for bytes that are no text is spelled out."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return "".join(map(_spelled, text)).encode()


def as_json(table: dict[str, Any]) -> str:
    """A table as one line."""
    return _ENCODE(table)


class Results:
    """Writes and counts the test results of a run.

    Args:
        emitter: Takes them.
        invocation: Id of the run.
        privacy: What of texts is recorded.
        secret: Key for what stands for redacted parameters; ``None`` to redact nothing.
        groups: Whether xdist appends groups to node ids.
        live: Whether reports arrive when their phases end.

    Attributes:
        renew: Called about once a second, to renew the session's will.
        tally: How often what happened.
    """

    def __init__(
        self,
        emitter: Emitter,
        invocation: str,
        privacy: Privacy,
        *,
        secret: bytes | None,
        groups: bool = False,
        live: bool = True,
    ) -> None:
        self.live = live
        self.tally = tally = Tally()
        self._counts, self._seen = tally.counts, tally.seen
        self.renew: Callable[[], None] = _nothing
        self._privacy = privacy
        self._secret = secret
        self._groups = groups
        self._emit = emitter.emit_line
        self._will = emitter.will
        told = invocation.encode()
        self._front = _FRONT % emitter.session.encode()
        self._killed, self._passed = _KILLED % told, _PASSED % told
        self._other = _OTHER % told
        self._spare: Attempt | None = None
        self._noise = urandom(6).hex()
        self._clock = clock_gettime_ns
        now_ns = emitter.clock.now_ns()  # first: no result may be dated after what follows it
        self._began = clock_gettime_ns(CLOCK)
        self._offset = now_ns - self._began
        self._second = self._next_second = self._next_renewal = 0
        self._date = self._id_head = self._killed_now = self._passed_now = b""
        self._used = 0
        self._new_second(self._began)
        self._next_renewal = self._next_second

    def name(self, key: str) -> tuple[str, str | None]:
        """The identity and the parameters that are recorded of a test."""
        told = self._unusual(b"", 0, key.partition("\0")[0], 0)
        table = json.loads(b'{"test":%b%b}' % (told.test, told.facts))
        return table["test"], table.get("params")

    def begin(self, nodeid: str, slot: int, scope: str = "") -> Attempt:
        """An attempt starts; from now on the will names it.

        Args:
            nodeid: Of the test.
            slot: Of the will, or -1 for none.
            scope: Tells runs of the same test apart that are no reruns.
        """
        now = self._clock(CLOCK)
        if now >= self._next_renewal:  # never later than the next second
            self._renew(now)
        self._used = used = self._used + 1
        if (
            slot < 0
            or scope
            or self._groups
            or "[" in nodeid
            or nodeid in self._seen
            or len(nodeid) >= _LONGEST_PLAIN
        ):
            return self._begin_unusual(nodeid, slot, scope, now)
        try:
            test = quote(nodeid).encode()
        except UnicodeEncodeError:
            return self._begin_unusual(nodeid, slot, scope, now)
        attempt, self._spare = self._spare, None
        if attempt is None:
            attempt = Attempt(self._id_head, used, nodeid, test, now)
        else:
            attempt.head, attempt.used = self._id_head, used
            attempt.key, attempt.test, attempt.facts = nodeid, test, b""
            attempt.stamps = [now]
        attempt.slot = slot
        self._will(slot, self._killed_now % (used, test))
        return attempt

    def end(self, attempt: Attempt) -> None:
        """The attempt is over: judge, write and count it."""
        reports = attempt.reports
        if attempt.plain and len(reports) == 3:
            setup, call, teardown = reports
            first, second, third = setup.duration, call.duration, teardown.duration
            stamps, told = attempt.stamps, call.__dict__
            now = stamps[3]
            wall = (now - stamps[0]) * 1e-9
            if (
                call.outcome == setup.outcome == teardown.outcome == "passed"
                and call.when == "call"
                and first > 0 < second
                and third > 0
                and wall * 0.1 - 0.005 <= first + second + third <= wall
                and "wasxfail" not in told
                and "rerun" not in told
            ):
                if now >= self._next_second:
                    self._new_second(now)
                line = self._passed_now
                if attempt.head is not self._id_head:  # it began in an earlier second
                    line = self._line(attempt.head, self._passed)
                self._emit(
                    line
                    % (
                        attempt.used,
                        (now - self._second) // 1000,
                        attempt.test,
                        attempt.facts,
                        first * 1e6,
                        second * 1e6,
                        third * 1e6,
                    )
                )
                reports.clear()
                self._spare = attempt  # making another one would cost more than all of this
                self._seen[attempt.key] = "passed"
                self._counts["passed"] += 1
                if second > SLOW_S:
                    self.tally.note_slow(attempt.key, second)
                return
        self._end_unusual(attempt)

    def cut_off(self, attempt: Attempt, by: str) -> None:
        """The attempt did not end: an interruption ended the run."""
        from sbhooks_pytest import verdicts

        verdicts.cut_off(attempt, by)
        self._write(attempt)
        self.tally.add(attempt)

    def add_subtest(self, parent: Attempt, report: pytest.TestReport) -> None:
        """A subtest has ended: recorded only if it did not pass."""
        from sbhooks_pytest import verdicts
        from sbhooks_pytest.outcomes import phase_word

        word = phase_word(report)
        if word == "passed":
            return
        self._used += 1
        child = Attempt(self._id_head, self._used, parent.key, parent.test, 0)
        child.facts, child.number = parent.facts, parent.number
        child.detail, child.worker = word, verdicts.worker(report)
        verdicts.explain(child, report, word, self._privacy)
        if word == "failed":
            parent.failed_subtests += 1
            parent.plain = False
            parent.failure = parent.failure or child.failure
        name = verdicts.subtest_name(report, self._privacy)
        self._write(child, f',"subtest":{quote(name)}')

    def add_collection(self, report: pytest.CollectReport) -> None:
        """A file could not be collected, or was skipped as a whole."""
        from sbhooks_pytest import verdicts
        from sbhooks_pytest.outcomes import phase_word

        word = phase_word(report)
        self._used += 1
        attempt = self._unusual(self._id_head, self._used, report.nodeid or ".", 0)
        attempt.detail = "error" if word == "failed" else word
        attempt.note("when", "collect")
        verdicts.explain(attempt, report, word, self._privacy)
        self._write(attempt)
        # A file is no test: each of its collectors counts, and none is another's rerun.
        self.tally.add_other(attempt.detail)

    def _begin_unusual(self, nodeid: str, slot: int, scope: str, now: int) -> Attempt:
        """Begin an attempt that the short way is not for."""
        attempt = self._unusual(self._id_head, self._used, nodeid, now)
        if scope or self._groups:
            self._rename(attempt, scope)
        if attempt.key in self._seen:
            self._again(attempt)
        if slot >= 0:
            attempt.slot = slot
            facts = attempt.facts
            if attempt.number != 1:
                facts += b',"attempt":%d' % attempt.number
            micros = (now - self._second) // 1000
            line = self._line(attempt.head, self._killed)
            self._will(slot, line % (attempt.used, micros, attempt.test, facts))
        return attempt

    def _line(self, head: bytes, rest: bytes) -> bytes:
        """A line of this second, to be filled with a number, microseconds, and the rest."""
        return b'%b%b%%d","at":"%b%%06dZ",%b' % (self._front, head, self._date, rest)

    def _unusual(self, head: bytes, used: int, nodeid: str, now: int) -> Attempt:
        """Begin an attempt at a test whose node id needs work."""
        from sbhooks_pytest import testids

        test, params = testids.split(nodeid, groups=self._groups)
        name = quote(testids.shorten(test, testids.MAX_TEST))
        attempt = Attempt(head, used, nodeid, encode(name), now)
        if params is not None:
            told = testids.clean_params(self._privacy.params(params), secret=self._secret)
            attempt.facts = encode(f',"params":{quote(told)}')
            instability = testids.instability(params)
            if instability:
                attempt.note("params.unstable", instability)
        return attempt

    def _rename(self, attempt: Attempt, scope: str) -> None:
        """Take in what xdist adds to a test's identity."""
        from sbhooks_pytest import testids

        test, _ = testids.split(attempt.key, groups=self._groups)
        attempt.test = encode(quote(testids.shorten(test, testids.MAX_TEST)))
        attempt.key += scope

    def _again(self, attempt: Attempt) -> None:
        """This test has run before."""
        attempt.plain = False
        attempt.number = self.tally.attempts(attempt.key) + 1

    def _end_unusual(self, attempt: Attempt) -> None:
        from sbhooks_pytest import verdicts

        verdicts.judge(attempt, self._privacy)
        now = self._clock(CLOCK)
        live = self.live and not any("rerun" in report.__dict__ for report in attempt.reports)
        phases = verdicts.durations(attempt, live=live, session_ns=now - self._began)
        if phases is None:
            attempt.note("durations", "unknown")
            attempt.note("wall_s", (now - attempt.stamps[0]) / 1e9)
            phases = {}
        if phases.get("call", 0) > SLOW_S:
            self.tally.note_slow(attempt.key, phases["call"])
        names = ("setup", "call", "teardown")
        told = (f',"{when}_s":{int(phases[when] * 1e6)}e-6' for when in names if when in phases)
        self._write(attempt, "".join(told))
        self.tally.add(attempt)

    def _write(self, attempt: Attempt, more: str = "") -> None:
        """Write whatever did not pass in the plainest way."""
        from sbhooks_pytest.outcomes import OUTCOMES

        word, failed = attempt.detail, attempt.detail in {"failed", "error"}
        outcome = attempt.outcome if failed and attempt.outcome else OUTCOMES[word]
        facts = [f'"outcome":"{outcome}","detail":"{word}"', attempt.facts.decode(), more]
        if attempt.number != 1:
            facts.append(f',"attempt":{attempt.number}')
        if attempt.failure is not None and failed:
            facts.append(f',"failure":{as_json(attempt.failure)}')
        if attempt.worker:
            facts.append(f',"worker":{quote(attempt.worker)}')
        if attempt.attributes:
            facts.append(f',"attributes":{as_json(attempt.attributes)}')
        now = self._clock(CLOCK)
        if now >= self._next_second:
            self._new_second(now)
        micros = (now - self._second) // 1000
        told = encode("".join(facts))
        line = self._line(attempt.head, self._other)
        self._emit(line % (attempt.used, micros, attempt.test, told))

    def _renew(self, now: int) -> None:
        """Renew the session's will, once in each second in which a test starts.

        Also when a test that lasted has already begun the second at its end.
        """
        if now >= self._next_second:
            self._new_second(now)
        self._next_renewal = self._next_second
        self.renew()

    def _new_second(self, now: int) -> None:
        """Write date and id anew, as far as they hold for a second.

        A calendar date costs more than the rest of a line. The ids are UUIDv7 whose time is
        rounded to the second, whose random bits are those of the run, and whose end counts,
        in decimal digits: the kernel's, which draw new bits in each millisecond and so for
        each test, would be half of what recording a test costs.
        """
        since_1970 = now + self._offset
        into = since_1970 % _SECOND_NS
        self._second = now - into
        self._next_second = self._second + _SECOND_NS
        self._date = iso(since_1970 // 1000)[:20].encode()
        head, noise = f"{(since_1970 - into) // 1_000_000:012x}", self._noise
        text = f"{head[:8]}-{head[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:]}"
        self._id_head = text.encode()
        self._used = 100_000
        self._passed_now = self._line(self._id_head, self._passed)
        # The will is dated by the second's first test: a date to the microsecond would cost each
        # test more than it tells of one that did not end.
        killed = self._killed % (b"%b", b"")
        at = b"%b%06d" % (self._date, into // 1000)
        self._killed_now = b'%b%b%%d","at":"%bZ",%b' % (self._front, self._id_head, at, killed)


def _spelled(char: str) -> str:
    return f"\\\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char


def _nothing() -> None:
    pass
