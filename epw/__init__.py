"""Run coding agents in parallel, durably: a Temporal application that merges and delivers their work."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from epw.core.version import __version__
    from epw.service.plugin import EpwPlugin
    from epw.settings import Settings

__all__ = ["EpwPlugin", "Settings", "__version__"]
_MODULES = {"EpwPlugin": "epw.service.plugin", "Settings": "epw.settings", "__version__": "epw.core.version"}


def __getattr__(name: str) -> Any:
    """Import public names when they are used: `epw` itself stays quick to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
