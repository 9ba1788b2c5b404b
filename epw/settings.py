"""Settings of the application, read once from the environment, at the entry points."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

from activities.state.state_directory import StateDirectory
from epw.core.errors import Unavailable

MAX_KEPT_BYTES = 2_000_000_000
KEEP_DAYS = 30.0
FOREVER = "forever"
_MIN_FREE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """State directory, `temporal` binary and limits."""

    home: Path
    """State directory: hubs, attempts, the embedded server's database."""
    temporal: str | None = None
    """Name or path of the `temporal` binary, if the user gave one."""
    kept_mb: str | None = None
    """MB of ignored results that an execution may keep, as the user gave it."""
    keep_days_given: str | None = None
    """Days for which ended executions are kept, as the user gave it."""
    state_mb: str | None = None
    """MB that executions may take in the state directory, as the user gave it."""
    web_ui: str | None = None
    """Address of the Web UI of the user's own Temporal server."""
    payload_keys: Path | None = None
    """File of the keys that encrypt payloads; None: they are in clear text."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the variables of docs/configuration.md."""
        env = os.environ if environment is None else environment
        state = env.get("XDG_STATE_HOME") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".local/state")
        home = Path(env.get("EPW_HOME") or os.path.join(state, "epw")).absolute()
        keys = env.get("EPW_PAYLOAD_KEYS")
        return cls(
            home,
            temporal=env.get("EPW_TEMPORAL"),
            kept_mb=env.get("EPW_KEPT_MB"),
            keep_days_given=env.get("EPW_KEEP_DAYS"),
            state_mb=env.get("EPW_STATE_MB"),
            web_ui=env.get("EPW_WEB_UI"),
            payload_keys=Path(keys).absolute() if keys else None,
        )

    def temporal_binary(self) -> str | None:
        """The binary that the user named, else one beside the interpreter or on PATH; None where there is none."""
        beside = Path(sys.executable).parent / "temporal"
        if self.temporal:
            return shutil.which(self.temporal)
        return str(beside) if os.access(beside, os.X_OK) else shutil.which("temporal")

    @property
    def max_kept_bytes(self) -> int:
        """Bytes of ignored results that an execution may keep; raises `Unavailable` for an invalid number."""
        size = _bytes("EPW_KEPT_MB", self.kept_mb)
        return MAX_KEPT_BYTES if size is None else size

    @property
    def max_state_bytes(self) -> int | None:
        """Bytes that executions may take in the state directory; None: any. Raises `Unavailable`."""
        return _bytes("EPW_STATE_MB", self.state_mb)

    @property
    def keep_days(self) -> float | None:
        """Days for which an ended execution is kept; None: for ever. Raises `Unavailable` for an invalid number."""
        given = self.keep_days_given
        if given == FOREVER:
            return None
        try:
            days = float(given) if given else KEEP_DAYS
        except ValueError:
            days = 0
        if not 0 < days < inf:
            raise Unavailable(f"EPW_KEEP_DAYS is neither a number of days nor `{FOREVER}`: {given!r}")
        return days

    @property
    def state(self) -> StateDirectory:
        """Layout of the state directory."""
        return StateDirectory(self.home)

    def make_home(self) -> Path:
        """Create the state directory, private to its owner; raises `Unavailable` where it cannot be used."""
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"the state directory {self.home} cannot be used ({error.strerror}): set EPW_HOME to a folder of yours"
            ) from None
        if shutil.disk_usage(self.home).free < _MIN_FREE_BYTES:
            raise Unavailable(f"no space left for the state directory {self.home}: free some, or set EPW_HOME")
        status = self.home.stat()
        if status.st_uid != os.geteuid():
            owner = _user(status.st_uid)
            raise Unavailable(f"the state directory {self.home} is {owner}'s: work as {owner}, or set EPW_HOME")
        if status.st_mode & 0o077:
            self.home.chmod(0o700)
        self._check_usable()
        return self.home

    def _check_usable(self) -> None:
        """Check owner and mode of its files: a command by another user (`sudo epw`) may have left some."""
        for path in (self.home, *self.home.iterdir(), *self.state.server.folder.glob("*")):
            owner = path.lstat().st_uid
            if owner != os.geteuid():
                by = _user(owner)
                raise Unavailable(f"{path} is {by}'s: give it back (sudo chown -R {_user(os.geteuid())} {self.home})")
            if not os.access(path, os.R_OK | os.W_OK):
                raise Unavailable(f"{path} cannot be written: mend its modes or its disk, or set EPW_HOME")


def _bytes(variable: str, megabytes: str | None) -> int | None:
    """Bytes that a variable gives in MB; None where it is not set. Raises `Unavailable` for an invalid number."""
    try:
        size = int(float(megabytes) * 1e6) if megabytes else None
    except (ValueError, OverflowError):
        size = -1
    if size is not None and size < 0:
        raise Unavailable(f"{variable} is not a number of megabytes: {megabytes!r}")
    return size


def _user(identifier: int) -> str:
    try:
        return pwd.getpwuid(identifier).pw_name
    except KeyError:
        return f"user {identifier}"
