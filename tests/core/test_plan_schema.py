"""The JSON schema of plans: it takes what the validator takes, and refuses only what the validator refuses too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from epw.core.errors import InvalidPlan
from epw.core.plan.schema import plan_schema
from epw.core.plan.validate import read_plan
from tests.core.test_conflict_steps import KINDS

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]
TASK = {"id": "a", "description": "do it"}


def plans_of(path: Path) -> list[dict[str, Any]]:
    """The plans of a file: all of a YAML file, or the blocks of a page that have tasks."""
    text = path.read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if path.suffix == ".md" else [text]
    return [found for found in map(yaml.safe_load, blocks) if "tasks" in found]


EXAMPLES = [*sorted(ROOT.glob("examples/*/plan.yaml")), ROOT / "docs/plan.md", ROOT / "README.md"]


def is_valid(plan: Any, schema: dict[str, Any] | None = None) -> bool:
    valid: bool = jsonschema.Draft202012Validator(schema or plan_schema()).is_valid(plan)
    return valid


def test_it_is_a_schema_of_its_draft() -> None:
    jsonschema.Draft202012Validator.check_schema(plan_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_example_is_valid(path: Path) -> None:
    plans = plans_of(path)
    assert plans
    for plan in plans:
        jsonschema.validate(plan, plan_schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "more",
    [
        {"tasks": []},
        {"tasks": [{"id": "a"}]},
        {"tasks": [{**TASK, "id": ""}]},
        {"tasks": [{**TASK, "id": "a" * 129}]},
        {"tasks": [{**TASK, "estimatedMinutes": 0}]},
        {"tasks": [{**TASK, "estimatedMinutes": 1441}]},
        {"tasks": [{**TASK, "files": ["/etc/passwd"]}]},
        {"tasks": [{**TASK, "colour": "red"}]},
        {"maxAgents": 0},
        {"strategy": "bold"},
        {"onConflict": ["guess"]},
        {"onConflict": ["prefer:"]},
        {"env": {"1A": "x"}},
        {"network": ["a b"]},
        {"constraints": {"budget": {"maxCostUSD": 0}}},
        {"relock": {"/uv.lock": "uv lock"}},
    ],
    ids=str,
)
def test_what_it_refuses_the_validator_refuses(more: dict[str, Any]) -> None:
    plan = {"tasks": [TASK], **more}
    assert not is_valid(plan)
    with pytest.raises(InvalidPlan):
        read_plan(plan)


def test_it_names_a_new_conflict_step() -> None:
    plan = {"tasks": [TASK], "onConflict": ["newest", "prefer:a"]}
    assert is_valid(plan, plan_schema(KINDS))
    assert not is_valid(plan)


def test_every_field_has_a_description() -> None:
    plan = plan_schema()
    for part in (plan, plan["$defs"]["Task"]):
        for name, field in part["properties"].items():
            assert {"description", "$ref"} & set(field), name
