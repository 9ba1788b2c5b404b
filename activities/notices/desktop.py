"""Channel `desktop`: shown by the desktop of the worker's machine, where it has one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from activities.git.user_git import captured
from activities.notices.channel import NotSent, Sending
from activities.system.concurrency import in_thread

_MAX_SECONDS = 10.0


async def show(sending: Sending) -> None:
    """Show the notice by `notify-send`; without that program, nothing happens."""
    program = shutil.which("notify-send")
    if program is None:
        return
    deadline, notice = time.monotonic() + _MAX_SECONDS, sending.notice
    # Servers of notices take some HTML.
    text = notice["text"].replace("&", "&amp;").replace("<", "&lt;")
    argv = [program, "--app-name=epw", "--", notice["title"], text]
    code, _, errors = await in_thread(captured, argv, Path("/"), lambda: time.monotonic() > deadline)
    if code:
        words = " ".join(errors.split())[:200]
        # Nobody is logged in: nobody will be within the hour.
        raise NotSent(f"notify-send ended with {code}: {words}", final=True)
