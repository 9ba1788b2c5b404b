"""Cache of the symbols of file versions: between two landings, the head of an execution changes in few files."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.semantic.symbols import NOTHING, Symbols
from activities.git.hub import Hub

# Definitions, uses and imports, of some 250 bytes each.
_MAX_WEIGHT = 250_000


class SymbolCache:
    """Symbols of the versions used last, by language and blob; safe for threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[Symbols, int]] = OrderedDict()
        """Symbols, with the weight of each."""
        self._weight = 0
        self._lock = threading.Lock()

    def symbols_of(self, hub: Hub, versions: Sequence[Mapping[str, str | None]]) -> list[dict[str, Symbols]]:
        """Symbols by path, for each of several mappings of path to blob (None: no such file); reads what is unknown."""
        wanted = {
            (_language(path), blob): path for files in versions for path, blob in files.items() if blob is not None
        }
        with self._lock:
            found = {key: self._kept[key][0] for key in wanted if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        missing = [key for key in wanted if key not in found]
        for key, content in zip(missing, hub.blobs([blob for _, blob in missing]), strict=True):
            found[key] = read_symbols(wanted[key], content)
            self._keep(key, found[key])
        return [
            {path: found[_language(path), blob] if blob is not None else NOTHING for path, blob in files.items()}
            for files in versions
        ]

    def _keep(self, key: tuple[str, str], value: Symbols) -> None:
        weight = 1 + len(value.definitions) + len(value.uses) + len(value.modules)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = value, weight
                self._weight += weight
            while self._weight > _MAX_WEIGHT:
                _, (_, weight) = self._kept.popitem(last=False)
                self._weight -= weight


def _language(path: str) -> str:
    language = language_of(path)
    return language.name if language is not None else ""
