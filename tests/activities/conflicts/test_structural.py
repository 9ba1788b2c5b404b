"""Structural merges: the result holds both sides and parses, else it stays a conflict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.structural.structural_merge import merged_by_structure
from activities.git.merge_file import merge_texts
from tests.support import Harness, make_repository, sh, tasks

PYTHON = "import os\n\n\ndef first():\n    return 1\n\n\ndef last():\n    return 9\n"
CLASS = "class A {{\n  int a() {{\n    return 1;\n  }}\n{}}}\n"
METHOD = "  int {}() {{\n    return 2;\n  }}\n"
GO = "module m\n\nrequire (\n\ta.b/a v1.0.0\n)\n"
TOML = '[project]\nname = "x"\ndependencies = [\n  "a",\n]\n'
TABLE = '[dependencies]\nserde = "1"\n'
YAML = "jobs:\n  old:\n    steps:\n      - run: x\n"
MANIFEST = {"name": "x", "dependencies": {"b": "1"}, "scripts": {"test": "t"}}


def settled(path: str, base: str, ours: str, theirs: str) -> str | None:
    texts = base.encode(), ours.encode(), theirs.encode()
    marked = merge_texts(*texts)
    assert marked is not None
    assert b"<<<<<<<" in marked, "lines merge by themselves"
    found = merged_by_structure(path, *texts, marked)
    return None if found is None else found.decode()


def manifest(**more: str) -> str:
    return json.dumps({**MANIFEST, "dependencies": {**MANIFEST["dependencies"], **more}}, indent=2) + "\n"  # type: ignore[dict-item]


ENUM = "from enum import Enum\n\n\nclass E(Enum):\n    X = 1\n"


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs", "parts"),
    [
        (
            "a.py",
            PYTHON,
            PYTHON.replace("os\n", "os\nimport re\n"),
            PYTHON.replace("os\n", "os\nimport sys\n"),
            ["import os\nimport re\nimport sys\n"],
        ),
        (
            "a.py",
            PYTHON,
            PYTHON + "\n\ndef mine():\n    return 2\n",
            PYTHON + "\n\n# Theirs.\n@cached\ndef theirs():\n    return 3\n",
            ["def mine():\n    return 2\n", "# Theirs.\n@cached\ndef theirs():\n    return 3\n"],
        ),
        (
            "A.java",
            CLASS.format(""),
            CLASS.format(METHOD.format("b")),
            CLASS.format(METHOD.format("c")),
            [METHOD.format("b"), METHOD.format("c")],
        ),
        ("a.tsx", "x;\n", 'import A from "a";\nx;\n', 'import B from "b";\nx;\n', ['"a"', '"b"']),
        (
            "a.ts",
            "export {};\n",
            "export {};\nfunction a() {\n  return 1;\n}\n",
            "export {};\nfunction b() {\n  return 2;\n}\n",
            ["function a() {\n  return 1;\n}\n", "function b() {\n  return 2;\n}\n"],
        ),
        (
            "a.go",
            "package p\n",
            "package p\n\nfunc A() int {\n\treturn 1\n}\n",
            "package p\n\nfunc B() int {\n\treturn 2\n}\n",
            ["func A() int {\n\treturn 1\n}\n", "func B() int {\n\treturn 2\n}\n"],
        ),
        (
            "a.rs",
            "use std::fs;\n",
            "use std::fs;\nuse std::io;\n",
            "use std::fs;\nuse std::env;\n",
            ["use std::fs;\n", "use std::env;\n", "use std::io;\n"],
        ),
        ("package.json", manifest(), manifest(a="2"), manifest(c="3"), ['"a": "2"', '"b": "1"', '"c": "3"']),
        (
            "CHANGELOG.md",
            "# Log\n\n- old\n",
            "# Log\n\n- mine\n- old\n",
            "# Log\n\n- theirs\n- old\n",
            ["- mine\n- theirs\n- old\n"],
        ),
        (".gitignore", "a\n", "a\nmine\n", "a\ntheirs\n", ["a\nmine\ntheirs\n"]),
        ("requirements.txt", "a==1\n", "a==1\nb==1\n", "a==1\nc==1\n", ["a==1\nb==1\nc==1\n"]),
        (
            "go.mod",
            GO,
            GO.replace(")", "\ta.b/c v1.1.0\n)"),
            GO.replace(")", "\ta.b/d v1.2.0\n)"),
            ["c v1.1.0", "d v1.2.0"],
        ),
        (
            "pyproject.toml",
            TOML,
            TOML.replace("\n]", '\n  "mine>=1",  # why\n]'),
            TOML.replace("\n]", '\n  "theirs>=2",\n]'),
            ['"mine>=1",  # why\n  "theirs>=2",\n'],
        ),
        ("Cargo.toml", TABLE, f"{TABLE}[mine]\na = 1\n", f"{TABLE}b = 2\n", ['serde = "1"\nb = 2\n[mine]\na = 1\n']),
        ("Cargo.toml", TABLE, f'{TABLE}mine = "2"\n', f'{TABLE}theirs = "3"\n', ['mine = "2"', 'theirs = "3"']),
        (
            ".github/workflows/ci.yml",
            YAML,
            f"{YAML}  mine:\n    steps:\n      - run: a\n",
            f"{YAML}  theirs:\n    steps:\n      - run: b\n",
            ["  mine:\n    steps:\n      - run: a\n", "  theirs:\n    steps:\n      - run: b\n"],
        ),
        ("go.sum", "m v1 h1:a\n", "m v1 h1:a\nn v1 h1:b\n", "m v1 h1:a\no v1 h1:c\n", ["n v1 h1:b\no v1 h1:c\n"]),
    ],
    ids=[
        "imports",
        "functions",
        "methods",
        "tsx",
        "typescript",
        "go",
        "rust",
        "manifest",
        "changelog",
        "ignored",
        "requirements",
        *("modules", "array", "another table", "table", "workflow"),
        "sums",
    ],
)
def test_both_sides_are_in_the_result(path: str, base: str, ours: str, theirs: str, parts: list[str]) -> None:
    result = settled(path, base, ours, theirs)
    assert result is not None
    assert all(part in result for part in parts), result
    assert read_symbols(path, result.encode()).parses
    assert settled(path, base, theirs, ours) is not None


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs"),
    [
        ("a.py", PYTHON, PYTHON.replace("return 1", "return 2"), PYTHON.replace("return 1", "return 3")),
        ("a.py", PYTHON, PYTHON + "\n\ndef same():\n    return 2\n", PYTHON + "\n\ndef same():\n    return 3\n"),
        (
            "a.py",
            PYTHON,
            PYTHON.replace("return 1", "x = 1\n    return 1"),
            PYTHON.replace("return 1", "y = 1\n    return 1"),
        ),
        ("a.py", PYTHON, PYTHON.replace("import os", "import re"), PYTHON.replace("import os", "x = 1")),
        ("package.json", manifest(), manifest(b="2"), manifest(b="3")),
        ("package.json", manifest(), manifest(a="2").replace('": ', '" : '), manifest(c="3")),
        ("CHANGELOG.md", "- old\n", "- mine\n", "- theirs\n"),
        ("notes.md", "# Log\n", "# Log\nIt is mine.\n", "# Log\nIt is theirs.\n"),
        ("a.py", ENUM, ENUM + "    Y = 2\n", ENUM + "    Z = 2\n"),
        ("a.ts", "enum E {\n  X = 1,\n}\n", "enum E {\n  X = 1,\n  Y = 2,\n}\n", "enum E {\n  X = 1,\n  Z = 2,\n}\n"),
        ("a.css", "a {}\n", "a {}\n.x, .w { top: 1px }\n", "a {}\n.w { top: 2px }\n"),
        ("a.py", "x = f()\n", "from a import run\nx = f()\n", "from b import *\nx = f()\n"),
        ("a.ts", "import { a } from 'x';\n", "import { a, b as t } from 'x';\n", "import { a, c as t } from 'x';\n"),
        ("requirements.txt", "a==1\n", "a==1\nb==1\n", "a==1\nb==2\n"),
        ("go.mod", GO, GO.replace(")", "\ta.b/c v1.1.0\n)"), GO.replace(")", "\ta.b/c v1.2.0\n)")),
        (
            "a.py",
            PYTHON,
            PYTHON.replace("os\n", "os\nfrom a import T\n"),
            PYTHON.replace("os\n", "os\nfrom b import T\n"),
        ),
        ("a.py", PYTHON, PYTHON.replace("os\n", "os\nimport a as t\n"), PYTHON.replace("os\n", "os\nimport b as t\n")),
        ("a.ts", "x;\n", 'import T from "a";\nx;\n', 'import { S as T } from "b";\nx;\n'),
        ("a.go", "package p\n", 'package p\nimport t "a/x"\n', 'package p\nimport t "b/y"\n'),
        ("A.java", "class A {}\n", "import b.T;\nclass A {}\n", "import c.T;\nclass A {}\n"),
        ("a.rs", "fn a() {}\n", "use b::T;\nfn a() {}\n", "use c::T;\nfn a() {}\n"),
        ("requirements.txt", "a==1\n", "a==1\nFoo_Bar==1\n", "a==1\nfoo-bar==2\n"),
        (".gitignore", "a\n", "a\nbuild/\n", "a\n!build/\n"),
        ("CHANGELOG.md", "# Log\n", "# Log\n## 1.1\n- a\n", "# Log\n## 1.1\n- b\n"),
        ("go.mod", "", "module a\n\ngo 1.21\n", "module b\n\ngo 1.22\n"),
        ("a.yml", "k: 1\n", 'k: 1\na: !!int ""\n', "k: 1\nb: 1\n"),
        ("a.yml", "k: 1\n", 'k: 1\na: !!timestamp "x"\n', "k: 1\nb: 1\n"),
        ("Cargo.toml", TABLE, f'{TABLE}one = "2"\n', f'{TABLE}one = "3"\n'),
        ("a.yml", YAML, f"{YAML}  mine:\n    x: &a 1\n", f"{YAML}  theirs:\n    x: 2\n"),
        ("a.yml", YAML, f"{YAML}  one:\n    x: 1\n", f"{YAML}  one:\n    x: 2\n"),
        ("changes.rst", "Old\n=======\n", "Mine\n-------\n", "Theirs\n~~~~~~~\n"),
        ("a.json", "{}\n", '{"a": 1}\n', '{"b": "\\ud800"}\n'),
        ("a.json", "{}\n", '{\n  "a": 1\n}\n', '{\n  "b": 1e999\n}\n'),
        ("a.json", "[" * 3000 + "]" * 3000, "[" * 3000 + "1" + "]" * 3000, "[" * 3000 + "2" + "]" * 3000),
    ],
    ids=[
        *("body", "one name", "statements", "no imports", "one key", "own style", "replaced", "prose"),
        *("one value of Python", "one value of TypeScript", "one selector", "all names"),
        *(
            "one import twice",
            "two versions",
            "two versions of a module",
            *(
                "one name of Python",
                "another of Python",
                "one of TypeScript",
                "one of Go",
                "one of Java",
                "one of Rust",
            ),
            *("one package by two names", "a pattern and its opposite", "one section twice"),
            "two modules",
            "no whole number",
            "no date",
            "one entry",
            "anchors",
        ),
        *("one key of yaml", "underlines", "no text", "no number", "deep"),
    ],
)
def test_what_cannot_be_proved_stays_a_conflict(path: str, base: str, ours: str, theirs: str) -> None:
    assert settled(path, base, ours, theirs) is None


def test_what_is_no_text_is_not_emptied() -> None:
    sides = "a\n".encode("utf-16-le"), "a\nb\n".encode("utf-16-le"), "a\nc\n".encode("utf-16-le")
    assert merge_texts(*sides) is None
    assert merged_by_structure("CHANGELOG.md", *sides, b"") is None


def test_two_sections_of_a_changelog_stay_whole() -> None:
    old, new = "# Log\n\n## 1.0\n", "## 1.1\n### Fixed\n- a\n"
    result = settled(
        "CHANGELOG.md",
        old,
        old.replace("## 1.0", f"{new}## 1.0"),
        old.replace("## 1.0", "## 1.2\n### Fixed\n- b\n## 1.0"),
    )
    assert result == f"# Log\n\n{new}## 1.2\n### Fixed\n- b\n## 1.0\n"


def test_values_that_are_only_equal_are_not_the_same() -> None:
    result = settled("a.json", "[]\n", "[\n  1\n]\n", "[\n  true,\n  1.0,\n  1\n]\n")
    assert result is not None
    assert json.dumps(json.loads(result)) == "[1, true, 1.0]"
    assert settled("a.json", "[\n  1\n]\n", "[\n  1,\n  2\n]\n", "[\n  true,\n  3\n]\n") is None


def test_a_key_that_is_no_text_is_no_reason_to_fail() -> None:
    base = "name: x\non: push\njobs: 1\n"
    result = settled("ci.yml", base, f"{base}a: 1\n", f"{base}b: 1\n")
    assert result == f"{base}a: 1\nb: 1\n"


async def test_it_lands_by_itself_and_is_recorded(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"lib.py": PYTHON})
    add = "printf '\\n\\ndef {0}():\\n    return 0\\n' >> lib.py"
    rows = tasks({"id": "a", "run": add.format("by_a")}, {"id": "b", "run": f"sleep 0.7; {add.format('by_b')}"})
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert document["status"] == "succeeded"
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["resolution"], conflict["decidedBy"]) == ("lines", "merge", "strategy")
    text = sh(path, "git", "show", f"{document['delivery']['branch']}:lib.py")
    assert "def by_a()" in text
    assert "def by_b()" in text
