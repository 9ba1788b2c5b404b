"""What `epw` or git says where no task has failed, why, and what to do: the first table of docs/troubleshooting.md.

Failures of tasks and executions are records of the product (`epw/core/failures.py`). A test holds `words` against the
code that prints them.
"""

from __future__ import annotations

from typing import NamedTuple


class Symptom(NamedTuple):
    """Words that a user reads; `…` stands for what differs."""

    words: str
    cause: str
    remedy: str


SYMPTOMS = (
    Symptom(
        "agent … needs …: … is not on PATH; install it (…)",
        "the plan names a program that this machine does not have",
        "install it, as the message says; or name another: `epw run --agent claude-cli PLAN`. `epw doctor` lists all",
    ),
    Symptom(
        "… is in no git repository: `git init` makes it one",
        "`epw init` and tasks in words need a repository to work on",
        "`git init`, then a first commit; or a plan whose `workspace` names the repository",
    ),
    Symptom(
        "there is no … here, which `epw init` writes…; or …",
        "`epw run` got no plan, and the repository has none",
        "`epw init`, or `epw run PLAN`",
    ),
    Symptom(
        "no worker runs it: `epw run --resume …` goes on with it, `epw up` with all",
        "`epw start` hands a plan to Temporal and runs nothing; or the command that ran it, or the machine, has ended",
        "`epw run --resume ID`, or `epw up`: it goes on where it stood",
    ),
    Symptom(
        "no server runs for this state directory: `epw up` keeps one up",
        "`epw env` prints the address of a server, and none is up",
        "`epw up` in another terminal",
    ),
    Symptom(
        "the Temporal server went away or refused: …",
        "a server of your own (`TEMPORAL_ADDRESS`, or a Temporal profile) cannot be used",
        "`epw doctor` says which is meant; `env -u TEMPORAL_ADDRESS epw run PLAN` takes the embedded one",
    ),
    Symptom(
        "the state directory … cannot be used (…): set EPW_HOME to a folder of yours",
        "the folder for servers, logs and saved work cannot be made or written",
        "`export EPW_HOME=FOLDER`, on a local disk with some GB free",
    ),
    Symptom(
        "… is not installed: merges are not checked by it",
        "advice: a checker of the repository's language is missing; the merge itself is sound",
        "install one of those named ([checks](checks.md)), or `checks: off` in the plan",
    ),
    Symptom(
        "stopped; go on with: epw run --resume …",
        "Ctrl-C, or the terminal was closed; nothing is lost",
        "`epw run --resume ID`",
    ),
    Symptom(
        "stopped; another worker goes on with it: epw watch …",
        "the command has ended, and the execution has not: a worker of `epw up` or MCP does the rest",
        "`epw watch ID`, or `epw cancel ID`",
    ),
    Symptom(
        "its cancellation waits for a worker: …",
        "`epw cancel ID` is noted; only a worker can end an execution in order, and none runs",
        "`epw run --resume ID`, or `epw up`: no task of it starts",
    ),
)
OF_GIT = (
    Symptom(
        "The following untracked working tree files would be overwritten by merge: …",
        "git says it: agents start from your files as they are, so what you have not committed is in the branch too",
        "commit them first: `epw status ID` prints the command; then `epw merge ID`",
    ),
    Symptom(
        "Your local changes to the following files would be overwritten by merge: …",
        "as above, for files that git knows",
        "`git commit` them, then `epw merge ID`",
    ),
)
"""What git says about a delivered branch."""
