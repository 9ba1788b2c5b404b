"""Lists in the manner of a Makefile: `target: dependencies`, and the description indented beneath it.

No Makefile is run by it: variables, recipes of shell and patterns are refused, with the first lines that have them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from epw.core.errors import Problem
from epw.core.plan.wording import did_you_mean
from epw.importers.model import Choices, ForeignFile, Format, Item, Match, Outline

_RULE = re.compile(r"([^\s:#=][^:#=\t]{0,300}?)[ \t]*:(?![:=/])[ \t]*([^:=#]*)(?:#.*)?$")
_NAME = re.compile(r"[\w][\w./@+-]{0,127}")
_MAKE_ONLY = re.compile(
    r"\$[({@<^*]|^\s*@|^\t?\s*-?\$\(|%|:=|\?=|\+=|^\w+\s*=|^(?:include|ifn?eq|ifn?def|endif|define|export)\b"
)
_NAMES = frozenset(["Makefile", "makefile", "GNUmakefile"])
_ENDINGS = (".mk", ".make")
_MAX_LINES = 3


@dataclass
class _Target:
    name: str
    line: int
    before: list[str]
    lines: list[str] = field(default_factory=list)


def recognise(file: ForeignFile) -> Match:
    if file.name in _NAMES or file.name.endswith(_ENDINGS):
        return Match.SURE
    try:
        targets = _targets(file)
    except ValueError:
        return Match.NO
    named = {target.name for target in targets}
    is_list = any(target.lines for target in targets) and all(named.issuperset(target.before) for target in targets)
    return Match.PERHAPS if is_list and "tasks" not in named else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    problems: list[Problem] = []
    targets = _targets(file, problems)
    known = {target.name: target for target in targets}
    for target in targets:
        for name in target.before:
            if name not in known:
                hint = did_you_mean(name, known)
                problems.append(Problem(f"line {target.line}", f"{target.name} needs {name}, which is no target{hint}"))
        if not target.lines and not target.before:
            message = f"{target.name} has no description: write it indented beneath"
            problems.append(Problem(f"line {target.line}", message))
    if problems:
        raise file.invalid(problems)
    groups = [target.name for target in targets if not target.lines]
    return Outline(
        items=tuple(
            Item(
                id=target.name,
                description="\n".join(target.lines),
                where=f"line {target.line}",
                depends_on=tuple(_resolved(target, known)),
                context=file.context(),
            )
            for target in targets
            if target.lines
        ),
        notes=(f"without a description, so no tasks but names for what they need: {', '.join(groups[:10])}",)
        if groups
        else (),
    )


def _resolved(target: _Target, known: dict[str, _Target]) -> list[str]:
    """What a target needs; a target without a description stands for what it needs itself."""
    found, seen, waiting = list[str](), {target.name}, list(reversed(target.before))
    while waiting:
        name = waiting.pop()
        if known[name].lines:
            found.append(name)
        elif name not in seen:
            seen.add(name)
            waiting += reversed(known[name].before)
    return list(dict.fromkeys(found))


def _targets(file: ForeignFile, problems: list[Problem] | None = None) -> list[_Target]:
    """Targets in their order; lines that are none of the format's are a problem, or `ValueError` without `problems`.

    Raises `InvalidPlan` for a Makefile, of which each line would be a problem.
    """
    found: list[_Target] = []
    current: list[_Target] = []
    of_make: list[int] = []

    def refuse(number: int, message: str) -> None:
        if problems is None:
            raise ValueError(message)
        problems.append(Problem(f"line {number}", message))

    for number, line in enumerate(file.lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        rule = None if line[:1] in " \t" else _RULE.match(line)
        if _MAKE_ONLY.search(line):
            of_make.append(number)
        elif line[:1] in " \t":
            if not current:
                refuse(number, "is indented and belongs to no target")
            for target in current:
                target.lines.append(line.strip())
        elif rule is None:
            refuse(number, "is neither `target: dependencies` nor indented")
        elif not rule[1].startswith("."):
            names = [*rule[1].split(), *rule[2].replace("|", " ").split()]
            for name in names:
                if not _NAME.fullmatch(name):
                    refuse(number, f"{name} is not a name of a target")
            current = [_Target(name, number, rule[2].replace("|", " ").split()) for name in rule[1].split()]
            found += current
        else:
            current = []
    if of_make and problems is None:
        raise ValueError("a Makefile")
    if of_make:
        message = "variables, patterns or commands of make; only `target: dependencies` and text are read"
        raise file.invalid([Problem(_lines(of_make), message)])
    return found


def _lines(numbers: list[int]) -> str:
    """The first few lines, and how many more there are."""
    named = ", ".join(map(str, numbers[:_MAX_LINES]))
    more = len(numbers) - _MAX_LINES
    return f"line{'' if len(numbers) == 1 else 's'} {named}{f' and {more} more' if more > 0 else ''}"


MAKE_LIST = Format(
    name="make-list",
    title="a list of targets",
    sign="lines `target: dependencies` with indented text beneath them",
    taken="a task: each target with text beneath it, which is its description and never run. A target without text"
    " stands for what it needs. `.PHONY` and comments are passed over; variables, patterns and `@` are refused",
    recognise=recognise,
    read=read,
    is_prose=True,
    instead_of_ticks="nothing in such a list says that a task is done",
)
