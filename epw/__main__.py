"""`epw`, `python -m epw`: the command line, whatever modules of a user's own the search path holds."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_BESIDE = str(Path(__file__).parents[1])
_OURS = ("activities", "workflows")


class _BesideThis:
    """Finds our own modules beside this package: a project's `settings.py` on PYTHONPATH is none of ours."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [_BESIDE]) if name in _OURS else None


def main() -> None:
    sys.meta_path.insert(0, _BesideThis)
    from epw.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
