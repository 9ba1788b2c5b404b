"""Options of a worker process, and their form as arguments of a program."""

from __future__ import annotations

import re
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from epw.core.errors import InvalidRequest
from epw.core.queues import LABEL, MAX_LABELS

DEPLOYMENT = "epw"
HELD = "--held"
"""Argument of a worker that loads what it needs, and begins once a byte comes from its supervisor."""
_LABEL = re.compile(LABEL)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True)
class WorkerOptions:
    """How much a worker takes, and when it ends."""

    slots: int | None = None
    """How many attempts of tasks run in it at once; None: as many as there are, the machine's memory permitting."""
    labels: tuple[str, ...] = ()
    """What it offers to tasks that need it (`needs`)."""
    grace: timedelta = timedelta(seconds=5)
    """How long its agents may go on once it is to stop."""
    version: str | None = None
    """Its version in a Worker Deployment of Temporal; None: executions go on with any worker."""
    deployment: str = DEPLOYMENT
    host_patience: timedelta = timedelta(minutes=10)
    """How long an attempt waits for the host that has its conversation, before it goes on elsewhere without it."""

    def __post_init__(self) -> None:
        """Raises `InvalidRequest`."""
        for label in self.labels:
            if not _LABEL.fullmatch(label):
                raise InvalidRequest(f"--label {label!r}: a label has 1 to 40 of a-z, 0-9, '.', '_', '-'")
        if len(self.labels) > MAX_LABELS:
            raise InvalidRequest(f"a worker has at most {MAX_LABELS} labels, not {len(self.labels)}")
        for name, value in (("version", self.version), ("deployment", self.deployment)):
            if value is not None and not _VERSION.fullmatch(value):
                raise InvalidRequest(f"--{name} {value!r}: 1 to 100 letters, digits, '.', '_', '+', '-'")

    def shared_by(self, number: int) -> list[WorkerOptions]:
        """Options of each of so many processes, which have its slots together; raises `InvalidRequest`."""
        if self.slots is None:
            return [self] * number
        if self.slots < number:
            raise InvalidRequest(f"--slots {self.slots}: each of {number} processes needs one at least")
        share, more = divmod(self.slots, number)
        return [replace(self, slots=share + (each < more)) for each in range(number)]

    def arguments(self) -> list[str]:
        """As arguments of a program; `of_arguments` reads them."""
        named = {"--slots": self.slots, "--grace": self.grace.total_seconds(), "--version": self.version}
        given = [f"{name}={value}" for name, value in named.items() if value is not None]
        return [*given, *(f"--label={label}" for label in self.labels), f"--deployment={self.deployment}"]

    @classmethod
    def of_arguments(cls, arguments: Sequence[str]) -> WorkerOptions:
        """The options among a program's arguments."""
        parser = ArgumentParser(argument_default=SUPPRESS, allow_abbrev=False)
        parser.add_argument("--slots", type=int)
        parser.add_argument("--grace", type=lambda seconds: timedelta(seconds=float(seconds)))
        parser.add_argument("--label", dest="labels", action="append")
        for name in ("--version", "--deployment"):
            parser.add_argument(name)
        found = vars(parser.parse_known_args(arguments)[0])
        return cls(**{**found, "labels": tuple(found.get("labels", ()))})

    @property
    def deployment_config(self) -> WorkerDeploymentConfig | None:
        """For `temporalio.worker.Worker`; None: its executions are not bound to a version."""
        if self.version is None:
            return None
        return WorkerDeploymentConfig(
            WorkerDeploymentVersion(self.deployment, self.version),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.PINNED,
        )


def unique(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels in order, each once."""
    return tuple(sorted(dict.fromkeys(labels)))
