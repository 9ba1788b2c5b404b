"""Readers of foreign files take any input: a plan that is valid and survives YAML, or a refusal in words."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from epw.cli.plan_text import plan_text
from epw.core import strict_yaml
from epw.core.errors import EpwError, InvalidPlan
from epw.core.plan.validate import read_plan
from epw.importers.formats import FORMATS, import_file, recognise
from epw.importers.model import Choices, ForeignFile, Order
from epw.importers.ticks import tick
from tests.importers.reading import document, prose
from tests.importers.test_documents import GOALS, HANDED_OVER, ISSUES, TASKS
from tests.importers.test_make_list import LIST
from tests.importers.test_task_lists import CHECKLIST, OPEN_SPEC, SPEC_KIT

LINES = sorted({line for text in (SPEC_KIT, OPEN_SPEC, CHECKLIST, LIST) for line in text.split("\n")})
PROSE = st.one_of(
    st.text(),
    st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=20)), max_size=20).map("\n".join),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(LINES)), max_size=20).map(
        lambda rows: "\r\n".join(" " * indent + line for indent, line in rows)
    ),
)
ODD: list[Any] = [None, True, -1, 0, 2**70, 1.5, "", " ", "1", "a\0b", "\ud800", [], {}, [[]], ["1"], {"id": "1"}, [{}]]
WHOLE: list[Any] = [{"tasks": TASKS}, {"master": {"tasks": TASKS}}, ISSUES, GOALS, *HANDED_OVER]
CHOICES = st.builds(Choices, st.none(), st.one_of(st.none(), st.sampled_from(Order)))


def check(file: ForeignFile, form: str, choices: Choices) -> None:
    """Import by a format, recognised or not; nothing but a refusal in words is raised."""
    refused = ""
    try:
        document = import_file(file, FORMATS[form], choices).document
    except EpwError as error:
        refused = str(error)
    if refused:
        assert file.path in refused or "no meaning" in refused
        return
    read_plan(document, runnable=False)
    assert strict_yaml.load(plan_text(document)) == document


@given(PROSE, st.sampled_from([name for name, form in FORMATS.items() if form.is_prose]), CHOICES)
@settings(max_examples=400, deadline=None)
def test_any_text_becomes_a_plan_or_is_refused(text: str, form: str, choices: Choices) -> None:
    file = prose(text)
    with contextlib.suppress(InvalidPlan):
        recognise(file)
    check(file, form, choices)


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_any_document_becomes_a_plan_or_is_refused(data: st.DataObject) -> None:
    value: Any = copy.deepcopy(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(0, 3))):
        _break(data, value)
    file = ForeignFile("tasks.json", json.dumps(value), value, is_prose=False)
    for form in [name for name, form in FORMATS.items() if not form.is_prose]:
        check(file, form, Choices())


def _break(data: st.DataObject, value: Any) -> None:
    """Put something odd somewhere into a document."""
    place: Any = value
    for _ in range(data.draw(st.integers(0, 5))):
        inner = list(place.values()) if isinstance(place, dict) else place
        inner = [each for each in inner if isinstance(each, dict | list) and each]
        if inner:
            place = data.draw(st.sampled_from(inner))
    key: Any = (
        data.draw(st.sampled_from(sorted(place)))
        if isinstance(place, dict)
        else data.draw(st.integers(0, len(place) - 1))
    )
    place[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))


@given(PROSE)
@settings(max_examples=300, deadline=None)
def test_a_tick_of_any_list_changes_the_marks_of_the_boxes_and_nothing_else(text: str) -> None:
    file = prose(text)
    for name in ("spec-kit", "openspec", "checklist"):
        try:
            made = import_file(file, FORMATS[name], Choices())
        except EpwError:
            continue
        done = {row["id"]: row["description"] for row in made.document["tasks"]}
        after = tick(file, FORMATS[name], Choices(), done)
        assert set(after.ids) == set(done)
        changed = [(a, b) for a, b in zip(text, after.text, strict=True) if a != b]
        assert changed == [(" ", "x")] * len(done)
        assert tick(file.with_text(after.text), FORMATS[name], Choices(), done).ids == ()


def test_a_document_of_ten_thousand_tasks_is_read() -> None:
    rows = [{**task, "id": number, "dependencies": []} for number in range(10_000) for task in [TASKS[1]]]
    assert len(import_file(document({"tasks": rows}), FORMATS["task-master"], Choices()).document["tasks"]) == 10_000


def test_a_printed_plan_has_no_anchors_though_tasks_share_values() -> None:
    shared = ["a.py"]
    plans = [
        import_file(document(GOALS), FORMATS["goals"], Choices()).document,
        {"tasks": [{"id": each, "files": shared} for each in "ab"]},
    ]
    for plan in plans:
        assert not re.search(r"[&*]id\d", plan_text(plan))
