"""What a user may write: the plan's models and bounds (CONTRACT section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

MAX_TASKS = 10_000
MAX_DESCRIPTION_BYTES = 16 * 1024
MAX_PLAN_BYTES = 1_500_000
DEFAULT_MINUTES = 10.0
DEFAULT_TOOLS = ("Read", "Write", "Edit", "Bash", "Glob", "Grep")
MAX_MINUTES = 1440

MODELS = ("claude", "claude-code")
"""The agents that are driven by a model."""

# One variable of a process may have 128 KB.
Value = Annotated[str, StringConstraints(max_length=30_000, pattern=r"^[^\x00]*$")]
AgentName = Literal["claude", "claude-code", "command", "simulated"]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
RelativePath = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^/\x00][^\x00]*$")]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^/\x00][^\x00]*$")]
# `name`, `*.name`, an address (IPv6 in brackets), each with `:port` or without.
Host = Annotated[
    str,
    StringConstraints(max_length=300, pattern=r"^((\*\.)?[\w]([\w.-]*[\w])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"),
]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]


class Message(BaseModel):
    """Base of everything that crosses an edge: frozen, camelCase on the wire, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        strict=True,
        allow_inf_nan=False,
    )


class ApiRateLimit(Message):
    """The most calls an API account takes, over all executions, workers and machines."""

    provider: str = Field(min_length=1)
    max_requests_per_minute: int = Field(ge=1, le=10_000)
    max_tokens_per_minute: int | None = Field(default=None, ge=1)


class ResourceLimits(Message):
    """Limits of one agent's whole process tree; None: derived from the machine."""

    max_memory_mb: int | None = Field(default=None, alias="maxMemoryMB", ge=100, le=32_768)
    max_cpu_percent: float | None = Field(default=None, alias="maxCPUPercent", ge=1, le=100)
    max_duration_ms: int | None = Field(default=None, ge=1)
    max_processes: int | None = Field(default=None, ge=1)
    max_disk_mb: int | None = Field(default=None, alias="maxDiskMB", ge=1)
    """Written into the attempt's directory."""


class Budget(Message):
    """What an execution may spend on models."""

    max_cost_usd: float | None = Field(default=None, alias="maxCostUSD", gt=0)
    max_tokens: int | None = Field(default=None, ge=1)


class TaskConstraints(Message):
    resource_limits: ResourceLimits | None = None


class Constraints(Message):
    api_rate_limit: ApiRateLimit | None = None
    resource_limits: ResourceLimits | None = None
    budget: Budget | None = None


class OnQuestion(Message):
    """What becomes of an agent's question: wait, for how long (minutes), and the answer in lieu."""

    wait: bool = True
    timeout_minutes: float | None = Field(default=None, gt=0, le=60 * 24 * 365)
    default: str | None = None


class Simulation(Message):
    """`seed` decides the simulated agents' failures; `speed` divides their estimated minutes."""

    seed: int = 0
    speed: float = Field(default=1, gt=0)


class Simulate(Message):
    """What a simulated agent does (CONTRACT section 9)."""

    seconds: float | None = Field(default=None, ge=0)
    writes: dict[RelativePath, str] = Field(default_factory=dict)
    deletes: list[RelativePath] = Field(default_factory=list)
    fail_attempts: list[int] = Field(default_factory=list)
    fail_rate: float = Field(default=0, ge=0, le=1)
    crash_attempts: list[int] = Field(default_factory=list)
    ask: str | None = None
    memory_mb: float | None = Field(default=None, alias="memoryMB", ge=0)
    cpu_seconds: float | None = Field(default=None, ge=0)
    hang: bool = False


class Task(Message):
    """One node of the graph, done by one sub-agent."""

    id: str
    description: str
    depends_on: list[str] = Field(default_factory=list)
    estimated_minutes: float = DEFAULT_MINUTES
    priority: int = Field(default=0, ge=-(2**31), lt=2**31)
    context: Any = None
    run: Text | None = Field(default=None, min_length=1)
    simulate: Simulate | None = None
    agent: AgentName | None = None
    model: str | None = Field(default=None, min_length=1)
    tools: list[str] | None = None
    files: list[Glob] = Field(default_factory=list, max_length=100)
    reads: list[Glob] = Field(default_factory=list, max_length=100)
    verify: Text | None = Field(default=None, min_length=1)
    constraints: TaskConstraints = TaskConstraints()
    env: dict[EnvironmentName, Value] = Field(default_factory=dict)
    include: list[RelativePath] = Field(default_factory=list, max_length=100)
    """Beside the plan's: ignored paths of the workspace, or globs of what tasks before it keep."""
    keep: list[Glob] = Field(default_factory=list, max_length=100)


class Plan(Message):
    """A graph of tasks, a strategy, limits and a workspace."""

    tasks: list[Task]
    name: str | None = Field(default=None, max_length=200)
    description: str | None = None
    strategy: Literal["conservative", "aggressive"] = "conservative"
    max_agents: int = Field(default=5, ge=1, le=1000)
    workspace: Text | None = Field(default=None, min_length=1)
    base: Text | None = Field(default=None, min_length=1)
    agent: AgentName | None = None
    model: str | None = Field(default=None, min_length=1)
    atomic: Literal["execution", "batch", "task"] | None = None
    deliver: Literal["branch", "apply", "push", "none"] | None = None
    commits: Literal["squash", "keep"] = "squash"
    """Of a delivered branch: one a task, or those that its agent made."""
    verify: Text | None = Field(default=None, min_length=1)
    setup: Text | None = Field(default=None, min_length=1)
    env: dict[EnvironmentName, Value] = Field(default_factory=dict)
    pass_env: list[EnvironmentName] = Field(default_factory=list)
    include: list[RelativePath] = Field(default_factory=list)
    keep: list[Glob] = Field(default_factory=list, max_length=100)
    """Ignored results that are kept beside each task's change."""
    network: bool | list[Host] = True
    sandbox: Literal["none", "process", "landlock", "bubblewrap", "auto"] = "auto"
    constraints: Constraints = Constraints()
    on_conflict: list[str] | None = None
    relock: dict[Glob, Text] = Field(default_factory=dict, max_length=20)
    """Generated files, by pattern, and the command that makes them anew where two changes of them do not merge."""
    on_question: OnQuestion = OnQuestion()
    simulation: Simulation = Simulation()

    def agent_of(self, task: Task) -> AgentName:
        """The backend that runs a task: its own, the plan's, else by what the task brings."""
        if task.agent or self.agent:
            return task.agent or self.agent or "claude"
        if task.run is not None:
            return "command"
        return "simulated" if task.simulate is not None else "claude"

    def model_of(self, task: Task) -> str | None:
        """The model that a task names, or its plan; None: the default, resolved once for the execution."""
        return task.model or self.model

    def steps_on_conflict(self, default: Sequence[str]) -> Sequence[str]:
        """What is tried where changes do not merge: what the plan says, else its strategy."""
        return default if self.on_conflict is None else self.on_conflict

    def limits_of(self, task: Task) -> ResourceLimits:
        """The limits of a task's agent: each its own, else the plan's."""
        own, general = task.constraints.resource_limits, self.constraints.resource_limits or ResourceLimits()
        return general.model_copy(update=own.model_dump(exclude_none=True, by_alias=False)) if own else general

    def kept_of(self, task: Task) -> list[str]:
        """The globs of what is kept of a task's ignored results."""
        return [*self.keep, *task.keep]

    def included_in(self, task: Task) -> list[str]:
        """What is copied into a task's directories."""
        return [*self.include, *task.include]

    @property
    def has_models(self) -> bool:
        """Whether some task is done by a model."""
        return any(self.agent_of(task) in MODELS for task in self.tasks)

    @property
    def demands_bubblewrap(self) -> bool:
        """Whether it cannot do with less."""
        return self.sandbox == "bubblewrap" or self.network is not True

    def not_enforced(self, task: Task) -> list[str]:
        """Constraints that are checked and handed to the agent, but that nothing enforces yet."""
        if self.agent_of(task) in MODELS:
            return []
        # A command's calls are its own.
        named: dict[str, Message | None] = {
            "constraints.apiRateLimit": self.constraints.api_rate_limit,
            "constraints.budget": self.constraints.budget,
        }
        return [name for name, value in named.items() if value is not None]
