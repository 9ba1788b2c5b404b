"""Ticks change their own characters and nothing else."""

from __future__ import annotations

import json

import pytest

from epw.core.errors import InvalidRequest
from epw.importers.formats import FORMATS, recognise
from epw.importers.json_places import places
from epw.importers.model import Choices, ForeignFile
from epw.importers.ticks import Ticked, tick
from tests.importers.reading import document, prose, taken
from tests.importers.test_documents import GOALS, ISSUES, TASKS
from tests.importers.test_task_lists import CHECKLIST, OPEN_SPEC, SPEC_KIT


def ticked(before: ForeignFile, ids: list[str], now: ForeignFile | None = None) -> Ticked:
    """Ticks of tasks that were imported from one state of a file, in that state or a later one."""
    form = recognise(before)
    assert form is not None
    made = taken(before, form.name)
    said = {row["id"]: row["description"] for row in made.document["tasks"]}
    return tick(now or before, form, Choices(), {each: said[each] for each in ids})


@pytest.mark.parametrize(
    ("file", "ids", "lines"),
    [
        (prose(SPEC_KIT), ["T002", "T013"], ["- [x] T002 Initialize the project in pyproject.toml"]),
        (prose(OPEN_SPEC), ["1.3.1", "1.3"], ["  - [x] 1.3.1 in objects", "- [x] 1.3 Reject duplicate keys"]),
        (prose(CHECKLIST, "a.md"), ["api/tests", "tests-2"], ["  - [x] Tests", "4. [x] Tests"]),
        (prose("\ufeff- [ ] a\r\n* [ ] b\r\n", "a.md"), ["b"], ["* [x] b\r"]),
    ],
)
def test_a_tick_changes_one_character(file: ForeignFile, ids: list[str], lines: list[str]) -> None:
    done = ticked(file, ids)
    assert set(done.ids) == set(ids)
    assert len(done.text) == len(file.text)
    changed = [(a, b) for a, b in zip(file.text, done.text, strict=True) if a != b]
    assert changed == [(" ", "x")] * len(ids)
    assert set(lines) <= set(done.text.split("\n"))


def test_a_tick_of_task_master_changes_a_status_and_keeps_every_other_byte() -> None:
    text = json.dumps(
        {"master": {"tasks": TASKS, "note": 'a "status": "pending" \\ text'}}, indent="\t", ensure_ascii=False
    )
    file = ForeignFile("tasks.json", text, json.loads(text), is_prose=False)
    done = ticked(file, ["2", "3.3"])
    expected = json.loads(text)
    expected["master"]["tasks"][1]["status"] = "done"
    expected["master"]["tasks"][2]["subtasks"][2]["status"] = "done"
    assert done.text == json.dumps(expected, indent="\t", ensure_ascii=False)


def test_what_has_been_ticked_removed_or_rewritten_meanwhile_is_left_alone() -> None:
    now = SPEC_KIT.replace("- [ ] T002", "- [X] T002").replace("- [ ] T003 [P] Configure linting\n", "")
    now = now.replace("T004 [P] Configure formatting", "T004 [P] Delete everything")
    done = ticked(prose(SPEC_KIT), ["T002", "T003", "T004", "T014"], prose(now))
    assert done.ids == ("T014",)
    assert done.notes == (
        "T003 is not in tasks.md any more: not ticked",
        "T004 says something else in tasks.md now (line 21): not ticked",
    )
    assert done.text == now.replace("- [ ] T014", "- [x] T014")


def test_a_part_and_the_whole_are_ticked_whichever_was_ticked_before() -> None:
    text = "- [ ] a\n  - [ ] b\n  - [ ] c\n"
    for box in "abc":
        now = text.replace(f"[ ] {box}", f"[x] {box}")
        done = ticked(prose(text, "a.md"), ["a", "a/b", "a/c"], prose(now, "a.md"))
        assert done.text == text.replace("[ ]", "[x]")
        assert not done.notes


@pytest.mark.parametrize("value", [ISSUES, GOALS])
def test_formats_without_ticks_say_what_to_do_instead(value: object) -> None:
    file = document(value)
    form = recognise(file)
    assert form is not None
    with pytest.raises(InvalidRequest, match=r"gh issue close|epw export"):
        tick(file, form, Choices(), {})


def test_every_format_says_how_results_get_back() -> None:
    for form in FORMATS.values():
        assert form.ticks or form.instead_of_ticks, form.name


def test_places_of_values_in_json() -> None:
    text = '{"a": [1, {"b\\"c": "x"}, []], "d": null, "e": {}, "f": "]"}'
    found = {path: text[start:end] for path, (start, end) in places(text).items()}
    assert found == {("a", 0): "1", ("a", 1, 'b"c'): '"x"', ("d",): "null", ("f",): '"]"'}
