"""Three-way merge of source files by their syntax trees.

Entries of sets are matched by key and come in any order; statements are matched in their order, and what both sides
put in one place stays in either order only where no order has a meaning. Everything else is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from tree_sitter import Node

from activities.conflicts.semantic.language import Language
from activities.conflicts.structural.containers import (
    GRAMMARS,
    Grammar,
    assigned_value,
    entries,
    has_statements,
    is_free,
    is_set,
    key_of,
    text_of,
)

Key = tuple[str, bytes]


class Refused(Exception):
    """Both sides changed something that cannot be merged by structure."""


@dataclass(frozen=True)
class _Part:
    """An entry with what stands before it, back to the entry before."""

    before: bytes
    node: Node
    key: Key

    @property
    def text(self) -> bytes:
        return text_of(self.node)


@dataclass(frozen=True)
class _Split:
    """A node as its parts, and what stands behind the last."""

    parts: Sequence[_Part]
    tail: bytes

    @property
    def by_key(self) -> dict[Key, _Part]:
        return {part.key: part for part in self.parts}


def merge_nodes(language: Language, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """The file with the changes of both sides; None where that cannot be proved."""
    grammar = GRAMMARS.get(language.name)
    trees = [language.parse(text) for text in (base, ours, theirs)]
    if grammar is None or any(tree.root_node.has_error for tree in trees):
        return None
    try:
        merged = _Merger(language, grammar).merge(*(tree.root_node for tree in trees))
        # The root begins behind the first blank lines.
        whole = ours[: trees[1].root_node.start_byte] + merged + ours[trees[1].root_node.end_byte :]
    except Refused:
        return None
    return None if language.parse(whole).root_node.has_error else whole


@dataclass(frozen=True)
class _Merger:
    language: Language
    grammar: Grammar

    def merge(self, base: Node, ours: Node, theirs: Node) -> bytes:
        """The text of a node with the changes of both sides; raises `Refused`."""
        before, mine, yours = map(text_of, (base, ours, theirs))
        if mine == yours or yours == before:
            return mine
        if mine == before:
            return yours
        if not base.type == ours.type == theirs.type or not base.named_child_count:
            raise Refused
        nodes = (base, ours, theirs)
        splits = (self._split(base), self._split(ours), self._split(theirs))
        if all(is_set(node, self.grammar) for node in nodes):
            return self._set(*splits)
        if has_statements(base, self.grammar):
            return self._sequence(*splits)
        return self._one_part(*splits)

    def _one_part(self, base: _Split, ours: _Split, theirs: _Split) -> bytes:
        """An expression, a definition, or the like, of which both sides changed one and the same part."""
        rows = list(zip(base.parts, ours.parts, theirs.parts, strict=False))
        same_length = len(base.parts) == len(ours.parts) == len(theirs.parts)
        changed = [row for row in rows if len({part.text for part in row}) > 1]
        glue = [{part.before for part in row} for row in rows] + [{base.tail, ours.tail, theirs.tail}]
        if not same_length or len(changed) != 1 or any(len(each) > 1 for each in glue):
            raise Refused
        texts = [
            a.before + (self.merge(a.node, b.node, c.node) if (a, b, c) in changed else a.text) for a, b, c in rows
        ]
        return b"".join(texts) + base.tail

    def _split(self, node: Node) -> _Split:
        text, at, parts = text_of(node), 0, list[_Part]()
        inside = entries(node, self.grammar)
        counts = Counter(key_of(each, self.grammar) for each in inside)
        for each in inside:
            start, end = each.start_byte - node.start_byte, each.end_byte - node.start_byte
            key = key_of(each, self.grammar)
            # What has one name several times is named by all of its text.
            parts.append(_Part(text[at:start], each, key if counts[key] == 1 else (each.type, text_of(each))))
            at = end
        return _Split(parts, text[at:])

    def _set(self, base: _Split, ours: _Split, theirs: _Split) -> bytes:
        before, mine, yours = base.by_key, ours.by_key, theirs.by_key
        for split, keys in ((base, before), (ours, mine), (theirs, yours)):
            if len(keys) != len(split.parts):
                raise Refused
        kept: list[tuple[Key, bytes, bytes]] = []
        for part in ours.parts:
            if part.key in yours:
                kept.append((part.key, part.before, self._both(part.key, before, mine, yours)))
            elif part.key not in before:
                kept.append((part.key, part.before, part.text))
            elif part.text != before[part.key].text:
                raise Refused
        values = {assigned_value(part.node) for part in ours.parts if part.key not in before} - {None}
        if any(assigned_value(part.node) in values for part in theirs.parts if part.key not in {*before, *mine}):
            raise Refused
        for number, part in enumerate(theirs.parts):
            if part.key in mine:
                continue
            if part.key in before:
                if part.text != before[part.key].text:
                    raise Refused
                continue
            self._insert(kept, theirs, number, {*before, *yours})
        return self._joined(kept, ours, base, _tail(base.tail, ours.tail, theirs.tail))

    def _both(self, key: Key, before: dict[Key, _Part], mine: dict[Key, _Part], yours: dict[Key, _Part]) -> bytes:
        if key in before:
            return self.merge(before[key].node, mine[key].node, yours[key].node)
        if mine[key].text != yours[key].text:
            raise Refused
        return mine[key].text

    def _insert(self, kept: list[tuple[Key, bytes, bytes]], theirs: _Split, number: int, known: set[Key]) -> None:
        """Put an entry of theirs behind the one before it, and behind what ours has put there."""
        part = theirs.parts[number]
        keys = [key for key, _, _ in kept]
        above = next((each.key for each in reversed(theirs.parts[:number]) if each.key in keys), None)
        at = keys.index(above) + 1 if above is not None else 0
        while at < len(kept) and keys[at] not in known:
            at += 1
        if at == 0 and kept:
            # The first entry has what stands behind the opening bracket.
            key, first, text = kept[0]
            between = theirs.parts[number + 1].before if number + 1 < len(theirs.parts) else part.before
            kept[0] = (key, between, text)
            kept.insert(0, (part.key, first, part.text))
        else:
            kept.insert(at, (part.key, self._between(theirs, number), part.text))

    def _between(self, split: _Split, number: int) -> bytes:
        """What stands between entries of a set before one of them."""
        if number > 0 or len(split.parts) < 2:
            return split.parts[number].before
        return split.parts[1].before

    def _joined(self, kept: Sequence[tuple[Key, bytes, bytes]], ours: _Split, base: _Split, tail: bytes) -> bytes:
        if not kept:
            raise Refused
        separator = _separator(ours, base)
        texts = []
        for place, (_, glue, text) in enumerate(kept):
            # An entry that was the first may have no separator before it, and one behind it now.
            lacks = place > 0 and separator and separator not in glue
            texts.append((separator if lacks else b"") + glue + text)
        return b"".join(texts) + tail

    def _sequence(self, base: _Split, ours: _Split, theirs: _Split) -> bytes:
        mine, yours = _matched(base, ours), _matched(base, theirs)
        texts: list[bytes] = []
        at = (0, 0, 0)
        for number in range(len(base.parts) + 1):
            is_end = number == len(base.parts)
            if not is_end and (number not in mine or number not in yours):
                continue
            ends = (number, len(ours.parts), len(theirs.parts)) if is_end else (number, mine[number], yours[number])
            gap = [split.parts[start:end] for split, start, end in zip((base, ours, theirs), at, ends, strict=True)]
            texts += self._gap(*gap)
            if is_end:
                break
            three = [split.parts[end] for split, end in zip((base, ours, theirs), ends, strict=True)]
            texts.append(_glue(*(part.before for part in three)))
            texts.append(self.merge(*(part.node for part in three)))
            at = (ends[0] + 1, ends[1] + 1, ends[2] + 1)
        return b"".join([*texts, _glue(base.tail, ours.tail, theirs.tail)])

    def _gap(self, base: Sequence[_Part], ours: Sequence[_Part], theirs: Sequence[_Part]) -> list[bytes]:
        """What comes between two statements that all three have."""
        before, mine, yours = ([part.text for part in side] for side in (base, ours, theirs))
        if mine == yours or yours == before:
            return [part.before + part.text for part in ours]
        if mine == before:
            return [part.before + part.text for part in theirs]
        if len(base) == len(ours) == len(theirs):
            return [
                _glue(a.before, b.before, c.before) + self.merge(a.node, b.node, c.node)
                for a, b, c in zip(base, ours, theirs, strict=True)
            ]
        known = {part.key for part in base}
        added = [[part for part in side if part.key not in known] for side in (ours, theirs)]
        if base or not all(is_free(part.node, self.grammar) for side in added for part in side):
            raise Refused
        if any(b"*" in part.text for side in added for part in side if "import" in part.node.type):
            # Nobody knows which names it makes known.
            raise Refused
        named = [{name for part in side for name in self._names(part)} for side in added]
        if named[0] & named[1]:
            raise Refused
        texts = [part.before + part.text for side in added for part in side]
        if not added[1][0].before:
            # It stood at the start of its file, or of a block.
            indent = b" " * added[1][0].node.start_point[1]
            texts[len(added[0])] = b"\n" + indent + texts[len(added[0])]
        return texts

    def _names(self, part: _Part) -> Iterator[object]:
        """What two additions may not have in common: a name that they define, or make known by an import."""
        yield part.key
        block = part.node.parent
        if block is not None and block.parent is not None and "class" in block.parent.type:
            # Two members of an enumeration with one value are one member.
            yield "value", assigned_value(part.node) or part.key
        if "import" in part.node.type or part.node.type == "use_declaration":
            yield from self.language.imported_names(part.text.decode())


def _matched(base: _Split, side: _Split) -> dict[int, int]:
    """Places of a side by the places of the base that stand for the same statement."""
    keys = [part.key for part in base.parts], [part.key for part in side.parts]
    found: dict[int, int] = {}
    for block in SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks():
        found |= {block.a + offset: block.b + offset for offset in range(block.size)}
    return found


def _glue(base: bytes, ours: bytes, theirs: bytes) -> bytes:
    """Blank lines and comments before a statement; raises `Refused` where both changed what they say."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    if ours.split() != theirs.split():
        raise Refused
    return ours


def _tail(base: bytes, ours: bytes, theirs: bytes) -> bytes:
    """What stands behind the entries of a set: a closing bracket, maybe with a comma before."""
    bare = [tail.lstrip(b" \t\r\n,;") for tail in (base, ours, theirs)]
    if bare[1] == bare[2]:
        return theirs if theirs != base else ours
    return _glue(base, ours, theirs)


def _separator(*splits: _Split) -> bytes:
    """The sign between the entries of a set: a comma, a semicolon, or none."""
    for split in splits:
        if len(split.parts) > 1:
            between = split.parts[1].before.strip()
            return between[:1] if between[:1] in (b",", b";", b"|") else b""
    return b""
