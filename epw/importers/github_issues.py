"""GitHub issues: what `gh issue list --json number,title,body,state,labels` or `gh issue view --json …` prints.

An issue waits for the boxes of its body, for the issues that it says it is blocked by, and for its sub-issues. gh
leaves closed issues out unless it is asked for them, so an issue that is not in the list is taken as closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from epw.importers.fields import Fields, paragraphs
from epw.importers.identifiers import Identifiers, label_of, words_of
from epw.importers.markdown import Box, boxes
from epw.importers.model import Choices, ForeignFile, Format, Item, Match, Outline, State, part_of

_BLOCKED = re.compile(
    r"\b(?:blocked by|depends on|depends upon|requires)[:\s]+((?:#\d{1,9}[,\s]*(?:and\s+)?){1,50})", re.I
)
_NUMBER = re.compile(r"#(\d{1,9})\b")
_REFERENCE = re.compile(r"(?:#|https://github\.com/[\w.-]{1,100}/[\w.-]{1,100}/issues/)(\d{1,9})\b")
_Row = Mapping[str, Any]


def recognise(file: ForeignFile) -> Match:
    rows = _rows(file.value)
    return Match.SURE if rows and all(_is_issue(row) for row in rows) else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    fields, given = Fields(), Identifiers()
    found: list[Item] = []
    unknown: set[int] = set()
    rows = [(f"[{index}]", row) for index, row in enumerate(_rows(file.value))]
    known = {row["number"] for _, row in rows}
    for where, row in rows:
        issue = _Issue(file, fields, where, row, known, unknown)
        found += issue.items(given)
    if fields.problems:
        raise file.invalid(fields.problems)
    notes = []
    if unknown:
        named = ", ".join(f"#{number}" for number in sorted(unknown)[:10])
        notes.append(f"not in the file, so taken as closed: {named}{' …' if len(unknown) > 10 else ''}")
    parts = sum("/" in item.id for item in found)
    return Outline(
        items=tuple(found),
        summary=f"of {len(rows)} issues, {parts} of them boxes of a body" if parts else "",
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Issue:
    file: ForeignFile
    fields: Fields
    where: str
    row: _Row
    known: set[int]
    """Numbers of the issues in the file."""
    unknown: set[int]
    """Numbers that are named and are not in the file, of all issues so far."""

    def items(self, given: Identifiers) -> Iterator[Item]:
        """The boxes of the issue, then the issue itself, which waits for them."""
        number, state = self.row["number"], self._state()
        name = given.new(f"issue-{number}")
        heading = self.fields.text(self.row, self.where, "title")
        body = self.fields.text(self.row, self.where, "body")
        before = self._others(int(each) for clause in _BLOCKED.findall(body) for each in _NUMBER.findall(clause))
        inner = self._others(_numbers(self.row.get("subIssues")))
        before += [*self._others(_numbers(self.row.get("blockedBy"))), *inner]
        url = self.row.get("url")
        context = self.file.context(issue=f"#{number}", url=url if isinstance(url, str) else "", labels=self._labels())
        found = boxes(ForeignFile(self.file.path, body))
        names: list[str] = []
        parts: dict[int | None, list[str]] = {}
        for box in found:
            reference = _REFERENCE.match(box.text)
            within = names[box.parent] if box.parent is not None and names[box.parent] else name
            names.append("" if reference else given.new(_name_of(box), within))
            part = self._others([int(reference[1])]) if reference else names[-1:]
            parts.setdefault(box.parent, []).extend(each for each in part if each != name)
        for index, box in enumerate(found):
            if names[index]:
                yield Item(
                    id=names[index],
                    description=box.text,
                    where=f"{self.where}.body, line {box.line}",
                    depends_on=tuple(dict.fromkeys([*before, *parts.get(index, [])])),
                    state=State.DONE if box.is_ticked and state is State.OPEN else state,
                    context=context,
                    part_of=part_of(f"issue #{number}", heading, *_around(found, box)),
                    has_parts=bool(parts.get(index)),
                )
        every = [each for some in parts.values() for each in some]
        yield Item(
            id=name,
            description=paragraphs(heading, body),
            where=self.where,
            depends_on=tuple(dict.fromkeys(each for each in [*before, *every] if each != name)),
            state=state,
            context=context,
            has_parts=bool(every or inner),
        )

    def _state(self) -> State:
        state = self.row.get("state", "OPEN")
        if not isinstance(state, str) or state.upper() not in ("OPEN", "CLOSED"):
            self.fields.refuse(f"{self.where}.state", "must be OPEN or CLOSED")
        return State.OPEN if str(state).upper() == "OPEN" else State.DONE

    def _others(self, numbers: Iterable[int]) -> list[str]:
        found = []
        for number in numbers:
            if number in self.known:
                found.append(f"issue-{number}")
            else:
                self.unknown.add(number)
        return found

    def _labels(self) -> str:
        labels = self.row.get("labels")
        names = [each.get("name") for each in labels if isinstance(each, dict)] if isinstance(labels, list) else []
        return ", ".join(each for each in names if isinstance(each, str))


def _around(found: list[Box], box: Box) -> list[str]:
    """Texts of the boxes that a box is nested in, the outermost first."""
    return [*_around(found, found[box.parent]), found[box.parent].text] if box.parent is not None else []


def _name_of(box: Box) -> str:
    label, text = label_of(box.text)
    return label or words_of(text)


def _rows(value: Any) -> list[_Row]:
    rows = value if isinstance(value, list) else [value] if _is_issue(value) else []
    return rows if all(isinstance(row, dict) for row in rows) else []


def _is_issue(row: Any) -> bool:
    if not isinstance(row, dict):
        return False
    number = row.get("number")
    return (
        isinstance(number, int)
        and not isinstance(number, bool)
        and 0 < number < 10**9
        and isinstance(row.get("title"), str)
    )


def _numbers(value: Any) -> list[int]:
    """Numbers of issues in a relation, which gh prints as an array or as `{nodes: […]}`."""
    rows = value.get("nodes") if isinstance(value, dict) else value
    return [row["number"] for row in rows if _is_issue(row)] if isinstance(rows, list) else []


GITHUB_ISSUES = Format(
    name="github-issues",
    title="a list of GitHub issues",
    sign="objects with `number` and `title`, as `gh issue list --json number,title,body,state,labels` prints them",
    taken="a task: each open issue, and each box of its body, which the issue waits for. `blocked by #12`,"
    " `depends on #12`, a box that is a reference (`- [ ] #12`), `blockedBy` and `subIssues` are dependencies."
    " What is named and not in the list (`#99`) counts as closed, and a note says so",
    recognise=recognise,
    read=read,
    instead_of_ticks="`gh issue close NUMBER` closes an issue",
)
