"""Tables of the documentation are those that the product decides by."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from activities.roll_back import COMPENSATIONS
from epw.core.execution.delivery import Compensation
from epw.core.failures import FAILURES
from tests.symptoms import SYMPTOMS, Symptom
from tests.tables import DOCS, GENERATED
from tests.whole.test_architecture import modules


@pytest.mark.parametrize("name", GENERATED)
def test_documentation_is_made_from_the_records(name: str) -> None:
    assert (DOCS / name).read_text() == GENERATED[name](), "run `python -m tests.tables`"


def test_every_invariant_that_is_checked_is_documented() -> None:
    documented = re.findall(r"^\| \*\*(I\d+)\*\* \|.*\| (.*) \|$", (DOCS / "invariants.md").read_text(), re.MULTILINE)
    assert [name for name, _ in documented] == [f"I{number}" for number in range(1, 16)]
    checks = (modules()["epw.cli.invariants"].read_text(), modules()["epw.cli.doctor"].read_text())
    checked = {name for text in checks for name in re.findall(r'f?"(I\d+):', text)}
    assert checked == {name for name, by in documented if "*doctor*" in by}
    for _, by in documented:
        assert all((DOCS.parent / "tests" / file).exists() for file in re.findall(r"[\w/]*test_\w+\.py", by)), by


def test_every_failure_is_raised_somewhere() -> None:
    """A record that nothing raises is a promise of the page that nothing keeps."""
    text = "\n".join(path.read_text() for name, path in modules().items() if name != "epw.core.failures")
    classes = ("InvalidPlan", "InvalidRequest", "Unavailable", "Fenced")
    for type in FAILURES:
        constant = re.sub(r"(?<!^)(?=[A-Z])", "_", type).upper()
        assert f"failures.{constant}" in text or constant in text or type in classes, type


def test_every_step_that_can_be_registered_can_be_undone() -> None:
    assert set(get_args(Compensation.model_fields["step"].annotation)) == set(COMPENSATIONS)


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda each: each.words[:30])
def test_what_troubleshooting_quotes_is_what_the_program_says(symptom: Symptom) -> None:
    parts = [part.strip(" :;()") for part in symptom.words.split("…")]
    texts = [re.sub(r'"\s*f?"', "", path.read_text()) for path in modules().values()]
    assert any(all(part in text for part in parts) for text in texts)
