"""Table of the commands, and the group that imports each when it runs."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "run": ("run:run", "Run a plan to its end, with a worker of its own."),
    "start": ("start:start", "Start a plan and print the execution's id."),
    "watch": ("watch:watch", "Follow an execution in plain lines until it ends."),
    "status": ("status:status", "An execution as it stands: tasks, questions, conflicts, metrics, live progress."),
    "list": ("list:list_executions", "All executions, newest first."),
    "answer": ("update:answer", "Answer a question; the first answer wins."),
    "resolve": ("update:resolve", "Choose what becomes of a conflict that waits for a person."),
    "pause": ("update:pause", "Start nothing new; running tasks finish."),
    "resume": ("update:resume", "Go on after `pause`."),
    "cancel": ("cancel:cancel", "Stop an execution: its agents end, nothing is delivered, commits are kept."),
    "retry": ("retry:retry", "Run a plan again, without what succeeded and would see nothing new."),
    "salvage": ("salvage:salvage", "Every change that agents have saved; as a branch or as patches."),
    "artifacts": ("artifacts:artifacts", "The ignored results that tasks have kept (`keep` of a plan)."),
    "gc": ("gc:gc", "Remove what ended executions keep here: commits, logs, directories."),
    "analyze": ("analyze:analyze", "Score, schedule, critical path, risks and bottlenecks of a plan."),
    "import": ("import_file:import_file", "Print the plan that a foreign file of tasks becomes."),
    "export": ("export:export", "Print the calls that report an execution to other MCP servers."),
    "merge-check": (
        "merge_check:merge_check",
        "Judge the merge of two commits: does it fit together?",
    ),
    "plan": ("plan:plan", "Have a plan made for a goal, show its analysis, and run it after your look."),
    "doctor": ("doctor:doctor", "Check this machine, a workspace, or an execution that has ended."),
    "up": ("up:up", "Keep the server, the Web UI and a worker up until Ctrl-C."),
    "mcp": ("mcp:mcp", "Serve coding agents over MCP: plan, start, watch, answer, merge."),
    "env": ("env:env", 'Print variables for a shell: `eval "$(epw env)"`, then `temporal workflow list`.'),
    "schema": ("schema:schema", "Print the JSON schema of plans or of results."),
}
"""Name → (module of `epw.cli` and its function, one line of help): a command is imported when it runs."""


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
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(cmd_name)(getattr(importlib.import_module(f"epw.cli.{module}"), function))
        return typer.main.get_command(alone)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])
