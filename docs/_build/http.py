"""The page of REST: every question, what it takes and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sbhooks_server import app, batches, documents, shapes
from sbhooks_server.routes import found, health, ingest

from _build import prose, structs

_ROOMS = (shapes, batches, documents, ingest, found, health)
_PROBLEM = "Problem"


def page() -> str:
    """Every route of a server, as its own OpenAPI document has it."""
    document = app.described()
    return "\n\n".join([
        "# HTTP",
        "What a [server](../how-to/serve.md) answers, beside its pages and the "
        "[WebSocket](../how-to/listen.md). It tells the same itself, as an OpenAPI document, at "
        "`/schema`. Plugins may add routes below `/plugins/NAME/`.",
        "Where a token is needed, it is shown in the header `Authorization: Bearer …`. Times are "
        "in UTC. What goes wrong is told as a [problem](#problem) (RFC 9457).",
        "Each may also be answered with one of these:",
        prose.table(["Status", "Answer"], [(str(s), documents.MEANINGS[s]) for s in documents.ALWAYS]),
        *(
            _operation(path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ),
        "## Documents",
        *(_struct(name) for name in sorted(document["components"]["schemas"])),
    ])  # fmt: skip


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f"## {method.upper()} {path}", prose.inline(operation.get("description", ""))]
    if body := operation.get("requestBody"):
        kinds = " or ".join(prose.code(kind) for kind in body["content"])
        parts.append(f"Body: {body['description']} {kinds}.")
    if parameters := operation.get("parameters"):
        parts.append(prose.table(["Parameter", "Type", "Default", "Meaning"], map(_row, parameters)))
    told = [
        _answer(int(status), answer)
        for status, answer in operation["responses"].items()
        if int(status) not in documents.ALWAYS
    ]
    parts.append(prose.table(["Status", "Answer"], told))
    return "\n\n".join(parts)


def _row(parameter: dict[str, Any]) -> tuple[str, str, str, str]:
    shape = parameter["schema"]
    return (
        prose.code(parameter["name"]),
        _kind(shape),
        prose.code(shape["default"]) if "default" in shape else "–",
        parameter.get("description", "–"),
    )


def _kind(shape: dict[str, Any]) -> str:
    """The type of a parameter, in words."""
    one = next((s for s in shape.get("oneOf", [shape]) if s.get("type") != "null"), shape)
    if "enum" in one:
        return " or ".join(prose.code(value) for value in one["enum"])
    words = str(one.get("type", "any"))
    low, high = shape.get("minimum"), shape.get("maximum")
    if words == "integer" and low is not None:
        words += f", {low:,.0f} to {high:,.0f}" if high is not None else f" ≥ {low:,.0f}"
    return words


def _answer(status: int, answer: dict[str, Any]) -> tuple[str, str]:
    links = [f"[{name}](#{name.lower()})" for name in sorted(set(_references(answer)))]
    words = "" if status == 200 else answer["description"]
    if _PROBLEM.lower() in "".join(links).lower():
        links = []  # the text at the top says so
    kinds = ", ".join(prose.code(kind) for kind in answer.get("content", {}))
    return str(status), " ".join(filter(None, [words, *links])) or kinds


def _references(shape: Any) -> Iterator[str]:
    if isinstance(shape, dict):
        if "$ref" in shape:
            yield str(shape["$ref"]).rpartition("/")[2]
        for part in shape.values():
            yield from _references(part)
    elif isinstance(shape, list):
        for part in shape:
            yield from _references(part)


def _struct(name: str) -> str:
    kind = next(getattr(room, name) for room in _ROOMS if hasattr(room, name))
    assert issubclass(kind, msgspec.Struct)
    text = prose.docstring(kind).text
    return f"### {name}\n\n{text}\n\n{structs.field_table(structs.fields(kind))}"
