"""Imports run one way, and workflow code touches nothing outside."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"workflows", "activities", "service", "commands", "settings", "worker", "starter"}
MAY_IMPORT = {
    "workflows": set[str](),
    "activities": {"workflows"},
    "service": {"workflows", "activities", "settings", "worker"},
    "commands": {"workflows", "activities", "service", "settings"},
}
# The only files of `workflows` that know Temporal; the rest is a pure core.
SHELL = {"execute_parallel", "attempts", "head", "dispatch", "clock", "surface", "conclusion", "rate_limit"}
OUTSIDE = {
    "os",
    "pathlib",
    "subprocess",
    "socket",
    "time",
    "random",
    "psutil",
    "shutil",
    "tempfile",
    "threading",
    "uuid",
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_run_one_way(folder: str) -> None:
    for path in files(folder):
        ours = {name.split(".")[0] for name in imports(path)} & OURS - {folder}
        assert ours <= MAY_IMPORT[folder], f"{path.relative_to(ROOT)} imports {ours - MAY_IMPORT[folder]}"


def test_activities_import_only_the_pure_parts_of_workflows() -> None:
    for path in files("activities"):
        named = {name.split(".")[1] for name in imports(path) if name.startswith("workflows.")}
        assert not named & SHELL, f"{path.relative_to(ROOT)} imports {named & SHELL}"


def test_the_pure_core_knows_no_temporal_and_workflow_code_nothing_outside() -> None:
    for path in files("workflows"):
        tops = {name.split(".")[0] for name in imports(path)}
        assert not tops & OUTSIDE, f"{path.name} imports {tops & OUTSIDE}"
        if path.stem not in SHELL:
            assert "temporalio" not in tops, path.name


def test_only_the_git_package_calls_git_and_only_limits_start_processes() -> None:
    for path in files("activities"):
        starts = {"subprocess", "asyncio.subprocess"} & imports(path) or "create_subprocess" in path.read_text()
        if starts:
            assert {"git", "limits"} & set(path.parts) or path.name == "failpoints.py", path


def test_no_file_is_more_than_one_noun_or_verb() -> None:
    for folder in MAY_IMPORT:
        for path in files(folder):
            assert len(path.read_text().splitlines()) <= 350, path
