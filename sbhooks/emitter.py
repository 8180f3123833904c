"""The one object an adapter holds: takes events, never raises, never prints.

First the event is on disk, then inline plugins hear of it; what a plugin does cannot lose
it. Trouble is counted and kept for ``sbhooks doctor``; the adapter may show ``trouble``, one
line, where its host has a place for warnings.

Most hosts emit from one thread only, so the thread that makes an emitter writes without a
lock. All others share a second segment, and a lock: two threads never write to one segment.

Importing this module costs no more than the standard library: msgspec comes with the
first event object, and pluggy with the first inline plugin. Hosts that cannot afford
either hand over encoded lines.
"""

from __future__ import annotations

import os
from _thread import RLock, get_ident
from time import sleep
from typing import TYPE_CHECKING

from sbhooks.ids import Clock, IdFactory
from sbhooks.settings import HostSettings, here
from sbhooks.spool import SpoolWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sbhooks.events import Event

_PATIENCE = 3  #: Failed writes in a row after which only one event in ``_RETRY_EACH`` is tried.
_RETRY_EACH = 100
_LINE_S = 1  #: For how long at most a thread that closes waits for the line of another one.


class Emitter:
    """Hands events of one session over to the spool.

    Usable from several threads; a forked child stays silent.

    Args:
        settings: Where to record, and what is switched off.
        source: The tool that observes, for example ``"pytest"``.
        session: Identity of the session; a new one by default.

    Attributes:
        enabled: Whether events are recorded at all.
        lost: Number of events that could not be recorded.
        trouble: What went wrong first, for people; ``None`` if all went well.
        new_id: Makes identities for events of this session.
        clock: The session's time.
    """

    def __init__(self, settings: HostSettings, *, source: str, session: str | None = None) -> None:
        self.settings = settings
        self.source = source
        self.clock = Clock()
        self.new_id = IdFactory(self.clock)
        self.session = session or self.new_id()
        self.enabled = settings.enabled and source not in settings.disabled
        self.lost = 0
        self.trouble: str | None = None
        self._pid = os.getpid()
        self._getpid = os.getpid
        self._failures = 0
        self._last_words: Sequence[bytes] = ()
        self._last_lost = 0
        self._inline = bool(settings.inline)
        #: Whether lines of the own thread need nothing but to be written.
        self._direct = self.enabled and not self._inline
        self._thread, self._get_ident = get_ident(), get_ident
        self._spool = SpoolWriter(settings.home)
        self._write, self._will = self._spool.append, self._spool.will
        self._lock = RLock()  # reentrant: what is run by a trace function may emit, too
        self._others: SpoolWriter | None = None  # for the lines of all other threads
        self._encode: Callable[[Event], bytes] | None = None
        self._decode: Callable[[bytes], Event] | None = None
        self._relay: Callable[[Event], None] | None = None
        for what in settings.trouble:
            self.report(what)

    @classmethod
    def start(cls, source: str, environ: Mapping[str, str] | None = None) -> Emitter:
        """Make an emitter with the settings of this process and working directory."""
        return cls(here(environ), source=source)

    def emit(self, event: Event) -> None:
        """Record an event; it survives ``kill -9`` when this returns. Never raises."""
        if not self.enabled or self._pid != self._getpid():
            return
        try:
            encode = self._encode or self._load_encoder()
            line = encode(event)
        except Exception as error:  # noqa: BLE001 - the host comes first
            self._fail(f"an event of {self.source} could not be encoded: {_text_of(error)}")
            return
        self._append(line)
        if self._inline:
            self._deliver(event)

    def emit_line(self, line: bytes) -> None:
        """Record an event that is already one line of JSON (without line end). Never raises."""
        if self._direct and self._thread == self._get_ident():
            try:  # hosts emit a line per test: no call, lock or check but what must be
                self._write(line)
            except Exception as error:  # noqa: BLE001 - the host comes first
                self._direct = False
                if self._pid == self._getpid():
                    self._failures += 1
                    self._fail(_text_of(error))
            return
        if not self.enabled or self._pid != self._getpid():
            return
        self._append(line)
        if self._inline:
            self._decode_and_deliver(line)

    def emit_last(self, lines: Sequence[bytes]) -> None:
        """Record the lines with which a session ends. Never raises.

        Where the disk is full they take the place of the will, so that the session does not
        seem to go on for ever.
        """
        lost = self.lost
        for line in lines:
            self.emit_line(line)
        self._last_lost = self.lost - lost
        if self._last_lost:
            self._last_words = lines

    def will(self, slot: int, line: bytes) -> None:
        """Say what is to be stored if the process dies now; see ``SpoolWriter.will``.

        The thread that made the emitter has slots of its own; all others share theirs.
        """
        try:
            if self._thread == self._get_ident():
                if self.enabled:
                    self._will(slot, line)
            elif self.enabled and self._pid == self._getpid():
                with self._lock:
                    self._writer_of_others().will(slot, line)
        except Exception as error:  # noqa: BLE001 - the host comes first
            if self._pid == self._getpid():
                self._fail(_text_of(error), lost=0)

    def close(self) -> None:
        """Seal what was recorded. Never raises; closing twice is harmless."""
        if self._pid != self._getpid():
            return  # the lock may have been held by a thread that does not exist in this fork
        was_enabled, self.enabled, self._direct = self.enabled, False, False
        try:
            if self._thread != self._get_ident():
                self._await_line()
            if self._last_words and self._spool.leave(self._last_words):
                self.lost -= self._last_lost
            self._spool.close()
            with self._lock:
                if self._others is not None:
                    self._others.close()
        except Exception as error:  # noqa: BLE001 - the host comes first
            self._fail(_text_of(error), lost=0)
        if self.lost and was_enabled:
            what = f"{self.lost} events of a {self.source} session could not be recorded"
            _keep(self.settings.home, "spool", what, lost=self.lost)

    def report(self, what: str) -> None:
        """Keep a problem of the adapter itself. Never raises."""
        self.trouble = self.trouble or what
        _keep(self.settings.home, self.source, what)

    def _append(self, line: bytes) -> None:
        if self._failures >= _PATIENCE and self._failures % _RETRY_EACH:
            self._failures += 1  # a full disk must not cost the host a failing call per event
            self.lost += 1
            return
        try:
            if self._thread == self._get_ident():
                self._write(line)
            else:
                with self._lock:
                    self._writer_of_others().append(line)
            if self._failures:
                self._failures = 0
                self._direct = self.enabled and not self._inline
        except Exception as error:  # noqa: BLE001 - the host comes first
            self._failures += 1
            self._fail(_text_of(error))

    def _writer_of_others(self) -> SpoolWriter:
        """The writer of all threads but the one that made the emitter; needs the lock."""
        if self._others is None:
            self._others = SpoolWriter(self.settings.home)
        return self._others

    def _await_line(self) -> None:
        """Let the thread that made the emitter finish the line that it is writing."""
        for _ in range(_LINE_S * 1000):
            if not self._spool.is_busy:
                return
            sleep(0.001)

    def _fail(self, what: str, *, lost: int = 1) -> None:
        self.lost += lost
        if self.trouble is None:
            self.trouble = what
            _keep(self.settings.home, "spool", what)

    def _load_encoder(self) -> Callable[[Event], bytes]:
        from sbhooks.limits import encode_bounded

        self._encode = encode_bounded
        return encode_bounded

    def _deliver(self, event: Event) -> None:
        try:
            relay = self._relay or self._load_relay()
            relay(event)
        except Exception as error:  # noqa: BLE001 - the host comes first
            self._relay = _tell_nobody  # what cannot be loaded once is not tried at each event
            self.report(f"inline plugins could not be told: {_text_of(error)}")

    def _decode_and_deliver(self, line: bytes) -> None:
        try:
            event = self._load_decoder()(line)
        except Exception as error:  # noqa: BLE001 - the host comes first
            self.report(f"inline plugins could not be told: {_text_of(error)}")
            return
        self._deliver(event)

    def _load_decoder(self) -> Callable[[bytes], Event]:
        if self._decode is None:
            from sbhooks.events import Codec

            self._decode = Codec().decode
        return self._decode

    def _load_relay(self) -> Callable[[Event], None]:
        from sbhooks.plugins import Hooks

        hooks = Hooks.load(
            home=self.settings.home,
            inline=self.settings.inline,
            disabled=self.settings.disabled,
            live=True,
            trace=self.settings.trace,
        )
        self._relay = hooks.deliver
        return hooks.deliver


def _tell_nobody(event: Event) -> None:
    return


def _text_of(error: Exception) -> str:
    """What an error says; a stranger's may fail even at that."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001
        return type(error).__name__


def _keep(home: str, where: str, what: str, *, lost: int = 0) -> None:
    """Keep a problem; what that needs is loaded with the first one."""
    try:
        from sbhooks import problems

        problems.record(home, where, what, lost=lost)
    except Exception:  # noqa: BLE001, S110 - a host may be out of descriptors, or of memory
        pass
