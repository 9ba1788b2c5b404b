"""Decision whether the value before a name is of a certain type, as far as declarations in its file show."""

from __future__ import annotations

import re
from collections.abc import Collection

from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.references import imported_from, knows, last_part
from activities.conflicts.semantic.symbols import Symbols

_TEXT = re.compile(r"^[\"'`\d\[{]|^[frb]+[\"']")
_MIN_LENGTH = 3
_GLOBALS = frozenset(
    {"Array", "Date", "JSON", "Math", "Number", "Object", "Promise", "Reflect", "String", "console", "document"}
    | {"globalThis", "localStorage", "process", "sessionStorage", "window"}
)
"""Values that every program of JavaScript has."""
OWN = frozenset({"self", "this", "cls", "super", "super()"})
"""Receivers that are the value whose code it is."""

Bases = dict[str, tuple[str, ...]]
"""Bases of the types of the repository, as far as they are read."""


def is_of_type(receiver: str, owner: str, path: str, symbols: Symbols, target: str, bases: Bases) -> bool | None:
    """Whether a receiver, as written, is of the type `owner` of the file `target`; None where nothing shows it."""
    if _TEXT.match(receiver):
        return False
    name = last_part(receiver) or ""
    language = language_of(path)
    if language is not None and language.family == "javascript" and receiver in _GLOBALS:
        return False
    if receiver in OWN:
        return path == target or any(_is_family(each.name, owner, bases) for each in symbols.shapes.types)
    if name == owner:
        return knows(owner, path, symbols, target) or imported_from(receiver, path, symbols, target) is True
    if "(" in receiver:
        return None
    if name in symbols.types_of:
        return _declared(symbols.types_of[name], owner, bases, knows(owner, path, symbols, target))
    maker = symbols.makers.get(name, "")
    first, _, last = maker.replace("::", ".").rpartition(".")
    if maker and owner in (first.rpartition(".")[2], last):
        return knows(owner, path, symbols, target) or None
    return False if first and imported_from(first, path, symbols, target) is False else None


def _declared(text: str, owner: str, bases: Bases, is_known: bool) -> bool | None:
    """Whether a declared type is the owner; a type that is neither it nor of its family is another."""
    words: Collection[str] = re.findall(r"[\w$]+", text)
    plain = re.split(r"\.|::", text.split("<")[0].split("[")[0].lstrip("*&:? ").removeprefix("mut ").strip())[-1]
    if plain == owner or ("|" in text and owner in words):
        return is_known or None
    if owner in words or not plain[:1].isupper():
        return None
    return None if _is_family(plain, owner, bases) else False


def _is_family(name: str, owner: str, bases: Bases) -> bool:
    """Whether one of two types may extend the other."""
    waiting, seen = [name], set[str]()
    while waiting:
        each = waiting.pop()
        if each == owner:
            return True
        if each not in seen:
            seen.add(each)
            waiting += bases.get(each, ())
    return name in bases.get(owner, ())


def plain_name(receiver: str) -> str:
    """The last name of a receiver, however it is written: `_order` as `order`."""
    return (last_part(receiver) or "").replace("_", "").lower()


def resembles(receiver: str, owner: str) -> bool:
    """Whether a variable is called as its type is, or by the end of its name."""
    plain = plain_name(receiver)
    return len(plain) >= _MIN_LENGTH and owner.lower().endswith(plain)
