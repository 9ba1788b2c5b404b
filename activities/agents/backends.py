"""The agents there are: one line each."""

from __future__ import annotations

from activities.agents.base import Agent
from activities.agents.command import CommandAgent
from activities.agents.simulated import SimulatedAgent

BACKENDS: dict[str, Agent] = {
    "command": CommandAgent(),
    "simulated": SimulatedAgent(),
}
