"""The public surface: a change breaks somebody's plugin, so it has to be made here, too."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import sbhooks
from sbhooks import hookspecs
from sbhooks.events import BUILTIN_KINDS, kind_of

HOOKS = {
    "sbhooks_session_start": ("event",),
    "sbhooks_phase_change": ("event",),
    "sbhooks_test_result": ("event",),
    "sbhooks_invocation": ("event",),
    "sbhooks_pipeline_stage": ("event",),
    "sbhooks_session_end": ("event",),
    "sbhooks_event_types": (),
    "sbhooks_open_store": ("config", "codec"),
    "sbhooks_events_stored": ("events", "store", "home"),
    "sbhooks_insights": ("query", "store"),
    "sbhooks_skills": ("category", "store"),
    "sbhooks_deployment_checks": ("config",),
    "sbhooks_embed": ("texts",),
    "sbhooks_metrics": ("store",),
    "sbhooks_routes": (),
    "sbhooks_commands": ("cli",),
}

COMMON = ("source", "session", "id", "at", "attributes")
KINDS = {
    "session-start": (
        "tool", "tool_version", "project", "user", "host", "python", "platform", "vcs", "ci",
        "traceparent", "parent",
    ),
    "session-end": ("outcome", "exit_status", "duration_s", "counts", "reason"),
    "invocation": (
        "skill", "outcome", "duration_s", "phase", "step", "workflow", "error_type", "query",
        "alternatives", "selection_rank", "follow_up_actions", "rating",
    ),
    "phase-change": ("workflow", "phase_from", "phase_to", "step"),
    "pipeline-stage": (
        "pipeline", "run", "stage", "outcome", "phase", "duration_s", "queued_s", "artifacts",
        "error_type",
    ),
    "test-result": (
        "test", "outcome", "detail", "params", "attempt", "setup_s", "call_s", "teardown_s",
        "failure", "subtest", "worker", "invocation",
    ),
}  # fmt: skip

NAMES = [
    "Ci", "Config", "Detail", "Emitter", "Event", "EventQuery", "EventReader", "EventStore",
    "Failure", "Insight", "InsightQuery", "Invocation", "Outcome", "PhaseChange",
    "PipelineStage", "Rollup", "Runtime", "SbhooksError", "SessionEnd", "SessionStart",
    "TestResult", "Vcs", "hookimpl", "load_config",
]  # fmt: skip


def specs() -> dict[str, object]:
    """Every hook with its function, in the order of the module."""
    return {n: f for n, f in vars(hookspecs).items() if hasattr(f, "sbhooks_spec")}


def test_hooks_and_their_arguments_are_as_published() -> None:
    assert {
        name: tuple(inspect.signature(function).parameters)  # type: ignore[arg-type]
        for name, function in specs().items()
    } == HOOKS
    assert list(specs()) == list(HOOKS)  # in the order in which an event meets them


def test_every_hook_says_when_it_is_called_and_what_its_arguments_are() -> None:
    for name, arguments in HOOKS.items():
        said = inspect.getdoc(specs()[name]) or ""
        assert said.splitlines()[0].endswith("."), name
        assert not arguments or "Args:" in said, name
        assert all(f"    {argument}: " in said for argument in arguments), name


def test_only_the_store_is_opened_by_one() -> None:
    first = {
        name
        for name, function in specs().items()
        if function.sbhooks_spec["firstresult"]  # type: ignore[attr-defined]
    }
    assert first == {"sbhooks_open_store"}


def test_kinds_of_event_and_their_fields_are_as_published() -> None:
    assert {kind_of(kind): kind.__struct_fields__ for kind in BUILTIN_KINDS} == {
        kind: COMMON + fields for kind, fields in KINDS.items()
    }


def test_every_kind_has_a_hook_of_its_own_name() -> None:
    for kind in BUILTIN_KINDS:
        assert kind.hook == f"sbhooks_{kind_of(kind).replace('-', '_')}"
        assert HOOKS[kind.hook] == ("event",)


def test_later_fields_have_defaults_and_no_field_is_positional() -> None:
    required = {
        kind_of(kind): [field.name for field in msgspec.structs.fields(kind) if field.required]
        for kind in BUILTIN_KINDS
    }
    assert required == {
        "session-start": ["source", "session", "tool"],
        "session-end": ["source", "session", "outcome"],
        "invocation": ["source", "session", "skill", "outcome"],
        "phase-change": ["source", "session", "workflow"],
        "pipeline-stage": ["source", "session", "pipeline", "run", "stage", "outcome"],
        "test-result": ["source", "session", "test", "outcome", "detail"],
    }
    for kind in BUILTIN_KINDS:
        assert kind.__struct_config__.frozen
        with pytest.raises(TypeError, match="positional"):
            kind("test", "s")  # type: ignore[call-arg]


class TestPackage:
    def test_its_names_are_sorted_complete_and_as_published(self) -> None:
        assert sbhooks.__all__ == sorted(sbhooks.__all__) == NAMES

    @pytest.mark.parametrize("name", NAMES)
    def test_every_name_can_be_had_and_is_documented(self, name: str) -> None:
        found = getattr(sbhooks, name)
        assert name in dir(sbhooks)
        if name != "hookimpl":
            assert found.__module__.startswith("sbhooks.")
            assert inspect.getdoc(found)

    def test_type_checkers_are_told_the_same_names(self) -> None:
        tree = ast.parse(Path(inspect.getfile(sbhooks)).read_text(encoding="utf-8"))
        told = {
            alias.name: node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sbhooks.")
            for alias in node.names
        }
        assert sorted(told) == NAMES
        for name, module in told.items():
            assert getattr(importlib.import_module(str(module)), name) is getattr(sbhooks, name)

    def test_an_unknown_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="module 'sbhooks' has no attribute 'Nope'"):
            _ = sbhooks.Nope  # type: ignore[attr-defined]

    def test_importing_it_imports_nothing_but_the_standard_library(self) -> None:
        program = (
            "import sys; before = set(sys.modules); import sbhooks;"
            "new = {m for m in set(sys.modules) - before};"
            "print(sorted(m for m in new if m.partition('.')[0] not in sys.stdlib_module_names))"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert ran.stdout == "['sbhooks']\n"

    def test_its_version_is_that_of_its_distribution(self) -> None:
        from importlib.metadata import version

        assert sbhooks.__version__ == version("sbhooks")
