"""Frame of every command: settings, errors with their exit codes. Imports no Temporal, which `analyze` does without."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from epw.cli.output import INTERRUPTED, exit_process, print_json, printable
from epw.core.errors import EpwError, InvalidPlan, Unavailable
from epw.service import startup
from epw.settings import Settings


def run_offline(command: Callable[[Settings], Coroutine[Any, Any, int]], *, as_json: bool = False) -> NoReturn:
    """Run a command to its exit code; errors become text or JSON here, and nowhere else."""
    try:
        settings = Settings.from_environment()
        startup.begin()
        code = asyncio.run(command(settings))
    except EpwError as error:
        if as_json:
            print_json({"success": False, "error": _error_document(error)})
        print(f"epw: {printable(str(error))}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone; what runs goes on where there is a worker.
        code = INTERRUPTED
    except OSError as error:
        is_named = isinstance(error.filename, str | bytes | os.PathLike)
        where = f": {printable(os.fsdecode(error.filename))}" if is_named else ""
        print(f"epw: {error.strerror or error}{where}", file=sys.stderr)
        code = Unavailable.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    exit_process(code)


def _error_document(error: EpwError) -> dict[str, Any]:
    document: dict[str, Any] = {"type": error.type, "message": str(error)}
    if isinstance(error, InvalidPlan):
        document["problems"] = [{"path": each.path, "message": each.message} for each in error.problems]
    return document
