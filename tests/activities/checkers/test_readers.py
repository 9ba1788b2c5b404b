"""What checkers print is read as they print it; records and names agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from activities.checkers.checker import Checker, CheckerFailed, Job, Message, Output, Place
from activities.checkers.merge_checks import decided
from activities.checkers.own_command import own_command
from activities.checkers.registry import CHECKERS, checkers_of, chosen
from activities.conflicts.semantic.sides import Finding
from epw.core.checker_names import CHECKER_NAMES
from epw.core.errors import InvalidPlan, InvalidRequest
from epw.core.plan.parts import CheckCommand
from epw.core.plan.validate import read_plan

TREE = Path("/tree")
RUST = {
    "reason": "compiler-message",
    "message": {
        "level": "error",
        "message": "mismatched types",
        "code": {"code": "E0308"},
        "spans": [
            {"is_primary": False, "file_name": "src/u.rs", "line_start": 1, "label": None},
            {"is_primary": True, "file_name": "src/main.rs", "line_start": 2, "label": "expected `i32`, found `&str`"},
        ],
    },
}
TY = {
    "check_name": "invalid-argument-type",
    "description": "invalid-argument-type: Argument to function `f` is incorrect",
    "location": {"path": "py/b.py", "positions": {"begin": {"line": 4, "column": 3}}},
}
PYREFLY = {
    "line": 6,
    "path": "py/b.py",
    "name": "bad-index",
    "concise_description": "Cannot index into `Generator`",
    "severity": "error",
}
PYRIGHT = {
    "file": "/tree/sub/py/b.py",
    "severity": "error",
    "message": 'Cannot access attribute "total"',
    "range": {"start": {"line": 11, "character": 13}},
    "rule": "reportAttributeAccessIssue",
}
SHELLCHECK = {
    "file": "a.sh",
    "line": 3,
    "level": "error",
    "code": 1073,
    "message": "Couldn't parse this double quoted string.",
}
JAVA = """A.java:1: error: cannot find symbol
class A { void m(){ g(); } }
                    ^
  symbol:   method g()
  location: class A
B.java:7: warning: [removal] old() has been deprecated
1 error
"""
# Printed by the programs themselves, in a project in the folder `sub`.
PRINTED = {
    "ty": (
        Output(0, json.dumps([TY]), ""),
        Message("sub/py/b.py", 4, "invalid-argument-type", "Argument to function `f` is incorrect"),
    ),
    "pyrefly": (
        Output(1, json.dumps({"errors": [PYREFLY]}), ""),
        Message("sub/py/b.py", 6, "bad-index", "Cannot index into `Generator`"),
    ),
    "tsc": (
        Output(2, "b.ts(1,10): error TS2305: Module '\"./a\"' has no exported member 'g'.\n  More of it.\n", ""),
        Message("sub/b.ts", 1, "TS2305", "Module '\"./a\"' has no exported member 'g'. More of it."),
    ),
    "go-vet": (
        Output(1, "", "# x\n# [x]\nvet: ./a.go:3:17: undefined: g\n"),
        Message("sub/a.go", 3, "vet", "undefined: g"),
    ),
    "cargo-check": (
        Output(101, json.dumps(RUST) + "\n", ""),
        Message("sub/src/main.rs", 2, "E0308", "mismatched types: expected `i32`, found `&str`"),
    ),
    "javac": (
        Output(1, "", JAVA),
        Message("sub/A.java", 1, "javac", "cannot find symbol; method g(); class A"),
    ),
    "mypy": (
        Output(1, 'py/b.py:4: error: "Order" has no attribute "total"  [attr-defined]\nFound 1 error\n', ""),
        Message("sub/py/b.py", 4, "attr-defined", '"Order" has no attribute "total"'),
    ),
    "pyright": (
        Output(1, json.dumps({"generalDiagnostics": [PYRIGHT]}), ""),
        Message("sub/py/b.py", 12, "reportAttributeAccessIssue", 'Cannot access attribute "total"'),
    ),
    "ruby": (
        Output(0, "", "a.rb:1: warning: key :a is duplicated and overwritten on line 1\n"),
        Message("sub/a.rb", 1, "syntax", "warning: key :a is duplicated and overwritten on line 1"),
    ),
    "php": (
        Output(
            0, "No syntax errors", "PHP Fatal error:  Cannot redeclare f() (previously in a.php:2) in a.php on line 3\n"
        ),
        Message("sub/a.php", 3, "lint", "Cannot redeclare f() (previously in a.php:2)"),
    ),
    "shellcheck": (
        Output(1, json.dumps({"comments": [SHELLCHECK]}), ""),
        Message("sub/a.sh", 3, "SC1073", "Couldn't parse this double quoted string."),
    ),
    "gcc": (
        Output(1, "", "a.c: In function 'main':\na.c:2:9: error: no 'x' in it [-Werror=int-conversion]\n"),
        Message("sub/a.c", 2, "error=int-conversion", "no 'x' in it"),
    ),
}


def read(checker: Checker, output: Output) -> list[Message]:
    return list(checker.read(Place(TREE, Path("/cache"), ["program"]), Job(checker.name, "sub"), output))


@pytest.mark.parametrize("name", PRINTED)
def test_messages_are_read_with_their_place_in_the_tree(name: str) -> None:
    output, message = PRINTED[name]
    assert read(CHECKERS[name], output) == [message]


@pytest.mark.parametrize("name", [*PRINTED, "tsc-js", "g++"])
def test_who_prints_something_else_has_failed(name: str) -> None:
    with pytest.raises(CheckerFailed):
        read(CHECKERS[name], Output(77, "error TS5083: no such file", "it crashed"))


def test_a_plan_can_name_every_checker() -> None:
    assert tuple(CHECKERS) == CHECKER_NAMES
    assert (checkers_of("off"), list(checkers_of(["ty"]))) == ({}, ["ty"])
    assert list(chosen("ty, tsc")) == ["ty", "tsc"]
    with pytest.raises(InvalidRequest, match="'tyy' is no checker"):
        chosen("tyy")


def test_projects_are_where_their_configuration_is() -> None:
    tree = ["go.mod", "a.go", "tools/go.mod", "tools/b/c.go", "web/x.ts", "web/app/tsconfig.json", "web/app/y.ts"]
    assert CHECKERS["go-vet"].jobs(tree, ["a.go", "tools/b/c.go"]) == [
        Job("go-vet", "", "go.mod"),
        Job("go-vet", "tools", "tools/go.mod"),
    ]
    assert CHECKERS["tsc"].jobs(tree, ["web/x.ts", "web/app/y.ts", "a.go"]) == [
        Job("tsc", "web/app", "web/app/tsconfig.json"),
        Job("tsc", ""),
    ]
    assert CHECKERS["cargo-check"].jobs(["a/src/main.rs"], ["a/src/main.rs"]) == []


def test_python_imports_from_the_folder_above_its_packages() -> None:
    tree = {"pyproject.toml", "src/p/__init__.py", "src/p/a.py", "tests/test_a.py", "one/q/__init__.py", "one/q/b.py"}
    jobs = CHECKERS["ty"].jobs(tree, ["src/p/a.py", "tests/test_a.py", "one/q/b.py"])
    assert [(each.folder, each.within) for each in jobs] == [("", ""), ("", "one"), ("", "tests")]


def test_a_compiler_decides_about_symbols_and_not_about_names_that_are_data() -> None:
    symbol = Finding("Flush", "dump.go", 17, "cache.go", 3, "Flush was removed")
    go, ty = [CHECKERS["go-vet"]], [CHECKERS["ty"]]
    assert decided(symbol, go)
    assert not decided(replace(symbol, is_data=True), go)
    assert not decided(replace(symbol, other="cache.sql"), go)
    assert not decided(replace(symbol, path="a.py", other="b.py"), ty)


def test_a_command_that_fails_without_a_word_has_not_checked() -> None:
    own = own_command(CheckCommand(command="lint"))
    assert read(own, Output(1, "a.x:3: wrong\n", "")) == [Message("sub/a.x", 3, "command", "wrong")]
    assert read(own, Output(0, "all is well\n", "")) == []
    with pytest.raises(CheckerFailed, match="`lint` ended with 127: lint: not found"):
        read(own, Output(127, "", "lint: not found"))


def test_off_is_off_in_yaml_too() -> None:
    plan = read_plan({"checks": False, "tasks": [{"id": "a", "description": "a", "run": "true"}]})
    assert plan.checks == "off"


@pytest.mark.parametrize("checks", ["tyy", ["tyy"], 3, {"command": "x", "parse": "y"}])
def test_a_wrong_name_is_one_problem_and_one_right_name_needs_no_list(checks: object) -> None:
    tasks = [{"id": "a", "description": "a", "run": "true"}]
    with pytest.raises(InvalidPlan) as told:
        read_plan({"checks": checks, "tasks": tasks})
    assert len(told.value.problems) == 1
    assert read_plan({"checks": "ty", "tasks": tasks}).checks == ["ty"]


def test_modules_are_named_as_other_files_import_them() -> None:
    assert CHECKERS["ty"].modules(["a/b.py", "c/__init__.py", "d.sql", "__init__.py"]) == {"b", "c"}
    assert CHECKERS["go-vet"].modules(["a/b.go", "main.go"]) == {"a"}
