"""`python -m tests.tables` writes docs/errors.md and docs/result.schema.json, which are made from the code."""

from __future__ import annotations

import json
from pathlib import Path

from epw.core.execution.outcomes import OUTCOMES, STATUS_OF_TEMPORAL
from epw.core.failures import FAILURES
from epw.core.report.model import result_schema

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "errors.md"
RESULT_SCHEMA = DOCS / "result.schema.json"
_HEAD = """# Errors, outcomes and exit codes

Made by `python -m tests.tables` from `epw/core/failures.py` and `epw/core/execution/outcomes.py`: change those.

## Failures

`type` is what stands in `error.type` of a task's result, or in Temporal's failure. A result adds `recoveryOptions`.

"""


def table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def page() -> str:
    """docs/errors.md, whole."""
    kinds = [[f"`{each.type}`", each.meaning, each.retried, each.recovery or "–"] for each in FAILURES.values()]
    outcomes = [
        [f"`{each.status}`", str(each.exit_code), f"`{each.failure.type}`" if each.failure else "–"]
        for each in OUTCOMES.values()
    ]
    closed = [[f"`{each}`", f"`{status}`"] for each, status in STATUS_OF_TEMPORAL.items()]
    return "\n".join(
        [
            _HEAD + table(["type", "meaning", "tried again by", "what to do"], kinds),
            "## Outcomes of an execution\n",
            table(["status", "exit code", "failure in Temporal"], outcomes),
            "A command ends with 2 where its input is wrong, with 3 where the environment lacks something,",
            "with 130 where it was interrupted.\n",
            "Where the status of an execution cannot be read, how Temporal closed it stands for it:\n",
            table(["Temporal", "status"], closed).rstrip("\n"),
            "",
        ]
    )


def schema_text() -> str:
    """docs/result.schema.json, whole."""
    return json.dumps(result_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    RESULT_SCHEMA.write_text(schema_text())
