"""Merges of the corpus that do not fit together are found by symbols and behaviour, and right ones are let through."""

from __future__ import annotations

from dataclasses import replace

import pytest

from activities.conflicts.behaviour.check import check_behaviour
from activities.conflicts.semantic.sides import Finding
from tests.activities.conflicts.test_names import findings as findings_of
from tests.activities.conflicts.test_semantic import checked, merge
from tests.corpus import Case, Files, cases

LANGUAGES = ("go", "java", "javascript", "python", "rust", "typescript")
MISSED = {
    "go": {
        "alias-became-defined-type": "a matter of types",
        "constraint-narrowed": "a matter of types",
        "embedded-type-removed-new-use-of-promoted-method": "a matter of types",
        "parameter-added-passed-as-function-value": "a matter of types",
        "receiver-became-pointer": "a matter of types",
        "pointer-receiver-value-stored": "which values have a method is a matter of types",
        "same-route-twice": "a name that is data",
    },
    "java": {
        "checked-exception-removed-new-catch": "what is thrown is not followed",
        "class-added-makes-wildcard-imports-ambiguous": "which of two imports is meant is not followed",
        "interface-method-added-new-lambda": "a matter of types",
        "overload-added-new-null-argument": "a matter of types",
        "return-type-of-overridden-method-changed": "a matter of types",
        "static-method-became-instance-method": "a matter of types",
        "two-interfaces-with-the-same-default": "a matter of types",
        "type-parameter-bound-added": "a matter of types",
        "second-abstract-method-against-lambda": "which interface a lambda has is a matter of types",
        "overload-makes-null-ambiguous": "which overload is meant is a matter of types",
        "same-command-registered": "a name that is data",
    },
    "javascript": {
        "package-became-esm-new-commonjs-file": "how files are loaded is a matter of the project",
        "event-renamed-new-listener": "a name that is data",
        "one-route-on-both-sides": "a name that is data",
        "environment-variable-renamed-new-reader": "a name that is data",
        "locale-key-renamed-new-lookup": "a name that is data",
    },
    "python": {
        "typed-dict-key-renamed": "a name that is data",
        "two-migrations-with-one-number": "a name that is data",
    },
    "rust": {
        "derive-removed-new-use": "a matter of types",
        "method-moved-into-trait-not-in-scope": "a matter of types",
        "non-exhaustive-across-crates": "a matter of types",
        "self-by-value-new-later-use": "a matter of types",
        "string-slice-parameter-became-owned": "a matter of types",
        "trait-bound-added": "a matter of types",
        "tuple-variant-became-struct-variant": "a matter of types",
        "two-traits-in-scope-ambiguous-method": "a matter of types",
        "derive-removed-new-clone": "whose method is called is a matter of types",
        "generic-bound-added": "a matter of types",
        "rc-field-against-thread": "a matter of types",
    },
    "typescript": {
        "overload-removed": "a matter of types",
        "property-made-readonly": "a matter of types",
        "type-parameter-added": "a matter of types",
        "event-map-key-renamed-new-listener": "a name that is data",
    },
}
"""Broken merges that neither shows, with the reason: they are left to checkers, or to the names that are data."""


def found(case: Case) -> list[str]:
    return [each.message for each in findings(case)]


def findings(case: Case) -> list[Finding]:
    return [*by_symbols(case), *findings_of(case, check_behaviour)]


def by_symbols(case: Case) -> list[Finding]:
    def encoded(files: Files) -> dict[str, bytes | None]:
        return {path: text if text is None else text.encode() for path, text in files.items()}

    ours, theirs, all_files = encoded(case.ours), encoded(case.theirs), encoded(case.base)
    base = {path: all_files.get(path) for path in {**ours, **theirs}}
    merged = {
        path: merge(*(side.get(path, base[path]) for side in (ours, base, theirs))) if _is_both(path, case) else text
        for path, text in {**ours, **theirs}.items()
    }
    rest = {path: text for path, text in all_files.items() if path not in merged}
    return checked(base, ours, theirs, merged, rest)


def _is_both(path: str, case: Case) -> bool:
    return path in case.ours and path in case.theirs


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_broken_merge_is_found_but_those_named(language: str) -> None:
    missed = {case.name for case in cases(language) if case.broken and not found(case)}
    assert missed == MISSED[language].keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_right_merge_is_held_up(language: str) -> None:
    assert {case.name: told for case in cases(language) if not case.broken and (told := found(case))} == {}


def _in_folder(number: int, files: Files) -> Files:
    return {f"case{number}/{path}": text for path, text in files.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_cases_side_by_side_in_one_repository_are_judged_as_alone(language: str) -> None:
    rows = list(cases(language))
    for start in range(0, len(rows), 10):
        group = rows[start : start + 10]
        whole = replace(group[0], base={}, ours={}, theirs={})
        for number, case in enumerate(group):
            whole.base.update(_in_folder(number, case.base))
            whole.ours.update(_in_folder(number, case.ours))
            whole.theirs.update(_in_folder(number, case.theirs))
        told = findings(whole)
        assert [each for each in told if each.path.split("/")[0] != each.other.split("/")[0]] == []
        folders = {each.path.split("/")[0] for each in told}
        judged = {case.name: f"case{number}" in folders for number, case in enumerate(group)}
        assert judged == {case.name: bool(found(case)) for case in group}
