"""The kinds of event: what can happen.

An event is an immutable fact. Adapters make them, the spool hands them over,
a store keeps them. A later kind is one more Struct; a new field has a default,
and the meaning of a field never changes, because old events stay readable.

What does not change within a session (project, user, commit, CI run, ...) is
recorded once, in :class:`SessionStart`.
"""

from __future__ import annotations

import enum
import functools
import operator
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

import msgspec

from sbhooks.ids import CLOCK, new_id

Scalar = str | int | float | bool
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]  #: A duration; at most 32 years.
Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]  #: A position or number, from 1.
Status = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  #: What a process ended with.
Rating = Annotated[int, msgspec.Meta(ge=1, le=5)]
Name = Annotated[str, msgspec.Meta(min_length=1)]

MAX_ATTRIBUTES = 32  #: Keys that ``Event.attributes`` may have.
MAX_ATTRIBUTE_BYTES = 4096  #: Size of ``Event.attributes`` as JSON.
MAX_EVENT_BYTES = 64 * 1024  #: Size of one event as JSON.

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT_US = 2**31 * 10**6  # up to there a float of seconds is less than half a microsecond off
_from_timestamp = datetime.fromtimestamp  # now, before a test tool replaces the class


class Outcome(enum.StrEnum):
    """How a piece of work ended; the values of OpenTelemetry's ``cicd.pipeline.result``."""

    SUCCESS = "success"  #: The work was done, and its result is good.
    FAILURE = "failure"  #: The work itself failed: a red test, a lint finding.
    ERROR = "error"  #: The machinery failed: a crash, a worker that was killed.
    TIMEOUT = "timeout"  #: It took longer than it was allowed to.
    CANCELLATION = "cancellation"  #: Somebody stopped it.
    SKIP = "skip"  #: It was not done, on purpose.


class Detail(enum.StrEnum):
    """How a test attempt ended, in pytest's words."""

    PASSED = "passed"  #: Setup, test body and teardown succeeded.
    FAILED = "failed"  #: The test body failed, or it passed although a failure was required.
    ERROR = "error"  #: Setup, teardown, collection or the test process failed, not the test body.
    SKIPPED = "skipped"  #: By a mark, a condition or the test itself.
    XFAILED = "xfailed"  #: Failed, as expected.
    XPASSED = "xpassed"  #: Passed although a failure was expected (not strict).


def utc_now() -> datetime:
    """The time at which a new event happens, to the microsecond."""
    return _EPOCH + timedelta(microseconds=CLOCK.now_us())


def to_us(at: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_us(at_us: int) -> datetime:
    """The UTC time of ``to_us``."""
    if 0 <= at_us < _EXACT_US:  # three times as fast
        return _from_timestamp(at_us / 1e6, UTC)
    return _EPOCH + timedelta(0, 0, at_us)


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """What all events have in common.

    Attributes:
        source: The tool that observed the event, for example ``"pytest"``.
        session: Groups the events of one run of the tool.
        id: Identity of the event (UUIDv7); storing the same id twice has no effect.
        at: When the event happened, UTC. Work that lasts is stamped at its *end*.
        attributes: Further facts, flat and small. Never source code or secrets.
    """

    hook: ClassVar[str] = ""  #: The hook that delivers this kind; "" for none.
    #: Fields of a plugin's kind that may hold a user's pseudonym: the event is then theirs, to be
    #: handed out, renamed and erased, whoever's session it stands in.
    people: ClassVar[tuple[str, ...]] = ()

    source: Name
    session: Name
    id: str = msgspec.field(default_factory=new_id)
    at: Annotated[datetime, msgspec.Meta(tz=True)] = msgspec.field(default_factory=utc_now)
    attributes: dict[str, Scalar] = {}


def names_person(event: Event, person: str) -> bool:
    """Whether a field that may name people holds this pseudonym."""
    return any(getattr(event, field) == person for field in event.people)


def with_people(event: Event, pseudonyms: Mapping[str, str]) -> Event:
    """The event with new pseudonyms in the fields that may name people; itself without any."""
    new = {
        field: pseudonyms[name]
        for field in event.people
        if (name := getattr(event, field)) in pseudonyms and pseudonyms[name] != name
    }
    return msgspec.structs.replace(event, **new) if new else event


class Vcs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the work stood in version control (OpenTelemetry ``vcs.ref.head.*``)."""

    commit: str | None = None  #: Full hash of the checked-out commit.
    branch: str | None = None  #: ``None`` on a detached head.
    dirty: bool | None = None  #: Uncommitted changes; ``None`` when nobody looked.
    base: str | None = None  #: The commit or branch that the change will be merged into.
    tag: str | None = None  #: The tag that was checked out, when it is a build of one.


class Ci(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The CI run around a session (OpenTelemetry ``cicd.pipeline.*``)."""

    provider: str  #: The CI system, for example ``"github"``.
    pipeline: str | None = None  #: Name of the pipeline or workflow.
    run_id: str | None = None  #: Identity of its run.
    attempt: int | None = None  #: 1 for the first.
    job: str | None = None  #: Name of the job within the run.
    stage: str | None = None  #: Name of the stage within the run.
    url: str | None = None  #: Page of the run, without credentials.
    pr: str | None = None  #: Number of the pull or merge request.
    environment: str | None = None  #: What is deployed to or tested, for example ``"staging"``.
    triggered_by: str | None = None  #: What started the run, for example ``"push"``.
    shard: str | None = None  #: Which part of a job that is split over several machines.
    worker: str | None = None  #: Name of the machine that runs the job.


class SessionStart(Event, frozen=True, kw_only=True, tag="session-start"):
    """A run of a tool has begun; says where, by whom and on what.

    Attributes:
        tool: Name of the tool, for example ``"pytest"``.
        tool_version: Its version, as it writes it.
        project: Name of the project that is worked on.
        user: Pseudonym of the user.
        host: Pseudonym of the machine.
        python: Version of the interpreter, for example ``"3.11.9"``.
        platform: Operating system and kind of machine, for example ``"linux-x86_64"``.
        vcs: Where the work stands in version control.
        ci: The CI run around the session.
        traceparent: The trace it belongs to (W3C Trace Context).
        parent: The session inside which this one runs.
    """

    hook: ClassVar[str] = "sbhooks_session_start"

    tool: str
    tool_version: str | None = None
    project: str | None = None
    user: str | None = None
    host: str | None = None
    python: str | None = None
    platform: str | None = None
    vcs: Vcs | None = None
    ci: Ci | None = None
    traceparent: str | None = None
    parent: str | None = None


class SessionEnd(Event, frozen=True, kw_only=True, tag="session-end"):
    """A run of a tool has ended.

    Attributes:
        outcome: How the run as a whole ended.
        exit_status: Of the tool; ``None`` when it was killed.
        duration_s: Wall-clock time since the session's start.
        counts: Whatever the tool counts, for example ``{"passed": 12}``.
        reason: Why it ended: ``"finished"``, ``"stopped at 3 of 90"``, ``"killed"``, ...
    """

    hook: ClassVar[str] = "sbhooks_session_end"

    outcome: Outcome
    exit_status: Status | None = None
    duration_s: Seconds | None = None
    counts: dict[str, int] = {}
    reason: str | None = None


class Invocation(Event, frozen=True, kw_only=True, tag="invocation"):
    """One call of a skill (a tool, check or agent skill), recorded when it ends.

    Attributes:
        skill: Name of what was called, for example ``"ruff-check"``.
        outcome: How the call ended.
        duration_s: Wall-clock time.
        phase: ``setup``, ``execution``, ``verification``, ``deployment``, ``cleanup``,
            ``rollback``, or ``None``.
        step: Identity of the workflow step.
        workflow: Name or path of the workflow it belongs to.
        error_type: Class or kind of the error, when there was one.
        query: What the user asked for, redacted.
        alternatives: Skills that were offered beside this one.
        selection_rank: Position of this skill in the offer, from 1.
        follow_up_actions: What was done next.
        rating: What the user thought of it, 5 for the best.
    """

    hook: ClassVar[str] = "sbhooks_invocation"

    skill: Name
    outcome: Outcome
    duration_s: Seconds | None = None
    phase: str | None = None
    step: str | None = None
    workflow: str | None = None
    error_type: str | None = None
    query: str | None = None
    alternatives: list[str] = []
    selection_rank: Count | None = None
    follow_up_actions: list[str] = []
    rating: Rating | None = None


class PhaseChange(Event, frozen=True, kw_only=True, tag="phase-change"):
    """A workflow moved from one phase to the next; ``""`` stands for its outside.

    Attributes:
        workflow: Name of the workflow, for example ``"pytest-run"``.
        phase_from: The phase that has ended; ``""`` at the start of the workflow.
        phase_to: The phase that begins; ``""`` at the end of the workflow.
        step: Identity of the workflow step.
    """

    hook: ClassVar[str] = "sbhooks_phase_change"

    workflow: str
    phase_from: str = ""
    phase_to: str = ""
    step: str | None = None


class PipelineStage(Event, frozen=True, kw_only=True, tag="pipeline-stage"):
    """A stage of a CI pipeline has ended.

    Attributes:
        pipeline: Name of the pipeline.
        run: Identity of the pipeline's run.
        stage: Name of the stage, as the CI system has it.
        outcome: How the stage ended.
        phase: The phase of work that the stage stands for; see ``Invocation.phase``.
        duration_s: Wall-clock time without the time in the queue.
        queued_s: Time in the queue.
        artifacts: Names of what the stage made.
        error_type: Class or kind of the error, when there was one.
    """

    hook: ClassVar[str] = "sbhooks_pipeline_stage"

    pipeline: str
    run: str
    stage: str
    outcome: Outcome
    phase: str | None = None
    duration_s: Seconds | None = None
    queued_s: Seconds | None = None
    artifacts: list[str] = []
    error_type: str | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a test did not pass.

    Attributes:
        fingerprint: The same for failures of the same cause: a hash of exception type
            and the topmost frame inside the project (file, function, line of source).
        type: Exception type, for example ``"AssertionError"``.
        message: First line, short and redacted.
    """

    fingerprint: str
    type: str | None = None
    message: str | None = None


class TestResult(Event, frozen=True, kw_only=True, tag="test-result"):
    """One attempt at one test has ended.

    Attributes:
        test: Stable identity: file, class and name, without parameters.
        outcome: How the attempt ended, in the words of all events.
        detail: How it ended, in pytest's words.
        params: The parameters' part of the id, shortened and redacted.
        attempt: 1 for the first; more after reruns.
        setup_s: Time in fixtures before the test body.
        call_s: Time in the test body.
        teardown_s: Time in fixtures after the test body.
        failure: Why it did not pass.
        subtest: Description of the subtest, when this is the record of one.
        worker: The xdist worker that ran it.
        invocation: Id of the invocation that ran it.
    """

    __test__: ClassVar[bool] = False  # pytest must not collect it
    hook: ClassVar[str] = "sbhooks_test_result"

    test: Name
    outcome: Outcome
    detail: Detail
    params: str | None = None
    attempt: Count = 1
    setup_s: Seconds | None = None
    call_s: Seconds | None = None
    teardown_s: Seconds | None = None
    failure: Failure | None = None
    subtest: str | None = None
    worker: str | None = None
    invocation: str | None = None

    @property
    def duration_s(self) -> float | None:
        """Setup, call and teardown together; ``None`` when no phase was timed."""
        phases = [s for s in (self.setup_s, self.call_s, self.teardown_s) if s is not None]
        return sum(phases) if phases else None


BUILTIN_KINDS: tuple[type[Event], ...] = (
    SessionStart,
    SessionEnd,
    Invocation,
    PhaseChange,
    PipelineStage,
    TestResult,
)


def kind_of(event: Event | type[Event]) -> str:
    """The word that names the kind in JSON, in tables and on the command line."""
    return str(event.__struct_config__.tag)


def why_not_a_kind(kind: object, known: Mapping[str, type[Event]]) -> str:
    """Say why a class cannot be declared as a kind of event beside known ones; "" if it can.

    Args:
        kind: What a plugin declares.
        known: Tag → kind; tags are taken once.
    """
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        return f"{kind!r} is no subclass of Event"
    tag = kind.__struct_config__.tag
    if not (isinstance(tag, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", tag)):
        return f"{kind.__name__}: the tag {tag!r} is not of small letters, digits and hyphens"
    if tag in known:
        return f"{kind.__name__}: the tag {tag!r} is taken by {known[tag].__module__}"
    if kind.hook and not any(b.hook == kind.hook and issubclass(kind, b) for b in BUILTIN_KINDS):
        return f"{kind.__name__}: the hook {kind.hook!r} is not for events of this class"
    try:
        msgspec.json.Decoder(kind)
    except (TypeError, NameError) as error:
        return f"{kind.__name__}: {error}"
    return ""


class Codec:
    """Turns events into JSON lines and back.

    Args:
        kinds: All kinds that decode; others raise on :meth:`decode`.
    """

    def __init__(self, kinds: Iterable[type[Event]] = BUILTIN_KINDS) -> None:
        self.kinds: dict[str, type[Event]] = {kind_of(kind): kind for kind in kinds}
        self._decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(
            functools.reduce(operator.or_, self.kinds.values())
        )
        self._encode = msgspec.json.Encoder().encode

    def encode(self, event: Event) -> bytes:
        """One line of JSON without its line end."""
        return self._encode(event)

    def decode(self, line: bytes | str) -> Event:
        """Read one line.

        Raises:
            msgspec.DecodeError: It is not JSON, not an event, or of an unknown kind.
        """
        try:
            return self._decoder.decode(line)
        except RecursionError as error:
            raise msgspec.DecodeError("nested too deeply") from error

    def decode_lines(self, lines: bytes) -> list[Event]:
        """Read many lines at once, each with its line end.

        Raises:
            msgspec.DecodeError: Some line is not what ``decode`` takes.
        """
        try:
            events = self._decoder.decode_lines(lines)
        except RecursionError as error:
            raise msgspec.DecodeError("nested too deeply") from error
        if len(events) != lines.count(b"\n") or not lines.endswith(b"\n"):
            raise msgspec.DecodeError("an event does not fill its line")
        return events
