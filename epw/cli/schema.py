"""`schema`: JSON schemas of plans and results."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from epw.core.plan.schema import plan_schema
from epw.core.report.model import result_schema


class _Kind(StrEnum):
    PLAN = "plan"
    RESULT = "result"


_SCHEMAS = {_Kind.PLAN: plan_schema, _Kind.RESULT: result_schema}


def schema(kind: Annotated[_Kind, typer.Argument(help="plan or result.")]) -> None:
    """Print the JSON schema of plans or of results."""
    print(json.dumps(_SCHEMAS[kind](), indent=2, ensure_ascii=False))
