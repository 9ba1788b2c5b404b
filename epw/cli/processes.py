"""The option `--processes`: how many worker processes a command keeps."""

from __future__ import annotations

from typing import Annotated

import typer

_AUTO = "auto"
_MAX = 64


def _number(text: str) -> int:
    if text == _AUTO:
        # More help no execution on two cores (docs/performance.md).
        return 1
    if not text.isdigit() or not 1 <= int(text) <= _MAX:
        raise typer.BadParameter(f"{text!r} is neither 1 to {_MAX} nor {_AUTO}")
    return int(text)


PROCESSES = _AUTO
"""What it is by default."""
Processes = Annotated[
    int,
    typer.Option(
        "--processes",
        parser=_number,
        metavar=f"N|{_AUTO}",
        help="How many worker processes, which share the slots and stop together.",
    ),
]
