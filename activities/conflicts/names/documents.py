"""Names in documents: services, operations, types of a schema, requirements."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from activities.conflicts.names.rule import Mention, NameRule, by_patterns, document_of

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)\s*(?:\[.*?\])?\s*(?:[=<>~!;@].*)?$")
_GRAPHQL_STRINGS = re.compile(r'"""(.*?)"""|"(?:\\.|[^"\\])*"|#[^\n]*', re.DOTALL)
_GRAPHQL_TYPES = r"^\s*(?:type|interface|input|enum|union|scalar)\s+(\w+)"
_MANIFESTS = (
    *("requirements*.txt", "requirements/*.txt", "*/requirements/*.txt", "req*/*.txt"),
    *("package.json", "pyproject.toml", "setup.cfg", "Pipfile", "environment*.yml", "environment*.yaml"),
)
_BUILT_IN = frozenset({"String", "Int", "Float", "Boolean", "ID"})


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def _types(path: str, text: str) -> Iterator[Mention]:
    yield from by_patterns("folder", _GRAPHQL_TYPES)(path, _GRAPHQL_STRINGS.sub(_blank, text))


def _type_uses(path: str, text: str) -> Iterator[Mention]:
    """Types of fields and arguments: what follows a colon."""
    for each in by_patterns("folder", r":\s*\[*\s*([A-Z]\w*)")(path, _GRAPHQL_STRINGS.sub(_blank, text)):
        if each.key not in _BUILT_IN:
            yield each


def _requirements(path: str, text: str) -> Iterator[Mention]:
    if path.endswith("package.json"):
        yield from (Mention("", f"npm {name}", 1) for name in _npm(document_of(path, text)))
        return
    if not path.endswith(".txt"):
        yield from (each._replace(key=_python_key(each.key)) for each in _quoted_requirements(path, text))
        return
    for number, line in enumerate(text.splitlines(), 1):
        found = _REQUIREMENT.match(line.partition("#")[0].rstrip())
        if found is not None:
            yield Mention("", _python_key(found[1]), number)


_quoted_requirements = by_patterns(
    "tree",
    r"[\"']([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?:[<>=~!;@][^\"']*)?[\"']",
    r"^\s*-?\s*([A-Za-z0-9][\w.-]*)\s*[=<>~]",
    only=("pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "environment*.yml", "environment*.yaml"),
)


def _python_key(name: str) -> str:
    return f"pip {name.lower().replace('-', '_')}"


def _is_local(key: str, paths: Collection[str]) -> bool:
    """Whether a module of the repository has the name, so that it is no dependency any more."""
    name = key.split(" ")[1]
    return any(name in re.split(r"[/.]", path) for path in paths)


def _npm(document: Any) -> Iterator[str]:
    for section in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"):
        listed = document.get(section) if isinstance(document, dict) else None
        yield from listed if isinstance(listed, dict) else ()


_imports_python = by_patterns("tree", r"^(?:from|import)\s+([A-Za-z]\w*)", only=("*.py",))
_imports_script = by_patterns(
    "tree", r"(?:from\s+|require\(\s*|import\s+)['\"]((?:@[\w.-]+/)?[\w-][\w.-]*)(?:/[^'\"]*)?['\"]",
    only=("*.js", "*.jsx", "*.mjs", "*.cjs", "*.ts", "*.tsx", "*.mts"),
)  # fmt: skip


def _imports(path: str, text: str) -> Iterator[Mention]:
    for each in _imports_python(path, text):
        yield each._replace(key=f"pip {each.key.lower()}")
    for each in _imports_script(path, text):
        yield each._replace(key=f"npm {each.key}")


def _services(path: str, text: str) -> Iterator[Mention]:
    yield from (Mention(path, name, 1) for name in _compose(path, text))


def _depended(path: str, text: str) -> Iterator[Mention]:
    for service in _compose(path, text).values():
        names = service.get("depends_on", []) if isinstance(service, dict) else []
        yield from (Mention(path, str(name), 1) for name in names)


def _compose(path: str, text: str) -> dict[str, Any]:
    document = document_of(path, text)
    services = document.get("services") if isinstance(document, dict) else None
    return services if isinstance(services, dict) else {}


RULES = (
    NameRule("type of the schema", ("*.graphql", "*.graphqls", "*.gql"), _types, _type_uses),
    NameRule(
        "dependency",
        (*_MANIFESTS, "*.py", "*.js", "*.jsx", "*.mjs", "*.cjs", "*.ts", "*.tsx", "*.mts"),
        _requirements,
        _imports,
        is_there=_is_local,
    ),
    NameRule("service", ("*compose*.yml", "*compose*.yaml"), _services, _depended),
    NameRule(
        "operation id",
        ("*openapi*.y*ml", "*swagger*.y*ml", "*openapi*.json", "*swagger*.json", "*api*.y*ml"),
        by_patterns("file", r"['\"]?operationId['\"]?\s*:\s*['\"]?([\w.-]+)"),
        unique=True,
    ),
)
