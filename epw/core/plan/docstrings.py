"""Texts under the fields of a class, read from its source when they are asked for: reading them takes a while."""

from __future__ import annotations

import ast
import inspect
import textwrap


def docstrings(cls: type) -> dict[str, str]:
    """The text under each field that has one, inherited ones included."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.partition(".")[0] == cls.__module__.partition(".")[0]:
            found.update(_own(each))
    return found


def _own(cls: type) -> dict[str, str]:
    try:
        source = inspect.getsource(cls)
    except OSError:
        # Installed without its sources.
        return {}
    (definition,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = inspect.cleandoc(text)
    return texts
