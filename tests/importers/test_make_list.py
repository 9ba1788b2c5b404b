"""Lists in the manner of a Makefile."""

from __future__ import annotations

from tests.importers.reading import edges, prose, refusal, taken

LIST = """\
# What is to be done
.PHONY: all

all: api docs

schema:
\tDesign the tables,
\tand say why

api: schema | names  # the order matters
    Write the API

names:
\tAgree on names
docs: api
\tDescribe it
"""


def test_targets_with_text_are_tasks_and_others_stand_for_what_they_need() -> None:
    made = taken(prose(LIST + "release: all\n\tRelease it\n", "Makefile"), "make-list")
    assert edges(made) == {
        "schema": [],
        "api": ["schema", "names"],
        "names": [],
        "docs": ["api"],
        "release": ["api", "docs"],
    }
    assert made.document["tasks"][0]["description"] == "Design the tables,\nand say why"


def test_such_a_list_is_recognised_without_its_name() -> None:
    assert set(edges(taken(prose(LIST, "plan.txt"), "make-list"))) == {"schema", "api", "names", "docs"}


def test_a_makefile_of_commands_is_refused_once_with_the_first_of_its_lines() -> None:
    text = "CC := gcc\nall: main.o\n\t$(CC) -o all main.o\n%.o: %.c\n\t@echo $<\nlone: missing\n\tx\nempty:\n"
    why = "variables, patterns or commands of make; only `target: dependencies` and text are read"
    assert refusal(prose(text, "Makefile"), "make-list") == f"Makefile: lines 1, 3, 4 and 1 more: {why}"
    assert refusal(prose("a:\n\t@echo\n", "Makefile"), "make-list") == f"Makefile: line 2: {why}"
    assert set(edges(taken(prose("- [ ] a\n\t@echo\n", "a.md"), "checklist"))) == {"a"}


def test_problems_of_a_list_are_told_line_by_line() -> None:
    told = refusal(prose("lone: missing\n\tx\nempty:\n", "Makefile"), "make-list").splitlines()
    assert any("line 1: lone needs missing, which is no target" in each for each in told)
    assert any("line 3: empty has no description" in each for each in told)


def test_circles_of_targets_are_refused() -> None:
    assert "Circular dependency: a → b → a" in refusal(prose("a: b\n\tx\nb: a\n\ty\n", "Makefile"), "make-list")
