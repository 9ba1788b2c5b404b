"""What is done with the values that calls return, as far as the code beside each call shows.

Captures, each on the call: `@how.awaited`, `.index`, `.member`, `.len`, `.single` (one value where several could be),
`.safe` (a handler of exceptions is around it), `.member` with `@property`; `.unpacked` with `@left`, the targets;
`.used` (in an expression); `.guarded` (only where there is one); `.typed` with `@of`;
`.matched` with `@pattern`; `.assigned` with `@variable`: the lines that follow tell what is done with it.
"""

from __future__ import annotations

import re
from collections import defaultdict

from tree_sitter import Node

from activities.conflicts.semantic.signatures import text_of

_MAX_TAIL = 1500
_MAX_LENGTH = 200
_PROMISE_METHODS = ("then", "catch", "finally")
_LATER = re.compile(r"\b(await|gather|wait|create_task|ensure_future|as_completed|run|all|allSettled|race)\b")


class ReturnedValues:
    """Notes of one file."""

    def __init__(self, content: bytes, makers: dict[str, str]) -> None:
        """`makers`: what is called for the value of a variable is added to it."""
        self._content = content
        self._makers = makers
        self._notes: dict[int, set[str]] = defaultdict(set)
        self._safe: list[tuple[int, int]] = []

    def note(self, how: str, parts: dict[str, list[Node]]) -> None:
        node = parts[f"how.{how}"][0]
        notes = self._notes[node.id]
        if how == "safe":
            self._safe.append((node.start_byte, node.end_byte))
        elif how == "unpacked":
            targets = parts["left"][0].named_children
            self._made(targets[0], node)
            if not any("splat" in each.type or "rest" in each.type for each in targets):
                notes.add(f"unpacked:{len(targets)}")
                notes.add("unpacked")
        elif how == "matched":
            notes.update(f"matched:{text_of(each)}" for each in parts["pattern"])
        elif how == "typed":
            notes.add(f"typed:{' '.join(text_of(parts['of'][0]).split())}")
        elif how == "assigned":
            self._made(parts["variable"][0], node)
            notes |= {"assigned", *_later(text_of(parts["variable"][0]), self._tail(node))}
        elif "property" not in parts:
            notes.add(how)
        elif (name := text_of(parts["property"][0])) not in _PROMISE_METHODS:
            notes |= {how, f"{how}:{name}"}

    def _made(self, variable: Node, call: Node) -> None:
        called = call.child_by_field_name("function")
        if called is not None and called.end_byte - called.start_byte < _MAX_LENGTH:
            self._makers[text_of(variable)] = text_of(called)

    def _tail(self, call: Node) -> str:
        """The lines after the one with a call, as long as they are indented as it is."""
        content, end = self._content, call.end_byte
        start = content.rfind(b"\n", 0, call.start_byte) + 1
        line = content[start : call.start_byte]
        indentation = len(line) - len(line.lstrip())
        kept: list[str] = []
        for each in content[end : end + _MAX_TAIL].decode(errors="replace").split("\n")[1:]:
            if each.strip() and len(each) - len(each.lstrip()) < indentation:
                break
            kept.append(each)
        return "\n".join(kept)

    def of(self, node: Node) -> frozenset[str]:
        """What is done with the value of a call or member."""
        notes = self._notes.get(node.id, set())
        if any(start <= node.start_byte < end for start, end in self._safe):
            notes = notes | {"safe"}
        return frozenset(notes)


def _later(variable: str, tail: str) -> set[str]:
    """What the lines after a call, in the same block, do with the variable that has its value."""
    if variable not in tail:
        return set()
    name = re.escape(variable)
    found = set()
    if re.search(rf"\b{name}\s*\[", tail):
        found.add("index")
    members = set(re.findall(rf"\b{name}\s*\.\s*(\w+)", tail)) - {*_PROMISE_METHODS}
    if members:
        found |= {"member", *(f"member:{each}" for each in members)}
    if re.search(rf"\blen\(\s*{name}\s*\)", tail):
        found.add("len")
    if any(re.search(rf"\b{name}\b", line) and _LATER.search(line) for line in tail.splitlines()):
        found.add("awaited")
    asked = rf"\b(if|while|assert|switch|match|expect)\b.*\b{name}\b"
    compared = rf"\b{name}\s*(\?|&&|\|\||[!=]==?|!|\bis\b|\bor\b|\band\b)|!\s*{name}\b"
    if re.search(asked, tail) or re.search(compared, tail):
        found.add("guarded")
    return found
