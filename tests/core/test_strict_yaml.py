"""YAML is read strictly, by plans and by merges alike."""

from __future__ import annotations

import pytest

from epw.core import strict_yaml


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\na: 2\n", 2),
        ("x:\n  - b: 1\n    c: 2\n    b: 3\n", 4),
        ("1: a\n1.0: b\n", 2),
        ("{a: 1, <<: {b: 1}, <<: {c: 1}}", 1),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(strict_yaml.InvalidYaml, match=f"(?s)duplicate key .*: line {line},"):
        strict_yaml.load(text)


@pytest.mark.parametrize(
    "text", ["a: [", "? [1]\n: 2\n", "!!python/object:os.system x", "- " * 100_000, "[" * 100_000, "a: *none"]
)
def test_what_is_no_plain_document_is_refused(text: str) -> None:
    with pytest.raises((strict_yaml.InvalidYaml, RecursionError)):
        strict_yaml.load(text)


def test_dates_stay_text_and_merged_mappings_keep_their_own_keys() -> None:
    assert strict_yaml.load("day: 2024-01-01") == {"day": "2024-01-01"}
    assert strict_yaml.load("a: &a {x: 1}\nb: {<<: *a, x: 2}")["b"] == {"x": 2}


def test_a_key_is_text_also_where_it_could_be_a_truth_value() -> None:
    assert strict_yaml.load("on: [yes, no]\nno: off") == {"on": [True, False], "no": False}
    with pytest.raises(strict_yaml.InvalidYaml, match="duplicate key 'on'"):
        strict_yaml.load("on: 1\n'on': 2")


@pytest.mark.parametrize(("text", "expected"), [("a: &b 1", True), ("a: '&b'", False), ("a: 1", False)])
def test_aliases_are_seen_where_they_are_no_text(text: str, expected: bool) -> None:
    assert strict_yaml.has_aliases(text) is expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tasks:\n\t- id: a\n", 2),
        ("tasks:\n  - id: a\n    description: x\n\trun: x\n", 4),
        ("tasks:\n  - id: a\n \tdescription: x\n", 3),
        ("tasks:\n  - id: a\n    run: |\n\techo a\n", 4),
    ],
)
def test_a_tab_in_an_indentation_is_named(text: str, line: int) -> None:
    with pytest.raises(strict_yaml.InvalidYaml, match=f"^a tab indents the line; YAML .*: line {line},"):
        strict_yaml.load(text)
