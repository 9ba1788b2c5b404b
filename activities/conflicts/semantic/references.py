"""Decision whether a use of a name means a certain definition, as far as imports and receivers show."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.module_files import is_module, passes_on
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

_WORD = re.compile(r"[\w$-]+")


def imported_from(name: str, path: str, symbols: Symbols, target: str) -> bool | None:
    """Whether the file `path` imports a name from the file `target`; None where its imports do not show it."""
    found = [each for each in symbols.modules if name == each.alias]
    if not found:
        is_whole = "." in name or "::" in name
        return True if is_whole and is_module(name, path, target, lambda _: False) else None
    for each in found:
        whole = f"{each.module}{'::' if path.endswith('.rs') else '.'}{each.name}" if each.name else each.module
        if any(is_module(module, path, target, lambda _: False) for module in {each.module, whole}):
            return True
    return None if any(passes_on(each.module, path, target) for each in found) else False


def knows(name: str, path: str, symbols: Symbols, target: str) -> bool:
    """Whether the code in `path` can mean the type `name` of the file `target`, by its own name or a module's."""
    language = language_of(path)
    if language is None:
        return False
    if path == target:
        return True
    decided = imported_from(name, path, symbols, target)
    if decided is not None:
        return decided
    if language.folder_is_module and PurePosixPath(path).parent == PurePosixPath(target).parent:
        return True
    if any(name in (each.alias, each.name) for each in symbols.modules):
        return True
    names = {each.alias for each in symbols.modules}
    return any(imported_from(each, path, symbols, target) for each in sorted(names))


def refers_exactly(use: Use, path: str, symbols: Symbols, target: str, definition: Definition) -> bool:
    """Whether the imports of a file show that a use means a definition, whatever else has its name."""
    if definition.scope:
        owner = definition.scope[-1]
        if use.receiver is None or last_part(use.receiver) != owner:
            return False
        return knows(owner, path, symbols, target) or imported_from(use.receiver, path, symbols, target) is True
    return imported_from(use.receiver or use.name, path, symbols, target) is True


def refers_to(use: Use, path: str, symbols: Symbols, target: str, definition: Definition) -> bool:
    """Whether a use in the file `path`, which has `symbols`, means a definition of the file `target`."""
    language, owner = language_of(path), language_of(target)
    if language is None or owner is None or not language.is_related(owner):
        return False
    if definition.scope and definition.kind == "function" and definition.name != definition.scope[-1]:
        # A method, called on some value, or by its bare name within its class.
        if use.receiver is None:
            return path == target and language.overloads
        return not _is_foreign(use.receiver, path, symbols, target)
    if use.receiver is None and use.name in symbols.local_names:
        return False
    if _may_be_missing(use, symbols):
        return False
    if path != target:
        if use.receiver is None and _is_renamed(definition.name, symbols):
            return False
        is_imported = imported_from(use.receiver or use.name, path, symbols, target)
        if is_imported is not None:
            return is_imported
    file, folder = PurePosixPath(target), PurePosixPath(target).parent
    if path == target or (language.folder_is_module and PurePosixPath(path).parent == folder):
        return use.receiver is None
    if language.folder_is_module:
        return _is_in_package(use, symbols, definition, folder)
    return _is_imported(use, symbols, definition, _module_names(language, owner, path, file), language)


def _is_renamed(name: str, symbols: Symbols) -> bool:
    """Whether the file gives this name to something that has another where it is defined."""
    return any(each.alias == name and each.name not in (None, name) for each in symbols.modules)


def _is_foreign(receiver: str, path: str, symbols: Symbols, target: str) -> bool:
    """Whether a variable has the value of a call of another module."""
    maker = symbols.makers.get(receiver, "").rpartition(".")[0]
    return bool(maker) and imported_from(maker, path, symbols, target) is False


def _may_be_missing(use: Use, symbols: Symbols) -> bool:
    """Whether a name comes from an import of which the program handles that it fails."""
    first = use.name if use.receiver is None else use.receiver.split(".")[0]
    return any(each.may_fail and first in (each.name, each.module.rpartition(".")[2]) for each in symbols.modules)


def words_of(statement: str) -> set[str]:
    return set(_WORD.findall(statement))


def _is_in_package(use: Use, symbols: Symbols, definition: Definition, folder: PurePosixPath) -> bool:
    if use.receiver is None:
        return any(definition.name in each for each in symbols.imports)
    return last_part(use.receiver) == folder.name


def _is_imported(use: Use, symbols: Symbols, definition: Definition, modules: set[str], language: Language) -> bool:
    if use.receiver is None:
        statements = (each for each in symbols.imports if not language.chooses_name(each, definition.name))
        return any(_imports(each, definition.name, modules) for each in statements)
    last = last_part(use.receiver)
    return last in modules or any(last is not None and _imports(each, last, modules) for each in symbols.imports)


def first_part(receiver: str) -> str:
    """First name of a receiver, before its arguments."""
    return receiver.split("(")[0].split(".")[0].split("::")[0]


def last_part(receiver: str) -> str | None:
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
