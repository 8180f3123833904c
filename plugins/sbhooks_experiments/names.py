"""What a unit is called in the log: never a person's plain name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sbhooks import identity, vcs
from sbhooks.errors import ExperimentError
from sbhooks.settings import here, working_folder
from sbhooks_experiments.plan import Unit

if TYPE_CHECKING:
    from sbhooks.vcs import Checkout

_LONGEST = 200


def unit_name(unit: Unit, given: str | None, home: str, *, session: str | None = None) -> str:
    """The recorded name of a unit.

    Args:
        unit: What units are.
        given: The name; of users the plain one or the pseudonym. This one by default.
        home: The folder of sbhooks' data, with the key of pseudonyms.
        session: Of this process, where it has one.

    Raises:
        ExperimentError: There is no such unit here.
    """
    if given is not None:
        _check(given)
        if unit is Unit.USER and not identity.is_user(given):
            return identity.pseudonym(identity.load_key(home), "user", given)
        return given
    if unit is Unit.USER:
        return identity.who(home)[0]
    if unit is Unit.SESSION:
        if session is None:
            raise ExperimentError("cannot tell the session: this command is none. Name the unit")
        return session
    found = vcs.checkout(working_folder())
    name = _of_checkout(unit, found)
    if name is None:
        raise ExperimentError(
            f"cannot tell the {unit}: the working directory is in no git repository"
            + (" with a commit" if unit is Unit.COMMIT else "")
            + ". Change to one, or name the unit"
        )
    return name


def plain_name(unit: Unit, given: str | None) -> str | None:
    """The name that the old hash knows: of users the account."""
    return identity.user_name() if unit is Unit.USER and given is None else given


def _of_checkout(unit: Unit, found: Checkout | None) -> str | None:
    if found is None:
        return None
    if unit is Unit.COMMIT:
        return found.commit
    return here().project or found.remote or Path(found.root).name or None


def _check(given: str) -> None:
    if not given.strip() or len(given) > _LONGEST:
        raise ExperimentError(f"the name of a unit has 1 to {_LONGEST} characters")
