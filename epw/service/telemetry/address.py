"""Addresses at which Prometheus reads the metrics of the worker processes of one command."""

from __future__ import annotations

from collections.abc import Mapping

METRICS = "EPW_METRICS"


def metrics_address(environment: Mapping[str, str], number: int) -> dict[str, str]:
    """The variable for process `number`, from 0: each has the port after that of the one before."""
    host, _, port = environment.get(METRICS, "").rpartition(":")
    if not number or not port.isdigit():
        return {}
    return {METRICS: f"{host}:{int(port) + number}"}
