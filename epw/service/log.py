"""Logging to standard error, for the SDK's core too."""

from __future__ import annotations

import logging
from datetime import timedelta

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from epw.core.errors import EpwError

HEARTBEAT_INTERVAL = timedelta(seconds=5)
"""How often a worker process tells the server that it is there (`epw workers`)."""


def log_to_stderr(level: int) -> None:
    """Log from this level on; call it before anything connects.

    By default the core logs to standard output, which with `--json` must hold one document and nothing else.
    """
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(known_in_a_line)
    name = "WARN" if level <= logging.WARNING else "ERROR"
    forwarding = LogForwardingConfig(logging.getLogger("temporalio.core"))
    logs = LoggingConfig(TelemetryFilter(core_level=name, other_level="ERROR"), forwarding=forwarding)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=logs), worker_heartbeat_interval=HEARTBEAT_INTERVAL))


def known_in_a_line(record: logging.LogRecord) -> bool:
    """Have a failure of an activity that is no bug told in one line, without a stack trace; drops no record."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, EpwError):
        about = getattr(record, "temporal_activity", None) or {}
        what = (
            f"{about.get('workflow_id', '')}: {about.get('activity_type', 'an activity')}, try {about.get('attempt')}"
        )
        record.msg, record.args = "%s: %s", (what, str(error))
        record.exc_info = record.exc_text = None
    return True
