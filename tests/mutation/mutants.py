"""Small faults that a module could have: what mutation testing puts into it.

A mutant differs from its module in one place: a comparison is off by its edge, an operator is
exchanged, a condition negated, a constant off by one, a call left out, nothing returned. Tests that
cannot tell a mutant from its module do not test that place. (The method: DeMillo, Lipton and
Sayward, "Hints on test data selection", 1978; the operators: Offutt et al., 1996.)
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Change = tuple[str, Callable[[], None]]

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
# Not the bitwise ones: in annotations they join types, in flags a test of each bit is not wanted.
CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}


@dataclass(frozen=True)
class Place:
    """A node of a module (by its number in ``ast.walk``) and what to change there."""

    node: int
    change: int


@dataclass(frozen=True)
class Mutant:
    """A module with one fault: its line, what was changed, its source."""

    line: int
    change: str
    source: str


def places(source: str) -> list[Place]:
    """Where the module can have a fault that its behaviour could show."""
    tree = ast.parse(source)
    silent = set(_silent(tree))
    return [
        Place(number, change)
        for number, node in enumerate(ast.walk(tree))
        if id(node) not in silent
        for change in range(len(_changes(node)))
    ]


def mutant(source: str, place: Place) -> Mutant:
    """The module with the fault of this place."""
    tree = ast.parse(source)
    node = list(ast.walk(tree))[place.node]
    words, change = _changes(node)[place.change]
    change()
    text = ast.unparse(ast.fix_missing_locations(tree))
    return Mutant(getattr(node, "lineno", 0), words, text)


def _silent(tree: ast.AST) -> Iterator[int]:
    """Nodes that only a reader or a type checker sees: annotations, and the words of messages."""
    for node in ast.walk(tree):
        for part in _unseen(node):
            yield from (id(inner) for inner in ast.walk(part))


def _unseen(node: ast.AST) -> list[ast.AST]:
    found: list[ast.AST | None] = []
    if isinstance(node, ast.arg | ast.AnnAssign):
        found = [node.annotation]
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        found = [node.returns]
    elif isinstance(node, ast.JoinedStr) or _for_types(node):
        found = [node]
    elif isinstance(node, ast.ClassDef):  # such as frozen=True
        found = [*node.keywords]
    return [part for part in found if part is not None]


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _changes(node: ast.AST) -> list[Change]:
    """What can be made wrong at a node; each changes the node itself."""
    match node:
        case ast.Compare(ops=[operator, *_]) if type(operator) in COMPARED:
            other = COMPARED[type(operator)]
            return [_put(node.ops, 0, other(), _words(operator, other()))]
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in CALCULATED:
            new = CALCULATED[type(operator)]()
            return [_set(node, "op", new, _words(operator, new))]
        case ast.BoolOp(op=operator):
            new_bool = ast.Or() if isinstance(operator, ast.And) else ast.And()
            return [_set(node, "op", new_bool, _words(operator, new_bool))]
        case ast.UnaryOp(op=ast.Not()):
            return [_set(node, "operand", _not(node.operand), "'not' left out")]
        case ast.If() | ast.While() | ast.IfExp():
            return [_set(node, "test", _not(node.test), "condition negated")]
        case ast.Constant(value=bool(value)):
            return [_set(node, "value", not value, f"{value} -> {not value}")]
        case ast.Constant(value=int(value) | float(value)):
            return [_set(node, "value", value + 1, f"{value} -> {value + 1}")]
        case ast.Expr(value=ast.Call() | ast.Await()):
            return [_set(node, "value", ast.Constant(None), "call left out")]
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            return [_set(node, "value", ast.Constant(None), "nothing returned")]
    return []


def _set(node: ast.AST, field: str, value: object, words: str) -> Change:
    return words, lambda: setattr(node, field, value)


def _put(items: list[ast.cmpop], at: int, value: ast.cmpop, words: str) -> Change:
    return words, lambda: items.__setitem__(at, value)


def _not(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _words(old: ast.AST, new: ast.AST) -> str:
    return f"{type(old).__name__} -> {type(new).__name__}"
