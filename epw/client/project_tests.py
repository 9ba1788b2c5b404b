"""The command that runs a project's tests, by what lies at the top of its repository; nothing of it is run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_BYTES = 1_000_000
_PLACEHOLDER = "no test specified"
"""What `npm init` writes in place of a test command."""
_NODE_LOCKS = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lock": "bun", "bun.lockb": "bun"}
_UNITTESTS = {
    "tests/test_*.py": "python3 -m unittest discover -q -s tests -t .",
    "test_*.py": "python3 -m unittest -q",
}
"""Where Python's tests lie without a file that says how they are run, and what runs those of its own library."""
_NODE_SETUP = {
    "npm": "npm ci",
    "pnpm": "pnpm install --frozen-lockfile",
    "yarn": "yarn install --immutable",
    "bun": "bun install --frozen-lockfile",
}


@dataclass(frozen=True)
class TestProgram:
    """How the tests of a project are run."""

    __test__ = False
    kind: str
    """What the project is: `Python`, `Go`."""
    command: str
    sign: str
    """What it was told by."""
    program: str
    """Executable that has to be on PATH."""
    setup: str | None = None
    """Command that prepares a fresh checkout for it."""

    @property
    def missing(self) -> str | None:
        """Name of the program where it is not on PATH."""
        return None if shutil.which(self.program) else self.program


def find_tests(top: Path) -> TestProgram | None:
    """The tests of the project at `top`; its own `make test` or the like before those of its languages."""
    return next((found for look in _LOOKS for found in look(top)), None)


def _targets(top: Path) -> Iterator[TestProgram]:
    for names, pattern, command in (
        (("Makefile", "makefile", "GNUmakefile"), r"^(test|check)\s*:(?!=)", "make"),
        (("justfile", "Justfile", ".justfile"), r"^(test|check)\b[^=\n]*:(?!=)", "just"),
        (("Taskfile.yml", "Taskfile.yaml"), r"^  (test|check):", "task"),
    ):
        for name in names:
            targets = [each[1] for each in re.finditer(pattern, _text(top / name), re.MULTILINE)]
            if targets:
                target = min(targets, key=("test", "check").index)
                yield TestProgram(f"a project with a {name}", f"{command} {target}", f"{name}: {target}", command)


def _node(top: Path) -> Iterator[TestProgram]:
    document = _json(top / "package.json")
    test = document.get("scripts", {}).get("test") if isinstance(document.get("scripts"), dict) else None
    if not isinstance(test, str) or _PLACEHOLDER in test:
        return
    program = next((each for lock, each in _NODE_LOCKS.items() if (top / lock).is_file()), "npm")
    needs = any(document.get(each) for each in ("dependencies", "devDependencies", "workspaces"))
    setup = _NODE_SETUP[program] if program != "npm" or (top / "package-lock.json").is_file() else "npm install"
    kind = "TypeScript" if (top / "tsconfig.json").is_file() else "JavaScript"
    command = "bun run test" if program == "bun" else f"{program} test"
    yield TestProgram(kind, command, "package.json: scripts.test", program, setup if needs else None)


def _python(top: Path) -> Iterator[TestProgram]:
    sign = next((name for name in ("pytest.ini", "conftest.py", "tests/conftest.py") if (top / name).is_file()), None)
    for name in ("pyproject.toml", "setup.cfg", "tox.ini", "requirements-dev.txt", "requirements.txt"):
        if sign is None and "pytest" in _text(top / name):
            sign = f"{name}: pytest"
    if sign is None:
        for pattern, command in _UNITTESTS.items():
            files = sorted(top.glob(pattern))
            if any("unittest" in _text(file) for file in files):
                yield TestProgram("Python", command, pattern, "python3")
            elif files:
                yield TestProgram("Python", "python3 -m pytest -q", pattern, "pytest")
    elif (top / "uv.lock").is_file():
        yield TestProgram("Python", "uv run pytest -q", f"{sign}, uv.lock", "uv")
    elif (top / "poetry.lock").is_file():
        yield TestProgram("Python", "poetry run pytest -q", f"{sign}, poetry.lock", "poetry", "poetry install -q")
    else:
        yield TestProgram("Python", "python3 -m pytest -q", sign, "pytest")


def _ruby(top: Path) -> Iterator[TestProgram]:
    if (top / "Gemfile").is_file():
        setup = "bundle install"
        if (top / "spec").is_dir():
            yield TestProgram("Ruby", "bundle exec rspec", "Gemfile, spec/", "bundle", setup)
        elif (top / "Rakefile").is_file():
            yield TestProgram("Ruby", "bundle exec rake test", "Gemfile, Rakefile", "bundle", setup)


def _php(top: Path) -> Iterator[TestProgram]:
    scripts = _json(top / "composer.json").get("scripts")
    if isinstance(scripts, dict) and "test" in scripts:
        yield TestProgram("PHP", "composer test", "composer.json: scripts.test", "composer", "composer install -q")
    elif (top / "composer.json").is_file() and any(top.glob("phpunit.xml*")):
        yield TestProgram("PHP", "vendor/bin/phpunit", "phpunit.xml", "composer", "composer install -q")


def _by_sign(kind: str, pattern: str, command: str, own: str | None = None) -> Callable[[Path], Iterator[TestProgram]]:
    """Reader of a kind that one file tells; `own`: the project's own program, in place of the command's first word."""

    def look(top: Path) -> Iterator[TestProgram]:
        if sign := next(top.glob(pattern), None):
            program, _, rest = command.partition(" ")
            if own is not None and (top / own).is_file():
                yield TestProgram(kind, f"./{own} {rest}", sign.name, "bash")
            else:
                yield TestProgram(kind, command, sign.name, program)

    return look


_LOOKS: tuple[Callable[[Path], Iterator[TestProgram]], ...] = (
    _targets,
    _node,
    _by_sign("Deno", "deno.json*", "deno test"),
    _python,
    _by_sign("Rust", "Cargo.toml", "cargo test --quiet"),
    _by_sign("Go", "go.mod", "go test ./..."),
    _by_sign("Java", "pom.xml", "mvn -q test", "mvnw"),
    _by_sign("Java", "build.gradle*", "gradle test", "gradlew"),
    _ruby,
    _php,
    _by_sign("Elixir", "mix.exs", "mix test"),
    _by_sign(".NET", "*.sln", "dotnet test"),
    _by_sign("Swift", "Package.swift", "swift test"),
)


def _text(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size <= _MAX_BYTES:
            return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        pass
    return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
