"""`python -m tests.as_user [ARGUMENT…]`: the tests, on a copy, as an ordinary user where this is root."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.mutants import copy_checkout

_USER = "nobody"
_SYSTEMS = "/usr/bin/python3"
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")


def main(arguments: list[str]) -> int:
    if os.geteuid() != 0:
        print("the user is an ordinary one already: nothing to do")
        return 0
    user = pwd.getpwnam(_USER)
    with tempfile.TemporaryDirectory(prefix="epw-") as scratch:
        copy, own = copy_checkout(Path(scratch, "copy")), Path(scratch, "o")
        own.mkdir()
        for path in (Path(scratch), *Path(scratch).rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # The copy's modules, not those of the checkout that is installed.
        environment = {**kept, "HOME": str(own), "TMPDIR": str(own), "USER": _USER, "PYTHONPATH": str(copy)}
        who: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        python = _python(Path(scratch), copy, who)
        return subprocess.run(
            [python, "-m", "pytest", *arguments], cwd=copy, env=environment, check=False, **who
        ).returncode


def _python(scratch: Path, copy: Path, who: dict[str, Any]) -> str:
    """This interpreter where the user may run it, else an environment of the system's own."""
    try:
        subprocess.run([sys.executable, "-c", ""], check=True, cwd=copy, **who)
        return sys.executable
    except PermissionError:
        made = scratch / "environment"
        subprocess.run([_SYSTEMS, "-m", "venv", made], check=True)
        subprocess.run([made / "bin/pip", "install", "--quiet", "--editable", f"{copy}[dev]"], check=True)
        return str(made / "bin/python")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
