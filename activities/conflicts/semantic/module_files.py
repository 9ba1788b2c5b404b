"""Decision whether the module that an import names is a certain file, by language."""

from __future__ import annotations

import re
from collections.abc import Callable
from posixpath import dirname, join, normpath

from activities.conflicts.semantic.languages import language_of

_SCRIPT_SUFFIX = re.compile(r"(\.d)?\.(ts|tsx|mts|cts|js|jsx|mjs|cjs)$")
_ALIASED = re.compile(r"^[@~#]?/")
_SOURCES = ("src", "lib")
_RUST_OUTSIDE = ("tests", "examples", "benches")
"""Folders beside the sources of a crate, whose programs use it as another crate would."""
_RUST_LIBRARIES = ("std", "core", "alloc")
_RUST_ROOTS = ("lib", "main", "mod")

IsFolder = Callable[[str], bool]
"""Whether a folder has files of the language, on either side."""


def is_module(module: str, path: str, target: str, is_folder: IsFolder) -> bool:
    """Whether `module`, as an import in the file `path` has it, is the file `target` or, in Go, its folder."""
    language, owner = language_of(path), language_of(target)
    if language is None or owner is None or not language.is_related(owner):
        return False
    decide = _BY_LANGUAGE.get(language.family or language.name)
    return decide is not None and decide(module, path, target, is_folder)


def _is_script(module: str, path: str, target: str, _: IsFolder) -> bool:
    wanted = _SCRIPT_SUFFIX.sub("", target)
    names = {wanted, wanted.removesuffix("/index")} if wanted.endswith("/index") else {wanted}
    if module.startswith("."):
        found = normpath(join(dirname(path), module))
        return found in names or _SCRIPT_SUFFIX.sub("", found) in names
    if _ALIASED.match(module) is None:
        return False
    # A prefix that the configuration leads to some folder, as `@/` to `src/`.
    end = _SCRIPT_SUFFIX.sub("", _ALIASED.sub("", module))
    roots = (name.removesuffix(end) for name in sorted(names) if f"/{name}".endswith(f"/{end}"))
    return any(is_project(root, path) for root in roots)


def _is_go_package(module: str, path: str, target: str, is_folder: IsFolder) -> bool:
    """The end of the path is the folder, from that of the Go module on: one above both files."""
    parts = dirname(target).split("/")
    for at in range(len(parts)):
        above, below = "/".join(parts[:at]), "/".join(parts[at:])
        if below and module.endswith(f"/{below}") and f"{path}/".startswith(f"{above}/" if above else ""):
            # A longer end of the path that is a folder as well is what is meant.
            words = module.split("/")
            longer = ("/".join(words[-more:]) for more in range(len(parts) - at + 1, len(words)))
            return not any(is_folder(f"{above}/{each}".lstrip("/")) for each in longer)
    return False


def _is_java_class(module: str, path: str, target: str, _: IsFolder) -> bool:
    place = module.replace(".", "/") + ".java"
    return f"/{target}".endswith(f"/{place}") and is_project(target.removesuffix(place), path)


def _is_rust_module(module: str, path: str, target: str, _: IsFolder) -> bool:
    (crate, mine), (other, wanted) = _rust_place(path), _rust_place(target)
    first, *rest = module.split("::")
    if first == "crate":
        return crate == other and tuple(rest) == wanted
    if first == "self":
        return crate == other and (*mine, *rest) == wanted
    if first == "super":
        while rest and rest[0] == "super":
            mine, rest = mine[:-1], rest[1:]
        return crate == other and (*mine[:-1], *rest) == wanted
    if is_outside_crate(path, target):
        # Beside its own programs a crate may have any name; others know it by that of its folder.
        name = first if crate == other else other.rpartition("/")[2].replace("-", "_")
        return name == first not in _RUST_LIBRARIES and tuple(rest) == wanted
    return (*mine, first, *rest) == wanted


def is_same_crate(path: str, other: str) -> bool:
    return _rust_place(path)[0] == _rust_place(other)[0]


def is_outside_crate(path: str, target: str) -> bool:
    """Whether a file of Rust sees only what the crate of another makes public."""
    return not is_same_crate(path, target) or "src" not in path.split("/")


def is_project(root: str, path: str) -> bool:
    """Whether a folder that imports start from is one above a file, or the folder of sources in one above it."""
    parts = root.strip("/").split("/") if root.strip("/") else []
    places = [at for at, part in enumerate(parts) if part in _SOURCES]
    above = parts[: places[0]] if places else parts
    return path.split("/")[: len(above)] == above


def _rust_place(path: str) -> tuple[str, tuple[str, ...]]:
    """Folder of the crate of a file, and the module that the file is in it."""
    parts = path.removesuffix(".rs").split("/")
    places = [at for at, part in enumerate(parts[:-1]) if part in ("src", *_RUST_OUTSIDE)]
    at = places[-1] if places else -1
    inside = parts[at + 1 :]
    return "/".join(parts[: max(at, 0)]), tuple(inside[:-1] if inside[-1] in _RUST_ROOTS else inside)


def _is_python_module(module: str, path: str, target: str, _: IsFolder) -> bool:
    """As far as the names show: an absolute one is the end of the file's path, below a folder of sources."""
    words, parts = tuple(filter(None, module.split("."))), _python_parts(target)
    level = len(module) - len(module.lstrip("."))
    if level:
        folder = tuple(path.split("/")[:-1])
        return level <= len(folder) + 1 and (*folder[: len(folder) - level + 1], *words) == parts
    if not words or parts[-len(words) :] != words:
        return False
    return is_project("/".join(parts[: -len(words)]), path)


def _python_parts(path: str) -> tuple[str, ...]:
    parts = tuple(path.rpartition(".")[0].split("/"))
    return parts[:-1] if parts[-1] == "__init__" else parts


def passes_on(module: str, path: str, target: str) -> bool:
    """Whether `module` may be a package above the file `target`, which may give its names on."""
    language = language_of(path)
    if language is None:
        return False
    if language.name == "python":
        level = len(module) - len(module.lstrip("."))
        folder = tuple(path.split("/")[:-1])
        words = tuple(filter(None, module.split(".")))
        above = (*folder[: len(folder) - level + 1], *words) if level else words
        parts = _python_parts(target)
        places = (at for at in range(len(parts) - len(above) + 1) if parts[at : at + len(above)] == above)
        return any(is_project("/".join(parts[:at]), path) for at in places)
    if language.family == "javascript":
        # A package's name, or an alias, may be any folder.
        return not module.startswith(".") or target.startswith(normpath(join(dirname(path), module)) + "/")
    if language.name == "rust":
        first, *rest = module.split("::")
        (mine, _), (crate, wanted) = _rust_place(path), _rust_place(target)
        if first in ("crate", "self", "super") and mine != crate:
            return False
        return first in ("self", "super") or wanted[: len(rest)] == tuple(rest)
    return False


_BY_LANGUAGE: dict[str, Callable[[str, str, str, IsFolder], bool]] = {
    "javascript": _is_script,
    "go": _is_go_package,
    "java": _is_java_class,
    "rust": _is_rust_module,
    "python": _is_python_module,
}
