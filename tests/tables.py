"""`python -m tests.tables`: the parts of the documentation that are made from the records the product decides by."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from activities.checkers.checker import Checker
from activities.checkers.registry import CHECKERS
from epw.core.backends import BACKENDS
from epw.core.conflict_steps import CONFLICT_STEPS
from epw.core.execution.exit_status import OUTCOMES, STATUS_OF_TEMPORAL
from epw.core.failures import FAILURES
from epw.core.plan.schema import plan_schema
from epw.core.presets.preset import Preset
from epw.core.presets.registry import PRESETS
from epw.core.recovery import recovery_options
from epw.core.report.model import result_schema
from epw.core.report.report import report_schema
from epw.importers.formats import FORMATS
from epw.mcp.tools import TOOLS
from tests.steering_table import ANSWERS, STATES
from tests.symptoms import OF_GIT, SYMPTOMS

DOCS = Path(__file__).parent.parent / "docs"
_BEGIN, _END = "<!-- made by `python -m tests.tables` -->\n", "<!-- end -->\n"
_TROUBLE = """# Troubleshooting

Made by `python -m tests.tables` from `epw/core/failures.py`, `epw/core/execution/exit_status.py` and
`tests/symptoms.py`.

Where to look, in this order:

```
epw status ID        # which task, why, and the command that helps
epw logs ID TASK     # all that it has printed, attempt by attempt
epw doctor           # what this machine lacks
epw doctor .         # what kind of repository this is, and what that means
```

## What a command says

| it says | why | what to do |
| --- | --- | --- |
"""
_FAILURES = """## What a task or an execution ends with

A failed task is printed as `✗ TASK failed (TYPE): what happened`, an execution as `✗ TYPE: what happened`. In results
the type is `error.type`, in Temporal that of the failure; `recoveryOptions` has what to do, with the names filled in.
After that, `epw retry ID` runs what is not done, and keeps the rest.
"""


def table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def troubleshooting_page() -> str:
    """docs/troubleshooting.md, whole."""
    said = [f"| `{each.words.replace('`', '')}` | {each.cause} | {each.remedy} |\n" for each in (*SYMPTOMS, *OF_GIT)]
    kinds = [
        f"### {each.type}\n\n{each.meaning[0].upper()}{each.meaning[1:]}. Tried again by {each.retried}.\n\n"
        + "".join(f"- {option}\n" for option in recovery_options(each.type))
        for each in FAILURES.values()
    ]
    outcomes = [
        [f"`{each.status}`", str(each.exit_code), f"`{each.failure.type}`" if each.failure else "–"]
        for each in OUTCOMES.values()
    ]
    closed = [[f"`{each}`", f"`{status}`"] for each, status in STATUS_OF_TEMPORAL.items()]
    return "\n".join(
        [
            _TROUBLE + "".join(said),
            _FAILURES,
            *kinds,
            "## Outcomes and exit codes\n",
            table(["status", "exit code", "failure in Temporal"], outcomes),
            "A command ends with 2 where its input is wrong, with 3 where the environment lacks something,",
            "with 130 where it was interrupted.\n",
            "Where the status of an execution cannot be read, how Temporal closed it stands for it:\n",
            table(["Temporal", "status"], closed).rstrip("\n"),
            "",
        ]
    )


def conflicts_page() -> str:
    """docs/conflicts.md, whole: its table of steps from their records, the rest as it stands."""
    rows = [
        [
            f"`{each.syntax.replace('<task>', 'TASK')}`",
            each.meaning,
            each.possible.text,
            f"yes, risk {each.option.risk}" if each.option else "–",
        ]
        for each in CONFLICT_STEPS.values()
    ]
    steps = table(["step", "what it does", "possible where", "a person can choose it"], rows)
    return _with_table("conflicts.md", steps)


def _needs(checker: Checker) -> str:
    if checker.asked_for is not None:
        return "its settings, and itself installed"
    return " or ".join(f"`{name}`" for name in checker.configs) if checker.needs_config else "–"


def checkers_page() -> str:
    """docs/checks.md, whole: its table of checkers from their records, the rest as it stands."""
    rows = [
        [
            f"`{each.name}`",
            each.language,
            ", ".join(f"`{name}`" for name in dict.fromkeys(map(os.path.basename, each.programs))),
            _needs(each),
        ]
        for each in CHECKERS.values()
    ]
    return _with_table("checks.md", table(["checker", "reads", "program", "needs in the project"], rows))


def agents_page() -> str:
    """docs/agents.md, whole: its tables of presets and backends from their records, the rest as it stands."""
    presets = table(
        ["`agent`", "program", "installed by", "login (`logins`)", "says", "goes on with a session"],
        [
            [
                f"`{each.name}`",
                f"{each.title}, `{each.program}`",
                f"`{each.install}`".replace("|", "\\|"),
                f"`{each.login.name}`: {each.login.how}",
                _reported(each),
                "yes" if each.resumes else "no",
            ]
            for each in PRESETS.values()
        ],
    )
    others = [[f"`{each.name}`", each.does, each.needs] for each in BACKENDS.values() if each.preset is None]
    return _with_table("agents.md", presets, table(["`agent`", "what does the task", "needs"], others))


def _reported(preset: Preset) -> str:
    said = ["tokens"] * preset.reports_tokens + ["dollars"] * preset.reports_cost
    return ", ".join(said) or "neither tokens nor dollars"


def importing_page() -> str:
    """docs/importing.md, whole: its table of formats from their records, the rest as it stands."""
    rows = [
        [f"`{each.name}`", each.sign, each.taken, each.ticks or f"nothing: {each.instead_of_ticks}"]
        for each in FORMATS.values()
    ]
    head = ["format", "recognised by", "what becomes of it", "`--tick` changes"]
    return _with_table("importing.md", table(head, [[cell.replace("|", "\\|") for cell in row] for row in rows]))


def mcp_page() -> str:
    """docs/mcp.md, whole: its table of tools from their records, the rest as it stands."""
    rows = []
    for each in TOOLS.values():
        required = ", ".join(f"`{name}`" for name in each.required)
        rows.append([f"`{each.name}`", each.description.split(". ")[0].rstrip("."), required or "–"])
    return _with_table("mcp.md", table(["tool", "what it does", "needs"], rows))


def steering_page() -> str:
    """docs/steering.md, whole: its tables of states and answers from those that a test sends."""
    states = table(["state", "what it means"], [[f"`{name}`", meaning] for name, meaning in STATES.items()])
    rows = [[f"`{each.update}`", *(each.at(state) for state in STATES)] for each in ANSWERS]
    return _with_table("steering.md", states, table(["update", *STATES], rows))


def _with_table(name: str, *made: str) -> str:
    """The page with these tables in the places for them."""
    first, *rest = (DOCS / name).read_text().split(_BEGIN)
    assert len(rest) == len(made), f"{name} has {len(rest)} places for tables"
    return first + "".join(
        _BEGIN + each + _END + after.split(_END, 1)[1] for each, after in zip(made, rest, strict=True)
    )


GENERATED: dict[str, Callable[[], str]] = {
    "troubleshooting.md": troubleshooting_page,
    "conflicts.md": conflicts_page,
    "checks.md": checkers_page,
    "agents.md": agents_page,
    "importing.md": importing_page,
    "mcp.md": mcp_page,
    "steering.md": steering_page,
    "result.schema.json": lambda: json.dumps(result_schema(), indent=2, ensure_ascii=False) + "\n",
    "report.schema.json": lambda: json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n",
    "plan.schema.json": lambda: json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n",
}
"""Files of docs/ and what they hold."""


if __name__ == "__main__":
    for name, text in GENERATED.items():
        (DOCS / name).write_text(text())
