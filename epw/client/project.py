"""The project that a command is given in: its repository, its plan, its settings."""

from __future__ import annotations

from pathlib import Path

PLAN_NAMES = ("epw.yaml", "epw.yml")
SETTINGS_NAME = "epw.toml"


def repository_of(folder: Path) -> Path | None:
    """The git work tree that holds a folder; None where there is none."""
    folder = folder.resolve()
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def workspace_at(place: Path) -> Path:
    """What a directory stands for as a workspace: the repository that holds it, else itself."""
    place = place.resolve()
    is_bare = (place / "HEAD").is_file() and (place / "objects").is_dir()
    return place if is_bare or not place.is_dir() else repository_of(place) or place


def find_up(folder: Path, *names: str) -> Path | None:
    """The nearest file of these names, from a folder up to the top of its repository; outside of one, in it alone."""
    folder = folder.resolve()
    top = repository_of(folder) or folder
    for each in (folder, *folder.parents):
        found = next((each / name for name in names if (each / name).is_file()), None)
        if found is not None or each == top:
            return found
    return None
