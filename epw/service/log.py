"""Logging to standard error, for the SDK's core too."""

from __future__ import annotations

import logging
from datetime import timedelta

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

HEARTBEAT_INTERVAL = timedelta(seconds=5)
"""How often a worker process tells the server that it is there (`epw workers`)."""


def log_to_stderr(level: int) -> None:
    """Log from this level on; call it before anything connects.

    By default the core logs to standard output, which with `--json` must hold one document and nothing else.
    """
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    name = "WARN" if level <= logging.WARNING else "ERROR"
    forwarding = LogForwardingConfig(logging.getLogger("temporalio.core"))
    logs = LoggingConfig(TelemetryFilter(core_level=name, other_level="ERROR"), forwarding=forwarding)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=logs), worker_heartbeat_interval=HEARTBEAT_INTERVAL))
