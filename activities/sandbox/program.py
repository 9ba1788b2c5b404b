"""What a program needs to see of the machine to run: where it is installed, however its name on PATH leads there."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_MAX_LINKS = 20
_VENV_HOME = re.compile(r"^home\s*=\s*(.+)$", re.MULTILINE)


def folders_of(program: str) -> list[str]:
    """Folders and files that a sandbox has to show for a program: a link is followed to the installation behind it.

    Of a package in `node_modules` all of that folder, for what it imports; of a Python environment all of it, and the
    interpreter's.
    """
    real = os.path.realpath(program)
    found = [*_links(program), _installation(real), *_environment(Path(real)), *_interpreter(real)]
    return list(dict.fromkeys(found))


def _links(program: str) -> list[str]:
    """Folders of the links on the way from the program to its file."""
    folders, path = list[str](), program
    while os.path.islink(path) and len(folders) < _MAX_LINKS:
        folder = os.path.dirname(path)
        folders.append(folder)
        path = os.path.normpath(os.path.join(folder, os.readlink(path)))
    return [each for each in folders if not _holds_home(each)]


def _holds_home(folder: str) -> bool:
    home = os.path.realpath(os.path.expanduser("~"))
    return f"{home}/".startswith(f"{folder.rstrip('/')}/")


def _installation(real: str) -> str:
    parts = Path(real).parts
    if "node_modules" in parts:
        return str(Path(*parts[: parts.index("node_modules") + 1]))
    folder = os.path.dirname(real)
    # A file in a folder of many programs, or in one that holds the home, stands for itself.
    return real if os.path.basename(folder) in ("bin", "sbin") or _holds_home(folder) else folder


def _environment(real: Path) -> list[str]:
    """The Python environment that a script belongs to, and the installation of its interpreter."""
    root = real.parent.parent
    settings = root / "pyvenv.cfg"
    if not settings.is_file():
        return []
    home = _VENV_HOME.search(settings.read_text(errors="replace"))
    base = [str(Path(os.path.realpath(home[1].strip())).parent)] if home else []
    return [str(root), *(each for each in base if each != "/")]


def _interpreter(real: str) -> list[str]:
    """The program that `#!` of a script names, directly or by `env`."""
    try:
        with open(real, "rb") as file:
            head = file.read(256)
    except OSError:
        return []
    if not head.startswith(b"#!"):
        return []
    words = head[2:].split(b"\n", 1)[0].decode(errors="replace").split()
    names = (
        [word for word in words[1:] if not word.startswith("-")] if words and words[0].endswith("/env") else words[:1]
    )
    found = shutil.which(names[0]) if names else None
    return [os.path.realpath(found)] if found else []
