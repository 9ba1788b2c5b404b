"""Kinds of repository by how an execution in one ends. `python -m tests.matrix` tells docs/repositories.md."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.kinds import KINDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/repositories.md"
RIGHT, REFUSED = "right", "refused"
OUTCOMES = ("branch", "apply", "roll-back", "kill", "retry")
_TOLD = {
    "branch": "`deliver: branch`",
    "apply": "`deliver: apply`, twice",
    "roll-back": "rolled back, before and after delivery",
    "kill": "killed twice, `run --resume`",
    "retry": "failed in part, `retry`",
}
_BEGIN, _END = "<!-- made by tests/matrix.py -->\n", "<!-- end -->\n"

_REFUSED = ("SHA-256", "reftable, where git lacks it", "an object that cannot be read")
FOUND: dict[tuple[str, str], str] = {
    **{(kind, ending): REFUSED for kind in _REFUSED for ending in OUTCOMES},
    ("a plain directory", "branch"): REFUSED,
}
"""Cells that are not `right`, by kind and ending: `refused`, or the fault in words."""


def found(kind: str, ending: str) -> str:
    return FOUND.get((kind, ending), RIGHT)


def table() -> str:
    """The generated part of the page."""
    lines = ["| | " + " | ".join(_TOLD[ending] for ending in OUTCOMES) + " |", "|---" * (1 + len(OUTCOMES)) + "|"]
    for kind in KINDS:
        lines.append(f"| {kind.name} | " + " | ".join(found(kind.name, ending) for ending in OUTCOMES) + " |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with its generated part as it is to be."""
    before, begin, rest = text.partition(_BEGIN)
    if not begin or _END not in rest:
        sys.exit(f"{PAGE} has no place for the table")
    return before + begin + table() + _END + rest.partition(_END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
