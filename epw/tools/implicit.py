"""Implicit dependencies: what the words of a task's description say of other tasks.

A phrase (`based on X`, `after X`, …) is a dependency only where its object names another task: by id, by a file, or by
its content words. Words are looked up in an index from word to tasks, so the work grows with the text, not with the
pairs of tasks. An inferred edge never closes a circle and never repeats or contradicts an order that is known.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from epw.core.plan.ancestors import Ancestors
from epw.core.plan.graph import TaskGraph
from epw.core.plan.mentions import mentioned_files, plain_path
from epw.core.plan.model import Task

_PHRASES = (
    ("integrate … with", 0.9, re.compile(r"\bintegrat(?:e|es|ing|ed)\b", re.I), re.compile(r"\bwith\b", re.I)),
    ("after", 0.85, re.compile(r"\bafter\b", re.I), None),
    ("using … from", 0.8, re.compile(r"\busing\b", re.I), re.compile(r"\bfrom\b", re.I)),
    ("based on", 0.7, re.compile(r"\bbased\s+on\b", re.I), None),
)
"""(name, confidence, first word, last word where others may stand between); the object follows."""
_READS_FILE = 0.75
_MAX_NAMED_BY_A_WORD = 20
"""A word that more tasks have names none of them."""
_MAX_NAMED_BY_A_PHRASE = 5
_CLAUSE_END = re.compile(r"[;:!?\n]|[.,](?=\s|$)|\b(?:and then|then|before|so that|which|while)\b", re.I)
_SENTENCE_END = re.compile(r"[;!?\n]|\.(?=\s|$)")
_WORD = re.compile(r"[A-Za-z0-9_]+(?:[-./][A-Za-z0-9_]+)*")
_COMMON_WORDS = """
a about add all also an and any are as at be build by can change check code complete connect create
define design develop do document each ensure every fix for from generate get handle have if
implement improve in into integrate is it its make more new not of on or other our output part parts
project provide refactor remove result results run set setup step subtask support task tasks test
tests that the their them this through to up update use used uses using via when with work write
"""
_COMMON = frozenset(_COMMON_WORDS.split())
"""Words that name no task by themselves."""


@dataclass(frozen=True)
class Candidate:
    """A possible edge from a dependency to its dependant."""

    before: str
    after: str
    confidence: float
    reasoning: str


def inferred(tasks: Sequence[Task], graph: TaskGraph) -> tuple[list[Candidate], list[tuple[Candidate, str]]]:
    """(accepted, rejected with the reason). `graph` has the explicit edges and must be acyclic."""
    accepted, rejected = list[Candidate](), list[tuple[Candidate, str]]()
    position = {task.id: index for index, task in enumerate(tasks)}
    found: dict[tuple[str, str], Candidate] = {}
    for each in _candidates(tasks):
        known = found.get((each.before, each.after))
        if known is None or known.confidence < each.confidence:
            found[each.before, each.after] = each
    order = _Order(graph, found.values())
    # The surest first: they decide which of two contradicting edges is taken.
    for each in sorted(found.values(), key=lambda c: (-c.confidence, position[c.after], position[c.before])):
        reason = order.refuse(each.before, each.after)
        if reason is None:
            accepted.append(each)
        else:
            rejected.append((each, reason))
    accepted.sort(key=lambda c: (position[c.after], position[c.before]))
    return accepted, rejected


class _Order:
    """What is known of the order of tasks, edge by edge."""

    def __init__(self, graph: TaskGraph, new: Collection[Candidate]) -> None:
        position = {task: index for index, task in enumerate(graph.ids)}
        # A new edge changes the ancestors of all that comes after it: few, if plans name tasks in the order of edges.
        self._backward = 2 * sum(position[each.before] > position[each.after] for each in new) > len(new)
        self._known = Ancestors.downstream(graph) if self._backward else Ancestors.upstream(graph)

    def refuse(self, before: str, after: str) -> str | None:
        """Add an edge, or say why not."""
        parent, child = (after, before) if self._backward else (before, after)
        if self._known.has(child, parent):
            return f"{after} depends on {before} already"
        if self._known.has(parent, child):
            return f"{before} depends on {after}, so this would close a circle"
        self._known.add(parent, child)
        return None


def _candidates(tasks: Sequence[Task]) -> Iterator[Candidate]:
    names = _Names(tasks)
    for task in tasks:
        for phrase, confidence, first, last in _PHRASES:
            for _, spoken in _objects(task.description, first, last):
                for other, why in names.named_in(spoken, task):
                    reasoning = f'"{phrase} {" ".join(spoken.split())[:80]}" names {other} by {why}'
                    yield Candidate(other, task.id, confidence, reasoning)
        for path in names.read_by(task):
            for other in names.writers(path):
                if other != task.id:
                    yield Candidate(other, task.id, _READS_FILE, f"reads {path}, which {other} writes")


def _objects(text: str, first: re.Pattern[str], last: re.Pattern[str] | None) -> Iterator[tuple[int, str]]:
    """Where each phrase starts, and its object: what follows in the same clause. Reads the text once."""
    at = 0
    while opening := first.search(text, at):
        end = opening.end()
        if last is not None:
            stop = _SENTENCE_END.search(text, end)
            at = stop.start() if stop else len(text)
            closing = last.search(text, end, at)
            if closing is None:
                continue
            end = closing.end()
        clause = _CLAUSE_END.search(text, end)
        at = clause.start() if clause else len(text)
        yield opening.start(), text[end:at]


class _Names:
    """Index of the words and files by which tasks can be named."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._folded = {task.id.casefold(): task.id for task in tasks}
        self._content = {task.id: _content(task.description) for task in tasks}
        self._by_word: dict[str, list[str]] = defaultdict(list)
        self._writes: dict[str, list[str]] = defaultdict(list)
        self._mentions: dict[str, dict[str, bool]] = {}
        for task in tasks:
            for word in self._content[task.id]:
                self._by_word[word].append(task.id)
            self._mentions[task.id] = mentioned_files(task.description)
            writes = [path for path, is_written in self._mentions[task.id].items() if is_written]
            for path in dict.fromkeys([*map(plain_path, task.files), *writes]):
                self._writes[path].append(task.id)

    def writers(self, path: str) -> list[str]:
        found = self._writes.get(path, [])
        return found if len(found) <= _MAX_NAMED_BY_A_PHRASE else []

    def read_by(self, task: Task) -> list[str]:
        """Files that a task declares to read, or mentions without writing them."""
        mentioned = [path for path, is_written in self._mentions[task.id].items() if not is_written]
        own = {*map(plain_path, task.files)}
        return [path for path in dict.fromkeys([*map(plain_path, task.reads), *mentioned]) if path not in own]

    def named_in(self, spoken: str, task: Task) -> list[tuple[str, str]]:
        """(task, how) of the tasks that the object of a phrase names; none where it could mean many."""
        words = _WORD.findall(spoken)
        found: dict[str, str] = {}
        for before, word in zip(["", *words], words, strict=False):
            other = self._folded.get(word.casefold())
            alone = len(words) == 1 and word.casefold() not in _COMMON
            is_named = alone or _is_plain_id(word) or before.casefold() in ("task", "subtask")
            if other is not None and is_named:
                found.setdefault(other, "its id")
            for writer in self.writers(plain_path(word)) if "." in word else []:
                found.setdefault(writer, f"the file {word}")
        hits: dict[str, list[str]] = defaultdict(list)
        for word in dict.fromkeys(_stem(word) for word in words):
            named = self._by_word.get(word, [])
            for other in named if len(named) <= _MAX_NAMED_BY_A_WORD else []:
                hits[other].append(word)
        for other, common in hits.items():
            if len(common) >= 2 or len(self._content[other]) == 1:
                found.setdefault(other, f"its words {', '.join(common)}")
        found.pop(task.id, None)
        return list(found.items()) if len(found) <= _MAX_NAMED_BY_A_PHRASE else []


def _content(description: str) -> list[str]:
    """The words of a task's own subject: what stands before its first phrase about another task, common words out."""
    own = description
    for _, _, first, last in _PHRASES:
        start, _ = next(_objects(own, first, last), (len(own), ""))
        own = own[:start] or own
    words: Iterable[str] = (_stem(word) for word in _WORD.findall(own))
    return list(dict.fromkeys(word for word in words if word not in _COMMON and not word.isdigit()))


def _stem(word: str) -> str:
    """A word as it is compared: without case and without the plural's s."""
    folded = word.casefold()
    plural = len(folded) > 3 and folded.endswith("s") and not folded.endswith("ss")
    return folded.removesuffix("s") if plural and folded not in _COMMON else folded


def _is_plain_id(word: str) -> bool:
    """Whether an id is unlike a common word or a number, so that it names its task wherever it stands."""
    return len(word) > 2 and not word.isdigit() and word.casefold() not in _COMMON
