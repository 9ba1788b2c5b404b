"""Channel `command`: run like a task's command, in an empty directory, with the notice on its standard input."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from functools import partial

from activities.attempt.attempt import Attempt
from activities.attempt.checkout import check_out
from activities.attempt.containment import contained
from activities.attempt.without_agent import directory_without_agent
from activities.notices.channel import NotSent, Sending
from activities.processes.process_tree import end_marked
from activities.processes.shell import describe_exit, last_output, run_shell
from activities.system.concurrency import in_thread
from epw.core.backends import COMMAND
from epw.core.plan.model import Task

_MAX_TRIES = 3


async def run(sending: Sending) -> None:
    """Run the command; an exit code other than 0 raises `NotSent`, at the third try for good."""
    command, running, execution = sending.rule.command or "", sending.running, sending.execution
    document = json.dumps(sending.notice, ensure_ascii=False)
    name = f"notice {sending.notice['id']}"
    directory = directory_without_agent(execution, name, "notice", sending.activity_attempt)
    task = Task(id=name, description=sending.notice["title"], agent=COMMAND.name, run="true")
    if sending.activity_attempt > 1:
        await in_thread(partial(end_marked, execution.attempt_key(name), forget=True))
    attempt = await in_thread(
        Attempt.of, directory, running, task, sending.heartbeat, sending.host, COMMAND.default_sandbox
    )
    async with contained(attempt) as attempt:
        try:
            await in_thread(partial(check_out, directory, keeps_state=False))
            notice = directory.path / "notice.json"
            notice.write_text(document)
            variables = {**attempt.launcher.variables, "EPW_NOTICE": document}
            launcher = replace(attempt.launcher, variables=variables)
            text = command if isinstance(command, str) else f"exec {shlex.join(command)}"
            code = await run_shell(launcher, f"exec < {shlex.quote(str(notice))}\n{text}")
            output = last_output(launcher, attempt.reporter.redact)
        finally:
            await in_thread(directory.remove)
    if code:
        message = f"the command of notify {describe_exit(code)}{output}"
        raise NotSent(message, final=sending.activity_attempt >= _MAX_TRIES)
