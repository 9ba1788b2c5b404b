"""The wheel, installed where there is no checkout: it holds all it needs, and works beside a project's own packages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

import epw
from activities.sandbox import landlock
from activities.sandbox.levels import bubblewrap_problem
from build_backend.one_package import with_moved_imports
from epw.cli.commands import COMMANDS
from tests.command_line import ROOT
from tests.support import tasks

PACKAGES = ("epw", "workflows", "activities")
EXTRA = ("claude_agent_sdk", "aiohttp", "mcp", "uvicorn", "cryptography")
THEIRS = {
    "workflows/__init__.py": "raise SystemExit('not ours')",
    "activities.py": "raise SystemExit('not ours')",
    "worker.py": "raise SystemExit('not ours')",
    "starter.py": "raise SystemExit('not ours')",
    "core.py": "raise SystemExit('not ours')",
}
"""Modules of a project with our names, which end whoever imports them."""
OURS = ("epw-", "__editable__", "epw.", "__pycache__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(ROOT))
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Installed:
    """Without extras."""
    return install(wheel, tmp_path_factory.mktemp("installed"), temporal_binary, has_extra=False)


@pytest.fixture(scope="module", params=[True, False], ids=["with extras", "without extras"])
def either(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory, temporal_binary: str
) -> Installed:
    if not request.param:
        without: Installed = request.getfixturevalue("installed")
        return without
    return install(wheel, tmp_path_factory.mktemp("installed"), temporal_binary, has_extra=True)


def install(wheel: Path, folder: Path, temporal: str, *, has_extra: bool) -> Installed:
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv/bin/python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    (site_packages,) = (folder / "venv/lib").glob("python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{dependencies(folder / 'dependencies', has_extra)}\n")
    return Installed(folder, temporal, has_extra)


class Installed:
    """An environment with the wheel and its dependencies; commands start in a project that has modules of our names."""

    def __init__(self, folder: Path, temporal: str, has_extra: bool) -> None:
        self.project = folder / "project"
        self.has_extra = has_extra
        self.bin = folder / "venv/bin"
        (self.packages,) = (folder / "venv/lib").glob("python*/site-packages")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "EPW_TEMPORAL": temporal,
            "PYTHONPATH": str(self.project),
        }
        write(self.project, THEIRS)

    def epw(self, *arguments: str) -> str:
        """Standard output of a command that must succeed."""
        return self.run(str(self.bin / "epw"), *arguments)

    def python(self, *arguments: str, project: Path | None = None) -> str:
        return self.run(str(self.bin / "python"), *arguments, project=project)

    def run(self, *argv: str, code: int = 0, project: Path | None = None) -> str:
        """Standard output of a program; with another code than 0 its standard error."""
        place = project or self.project
        done = subprocess.run(
            argv,
            cwd=place,
            env={**self._environment, "PYTHONPATH": str(place)},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stderr if code else done.stdout

    def plan(self, **settings: Any) -> str:
        rows = tasks({"id": "a", "run": "true"}, {"id": "b", "simulate": {"seconds": 0}, "dependsOn": ["a"]})
        (self.project / "plan.json").write_text(json.dumps({"tasks": rows, **settings}))
        return "plan.json"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


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


def test_the_wheel_has_every_file_in_one_package(wheel: Path) -> None:
    source = {str(path.relative_to(ROOT)) for each in PACKAGES for path in (ROOT / each).rglob("*") if path.is_file()}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    named = {name if name.startswith("epw/") else f"epw/{name}" for name in source if "__pycache__" not in name}
    assert packed == named
    assert packed >= {"epw/activities/model_api/prices.json", "epw/py.typed"}


def test_the_page_of_an_index_has_no_link_into_the_repository(wheel: Path) -> None:
    (name,) = (each for each in zipfile.ZipFile(wheel).namelist() if each.endswith(".dist-info/METADATA"))
    text = zipfile.ZipFile(wheel).read(name).decode()
    assert [link for link in re.findall(r"\]\(([^)]*)\)", text) if not link.startswith("https://")] == []
    assert "Contributing" in text


def test_a_bare_import_of_a_package_that_moves_ends_the_build() -> None:
    with pytest.raises(SyntaxError, match=re.escape("x.py:2: write `from activities.land import")):
        with_moved_imports("import os\nimport activities.land", "x.py")


def test_imports_are_named_anew_where_they_stand_and_nowhere_else() -> None:
    lines = ["def a():", "    from workflows import clock", '    """', 'from activities import x"""']
    moved = [lines[0], "    from epw.workflows import clock", *lines[2:], "from epw.activities.land import ("]
    source = "\n".join([*lines, "from activities.land import (", "  y)"])
    assert with_moved_imports(source, "x.py") == "\n".join([*moved, "  y)"])


def test_it_imports_itself_and_not_a_checkout(installed: Installed) -> None:
    code = "import epw, epw.activities.land; print(epw.__version__, epw.EpwPlugin.__module__, epw.activities.__file__)"
    version, module, file = installed.python("-c", code).split()
    assert (version, module) == (epw.__version__, "epw.service.plugin")
    assert Path(file).is_relative_to(installed.packages / "epw")


def test_help_lists_the_commands_and_each_has_its_own(installed: Installed) -> None:
    assert "analyze" in installed.epw("--help")
    shown = installed.python("-c", HELP).split("\0")
    assert [each.rstrip().rpartition("Example: ")[2] for each in shown] == [each.example for each in COMMANDS.values()]


def test_doctor_finds_everything_and_names_a_missing_extra(either: Installed) -> None:
    checks = {row["name"]: row for row in json.loads(either.epw("doctor", "--json"))["checks"]}
    assert checks["Temporal server"]["ok"]
    assert ("epw[claude-code]" in (checks["agent claude-code"]["missing"] or "")) is not either.has_extra
    assert checks["extra claude-code"]["ok"] is either.has_extra
    assert checks["data files"]["ok"]


def test_mcp_without_its_extra_says_how_to_get_it(either: Installed) -> None:
    if either.has_extra:
        assert either.epw("mcp") == ""
    else:
        assert "pip install 'epw[mcp]'" in either.run(str(either.bin / "epw"), "mcp", code=3)


def test_analyze_reads_a_plan(installed: Installed) -> None:
    assert json.loads(installed.epw("analyze", installed.plan(), "--json"))["criticalPath"] == ["a", "b"]


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
def test_run_does_a_plan_on_the_embedded_server(installed: Installed, sandbox: str) -> None:
    if sandbox == "bubblewrap" and (problem := bubblewrap_problem()):
        pytest.skip(problem)
    plan = installed.plan(sandbox=sandbox, network=sandbox == "process")
    assert json.loads(installed.epw("run", plan, "--json"))["status"] == "succeeded"


def test_a_sandbox_is_entered_by_its_program(installed: Installed) -> None:
    program = str(installed.packages / "epw/activities/sandbox/enter_sandbox.py")
    entered = ["landlock", str(installed.project), "/usr:/bin:/lib:/lib64", "--", "echo", "here"]
    if landlock.abi():
        assert installed.python("-I", program, *entered) == "here\n"


def test_the_modules_of_its_processes_lie_in_its_package(installed: Installed) -> None:
    """Its child processes are started by module names, from the folder of the installed packages."""
    code = (
        "import sys, epw.service.registration, epw.service.background;"
        "print([n for n in sys.modules if n.split('.')[0] in ('activities', 'workflows')])"
    )
    assert installed.python("-c", code) == "[]\n"


def test_its_workflow_replays_in_temporals_sandbox(installed: Installed, tmp_path: Path) -> None:
    """The sandbox imports modules again, by their names."""
    (tmp_path / "replay.py").write_text(REPLAY)
    installed.python("replay.py", str(ROOT / "tests/histories/aggressive_partial.json"), project=tmp_path)


def test_a_program_with_packages_of_its_own_uses_the_plugin_beside_them(installed: Installed, tmp_path: Path) -> None:
    write(tmp_path, THEIR_PROGRAM)
    assert "hello Ada" in installed.python("worker.py", project=tmp_path).splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("argv", [["uv", "tool", "install"], ["pipx", "install"]], ids=["uv", "pipx"])
def test_an_installer_of_programs_makes_one_that_runs(
    wheel: Path, tmp_path: Path, argv: list[str], temporal_binary: str
) -> None:
    """With its dependencies from an index of packages."""
    program = shutil.which(argv[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{argv[0]} is not installed: pip install '.[installers]'")
    write(tmp_path / "project", THEIRS)
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": ""}
    subprocess.run([program, *argv[1:], str(wheel)], env=environment, check=True, capture_output=True)
    (tmp_path / "project/plan.json").write_text(json.dumps({"tasks": tasks({"id": "a", "run": "true"})}))
    environment |= {"PYTHONPATH": str(tmp_path / "project"), "EPW_HOME": str(tmp_path / "state")}
    run = [str(tmp_path / ".local/bin/epw"), "run", "plan.json", "--json"]
    done = subprocess.run(run, cwd=tmp_path / "project", env=environment, check=True, capture_output=True)
    assert json.loads(done.stdout)["status"] == "succeeded"


HELP = """
from epw.cli.commands import COMMANDS
from epw.cli.main import app

for number, name in enumerate(COMMANDS):
    print(end="\\0" if number else "")
    assert not app([name, "-h"], standalone_mode=False)
"""
REPLAY = """
import asyncio
import os, sys
from pathlib import Path
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from epw.service.converter import data_converter
from epw.service.registration import WORKFLOWS

history = WorkflowHistory.from_json("id", Path(sys.argv[1]).read_text())
replayer = Replayer(workflows=WORKFLOWS, data_converter=data_converter, workflow_runner=SandboxedWorkflowRunner())
asyncio.run(replayer.replay_workflow(history))
# A thread of the SDK may abort the end of the interpreter.
os._exit(0)
"""
THEIR_PROGRAM = {
    "activities.py": """
from temporalio import activity

@activity.defn
async def greeting(name: str) -> str:
    return f"hello {name}"
""",
    "workflows/__init__.py": "",
    "workflows/greet.py": """
from datetime import timedelta
from temporalio import workflow
from activities import greeting

@workflow.defn
class Greet:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greeting, name, start_to_close_timeout=timedelta(seconds=9))
""",
    "worker.py": """
import asyncio, os
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from activities import greeting
from epw import EpwPlugin
from workflows.greet import Greet

async def main():
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=os.environ["EPW_TEMPORAL"]) as env:
        client = await Client.connect(env.client.service_client.config.target_host, plugins=[EpwPlugin()])
        async with Worker(client, task_queue="epw", workflows=[Greet], activities=[greeting]):
            print(await client.execute_workflow(Greet.run, "Ada", id="g", task_queue="epw"), flush=True)

asyncio.run(main())
os._exit(0)
""",
}
"""A project with a workflow and an activity of its own, whose worker also works for this application."""
