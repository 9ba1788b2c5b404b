"""`answer`: answer an agent's question."""

from __future__ import annotations

from typing import Annotated

import typer

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.update import update


def answer(
    execution_id: ExecutionId,
    question: Annotated[str, typer.Argument(help="The question's id.")],
    text: str,
    as_json: bool = JSON_OPTION,
) -> None:
    """Answer a question; the first answer wins."""
    update(execution_id, "answer", {"questionId": question, "text": text}, as_json=as_json)
