"""Decision whether a use of a name means a certain definition, as far as imports and receivers show."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

_WORD = re.compile(r"[\w$-]+")


def refers_to(use: Use, path: str, symbols: Symbols, target: str, definition: Definition) -> bool:
    """Whether a use in the file `path`, which has `symbols`, means a definition of the file `target`."""
    language, owner = language_of(path), language_of(target)
    if language is None or owner is None or not language.is_related(owner):
        return False
    if definition.scope and definition.kind == "function" and definition.name != definition.scope[-1]:
        # A method, called on some value, or by its bare name within its class.
        return use.receiver is not None or (path == target and language.overloads)
    if use.receiver is None and use.name in symbols.local_names:
        return False
    if _may_be_missing(use, symbols):
        return False
    file, folder = PurePosixPath(target), PurePosixPath(target).parent
    if path == target or (language.folder_is_module and PurePosixPath(path).parent == folder):
        return use.receiver is None
    if language.folder_is_module:
        return _is_in_package(use, symbols, definition, folder)
    return _is_imported(use, symbols, definition, _module_names(language, owner, path, file), language)


def _may_be_missing(use: Use, symbols: Symbols) -> bool:
    """Whether a name comes from an import of which the program handles that it fails."""
    first = use.name if use.receiver is None else use.receiver.split(".")[0]
    return any(each.may_fail and first in (each.name, each.module.rpartition(".")[2]) for each in symbols.modules)


def words_of(statement: str) -> set[str]:
    return set(_WORD.findall(statement))


def _is_in_package(use: Use, symbols: Symbols, definition: Definition, folder: PurePosixPath) -> bool:
    if use.receiver is None:
        return any(definition.name in each for each in symbols.imports)
    return _last_part(use.receiver) == folder.name


def _is_imported(use: Use, symbols: Symbols, definition: Definition, modules: set[str], language: Language) -> bool:
    if use.receiver is None:
        statements = (each for each in symbols.imports if not language.chooses_name(each, definition.name))
        return any(_imports(each, definition.name, modules) for each in statements)
    last = _last_part(use.receiver)
    return last in modules or any(last is not None and _imports(each, last, modules) for each in symbols.imports)


def _last_part(receiver: str) -> str | None:
    """Last name of a receiver, before its arguments; None where there is none."""
    before = receiver.split("(")[0]
    return before.replace("::", ".").split(".")[-1] if before else None


def _module_names(language: Language, owner: Language, path: str, file: PurePosixPath) -> set[str]:
    """Names by which code in `path` may call the module of another file."""
    module = file.parent.name if file.stem in owner.named_after_folder else file.stem
    return {file.stem, module} | language.module_aliases(path, file)


def _imports(statement: str, name: str, modules: set[str]) -> bool:
    """Whether an import statement holds a name, and one of the modules."""
    words = words_of(statement)
    return name in words and bool(words & modules)
