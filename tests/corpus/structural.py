"""Merges that git refuses: of independent changes, with what a careful person makes of them, and of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from epw.core import strict_yaml
from tests.corpus import FOLDER


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each merge by its name: `path`, `base`, `ours`, `theirs`, and `merged`, the results to be accepted, if any."""
    for path in sorted((FOLDER / "structure").glob("*.yaml")):
        yield from ((f"{path.stem}/{row['name']}", row) for row in strict_yaml.load(path.read_text()))
