"""Optional parts of the installation: what is said where one is missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_INSTALLERS = {"/uv/tools/": "uv tool install", "/pipx/": "pipx install --force"}
"""What made an environment, by a part of its path."""


def missing_extra(what: str, extra: str, *modules: str) -> str | None:
    """Message for a user where one of the modules that `what` needs is not installed; else None."""
    if all(_is_installed(each) for each in modules):
        return None
    return f"{what} needs an extra: {install_command(extra, sys.prefix)} (from a clone: pip install '.[{extra}]')"


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # Of the package that it is a part of.
        return False


def install_command(extra: str, prefix: str) -> str:
    """The command that adds an extra to the environment at `prefix`."""
    installer = next((each for part, each in _INSTALLERS.items() if part in f"{prefix}/"), "pip install")
    return f"{installer} 'epw[{extra}]'"
