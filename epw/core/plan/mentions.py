"""Files that a description mentions, and whether its task writes them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from epw.core.plan.model import Task

_FILE = re.compile(r"(?<![\w/.-])(?:[\w.-]+/)*[\w-]+\.[A-Za-z][A-Za-z0-9]{0,5}(?![\w/])")
_VERB = re.compile(
    r"\b(?:(?P<writes>add|build|creat|defin|design|emit|generat|implement|introduc|mak|produc|scaffold|set\s+up|writ)"
    r"|read|us|import|pars|load|test|check|review|follow|consum|from|based|after|with)(?:e|es|ed|s|ing|ten|ts)?\b",
    re.I,
)
"""Verbs before a file: whether the task writes it is said by the nearest."""
_NO_FILES = """
angular.js asp.net backbone.js chart.js d3.js e.g ember.js express.js i.e knockout.js ml.net nest.js next.js node.js
nuxt.js p5.js react.js socket.io svelte.js three.js vb.net vue.js
"""
_NAMES_OF_NO_FILE = frozenset(_NO_FILES.split())


def mentioned_files(description: str) -> dict[str, bool]:
    """Files by path, each with whether the task writes it: so says the verb before it."""
    verbs = list(_VERB.finditer(description))
    ends = [verb.end() for verb in verbs]
    found: dict[str, bool] = {}
    for match in _FILE.finditer(description):
        if match[0].lower() not in _NAMES_OF_NO_FILE:
            before = bisect_right(ends, match.start()) - 1
            found.setdefault(plain_path(match[0]), before >= 0 and verbs[before]["writes"] is not None)
    return found


def write_sets(tasks: Sequence[Task]) -> Mapping[str, Sequence[str]]:
    """What each task writes: the files that it declares, else those that its description says it writes."""
    return {task.id: task.files or _written(task.description) for task in tasks}


def _written(description: str) -> list[str]:
    return [path for path, is_written in mentioned_files(description).items() if is_written]


def plain_path(path: str) -> str:
    """A path without a `./` before it."""
    return path.removeprefix("./")
