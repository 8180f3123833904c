"""Which variant of an experiment a unit gets: a pure function, and a small file for recorders.

A **unit** is what an experiment compares: a user, a session, a commit, a repository. Its variant
is a function of the experiment's split and the unit's name alone, the same on every machine and
in every process, so nothing has to be asked or stored to know it.

* Hash 2, the default: the first 64 bits of ``sha256("salt|experiment|unit")`` as a point in
  [0, 1); points below the split's share get the treatment. Any share can be expressed, and two
  experiments are independent, for their names are part of what is hashed.
* Hash 1, for experiments that began elsewhere: ``md5("unit:experiment") % 100``, below the share
  in percent. Only whole percents can be expressed.

A split whose share is changed moves some units to the other side, and so does a new pseudonym of a
user. They are **pinned** to what they got first: whoever reads the log of exposures lists them in
``experiments.json`` in the home folder. That file is a cache, lost without harm, and bounded to
1 MiB.

Standard library only: host processes import this module. Reading never raises.
"""

from __future__ import annotations

import json
from hashlib import md5, sha256
from os.path import join
from typing import TYPE_CHECKING, Any, NamedTuple

from sbhooks.whole_files import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "experiments.json"
MAX_BYTES = 1 << 20
CONTROL, TREATMENT = "control", "treatment"
_VERSION = 1
_WHOLE = 1 << 64
_HOLDOUT = b"sbhooks-holdout|"  # the same for every experiment, so the same units are held out


class Split(NamedTuple):
    """How units are divided between the variants.

    Attributes:
        experiment: Name of the experiment.
        share: Of the units that get the treatment, between 0 and 1.
        salt: Makes this split independent of one with the same name elsewhere.
        hash: 2, or 1 for compatibility.
        holdout: Share of all units that take part in no experiment.
        namespace: Experiments of one namespace share no unit if their spans do not overlap.
        low: Beginning of the experiment's span of the namespace, from 0.
        high: Its end, up to 1.
    """

    experiment: str
    share: float = 0.5
    salt: str = ""
    hash: int = 2
    holdout: float = 0.0
    namespace: str = ""
    low: float = 0.0
    high: float = 1.0


class Assignment(NamedTuple):
    """What a unit gets.

    Attributes:
        variant: ``"control"`` or ``"treatment"``; ``None`` for a unit that does not take part
            and is to be treated as always.
        reason: ``"split"``, ``"sticky"`` (what it got before), ``"holdout"`` or ``"namespace"``.
        share: The treatment's share when this was decided.
    """

    variant: str | None
    reason: str
    share: float


class Assigner:
    """Assigns units by a split, one after the other, as fast as they can be hashed.

    Args:
        split: How to divide.
        pins: Unit → variant, for units that keep what the split would no longer give them.
    """

    def __init__(self, split: Split, pins: dict[str, str] | None = None) -> None:
        self.split = split
        self.pins = {} if pins is None else pins
        self._prefix = f"{split.salt}|{split.experiment}|".encode(errors="replace")
        self._limit = int(split.share * _WHOLE)
        self._plain = not (split.holdout or split.namespace) and split.hash != 1
        self._treatment = Assignment(TREATMENT, "split", split.share)
        self._control = Assignment(CONTROL, "split", split.share)

    def assign(self, unit: str, name: str | None = None) -> Assignment:
        """The variant of a unit.

        Args:
            unit: As it is recorded.
            name: As the old hash knows it, when that differs, as the plain name of a user does.
        """
        if self.pins and unit in self.pins:
            return Assignment(self.pins[unit], "sticky", self.split.share)
        if not self._plain and (out := self._left_out(unit)):
            return Assignment(None, out, self.split.share)
        if self.split.hash == 1:
            old = bucket_v1(self.split.experiment, name or unit) < self.split.share * 100
            return self._treatment if old else self._control
        digest = sha256(self._prefix + unit.encode(errors="replace")).digest()
        in_treatment = int.from_bytes(digest[:8], "big") < self._limit
        return self._treatment if in_treatment else self._control

    def _left_out(self, unit: str) -> str:
        split = self.split
        if split.holdout and _point(_HOLDOUT + unit.encode(errors="replace")) < split.holdout:
            return "holdout"
        if split.namespace:
            at = _point(f"namespace|{split.namespace}|{unit}".encode(errors="replace"))
            return "" if split.low <= at < split.high else "namespace"
        return ""


def point(salt: str, experiment: str, unit: str) -> float:
    """Where hash 2 puts a unit, in [0, 1)."""
    return _point(f"{salt}|{experiment}|{unit}".encode(errors="replace"))


def bucket_v1(experiment: str, unit: str) -> int:
    """Where hash 1 puts a unit, 0 to 99."""
    digest = md5(f"{unit}:{experiment}".encode(errors="replace"), usedforsecurity=False)
    return int(digest.hexdigest(), 16) % 100


def _point(text: bytes) -> float:
    # 53 bits are what a float holds; more would round the last points up to 1.
    return (int.from_bytes(sha256(text).digest()[:8], "big") >> 11) / (1 << 53)


class Running(NamedTuple):
    """What a recorder must know of an experiment that is running.

    Attributes:
        split: How units are divided.
        unit: ``"user"``, ``"session"``, ``"commit"`` or ``"repository"``.
        control: Command or options of the control.
        treatment: Command or options of the treatment.
        skill: Under which outcomes are recorded.
        plan: Hash of the plan.
        pins: Units that keep what they got; see :class:`Assigner`.
    """

    split: Split
    unit: str
    control: str
    treatment: str
    skill: str
    plan: str
    pins: dict[str, str]


def load(home: str) -> dict[str, Running]:
    """Experiments that are running, by name; a file that is missing or not ours has none."""
    try:
        with open(join(home, FILE), "rb") as file:
            data = file.read(MAX_BYTES + 1)
        table: Any = json.loads(data) if len(data) <= MAX_BYTES else {}
        if table.get("version") != _VERSION:
            return {}
        return {name: _running(row) for name, row in table["experiments"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def save(home: str, running: dict[str, Running]) -> None:
    """Replace the file, whole or not at all; what does not fit is left out, newest first kept.

    Raises:
        OSError: The home cannot be written.
    """
    left = MAX_BYTES - 100
    kept: dict[str, Any] = {}
    for name, one in reversed(running.items()):
        row = one._asdict() | {"split": one.split._asdict()}
        left -= len(json.dumps({name: row}))
        if left < 0:
            break
        kept[name] = row
    table = {"version": _VERSION, "experiments": dict(reversed(kept.items()))}
    replace(join(home, FILE), json.dumps(table).encode())


def rename(home: str, pseudonyms: Mapping[str, str]) -> None:
    """Give users new pseudonyms; each keeps the variant that the old one would get.

    Raises:
        OSError: The home cannot be written.
    """
    known = load(home)
    for name, one in known.items():
        if one.unit == "user":
            known[name] = one._replace(pins=_renamed(one, pseudonyms))
    if known:
        save(home, known)


def _renamed(one: Running, pseudonyms: Mapping[str, str]) -> dict[str, str]:
    before, now = Assigner(one.split, one.pins), Assigner(one.split)
    pins = {unit: variant for unit, variant in one.pins.items() if unit not in pseudonyms}
    for old, new in pseudonyms.items():
        if not new.startswith("user-"):
            continue  # a host
        # Hash 1 takes the plain name, which has not changed.
        variant = before.assign(old).variant if one.split.hash != 1 else one.pins.get(old)
        if variant is not None and variant != now.assign(new).variant:
            pins[new] = variant
    return pins


def forget(home: str, user: str) -> None:
    """Take a user out of the file.

    Raises:
        OSError: The home cannot be written.
    """
    known = load(home)
    if any(user in one.pins for one in known.values()):
        for one in known.values():
            one.pins.pop(user, None)
        save(home, known)


def _running(row: dict[str, Any]) -> Running:
    """A row of the file.

    Raises:
        ValueError: It holds something else.
    """
    one = Running(**(row | {"split": Split(**row["split"])}))
    texts = (one.unit, one.control, one.treatment, one.skill, one.plan, one.split.experiment)
    if not all(isinstance(text, str) for text in (*texts, one.split.salt, one.split.namespace)):
        raise ValueError("not our file")
    if not all(map(_is_number, one.split[1:2] + one.split[3:5] + one.split[6:])):
        raise ValueError("not our file")
    if not all(variant in {CONTROL, TREATMENT} for variant in one.pins.values()):
        raise ValueError("not our file")
    return one


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
