"""Checker of Rust: cargo check."""

from __future__ import annotations

import json
from collections.abc import Iterator

from activities.checkers.checker import Checker, Job, Message, Output, Place, relative


def _command(place: Place, job: Job) -> list[str]:
    return [
        *place.program,
        "check",
        "--workspace",
        "--all-targets",
        "--offline",
        "--keep-going",
        "--message-format=json",
    ]


def _read(place: Place, job: Job, output: Output) -> Iterator[Message]:
    is_built = False
    for line in output.out.splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        is_built |= event.get("reason") in ("compiler-message", "build-finished")
        diagnostic = event.get("message") if event.get("reason") == "compiler-message" else None
        if not diagnostic or diagnostic["level"] != "error":
            continue
        span = next((each for each in diagnostic["spans"] if each["is_primary"]), None)
        path = relative(span["file_name"], place, job) if span else None
        if span and path is not None:
            labels = [each["label"] for each in diagnostic["spans"] if each["is_primary"] and each["label"]]
            rule = (diagnostic.get("code") or {}).get("code") or "error"
            yield Message(path, span["line_start"], rule, ": ".join([diagnostic["message"], *labels]))
    if output.code and not is_built:
        raise output.failure()


CARGO = Checker(
    decides=True,
    name="cargo-check",
    language="Rust",
    suffixes=(".rs",),
    configs=("Cargo.toml", "Cargo.lock"),
    programs=("cargo",),
    command=_command,
    read=_read,
    variables={"CARGO_TARGET_DIR": "{cache}/target", "CARGO_NET_OFFLINE": "true"},
    homes={"RUSTUP_HOME": ".rustup", "CARGO_HOME": ".cargo"},
    # Not the whole of it: credentials lie there.
    readable=(".rustup", ".cargo/bin", ".cargo/registry", ".cargo/git"),
    outermost=True,
)
