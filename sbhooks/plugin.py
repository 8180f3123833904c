"""One plugin, and how it fares in this process."""

from __future__ import annotations


class Use:
    """How one hook of a plugin fares in this process.

    Attributes:
        calls: How often it was called.
        seconds: Time spent in it.
        errors: How many calls failed.
    """

    __slots__ = ("calls", "errors", "seconds")

    def __init__(self) -> None:
        self.calls = self.errors = 0
        self.seconds = 0.0


class Plugin:
    """A plugin and how it fares in this process.

    Attributes:
        name: Of its entry point.
        distribution: What to ``pip uninstall``, with version.
        is_bundle: Whether this stands for a whole bundle, which could not be read.
        status: ``loaded``, ``disabled``, ``missing-extra``, ``broken``, ``clash`` or ``out``.
        detail: Why it is not loaded, and what to do.
        hooks: Names of the hooks that it implements.
        opens_stores: Whether it could open a store, were it loaded.
        calls: Hook calls in this process.
        seconds: Time spent in them.
        errors: How many of them failed.
        by_hook: The same three figures, hook by hook.
    """

    def __init__(self, name: str, distribution: str, *, is_bundle: bool = False) -> None:
        self.name = name
        self.distribution = distribution
        self.is_bundle = is_bundle
        self.status = "loaded"
        self.detail = ""
        self.hooks: tuple[str, ...] = ()
        self.opens_stores = False
        self.calls = 0
        self.seconds = 0.0
        self.errors = 0
        self.by_hook: dict[str, Use] = {}

    def use(self, hook: str) -> Use:
        """How one hook of it fares."""
        found = self.by_hook.get(hook)
        if found is None:
            found = self.by_hook[hook] = Use()
        return found
