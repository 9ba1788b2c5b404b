"""Checkers of TypeScript and JavaScript: tsc, by the project's configuration or by a strict one of our own."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tree_sitter import Node

from activities.checkers.checker import Checker, CheckerFailed, Job, Message, Output, Place, relative
from activities.checkers.tsconfig import own_configs
from activities.conflicts.semantic.languages import language_of

_LINE = re.compile(r"(?P<path>.+?)\((?P<line>\d+),\d+\): error (?P<rule>TS\d+): (?P<text>.*)")
_GLOBAL = re.compile(r"error TS\d+: .*")
_NO_INPUT = "TS18003"
_NO_MODULE = ("TS2307", "TS2732")
_PROPERTY = re.compile(r"Property '([\w$]+)' does not exist")
_ASKED = rb"typeof\s+[\w.$]*\.NAME\b|['\"]NAME['\"]\s+in\s|\bNAME\?\.|\.NAME\s*(\?\?|\|\|)"
_OTHER_RULES = frozenset({"TS6133", "TS6138", "TS6192", "TS6196", "TS6198", "TS6385", "TS6387", "TS7016", "TS80001"})
_OPTIONS = {
    "noEmit": True,
    "strict": True,
    "allowJs": True,
    "checkJs": True,
    "skipLibCheck": True,
    "noImplicitAny": False,
    "target": "esnext",
    "module": "esnext",
    "moduleResolution": "bundler",
    "moduleDetection": "force",
    "jsx": "preserve",
    "resolveJsonModule": True,
    "allowImportingTsExtensions": True,
    "types": [],
}


def _command(place: Place, job: Job) -> list[str]:
    argv = [*place.program, "--noEmit", "--pretty", "false"]
    if job.config is None:
        return [*argv, "--project", str(_own_config(place, job))]
    config = place.tree / job.config
    name = hashlib.sha256(job.config.encode()).hexdigest()[:16]
    folder = place.cache / name
    folder.mkdir(exist_ok=True)
    if made := own_configs(config, place.tree, folder):
        each = (shlex.join([*argv, "--project", str(path)]) for path in made)
        return ["sh", "-c", f"code=0; {' || code=$?; '.join(each)} || code=$?; exit $code"]
    return [*argv, "--project", str(config), "--incremental", "--tsBuildInfoFile", f"{folder}.tsbuildinfo"]


def _own_config(place: Place, job: Job) -> Path:
    """A configuration for a project that has none; outside of the tree."""
    folder = place.folder(job)
    path = place.cache / f"{job.checker}.json"
    suffixes = ("ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs")
    include = [str(folder / "**" / f"*.{suffix}") for suffix in suffixes]
    exclude = [str(folder / "**" / "node_modules"), str(folder / "**" / ".*")]
    path.write_text(json.dumps({"compilerOptions": _OPTIONS, "include": include, "exclude": exclude}))
    return path


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    lines = output.out.splitlines()
    for number, line in enumerate(lines):
        found = _LINE.fullmatch(line)
        if found is None:
            if _GLOBAL.fullmatch(line) and _NO_INPUT not in line:
                raise CheckerFailed(line)
            continue
        # What follows, indented, explains it.
        more = []
        for each in lines[number + 1 :]:
            if not each.startswith(" "):
                break
            more.append(each.strip())
        path = relative(found["path"], place, job)
        if path is not None:
            yield Message(path, int(found["line"]), found["rule"], " ".join([found["text"], *more]))
    if output.code not in (0, 1, 2):
        raise output.failure()


def _may_miss(message: Message, content: bytes) -> bool:
    """Whether code without types asks whether it is there: in a `try`, or by `typeof`, `in`, `?.`, `??`."""
    language = language_of(message.path)
    if language is None:
        return False
    if message.rule in _NO_MODULE:
        return _is_tried(language.parse(content).root_node, message.line - 1)
    named = _PROPERTY.match(message.text)
    name = re.escape(named[1].encode()) if named else b""
    return bool(name) and bool(re.search(_ASKED.replace(b"NAME", name), content))


def _is_tried(root: Node, row: int) -> bool:
    """Whether a line is in a `try` that goes on without it."""
    node: Node | None = root.descendant_for_point_range((row, 0), (row, 10_000)) or root
    while node is not None and node.parent is not None:
        if node.parent.type == "try_statement" and node.parent.child_by_field_name("handler") is not None:
            return bool(node.parent.child_by_field_name("body") == node)
        node = node.parent
    return False


TSC = Checker(
    name="tsc",
    language="TypeScript",
    suffixes=(".ts", ".tsx", ".mts", ".cts"),
    configs=("tsconfig.json",),
    programs=("node_modules/.bin/tsc", "node_modules/.bin/tsgo", "tsc", "tsgo"),
    command=_command,
    read=_read,
    needs_config=False,
    left_out=_OTHER_RULES,
)
TSC_JAVASCRIPT = replace(
    TSC,
    may_miss=_may_miss,
    name="tsc-js",
    language="JavaScript",
    suffixes=(".js", ".jsx", ".mjs", ".cjs"),
    configs=("jsconfig.json",),
)
