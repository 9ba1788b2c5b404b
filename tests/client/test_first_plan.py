"""The plan of `epw init`, and the tests of a project that it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from epw.client.first_plan import first_plan
from epw.client.project_tests import TestProgram, find_tests
from epw.core import strict_yaml
from epw.core.plan.validate import read_plan

PROJECTS: list[tuple[dict[str, str], str | None, str | None]] = [
    ({}, None, None),
    ({"Makefile": "all:\n\ttrue\ntest: all\n\ttrue\n", "go.mod": ""}, "make test", None),
    ({"Makefile": "check:\n\ttrue\n"}, "make check", None),
    ({"Makefile": "test := 1\n"}, None, None),
    ({"justfile": "test *args:\n  cargo test\n"}, "just test", None),
    ({"Taskfile.yml": "version: '3'\ntasks:\n  test:\n    cmd: go test\n"}, "task test", None),
    ({"package.json": '{"scripts": {"test": "vitest"}}'}, "npm test", None),
    (
        {"package.json": '{"scripts": {"test": "vitest"}, "devDependencies": {"vitest": "3"}}'},
        "npm test",
        "npm install",
    ),
    (
        {"package.json": '{"scripts": {"test": "x"}, "dependencies": {"a": "1"}}', "package-lock.json": "{}"},
        "npm test",
        "npm ci",
    ),
    (
        {"package.json": '{"scripts": {"test": "x"}, "dependencies": {"a": "1"}}', "pnpm-lock.yaml": ""},
        "pnpm test",
        "pnpm install --frozen-lockfile",
    ),
    ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, None, None),
    ({"package.json": "{not json"}, None, None),
    ({"package.json": '["list"]'}, None, None),
    ({"pyproject.toml": '[project]\n[dependency-groups]\ndev = ["pytest"]\n', "uv.lock": ""}, "uv run pytest -q", None),
    ({"pyproject.toml": 'x = "pytest"', "poetry.lock": ""}, "poetry run pytest -q", "poetry install -q"),
    ({"tests/conftest.py": ""}, "python3 -m pytest -q", None),
    ({"tests/test_a.py": "import unittest"}, "python3 -m unittest discover -q -s tests -t .", None),
    ({"tests/test_a.py": "def test_a(): pass"}, "python3 -m pytest -q", None),
    ({"test_shop.py": "import unittest\n", "shop.py": ""}, "python3 -m unittest -q", None),
    ({"test_shop.py": "def test_shop(): pass\n"}, "python3 -m pytest -q", None),
    ({"Cargo.toml": ""}, "cargo test --quiet", None),
    ({"go.mod": "module x"}, "go test ./...", None),
    ({"pom.xml": "", "mvnw": ""}, "./mvnw -q test", None),
    ({"pom.xml": ""}, "mvn -q test", None),
    ({"build.gradle.kts": "", "gradlew": ""}, "./gradlew test", None),
    ({"Gemfile": "", "spec/a_spec.rb": ""}, "bundle exec rspec", "bundle install"),
    ({"composer.json": '{"scripts": {"test": "phpunit"}}'}, "composer test", "composer install -q"),
    ({"mix.exs": ""}, "mix test", None),
    ({"App.sln": ""}, "dotnet test", None),
]


@pytest.mark.parametrize(("files", "command", "setup"), PROJECTS, ids=lambda each: str(each)[:40])
def test_the_tests_of_a_project_are_found(
    tmp_path: Path, files: dict[str, str], command: str | None, setup: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = find_tests(tmp_path)
    assert (found and found.command, found and found.setup) == (command, setup)


HERE = TestProgram("Python", "python3 -m pytest -q -k 'a: b'", "conftest.py", "sh", "pip install -r 'x #y'")
AWAY = TestProgram("Go", "go test ./...", "go.mod", "no-such-program")


@pytest.mark.parametrize("name", ["shop", "on", "12", "a: b", "- x", "#", "é\u2028'\"", "", " x", "{a}"])
@pytest.mark.parametrize("agent", [None, "claude"])
@pytest.mark.parametrize("tests", [None, HERE, AWAY])
def test_the_plan_is_valid_and_says_what_was_found(name: str, agent: str | None, tests: TestProgram | None) -> None:
    text = first_plan(name, agent, ["claude-code"], tests)
    plan = read_plan({**strict_yaml.load(text), "workspace": "/somewhere"})
    assert (plan.name, plan.agent, len(plan.tasks)) == (name, agent, 3)
    assert (plan.verify, plan.setup) == ((HERE.command, HERE.setup) if tests is HERE else (None, None))
    assert (agent is None) == plan.has_commands
    assert ("no-such-program is not on PATH" in text) == (tests is AWAY)


def test_each_key_of_the_plan_is_explained() -> None:
    lines = first_plan("shop", "claude", [], HERE).splitlines()
    for number, line in enumerate(lines):
        if line and line[0] not in " #":
            assert lines[number - 1].startswith("#"), line
