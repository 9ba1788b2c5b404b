"""The user works on in the workspace while an execution delivers into it: merged or refused, never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site import Site
from tests.support import fingerprint, make_repository, sh, tasks

MOMENTS = (
    "prepare.kept",
    "land.moved",
    "deliver.begun",
    "deliver.checked",
    "deliver.journaled",
    "deliver.step",
    "deliver.changed",
    "deliver.applied",
    "deliver.done",
)
# What the user does, and the files in which their word must stand afterwards.
DEEDS = {
    "edit the same file elsewhere": ("sed -i 's/^9$/USER/' shared", ["shared"]),
    "edit the same line": ("sed -i 's/^1$/USER/; s/^one$/USER/' shared", ["shared"]),
    "replace the file": ("printf 'USER\\n' > .new && mv .new shared", ["shared"]),
    "edit another file": ("echo USER >> other", ["other"]),
    "write what the agents write": ("mkdir -p new; echo USER > new/a", ["new/a"]),
    "delete a changed file": ("rm shared; echo USER > note", ["note"]),
    "commit": ("echo USER >> other; git add -A; git commit -qm user", ["other"]),
    "switch the branch": ("git stash -qu; git checkout -q side", ["aside"]),
}
SLICE = [
    ("deliver.begun", "edit the same file elsewhere"),
    ("deliver.journaled", "edit the same line"),
    ("deliver.step", "replace the file"),
    ("deliver.journaled", "switch the branch"),
    ("deliver.applied", "write what the agents write"),
]


async def meanwhile(site: Site, folder: Path, moment: str, deed: str, *, killed: bool = False) -> str:
    lines = "".join(f"{number}\n" for number in range(1, 10))
    path = make_repository(folder / "work", {"shared": lines, "other": "o\n"})
    sh(path, "git", "checkout", "-qb", "side")
    (path / "aside").write_text("USER\n")
    sh(path, "git", "add", "-A")
    sh(path, "git", "commit", "-qm", "aside")
    sh(path, "git", "checkout", "-q", "main")
    script, files = DEEDS[deed]
    plan = {
        "workspace": str(path),
        "deliver": "apply",
        "tasks": tasks({"id": "a", "run": "mkdir new; echo a > new/a; sed -i 's/^1$/one/' shared"}),
    }
    seen = folder / "seen"
    look = f"cd {path} && {{ {script}; }} && cp -a {path} {seen}"
    asked = site.ask(moment, run=["bash", "-c", look], kill=["worker"] if killed else [])
    document = await site.run(plan, folder.name, [asked])
    for file in files:
        assert "USER" in (path / file).read_text(), f"{file} was overwritten"
    assert not list(path.glob(".epw-*"))
    if document["status"] == "succeeded":
        if MOMENTS.index(moment) < MOMENTS.index("deliver.step"):
            assert "a" in (path / "new/a").read_text()
        return "merged"
    assert document["status"] == "undelivered", document.get("error")
    assert document["delivery"]["refusedBecause"]
    assert document["delivery"]["finishWith"]
    if moment in ("prepare.kept", "land.moved", "deliver.begun", "deliver.checked"):
        after = {name: value for name, value in fingerprint(path).items() if not name.startswith(".git/")}
        content = {name: value.rsplit(" ", 1)[0] for name, value in after.items()}
        then = {name: value.rsplit(" ", 1)[0] for name, value in fingerprint(seen, but=(".git/", ".epw-")).items()}
        assert content == then, "a refused delivery changed something"
    return "refused"


@pytest.mark.parametrize(("moment", "deed"), SLICE)
async def test_what_the_user_does_meanwhile_is_never_overwritten(
    site: Site, tmp_path: Path, moment: str, deed: str
) -> None:
    assert await meanwhile(site, tmp_path, moment, deed) in ("merged", "refused")


@pytest.mark.slow
async def test_every_deed_at_every_moment(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, outcomes = list[tuple[str, str, str]](), list[str]()
    for moment in MOMENTS:
        for deed in DEEDS:
            for killed in (False, True):
                folder = tmp_path / f"{moment}-{len(outcomes)}"
                folder.mkdir()
                try:
                    outcome = await meanwhile(site, folder, moment, deed, killed=killed)
                except (AssertionError, TimeoutError) as error:
                    outcome = f"FAILED {error}"[:300]
                    bad.append((moment, deed, outcome))
                outcomes.append(outcome)
                with capsys.disabled():
                    print(f"{moment:18} {deed:30} {'killed' if killed else '':7} {outcome}", flush=True)
    assert not bad
    assert "merged" in outcomes
    assert "refused" in outcomes
