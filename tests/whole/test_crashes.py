"""Every step of an execution killed at its worst moments: the result is that of an undisturbed run."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from epw.core.plan.validate import read_plan
from tests.site import Site
from tests.support import check_invariants, fingerprint, make_repository, sh, tasks

STEPS = (
    "prepare.begun",
    "prepare.snapshot",
    "prepare.kept",
    "run.set-up",
    "run.ended",
    "save.committed",
    "save.kept",
    "land.merged",
    "land.moved",
    "check.set-up",
    "check.ran",
    "verify.set-up",
    "verify.ran",
    "deliver.begun",
    "deliver.checked",
    "deliver.journaled",
    "deliver.step",
    "deliver.changed",
    "deliver.applied",
    "deliver.done",
    "clean.begun",
    "clean.done",
)
UNDO_STEPS = ("undo.begun", "undo.step", "undo.done")
VICTIMS = ("worker", "server", "both")


def work_of(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A workspace with uncommitted work, and a plan of four tasks, two of them on one file."""
    lines = "".join(f"{number}\n" for number in range(9))
    path = make_repository(folder / "work", {"shared": lines, "gone": "x\n", "old/dir": "1\n", "keep": "k\n"})
    (path / "keep").write_text("uncommitted\n")
    (path / "mine").write_text("untracked\n")
    count = f'echo "$EPW_TASK_ID" >> {folder}/ran;'
    plan = {
        "workspace": str(path),
        "deliver": "apply",
        "verify": "test -e new/a",
        "checks": {"command": "true", "files": ["shared"]},
        "strategy": "conservative",
        "tasks": tasks(
            {"id": "a", "run": f"{count} mkdir new; echo a > new/a; rm gone; cat > /dev/null"},
            {"id": "b", "run": f"{count} sed -i s/1/one/ shared", "dependsOn": ["a"]},
            {"id": "c", "run": f"{count} sed -i s/8/eight/ shared; chmod +x keep", "dependsOn": ["a"]},
            {"id": "d", "run": f"{count} rm -r old; echo file > old", "dependsOn": ["b", "c"]},
        ),
    }
    return path, plan


def content(path: Path) -> dict[str, str]:
    """Content and modes: what an undisturbed run gives, whenever it ran."""
    return {name: value.rsplit(" ", 1)[0] for name, value in fingerprint(path, but=(".git/",)).items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Expected outcome of the plan, written by hand: no execution is its own oracle."""
    path, _ = work_of(tmp_path_factory.mktemp("expected"))
    sh(path, "bash", "-c", "sed -i 's/1/one/; s/8/eight/' shared; chmod +x keep; rm -r old gone; echo file > old")
    sh(path, "bash", "-c", "mkdir new; echo a > new/a")
    return content(path)


async def survive(site: Site, folder: Path, step: str, victim: str, expected: dict[str, str]) -> str:
    """One crash; the outcome in words."""
    path, plan = work_of(folder)
    git = {name: value for name, value in fingerprint(path).items() if name.startswith(".git/")}
    before = fingerprint(path)
    identifier = f"{step}-{victim}-{os.urandom(3).hex()}"
    if step in UNDO_STEPS:
        asked = [
            site.ask("deliver.done", run=site.temporal("workflow", "cancel", "-w", identifier)),
            site.ask(step, kill=site.victims(victim)),
        ]
        document = await site.run(plan, identifier, asked)
        assert document["status"] == "cancelled", document.get("error")
        assert fingerprint(path) == before, "I4"
    else:
        document = await site.run(plan, identifier, [site.ask(step, kill=site.victims(victim))])
        assert document["status"] == "succeeded", _told(document)
        assert content(path) == expected, "I9"
        assert {name: value for name, value in fingerprint(path).items() if name.startswith(".git/")} == git
        assert all(row["landed"] and row["attempts"] == 1 for row in document["results"])
    handle = site.connection.client.get_workflow_handle(identifier)
    await check_invariants(read_plan(plan), document, handle, site.cli.home)
    ran = Counter((folder / "ran").read_text().split())
    assert set(ran) == {"a", "b", "c", "d"}
    twice = [task for task, times in ran.items() if times > 1]
    # Only what was in flight when it was killed may have run again.
    assert len(twice) <= (2 if step.startswith(("run.", "save.committed")) and victim != "server" else 0), ran
    assert not list(path.glob(".epw-*"))
    return f"{document['status']}" + (f", again: {','.join(twice)}" if twice else "")


SLICE = [
    ("run.ended", "worker"),
    ("land.moved", "both"),
    ("check.ran", "worker"),
    ("deliver.step", "worker"),
    ("deliver.applied", "server"),
    ("undo.step", "worker"),
]


@pytest.mark.parametrize(("step", "victim"), SLICE)
async def test_a_crash_costs_nothing_but_time(
    site: Site, tmp_path: Path, undisturbed: dict[str, str], step: str, victim: str
) -> None:
    await survive(site, tmp_path, step, victim, undisturbed)


@pytest.mark.slow
async def test_the_sweep_of_all_steps_and_victims(
    site: Site, tmp_path: Path, undisturbed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    table, bad = [], []
    for step in (*STEPS, *UNDO_STEPS):
        for victim in VICTIMS:
            folder = tmp_path / f"{step}-{victim}"
            folder.mkdir()
            try:
                outcome = await survive(site, folder, step, victim, undisturbed)
            except (AssertionError, TimeoutError) as error:
                outcome = f"FAILED {error}"[:500]
                bad.append((step, victim, outcome))
            table.append(f"{step:20} {victim:8} {outcome}")
            with capsys.disabled():
                print(table[-1], flush=True)
    assert not bad
    assert len(table) == len((*STEPS, *UNDO_STEPS)) * len(VICTIMS)


def _told(document: dict[str, Any]) -> str:
    errors = {row["taskId"]: row["error"] for row in document["results"] if row["error"]}
    return f"{document['status']}: {document.get('error')} {errors} {document['delivery']} {document['conflicts']}"
