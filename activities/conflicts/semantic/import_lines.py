"""Names that one line of imports makes known in its file, by language."""

from __future__ import annotations

import re

_KEYWORDS = {"import", "use", "pub", "static", "type", "self"}


def of_python(line: str) -> set[str]:
    """Names of a line of Python; of `import a.b` only the alias, since several lines may make `a` known."""
    text = line.split("#")[0]
    if not text.strip().startswith("from"):
        return {name for _, name in re.findall(r"([\w.]+)\s+as\s+(\w+)", text)}
    return _words(text.split(" import ", 1)[1])


def of_javascript(line: str) -> set[str]:
    return _words(re.split(r"\bfrom\b", line.split("//")[0])[0])


def of_go(line: str) -> set[str]:
    found = re.match(r'\s*(?:import\s+)?(\w+)?\s*"([^"]+)"', line)
    parts = [part for part in found[2].split("/") if not re.fullmatch(r"v\d+", part)] if found else []
    return {found[1] or parts[-1]} - {"_"} if found and parts else set()


def of_java_and_rust(line: str) -> set[str]:
    without_paths = re.sub(r"[\w:.]*(::|\.)(?=\w+\s*(as\b|;|,|}))", " ", line.split("//")[0])
    return _words(re.split(r"\bfrom\b", without_paths)[0])


def _words(names: str) -> set[str]:
    """The names of a list, each by its alias where it has one."""
    renamed = re.sub(r"(\w+|\*)\s+as\s+(\w+)", r"\2", names)
    return set(re.findall(r"[A-Za-z_$][\w$]*", renamed)) - _KEYWORDS
