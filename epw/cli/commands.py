"""Table of the commands, and the group that imports each when it runs."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from epw.cli.plain_command import PlainCommand


class Command(NamedTuple):
    """A command: its function is imported when it runs."""

    target: str
    """Module of `epw.cli` and the function in it."""
    line: str
    """What it does, for the list of commands."""
    example: str
    """One use of it, for its own help."""


COMMANDS = {
    "init": Command(
        "init:init", "Write epw.yaml: a plan that runs in this repository, each line explained.", "epw init"
    ),
    "run": Command(
        "run:run", "Run a plan, or tasks in words, to the end, with a worker of its own.", "epw run plan.yaml"
    ),
    "start": Command("start:start", "Start a plan and print the execution's id.", "epw start plan.yaml"),
    "watch": Command(
        "watch:watch", "Follow an execution to its end, live in a terminal, else in plain lines.", "epw watch ID"
    ),
    "status": Command(
        "status:status",
        "An execution as it stands: tasks, questions, conflicts, metrics, live progress.",
        "epw status ID --json",
    ),
    "report": Command(
        "report:report",
        "What an execution did, as text, Markdown, JSON or a page.",
        "epw report ID --html report.html",
    ),
    "logs": Command(
        "logs:logs", "What the attempts of a task have printed, running ones too.", "epw logs ID api --follow"
    ),
    "list": Command("list:list_executions", "All executions, newest first.", "epw list --waiting"),
    "open": Command("open:open_page", "Open an execution in Temporal's Web UI.", "epw open --waiting"),
    "answer": Command(
        "update:answer", "Answer a question, or correct the answer until its task has gone on.", "epw answer ID q1 yes"
    ),
    "resolve": Command(
        "update:resolve",
        "Choose what becomes of a conflict that waits for a person.",
        "epw resolve ID c1 retry",
    ),
    "pause": Command("update:pause", "Start nothing new; running tasks finish.", "epw pause ID"),
    "resume": Command("update:resume", "Go on after `pause`.", "epw resume ID"),
    "cancel": Command(
        "cancel:cancel",
        "Stop an execution, or one task: its agents end, commits are kept.",
        "epw cancel ID",
    ),
    "set": Command(
        "update:set_limits",
        "Change limits while it runs: agents at once, budget, a task's priority.",
        "epw set ID --max-agents 3 --budget 12.50",
    ),
    "message": Command(
        "update:message",
        "Tell a task's agent something: at its next turn, or when its next attempt starts.",
        'epw message ID api "leave the migrations alone"',
    ),
    "add": Command(
        "add:add",
        "Add tasks while it runs; they can depend on those that there are.",
        'epw add ID "Document the endpoint" --after api',
    ),
    "retry": Command(
        "retry:retry",
        "Run a plan again, without what succeeded and would see nothing new.",
        "epw retry ID",
    ),
    "salvage": Command(
        "salvage:salvage",
        "Every change that agents have saved; as a branch or as patches.",
        "epw salvage ID api --branch rescued",
    ),
    "diff": Command(
        "diff:diff", "The change of an execution, or of one task, landed or not.", "epw diff ID api --stat"
    ),
    "merge": Command(
        "merge:merge", "Merge the delivered branch into the one that is checked out.", "epw merge ID --ff-only"
    ),
    "deliver": Command(
        "deliver:deliver", "Push the branch that could not be delivered to its git URL.", "epw deliver ID"
    ),
    "pr": Command(
        "pr:pr", "Push the delivered branch by your git and open a pull request.", "epw pr ID --draft --reviewer ada"
    ),
    "drop": Command("drop:drop", "Make another branch, without one task and its descendants.", "epw drop ID api"),
    "artifacts": Command(
        "artifacts:artifacts",
        "The ignored results that tasks have kept (`keep` of a plan).",
        "epw artifacts ID --to dist",
    ),
    "gc": Command(
        "gc:gc",
        "Remove what ended executions keep here: commits, logs, directories.",
        "epw gc --days 7 --dry-run",
    ),
    "analyze": Command(
        "analyze:analyze",
        "Score, schedule, critical path, risks and bottlenecks of a plan.",
        "epw analyze plan.yaml",
    ),
    "import": Command(
        "import_file:import_file",
        "Print the plan that a foreign file of tasks becomes.",
        "epw import tasks.md > plan.yaml",
    ),
    "export": Command(
        "export:export",
        "Print the calls that report an execution to other MCP servers.",
        "epw export ID --as complete-task",
    ),
    "merge-check": Command(
        "merge_check:merge_check",
        "Judge the merge of two commits: does it fit together?",
        "epw merge-check main feature",
    ),
    "plan": Command(
        "plan:plan",
        "Have a plan made for a goal, show its analysis, and run it after your look.",
        'epw plan "Add users, passwords and sessions"',
    ),
    "doctor": Command(
        "doctor:doctor",
        "Check this machine, a workspace, or an execution that has ended.",
        "epw doctor .",
    ),
    "worker": Command(
        "worker:worker",
        "A worker until it is stopped, for a server that other machines use too.",
        "epw worker --slots 4 --label gpu",
    ),
    "workers": Command("workers:workers", "The workers that poll for executions, on every machine.", "epw workers"),
    "up": Command("up:up", "Keep the server, the Web UI and a worker up until Ctrl-C.", "epw up"),
    "mcp": Command(
        "mcp:mcp",
        "Serve coding agents over MCP: plan, start, watch, answer, merge.",
        "claude mcp add epw -- epw mcp",
    ),
    "codec": Command(
        "codec:codec",
        "Decrypt payloads for Temporal's Web UI and CLI until Ctrl-C.",
        "epw codec --origin https://temporal.example.org",
    ),
    "env": Command(
        "env:env",
        'Print variables for a shell: `eval "$(epw env)"`, then `temporal workflow list`.',
        'eval "$(epw env)"',
    ),
    "schema": Command(
        "schema:schema",
        "Print the JSON schema of plans, results or reports.",
        "epw schema plan > plan.schema.json",
    ),
}
"""Commands by name, in the order of the help."""


class Commands(TyperGroup):
    """Group whose commands are imported one at a time: importing all takes longer than most of them run."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Names for "did you mean"; `get_command` makes the commands.
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = COMMANDS[cmd_name]
        module, _, function = command.target.partition(":")
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        make = alone.command(cmd_name, cls=PlainCommand, epilog=f"Example: {command.example}")
        make(getattr(importlib.import_module(f"epw.cli.{module}"), function))
        return typer.main.get_command(alone)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.line) for name, each in COMMANDS.items()])
