"""Task lists of Markdown: phases and parallel marks of spec-kit, groups of OpenSpec, nested checklists."""

from __future__ import annotations

from epw.importers.model import Choices, Order
from tests.importers.reading import WHOLE, edges, prose, refusal, taken

SPEC_KIT = """\
---
description: "Task list"
---

# Tasks: Photo albums

**Input**: Design documents from `/specs/001-albums/`

## Format: `[ID] [P?] [Story] Description`

- **[P]**: Can run in parallel (different files, no dependencies)

<!--
- [ ] T900 a sample of the template
-->

## Phase 1: Setup (Shared Infrastructure)

- [X] T001 Create the project structure
- [ ] T002 Initialize the project in pyproject.toml
- [ ] T003 [P] Configure linting
- [ ] T004 [P] Configure formatting

---

## Phase 2: User Story 1 - Albums (Priority: P1) 🎯 MVP

### Tests for User Story 1

- [ ] T010 [P] [US1] Contract test for GET /albums in `tests/contract/test_albums.py`
- [ ] T011 [P] [US1] Contract test for POST /albums in `tests/contract/test_albums.py`

### Implementation for User Story 1

- [ ] T012 [P] [US1] Create the album model in src/models/album.py
- [ ] T013 [US1] Implement the service in src/services/album.py (depends on T012, T001)
  - Validate titles
  - [ ] the empty album
- [ ] T014 [US1] Add logging

**Checkpoint**: albums work on their own

## Parallel Example

```bash
- [ ] T901 not a task, but an example
Task: "Contract test"
```
"""


def test_phases_of_spec_kit_follow_one_another_and_neighbours_marked_p_run_at_once() -> None:
    made = taken(prose(SPEC_KIT), "spec-kit")
    assert edges(made) == {
        "T002": [],
        "T003": ["T002"],
        "T004": ["T002"],
        "T010": ["T003", "T004"],
        "T011": ["T003", "T004"],
        "T012": ["T010", "T011"],
        "T013": ["T012"],
        "T014": ["T013"],
    }
    assert made.document["name"] == "Photo albums"
    assert made.notes[0] == "took tasks.md for a spec-kit tasks.md: 8 tasks in 2 phases"
    assert "left out: 1 done" in made.notes


def test_a_task_of_spec_kit_keeps_its_words_and_what_surrounds_it_and_loses_its_marks() -> None:
    rows = {row["id"]: row for row in taken(prose(SPEC_KIT, "specs/001-albums/tasks.md"), "spec-kit").document["tasks"]}
    assert rows["T012"]["description"] == "Create the album model in src/models/album.py"
    assert rows["T013"]["description"].endswith("- Validate titles")
    assert rows["T012"]["context"] == {
        "file": "specs/001-albums/tasks.md",
        "phase": "Phase 2: User Story 1 - Albums (Priority: P1) 🎯 MVP › Implementation for User Story 1",
        "story": "US1",
    }
    assert "files" not in rows["T012"]


def test_only_parallel_tasks_that_name_one_path_declare_it() -> None:
    made = taken(prose(SPEC_KIT), "spec-kit")
    declared = {row["id"]: row["files"] for row in made.document["tasks"] if "files" in row}
    assert declared == {"T010": ["tests/contract/test_albums.py"], "T011": ["tests/contract/test_albums.py"]}
    assert "T010 and T011 both name tests/contract/test_albums.py: they do not run at once" in made.notes


def test_a_done_task_keeps_its_place_in_the_order() -> None:
    made = taken(prose("## P\n- [ ] T1 [P] a\n- [x] T2 b\n- [ ] T3 [P] c\n"), "spec-kit")
    assert edges(made) == {"T1": [], "T3": ["T1"]}


def test_all_problems_of_a_spec_kit_file_are_told_with_their_lines() -> None:
    text = "- [ ] T001 a\n- [ ] T001 b\n- [ ] TXXX [P] c\n- [ ] T003 [P]\n"
    assert refusal(prose(text), "spec-kit").splitlines() == [
        "tasks.md: line 3: TXXX is a placeholder of the template: give the task a number",
        "tasks.md: line 4: task T003 has no description",
    ]
    twice = "- [ ] T001 a\n- [ ] T001 b (depends on T009)\n"
    assert refusal(prose(twice), "spec-kit") == "tasks.md: line 2: task T001 is there twice, also at line 1"
    missing = "- [ ] T001 a\n- [ ] T002 b (depends on T009)\n- [ ] T003 " + "x" * 17_000
    assert refusal(prose(missing), "spec-kit").splitlines() == [
        "tasks.md: line 3: description has 17000 bytes, at most 16384 are allowed",
        "tasks.md: line 2: Task T002 depends on non-existent task: T009; did you mean T003?",
    ]


def test_a_task_that_names_a_later_one_is_a_cycle() -> None:
    text = "- [ ] T001 a (depends on T002)\n- [ ] T002 b\n"
    assert refusal(prose(text), "spec-kit") == "tasks.md: Circular dependency: T001 → T002 → T001"


OPEN_SPEC = """\
## 1. Parser

- [x] 1.1 Add the grammar
- [ ] 1.2 Add the reader and verify that its tests pass
- [ ] 1.3 Reject duplicate keys
  - [ ] 1.3.1 in objects
  - [ ] in arrays of objects

## 2. Documentation

- [ ] 2.1 Describe the format in `docs/format.md`
"""
PROPOSAL = (
    "# Change\r\n\r\n## Why\r\n\r\nKeys that are given twice are lost.\r\n\r\n## What Changes\r\n\r\n- The reader\r\n"
)


def test_tasks_of_an_openspec_change_follow_one_another_and_sub_tasks_come_first() -> None:
    file = prose(OPEN_SPEC, "openspec/changes/strict-keys/tasks.md", proposal_md=PROPOSAL)
    made = taken(file, "openspec")
    assert edges(made) == {
        "1.2": [],
        "1.3.1": ["1.2"],
        "1.3/in-arrays-of-objects": ["1.3.1"],
        "1.3": ["1.3.1", "1.3/in-arrays-of-objects"],
        "2.1": ["1.3"],
    }
    assert made.document["name"] == "strict-keys"
    assert made.document["description"] == "Keys that are given twice are lost."
    assert any("--order groups" in note for note in made.notes)


def test_the_order_of_an_openspec_change_can_be_chosen() -> None:
    file = prose(OPEN_SPEC)
    assert edges(taken(file, "openspec", Choices(order=Order.GROUPS)))["1.3.1"] == []
    assert edges(taken(file, "openspec", Choices(order=Order.GROUPS)))["2.1"] == ["1.2", "1.3"]
    assert edges(taken(file, "openspec", Choices(order=Order.NONE)))["2.1"] == []


CHECKLIST = """\
# Release 2

- [ ] Write the notes
- [ ] API
  - [ ] Tests
  - [x] Routes
- plain
  - [ ] Tests

## Afterwards

1. [ ] Tag it
2. [ ] Publish it,
   and say so
3. [x] Celebrate
4. [ ] Tests
"""


def test_items_of_a_checklist_run_at_once_numbered_ones_in_order_and_parents_last() -> None:
    made = taken(prose(CHECKLIST, "TODO.md"), "checklist")
    assert edges(made) == {
        "write-the-notes": [],
        "api/tests": [],
        "api": ["api/tests"],
        "tests": [],
        "tag-it": [],
        "publish-it": ["tag-it"],
        "tests-2": ["publish-it"],
    }
    assert made.document["name"] == "Release 2"
    rows = {row["id"]: row for row in made.document["tasks"]}
    assert rows["publish-it"]["description"] == "Publish it,\nand say so"
    assert rows["publish-it"]["context"]["heading"] == "Release 2 › Afterwards"


def test_a_nested_task_says_what_it_is_a_part_of_and_the_whole_that_it_has_parts() -> None:
    text = "- [ ] Write docs\n  - [ ] for users,\n    all of them\n    - [ ] in short\n- [ ] Ship\n"
    rows = {row["id"]: row["description"] for row in taken(prose(text, "a.md"), "checklist").document["tasks"]}
    users = "for users,\nall of them"
    assert rows == {
        "write-docs": f"Write docs\n\n{WHOLE}",
        "write-docs/for-users": f"{users}\n\nA part of task write-docs: Write docs\n\n{WHOLE}",
        "write-docs/for-users/in-short": ("in short\n\nA part of task write-docs/for-users: Write docs › for users,"),
        "ship": "Ship",
    }
    rows = {row["id"]: row["description"] for row in taken(prose(OPEN_SPEC), "openspec").document["tasks"]}
    assert rows["1.3.1"] == "in objects\n\nA part of task 1.3: Reject duplicate keys"
    assert rows["1.3"] == f"Reject duplicate keys\n\n{WHOLE}"


def test_ids_of_a_checklist_stay_when_other_items_are_done() -> None:
    before = edges(taken(prose(CHECKLIST, "TODO.md"), "checklist"))
    ticked = CHECKLIST.replace("- [ ] Write", "- [x] Write").replace("  - [ ] Tests\n  - [x]", "  - [x] Tests\n  - [x]")
    after = edges(taken(prose(ticked, "TODO.md"), "checklist"))
    assert set(after) == set(before) - {"write-the-notes", "api/tests"}


def test_a_fence_that_is_never_closed_hides_no_task() -> None:
    assert set(edges(taken(prose("- [ ] one\n```\n- [ ] two\n", "a.md"), "checklist"))) == {"one", "two"}
    assert set(edges(taken(prose("- [ ] one\n```\n- [ ] two\n```\n", "a.md"), "checklist"))) == {"one"}


def test_words_of_every_script_make_ids() -> None:
    assert set(edges(taken(prose("- [ ] 編集する\n- [ ] 🎯\n- [ ]\tÜber uns\n", "a.md"), "checklist"))) == {
        "編集する",
        "task",
        "über-uns",
    }


def test_an_order_that_needs_too_many_dependencies_is_refused() -> None:
    steps = "\n".join(f"- [ ] T{phase}{number:03} [P] do it" for phase in (1, 2) for number in range(600))
    text = steps.replace("- [ ] T2000", "## Phase 2\n- [ ] T2000")
    assert "more than 200000 dependencies" in refusal(prose(text), "spec-kit")


def test_a_list_in_which_all_is_done_says_so() -> None:
    assert refusal(prose("- [x] a\n- [X] b\n", "a.md"), "checklist") == "a.md: no task is open: 2 done"
