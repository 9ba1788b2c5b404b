"""`resolve`: decide a conflict that waits for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.update import update


def resolve(
    execution_id: ExecutionId,
    conflict: Annotated[str, typer.Argument(help="The conflict's id.")],
    choice: Annotated[str, typer.Argument(help="One of the options of its question.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Choose what becomes of a conflict that waits for a person; the first choice wins."""
    update(execution_id, "resolve_conflict", {"conflictId": conflict, "choice": choice}, as_json=as_json)
