"""Environments people have: odd locales, streams, modules, users, disks; each works, or ends with one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.command_line import ROOT, Cli, wait_for
from tests.site import Site
from tests.support import fingerprint, make_repository, sh, tasks

EPW = [sys.executable, "-m", "epw"]
SHADOWS = ("settings", "worker", "starter", "workflows", "activities", "service", "commands")


@pytest.fixture
def cli(tmp_path: Path, temporal_binary: str) -> Cli:
    return Cli(tmp_path / "home", temporal_binary)


def _run(cli: Cli, *arguments: str, shell: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """The installed command's way in, by a shell that may do things to its streams."""
    env = {**cli.env, "PYTHONPATH": str(ROOT), **variables}
    argv = ["sh", "-c", f'"$@" {shell}', "sh", *EPW, *arguments] if shell else [*EPW, *arguments]
    return subprocess.run(argv, env=env, capture_output=True, timeout=90, check=False, cwd=cli.home.parent)


def _greeting(cli: Cli, folder: Path) -> tuple[Path, str]:
    path = make_repository(folder / "work")
    rows = tasks({"id": "a", "run": "echo Grüße > grüße.txt"})
    return path, cli.plan({"workspace": str(path), "tasks": rows})


@pytest.mark.skipif(not shutil.which("localedef"), reason="no localedef makes a locale that is not UTF-8")
def test_a_plan_s_text_reaches_its_command_byte_for_byte_in_any_locale(cli: Cli, tmp_path: Path) -> None:
    subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(tmp_path / "de_DE")], check=False)
    if not (tmp_path / "de_DE").is_dir():
        pytest.skip("this machine has no sources of locales")
    path, plan = _greeting(cli, tmp_path)
    done = _run(cli, "run", plan, "--id", "latin", LOCPATH=str(tmp_path), LC_ALL="de_DE")
    assert done.returncode == 0, done.stderr
    assert sh(path, "git", "show", "epw/latin:grüße.txt") == "Grüße\n"


@pytest.mark.parametrize(("name", "shell"), [("none", ">&- 2>&- <&-"), ("out", "> /dev/full"), ("err", "2> /dev/full")])
def test_a_stream_that_is_closed_or_full_makes_no_success_a_failure(
    site: Site, tmp_path: Path, name: str, shell: str
) -> None:
    path, plan = _greeting(site.cli, tmp_path)
    assert _run(site.cli, "run", plan, "--id", f"closed-{name}", shell=shell).returncode == 0
    assert sh(path, "git", "show", f"epw/closed-{name}:grüße.txt") == "Grüße\n"


def test_an_output_that_cannot_hold_a_character_ends_nothing(site: Site, tmp_path: Path) -> None:
    _, plan = _greeting(site.cli, tmp_path)
    done = _run(site.cli, "run", plan, PYTHONIOENCODING="ascii")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


@pytest.fixture(scope="module")
def shadowed(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> tuple[int, list[str], bytes]:
    """Exit code of a run beside modules of the user's with our names, which of them ran, and the errors it printed."""
    folder = tmp_path_factory.mktemp("shadowed")
    cli, ran = Cli(folder / "home", temporal_binary), folder / "ran"
    ran.mkdir()
    for name in SHADOWS:
        (folder / "lib" / "empty" / name).mkdir(parents=True)
        (folder / "lib" / f"{name}.py").write_text(f"open({str(ran / name)!r}, 'w')")
    plan = cli.plan({"tasks": tasks({"id": "a", "run": "true"})})
    done = _run(cli, "run", plan, PYTHONPATH=f"{folder}/lib:{folder}/lib/empty:{ROOT}")
    return done.returncode, [path.name for path in ran.iterdir()], done.stderr


@pytest.mark.parametrize("name", SHADOWS)
def test_a_module_of_the_user_s_is_never_run_in_place_of_ours(
    shadowed: tuple[int, list[str], bytes], name: str
) -> None:
    code, ran, error = shadowed
    assert (code, name in ran) == (0, False), error


@pytest.mark.parametrize("what", ["SIGHUP", "broken pipe"])
def test_who_is_left_alone_says_how_to_go_on(site: Site, tmp_path: Path, what: str) -> None:
    cli, gate, name = site.cli, tmp_path / "gate", f"left-{what[:3]}"
    rows = [{"id": "a", "run": "true"}, {"id": "b", "run": f"while [ ! -e {gate} ]; do sleep 0.1; done"}]
    plan = cli.plan({"tasks": tasks(*rows, {"id": "c", "run": "true", "dependsOn": ["a"]})})
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "starter.py"), "run", plan, "--id", name],
        env=cli.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    if what == "SIGHUP":
        wait_for(lambda: cli.json("status", name, code=None).get("status") == "running")
        process.send_signal(signal.SIGHUP)
    else:
        process.stdout.close()
        process.stdout = None
    _, said = process.communicate(timeout=60)
    assert (process.returncode, f"epw run --resume {name}".encode() in said) == (130, True), said
    gate.touch()
    cli("run", "--resume", name)


def test_a_result_that_nobody_reads_is_a_result(site: Site) -> None:
    cli = site.cli
    plan = cli.plan({"tasks": tasks({"id": "a", "run": "true"})})
    with cli.popen("run", plan, "--json") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) in (0, 130)


def test_a_workspace_that_is_gone_when_it_is_delivered_is_undelivered(site: Site, tmp_path: Path) -> None:
    for deliver in ("branch", "apply"):
        path = make_repository(tmp_path / f"work-{deliver}")
        rows = tasks({"id": "a", "run": f"echo 1 > a; mv {path} {path}.moved"})
        plan = {"workspace": str(path), "deliver": deliver, "sandbox": "none", "tasks": rows}
        document = site.cli.json("run", site.cli.plan(plan), code=1)
        assert document["status"] == "undelivered"
        assert "is not there any more" in document["delivery"]["refusedBecause"]
        assert document["results"][0]["filesModified"] == ["a"]


def test_a_workspace_that_became_a_link_to_another_place_is_left_alone(site: Site, tmp_path: Path) -> None:
    outside = make_repository(tmp_path / "outside")
    before = fingerprint(outside)
    for deliver in ("branch", "apply"):
        path = make_repository(tmp_path / f"swapped-{deliver}")
        rows = tasks({"id": "a", "run": f"echo 1 > a; mv {path} {path}.moved; ln -s {outside} {path}"})
        plan = {"workspace": str(path), "deliver": deliver, "sandbox": "none", "tasks": rows}
        document = site.cli.json("run", site.cli.plan(plan), code=1)
        assert document["status"] == "undelivered"
        assert "leads to another place" in document["delivery"]["refusedBecause"]
        assert fingerprint(outside) == before


def _read_only(home: Path) -> None:
    home.mkdir(mode=0o500)


def _others(home: Path) -> None:
    home.mkdir()
    os.chown(home, 65534, 65534)


def _others_within(home: Path) -> None:
    (home / "server").mkdir(parents=True)
    (home / "server/users.lock").touch()
    os.chown(home / "server/users.lock", 65534, 65534)


def _file(home: Path) -> None:
    home.write_text("")


def _damaged(home: Path) -> None:
    (home / "server").mkdir(parents=True)
    (home / "server/temporal.db").write_bytes(b"no database " * 1000)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (_read_only, "cannot be written"),
        (_others, "nobody's"),
        (_others_within, "users.lock is nobody's"),
        (_file, "cannot be used"),
        (_damaged, "temporal.db is damaged; move it away"),
    ],
    ids=["read-only", "another user's", "after sudo", "a file", "a damaged database"],
)
def test_a_state_directory_that_cannot_be_used_ends_with_a_line(
    cli: Cli, spoil: Callable[[Path], None], word: str
) -> None:
    if os.geteuid() != 0 and spoil in (_others, _others_within):
        pytest.skip("only root gives files away")
    if os.geteuid() == 0 and spoil is _read_only:
        pytest.skip("root writes everywhere")
    spoil(cli.home)
    done = cli("list", code=3)
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_damaged_hub_is_named_before_anything_ran(cli: Cli, tmp_path: Path) -> None:
    _, plan = _greeting(cli, tmp_path)
    cli("run", plan)
    (hub,) = (cli.home / "hubs").glob("*.git")
    (hub / "HEAD").unlink()
    document = cli.json("run", plan, code=3)
    assert f"{hub} is damaged; move it away" in json.dumps(document)


def test_a_state_directory_that_is_deleted_meanwhile_ends_with_a_line(cli: Cli, tmp_path: Path) -> None:
    began = tmp_path / "began"
    process = cli.popen("run", cli.plan({"tasks": tasks({"id": "a", "run": f"touch {began}; sleep 1000"})}))
    wait_for(began.exists)
    shutil.rmtree(cli.home, ignore_errors=True)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, "was deleted meanwhile" in out) == (3, True), out


def test_what_is_written_into_the_state_directory_is_its_owner_s_alone(cli: Cli, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    rows = tasks({"id": "a", "run": "umask > mask; mkdir d; touch d/f; stat -c %a d d/f README.md > modes"})
    plan = cli.plan({"workspace": str(path), "deliver": "apply", "tasks": rows})
    before = os.umask(0o022)
    cli.is_forked = False
    try:
        cli("run", plan)
        cli("gc", "--yes", code=None)
    finally:
        os.umask(before)
    open_to_others = []
    for folder, names, files in os.walk(cli.home):
        for name in (*names, *files):
            mode = Path(folder, name).lstat().st_mode
            if not stat.S_ISLNK(mode) and not stat.S_ISSOCK(mode) and stat.S_IMODE(mode) & 0o077:
                open_to_others.append(f"{folder}/{name}")
    assert open_to_others == []
    # What agents and users get has the user's own modes.
    assert (path / "mask").read_text() == "0022\n"
    assert (path / "modes").read_text().split() == ["755", "644", "644"]
    assert [stat.S_IMODE((path / name).stat().st_mode) for name in ("d", "d/f", "mask")] == [0o755, 0o644, 0o644]


def test_git_s_settings_by_variables_count(site: Site, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives a repository away")
    cli = site.cli
    path, plan = _greeting(cli, tmp_path)
    for folder, _, files in os.walk(path):
        for each in (folder, *(f"{folder}/{name}" for name in files)):
            os.chown(each, 65534, 65534)
    assert "belongs to another user" in cli("run", plan, code=2).stderr
    by_count = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(path)}
    by_option = {"GIT_CONFIG_PARAMETERS": f"'safe.directory'='{path}'"}
    for variables in (by_count, by_option, {"SUDO_UID": "65534"}):
        assert replace(cli, environment=variables).json("run", plan)["status"] == "succeeded"


@pytest.mark.parametrize("arguments", [["status", "\udcff"], ["answer", "x", "\udcff", "y"], ["cancel", "\udcff"]])
def test_an_argument_that_is_no_text_ends_with_a_line(cli: Cli, arguments: list[str]) -> None:
    done = replace(cli, is_forked=False)(*arguments, code=2)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("epw: ")


@pytest.mark.parametrize(
    ("plan", "path"),
    [
        ({"workspace": "a\0b"}, "workspace"),
        ({"workspace": "~nobody-at-all/x"}, "workspace"),
        ({"network": ["a:99999"]}, "network[0]"),
        ({"network": ["ok:1", "[::1]:0"]}, "network[1]"),
    ],
)
def test_odd_values_are_named_by_their_path(cli: Cli, plan: dict[str, object], path: str) -> None:
    done = cli.json("run", cli.plan({**plan, "tasks": tasks({"id": "a", "run": "true"})}), code=2)
    assert path in [problem["path"] for problem in done["error"]["problems"]], done


def test_a_long_cycle_is_told_in_a_line(cli: Cli) -> None:
    rows = [{"id": f"t{n}", "run": "true", "dependsOn": [f"t{(n + 1) % 3000}"]} for n in range(3000)]
    done = cli("run", cli.plan({"tasks": tasks(*rows)}), code=2)
    assert "2989 more" in done.stderr or "more …" in done.stderr
    assert len(done.stderr) < 500
