"""`schema`: JSON schemas of plans, results and reports."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from epw.core.plan.schema import plan_schema
from epw.core.report.model import result_schema
from epw.core.report.report import report_schema


class _Kind(StrEnum):
    PLAN = "plan"
    RESULT = "result"
    REPORT = "report"


_SCHEMAS = {_Kind.PLAN: plan_schema, _Kind.RESULT: result_schema, _Kind.REPORT: report_schema}


def schema(kind: Annotated[_Kind, typer.Argument(help="plan, result or report.")]) -> None:
    """Print the JSON schema of plans, results or reports."""
    print(json.dumps(_SCHEMAS[kind](), indent=2, ensure_ascii=False))
