"""The wheel, installed where there is no checkout: it holds what it needs, and its commands work from any directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.command_line import ROOT
from tests.support import tasks

PACKAGES = ("epw", "workflows", "activities")
EXTRA = ("claude_agent_sdk", "aiohttp")
OURS = ("epw-", "__editable__", "epw.", "__pycache__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(source))
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module", params=[True, False], ids=["with claude-code", "without extras"])
def installed(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory, temporal_binary: str
) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv/bin/python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    (site_packages,) = (folder / "venv/lib").glob("python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{dependencies(folder / 'dependencies', request.param)}\n")
    return Installed(folder, temporal_binary, request.param)


class Installed:
    """An environment with the wheel and its dependencies; its commands start in a directory of their own."""

    def __init__(self, folder: Path, temporal: str, has_extra: bool) -> None:
        self.folder = folder
        self.has_extra = has_extra
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "EPW_TEMPORAL": temporal}

    def epw(self, *arguments: str) -> str:
        """Standard output of a command that must succeed."""
        return self.run(str(self.folder / "venv/bin/epw"), *arguments)

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            argv, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def plan(self) -> str:
        rows = tasks(
            {"id": "a", "simulate": {"seconds": 0}}, {"id": "b", "simulate": {"seconds": 0}, "dependsOn": ["a"]}
        )
        (self.folder / "plan.json").write_text(json.dumps({"agent": "simulated", "tasks": rows}))
        return "plan.json"


def pip(*arguments: str) -> None:
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    # Else it would take what lies there for installed already.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def dependencies(folder: Path, has_extra: bool) -> Path:
    """A directory of links to what is installed here, but for this project and, as the case may be, its extra."""
    folder.mkdir()
    hidden = (*OURS, *(() if has_extra else EXTRA))
    for place in (each for each in sys.path if each.endswith("site-packages")):
        for path in Path(place).iterdir():
            if not path.name.startswith(hidden) and path.suffix != ".pth" and not (folder / path.name).is_symlink():
                (folder / path.name).symlink_to(path)
    return folder


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    source = {str(path.relative_to(ROOT)) for each in PACKAGES for path in (ROOT / each).rglob("*") if path.is_file()}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {name for name in source if "__pycache__" not in name}
    assert packed >= {"activities/model_api/prices.json", *(f"{each}/py.typed" for each in PACKAGES)}


def test_it_imports_itself_and_not_a_checkout(installed: Installed) -> None:
    code = "import activities, epw, workflows; print(epw.__version__, epw.EpwPlugin.__module__, activities.__file__)"
    version, module, file = installed.run(str(installed.folder / "venv/bin/python"), "-c", code).split()
    assert (version, module) == ("0.1.0", "epw.service.plugin")
    assert Path(file).is_relative_to(installed.folder)


def test_help_lists_the_commands(installed: Installed) -> None:
    assert "analyze" in installed.epw("--help")


def test_doctor_finds_everything_and_names_a_missing_extra(installed: Installed) -> None:
    checks = {row["name"]: row for row in json.loads(installed.epw("doctor", "--json"))["checks"]}
    assert checks["Temporal server"]["ok"]
    assert ("epw[claude-code]" in checks["agent claude-code"]["found"]) is not installed.has_extra


def test_analyze_reads_a_plan(installed: Installed) -> None:
    assert json.loads(installed.epw("analyze", installed.plan(), "--json"))["criticalPath"] == ["a", "b"]


def test_run_does_a_plan_on_the_embedded_server(installed: Installed) -> None:
    assert json.loads(installed.epw("run", installed.plan(), "--json"))["status"] == "succeeded"
