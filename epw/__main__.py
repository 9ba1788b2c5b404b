"""Entry point of `epw` and `python -m epw`; finds its own packages whatever the module search path holds."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_FOLDER = str(Path(__file__).parents[1])
_PACKAGES = ("activities", "workflows")


class _OwnFinder:
    """Finder of `activities` and `workflows` of a checkout, before a project's own on PYTHONPATH."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [_FOLDER]) if name in _PACKAGES else None


def main() -> None:
    sys.meta_path.insert(0, _OwnFinder)
    from epw.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
