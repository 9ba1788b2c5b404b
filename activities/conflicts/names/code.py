"""Names in code: variables of the environment, routes, commands, events, keys of translations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from activities.conflicts.names.rule import Mention, NameRule, Reader, by_patterns, document_of, every, matches

# Aliases of YAML make a document of any size out of a few lines.
_MAX_DEPTH = 30
_MAX_KEYS = 50_000
_CODE = (
    *("*.py", "*.js", "*.jsx", "*.mjs", "*.cjs", "*.ts", "*.tsx", "*.mts", "*.vue", "*.svelte", "*.go", "*.rs"),
    *("*.java", "*.kt", "*.rb", "*.php", "*.cs", "*.ex"),
)
_SHELL = ("*.sh", "*.bash")
_SETTINGS = (".env*", "*.env", "Dockerfile*", "*compose*.y*ml")
_TEXTS = tuple(
    f"*{folder}*/*.{kind}" for folder in ("locale", "i18n", "lang", "translation") for kind in ("json", "yml", "yaml")
)
_VARIABLE = r"([A-Z][A-Z0-9_]{2,})"
_QUOTED_VARIABLE = rf"['\"]{_VARIABLE}['\"]"
_ROUTE = r"['\"`](/[^'\"`\s]*)['\"`]"
_VERBS = "get|post|put|patch|delete"
_NAME = r"['\"]([\w.:/-]{2,})['\"]"
_ROUTE_CALL = re.compile(
    rf"\b(\w+)\.(?:({_VERBS})\(\s*{_ROUTE}|route\(\s*{_ROUTE}|Handle(?:Func)?\(\s*\"([A-Z]* ?/[^\"]*)\")"
)
_REGISTER_CALL = re.compile(rf"\b([\w.]+)\.(?:register|add_parser|add_command|registerCommand|command)\(\s*{_NAME}")
# Of the system's own, or set by every shell.
_SYSTEM = frozenset({"HOME", "PATH", "USER", "PWD", "SHELL", "TMPDIR", "TERM", "LANG", "DEBUG", "NODE_ENV", "IFS"})

_reads = by_patterns(
    "tree",
    rf"(?<!if \()(?<!!)process\.env\.{_VARIABLE}\b(?!\s*(?:\?\?|\|\||\?|&&|=[^=]))",
    rf"process\.env\[{_QUOTED_VARIABLE}\](?!\s*(?:\?\?|\|\|))",
    # What gives nothing where the variable is missing asks whether it is there.
    rf"os\.environ\[{_QUOTED_VARIABLE}\](?!\s*=[^=])",
    rf"(?:ENV\.fetch|env::var)\(\s*{_QUOTED_VARIABLE}\s*\)",
    only=_CODE,
)
_shell_reads = by_patterns("tree", rf"\$\{{{_VARIABLE}\}}", rf"\${_VARIABLE}\b", only=_SHELL)
_sets = by_patterns("tree", rf"^\s*(?:-\s*|ENV\s+|ARG\s+|export\s+)?{_VARIABLE}\s*[=:]", only=(*_SETTINGS, *_SHELL))


def _variables(path: str, text: str) -> Iterator[Mention]:
    for each in every(_reads, _shell_reads)(path, text):
        asked = rf"['\"]{each.key}['\"]\s+(not\s+)?in\s+os\.environ|(setdefault|setenv)\(\s*['\"]{each.key}['\"]"
        if each.key not in _SYSTEM and re.search(asked, text) is None:
            yield each


def _routes(path: str, text: str) -> Iterator[Mention]:
    """Routes by receiver: one that the file makes itself may have a prefix of its own."""
    for found, line in matches(_ROUTE_CALL, text):
        verb, place = found[2] or "", found[3] or found[4] or found[5]
        end = text.find("\n", found.end())
        rest = re.search(r"methods\s*=\s*\[([^\]]*)\]", text[found.end() : end if end >= 0 else None])
        key = f"{verb.upper()} {place} {rest[1] if rest else ''}".strip()
        yield Mention(path if _is_made_here(found[1], text) else found[1], key, line)


def _registered(path: str, text: str) -> Iterator[Mention]:
    """Keys that code gives to a register which it did not make itself."""
    for found, line in matches(_REGISTER_CALL, text):
        first = found[1].split(".")[0]
        is_own = first not in ("self", "this") and _is_made_here(first, text)
        yield Mention(path if is_own else found[1], found[2], line)


def _is_made_here(name: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\s*(?::=|=)[^=]", text) is not None


def _texts(path: str, text: str) -> Iterator[Mention]:
    keys = _flat(document_of(path, text), "", _MAX_DEPTH)
    yield from (Mention("", key, 1) for key in islice(keys, _MAX_KEYS))


def _flat(document: Any, above: str, depth: int) -> Iterator[str]:
    if not isinstance(document, dict) or not depth:
        return
    for name, value in document.items():
        key = f"{above}{name}"
        yield key
        yield from _flat(value, f"{key}.", depth - 1)


# Of the platforms' own emitters and elements.
_BUILT_IN_EVENTS = frozenset(
    {
        *("abort", "blur", "change", "click", "close", "connect", "connection", "data", "disconnect", "drain", "end"),
        *("error", "exit", "finish", "focus", "input", "keydown", "keyup", "load", "message", "open", "ready"),
        *("request", "resize", "response", "scroll", "submit", "timeout", "upgrade"),
    }
)


def _own_events(reader: Reader) -> Reader:
    return lambda path, text: (each for each in reader(path, text) if each.key not in _BUILT_IN_EVENTS)


RULES = (
    NameRule(
        "environment variable",
        (*_CODE, *_SHELL, *_SETTINGS),
        _sets,
        _variables,
        use_defines=True,
    ),
    NameRule("route", _CODE, _routes, unique=True),
    NameRule("registered name", _CODE, _registered, unique=True),
    NameRule(
        "event",
        _CODE,
        _own_events(by_patterns("tree", rf"\.(?:emit|dispatch|publish|trigger|send_event)\(\s*{_NAME}")),
        _own_events(by_patterns("tree", rf"\.(?:on|once|addListener|addEventListener|subscribe|listen)\(\s*{_NAME}")),
    ),
    NameRule(
        "key of a translation",
        (*_CODE, *_TEXTS),
        lambda path, text: _texts(path, text) if path.endswith((".json", ".yml", ".yaml")) else (),
        by_patterns("tree", rf"(?<![\w.])(?:\$?t|i18n\.t|translate|gettext|I18n\.t)\(\s*{_NAME}\s*\)", only=_CODE),
    ),
)
