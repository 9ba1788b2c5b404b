"""Launcher of the processes of one attempt: in its sandbox, within its limits, with its variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from activities.processes.process_tree import ProcessTree, write_launcher
from activities.processes.resource_guard import ResourceGuard
from activities.sandbox.levels import bubblewrap_argv, setup_argv, thread_setup
from activities.sandbox.network.proxy import Network


@dataclass(frozen=True)
class ProcessLauncher:
    """Everything that decides how a process of an attempt starts; `start` is the only way to start one."""

    cwd: Path
    """The directory to work in."""
    folder: Path
    """The attempt's private folder; scripts and output of single calls lie there."""
    state: Path
    """Second folder that its processes may write to; it outlives the attempt."""
    log: Path
    """File that takes what its processes print."""
    marker: str
    """Value of `EPW_ATTEMPT_KEY` in all of its processes; by it they are found and ended."""
    sandbox: str
    inherited: Mapping[str, str]
    """Variables from the worker's environment."""
    variables: Mapping[str, str]
    """Variables of the plan and the attempt; they override the inherited ones and those of the network."""
    readable: Sequence[Path] = ()
    """Folders outside of its own that its processes may read."""
    writable: Sequence[Path] = ()
    """Folders besides `folder` and `state` that its processes may write to."""
    guard: ResourceGuard | None = None
    """Its limits; None: before it is contained, or for processes without limits."""
    network: Network | None = None
    """The network of its sandbox; None: the sandbox has none, or shares the machine's."""

    @property
    def has_private_home(self) -> bool:
        """Whether `HOME` of its processes is a folder of the attempt, and not the user's."""
        return self.inherited.get("HOME") == str(self.folder / "home")

    @property
    def environment(self) -> dict[str, str]:
        """All variables of a process."""
        network = self.network.variables() if self.network is not None else {}
        return {**self.inherited, **network, **self.variables}

    async def start(self, argv: Sequence[str], *, output: Path | None = None, cwd: Path | None = None) -> ProcessTree:
        """Start a command; `output` replaces the log, `cwd` the directory."""
        inside = self._sandboxed(argv, cwd or self.cwd)
        return await ProcessTree.start(
            inside if self.guard is None else self.guard.wrap_argv(inside),
            cwd=cwd or self.cwd,
            environment=self.environment,
            output=output or self.log,
            marker=self.marker,
            thread_setup=self._before_start,
        )

    def script(self, name: str, program: str, variables: Mapping[str, str], *, keep: Sequence[str]) -> Path:
        """Write a script that starts a program as `start` does, for a library that starts it by itself.

        `variables` come on top of the others; `keep` names variables that the library sets and the program gets.
        """
        entered = setup_argv(self.sandbox, own=self._writable, readable=self.readable)
        return write_launcher(
            self.folder / name,
            [*entered, *self._sandboxed([program], self.cwd)],
            {**self.environment, **variables},
            self.marker,
            keep=keep,
            join_snippet=self.guard.join_snippet() if self.guard is not None else "",
        )

    def _sandboxed(self, argv: Sequence[str], cwd: Path) -> list[str]:
        if self.sandbox != "bubblewrap":
            return list(argv)
        namespace = self.network.namespace if self.network is not None else None
        return bubblewrap_argv(argv, own=self._writable, readable=self.readable, cwd=cwd, namespace=namespace)

    @property
    def _writable(self) -> list[Path]:
        return [self.folder, self.state, *self.writable]

    @property
    def _before_start(self) -> Callable[[], None] | None:
        """Setup of the thread that starts a process; the process inherits it."""
        joined = self.guard.join_files if self.guard is not None else []
        return thread_setup(self.sandbox, own=[*self._writable, *joined], readable=self.readable)
