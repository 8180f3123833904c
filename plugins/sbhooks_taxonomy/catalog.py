"""What is known of skills before anything has been recorded: ``builtin.toml``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Literal

import msgspec

from sbhooks.errors import SbhooksError

Domain = Literal["code", "documentation", "testing", "deployment"]
DOMAINS: tuple[Domain, ...] = ("code", "documentation", "testing", "deployment")


class Category(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of work.

    Attributes:
        name: For people: ``Git & Version Control``.
        domain: What the work is about.
        description: One sentence.
        skills: Members that are known without looking at anything.
        words: Parts of names that speak for it.
    """

    name: str
    domain: Domain
    description: str = ""
    skills: list[str] = []
    words: list[str] = []

    @property
    def slug(self) -> str:
        """For the command line: ``git-version-control``."""
        return slug(self.name)


class Modality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a skill takes and gives.

    Attributes:
        skill: Its name.
        type: The domain it works in.
        input: What it reads.
        output: What it makes.
        human_review: Whether somebody must look at that.
    """

    skill: str
    type: Domain
    input: str
    output: str
    human_review: bool = False


class Dependency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two skills that are expected to be used together; ``lift`` over 1: more than by chance."""

    first: str
    second: str
    lift: float


class Catalog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything in ``builtin.toml``."""

    categories: list[Category]
    modalities: list[Modality]
    dependencies: list[Dependency]


@cache
def builtin() -> Catalog:
    """The catalog that comes with sbhooks."""
    import tomllib
    from importlib.resources import files

    text = files(__package__).joinpath("builtin.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Catalog)


def slug(name: str) -> str:
    """A name in small letters, digits and hyphens."""
    return "-".join(re.findall(r"[^\W_]+", name.casefold()))


def find(categories: Sequence[Category], text: str) -> Category:
    """The category that somebody means by its name.

    Raises:
        SbhooksError: There is none; lists those that are there.
    """
    for category in categories:
        if slug(text) == category.slug:
            return category
    known = ", ".join(category.slug for category in categories)
    raise SbhooksError(f"there is no category {text!r}. Known are: {known}")
