"""Models and bounds of a plan: what a user writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticKnownError

from epw.core.backends import BACKENDS, Backend, DefaultSandbox, default_backend
from epw.core.checker_names import CHECKER_NAMES

MAX_TASKS = 10_000
MAX_ID_LENGTH = 128
MAX_DESCRIPTION_BYTES = 16 * 1024
MAX_PLAN_BYTES = 1_500_000
DEFAULT_MINUTES = 10.0
MAX_MINUTES = 1440


def _known_backend(name: Any) -> str:
    if isinstance(name, str) and name in BACKENDS:
        return name
    raise PydanticKnownError("literal_error", {"expected": ", ".join(BACKENDS)})


def _known_checker(name: Any) -> str:
    if isinstance(name, str) and name in CHECKER_NAMES:
        return name
    raise PydanticKnownError("literal_error", {"expected": ", ".join(CHECKER_NAMES)})


# One variable of a process may have 128 KB.
Value = Annotated[str, StringConstraints(max_length=30_000, pattern=r"^[^\x00]*$")]
BackendName = Annotated[str, PlainValidator(_known_backend), WithJsonSchema({"enum": list(BACKENDS), "type": "string"})]
CheckerName = Annotated[
    str, PlainValidator(_known_checker), WithJsonSchema({"enum": list(CHECKER_NAMES), "type": "string"})
]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
RelativePath = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^/\x00][^\x00]*$")]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^/\x00][^\x00]*$")]
# `name`, `*.name` or an address (IPv6 in brackets), with or without `:port`.
Host = Annotated[
    str,
    StringConstraints(max_length=300, pattern=r"^((\*\.)?[\w]([\w.-]*[\w])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"),
]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]


class Message(BaseModel):
    """Base of every message and document: frozen, camelCase in JSON, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        strict=True,
        allow_inf_nan=False,
    )


class PlanPart(Message):
    """Base of what a user writes; the text under a field is its description in the JSON schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class ApiRateLimit(PlanPart):
    """Limit of an API account, over all executions, workers and machines; of several the lowest holds."""

    provider: str = Field(min_length=1)
    """Whose API: `anthropic`."""
    max_requests_per_minute: int = Field(ge=1, le=10_000)
    max_tokens_per_minute: int | None = Field(default=None, ge=1)


class ResourceLimits(PlanPart):
    """Limits of one agent's whole process tree; where absent, derived from the machine."""

    max_memory_mb: int | None = Field(default=None, alias="maxMemoryMB", ge=100, le=32_768)
    """Resident memory."""
    max_cpu_percent: float | None = Field(default=None, alias="maxCPUPercent", ge=1, le=100)
    """Share of the whole machine."""
    max_duration_ms: int | None = Field(default=None, ge=1)
    """Time of an attempt, waits not counted."""
    max_processes: int | None = Field(default=None, ge=1)
    max_disk_mb: int | None = Field(default=None, alias="maxDiskMB", ge=1)
    """What is written into the attempt's directory."""


class Budget(PlanPart):
    """What an execution may spend on models."""

    max_cost_usd: float | None = Field(default=None, alias="maxCostUSD", gt=0)
    max_tokens: int | None = Field(default=None, ge=1)


class TaskConstraints(PlanPart):
    """Limits of one task."""

    resource_limits: ResourceLimits | None = None


class Constraints(PlanPart):
    """Limits of an execution and of its agents."""

    api_rate_limit: ApiRateLimit | None = None
    resource_limits: ResourceLimits | None = None
    budget: Budget | None = None


class OnQuestion(PlanPart):
    """What becomes of a question that an agent asks."""

    wait: bool = True
    """Whether to wait for a person at all."""
    timeout_minutes: float | None = Field(default=None, gt=0, le=60 * 24 * 365)
    """How long to wait; where absent, for ever."""
    default: str | None = None
    """The answer where no person gives one."""


class CheckCommand(PlanPart):
    """A checker of the plan's own, run at the top of a merged tree."""

    command: Text = Field(min_length=1)
    """Prints what is wrong in the tree; whatever its exit code."""
    parse: Literal["lines", "sarif"] = "lines"
    """The form of its messages: `path:line[:column]: text`, or a SARIF document."""
    files: list[Glob] = Field(default_factory=list, max_length=100)
    """The files that it reads: it runs where both sides have changed some; where absent, after every merge."""


class Simulation(PlanPart):
    """How all simulated agents behave."""

    seed: int = 0
    """Decides which simulated attempts fail."""
    speed: float = Field(default=1, gt=0)
    """Divides the estimated minutes."""


class Simulate(PlanPart):
    """What the simulated agent of a task does."""

    seconds: float | None = Field(default=None, ge=0)
    """How long an attempt takes; where absent, the estimate divided by `simulation.speed`."""
    writes: dict[RelativePath, str] = Field(default_factory=dict)
    """Files, by path, and their text."""
    deletes: list[RelativePath] = Field(default_factory=list)
    fail_attempts: list[int] = Field(default_factory=list)
    """Attempts, from 1, that fail."""
    fail_rate: float = Field(default=0, ge=0, le=1)
    """Share of attempts that fail."""
    crash_attempts: list[int] = Field(default_factory=list)
    """Attempts, from 1, that end their worker."""
    ask: str | None = None
    """A question that is asked before the work."""
    memory_mb: float | None = Field(default=None, alias="memoryMB", ge=0)
    """Memory that is used."""
    cpu_seconds: float | None = Field(default=None, ge=0)
    """CPU time that is used."""
    hang: bool = False
    """Whether an attempt never ends and sends no heartbeat."""


class Task(PlanPart):
    """Node of the graph, done by one agent."""

    id: str = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_ID_LENGTH})
    """Name of the task, without control characters."""
    description: str = Field(json_schema_extra={"minLength": 1})
    """What is to be done; at most 16 KiB."""
    depends_on: list[str] = Field(default_factory=list)
    """Tasks that have to be in the head before it starts."""
    estimated_minutes: float = Field(
        default=DEFAULT_MINUTES, json_schema_extra={"exclusiveMinimum": 0, "maximum": MAX_MINUTES}
    )
    """How long an attempt probably takes; a default time limit is derived from it."""
    priority: int = Field(default=0, ge=-(2**31), lt=2**31)
    """Higher ones start first; then those with the longest path of work after them."""
    context: Any = None
    """Any JSON for the agent, handed on unchanged."""
    run: Text | None = Field(default=None, min_length=1)
    """Shell text of agent `command`."""
    simulate: Simulate | None = None
    """What agent `simulated` does."""
    agent: BackendName | None = None
    """Its backend; where absent, the plan's."""
    model: str | None = Field(default=None, min_length=1)
    """Its model; where absent, the plan's."""
    tools: list[str] | None = None
    """The tools of a model; where absent, Read, Write, Edit, Bash, Glob and Grep."""
    files: list[Glob] = Field(default_factory=list, max_length=100)
    """What it will write: tasks whose files may overlap do not run at once."""
    reads: list[Glob] = Field(default_factory=list, max_length=100)
    """What it will read."""
    verify: Text | None = Field(default=None, min_length=1)
    """Command that its result must pass."""
    constraints: TaskConstraints = TaskConstraints()
    env: dict[EnvironmentName, Value] = Field(default_factory=dict)
    """Variables beside the plan's."""
    include: list[RelativePath] = Field(default_factory=list, max_length=100)
    """Ignored paths of the workspace, or globs of what earlier tasks keep, copied beside the plan's."""
    keep: list[Glob] = Field(default_factory=list, max_length=100)
    """Ignored results that are kept, beside the plan's."""


class Plan(PlanPart):
    """A graph of tasks, and how it is to be done."""

    tasks: list[Task] = Field(json_schema_extra={"minItems": 1, "maxItems": MAX_TASKS})
    """The nodes of the graph."""
    name: str | None = Field(default=None, max_length=200)
    """Name of the plan, for people."""
    description: str | None = None
    """What the plan is for, for people."""
    strategy: Literal["conservative", "aggressive"] = "conservative"
    """Whether a failure stops and undoes everything, or only what depends on it."""
    max_agents: int = Field(default=5, ge=1, le=1000)
    """How many tasks run at once."""
    workspace: Text | None = Field(default=None, min_length=1)
    """A directory, git repository or not, relative to the plan file; where absent, each task has an empty one."""
    base: Text | None = Field(default=None, min_length=1)
    """A ref to start from; where absent, the work tree as it is."""
    agent: BackendName | None = None
    """The backend of tasks that name none; where absent, chosen by what each task brings."""
    model: str | None = Field(default=None, min_length=1)
    """The model of tasks that name none; where absent, the newest Sonnet."""
    atomic: Literal["execution", "batch", "task"] | None = None
    """What is undone together; where absent, the strategy decides. A batch is a level of the graph."""
    deliver: Literal["branch", "apply", "push", "none"] | None = None
    """How the result is handed over; where absent, a branch of a repository, changed files of a directory."""
    commits: Literal["squash", "keep"] = "squash"
    """Commits of a delivered branch: one for each task, or those that its agent made."""
    verify: Text | None = Field(default=None, min_length=1)
    """Command that the merged tree must pass."""
    checks: Literal["auto", "off"] | list[CheckerName] | CheckCommand = "auto"
    """The languages' own checkers of merged trees: all that are there, none, those named, or a command of yours."""
    setup: Text | None = Field(default=None, min_length=1)
    """Command that prepares a new directory."""
    env: dict[EnvironmentName, Value] = Field(default_factory=dict)
    """Variables that are set for agents and commands."""
    pass_env: list[EnvironmentName] = Field(default_factory=list)
    """Variables of the worker that are passed on."""
    include: list[RelativePath] = Field(default_factory=list)
    """Ignored paths of the workspace that are copied along."""
    keep: list[Glob] = Field(default_factory=list, max_length=100)
    """Ignored results that are kept beside each task's change."""
    network: bool | list[Host] = True
    """Whether agents reach the network, or which hosts."""
    sandbox: Literal["none", "process", "landlock", "bubblewrap", "auto"] = "auto"
    """How agents' processes are confined; `auto`: as strongly as the machine can, for shells driven by a model."""
    constraints: Constraints = Constraints()
    on_conflict: list[str] | None = None
    """What is tried, in order, for a change that does not merge; where absent, the strategy decides."""
    relock: dict[Glob, Text] = Field(default_factory=dict, max_length=20)
    """Generated files, by glob, and the command that makes one again where two changes of it do not merge."""
    on_question: OnQuestion = OnQuestion()
    simulation: Simulation = Simulation()

    def backend_of(self, task: Task) -> Backend:
        """The backend of a task: its own, else the plan's, else the one that its fields select."""
        name = task.agent or self.agent
        return BACKENDS[name] if name else default_backend(task)

    def model_of(self, task: Task) -> str | None:
        """The model that the task or its plan names; None: the default of the execution."""
        return task.model or self.model

    def steps_on_conflict(self, default: Sequence[str]) -> Sequence[str]:
        """The steps of `onConflict`; where the plan has none, the strategy's (`default`)."""
        return default if self.on_conflict is None else self.on_conflict

    def limits_of(self, task: Task) -> ResourceLimits:
        """The limits of a task's agent: each is its own, else the plan's."""
        own, general = task.constraints.resource_limits, self.constraints.resource_limits or ResourceLimits()
        return general.model_copy(update=own.model_dump(exclude_none=True, by_alias=False)) if own else general

    def kept_of(self, task: Task) -> list[str]:
        """Globs of the task's ignored results that are kept."""
        return [*self.keep, *task.keep]

    def included_in(self, task: Task) -> list[str]:
        """Paths and globs of what is copied into the task's directories."""
        return [*self.include, *task.include]

    @property
    def brings_programs(self) -> bool:
        """Whether attempts' directories may hold programs that are not in the workspace."""
        return self.setup is not None or bool(self.include)

    @property
    def has_models(self) -> bool:
        """Whether some task is done by a model."""
        return any(self.backend_of(task).driven_by_model for task in self.tasks)

    @property
    def has_commands(self) -> bool:
        """Whether some task needs bash."""
        return any(self.backend_of(task).runs_command for task in self.tasks)

    @property
    def default_sandbox(self) -> DefaultSandbox:
        """Default level of commands that run what any of its agents may have written."""
        levels = {self.backend_of(task).default_sandbox for task in self.tasks}
        return "strongest" if "strongest" in levels else "process"

    @property
    def demands_bubblewrap(self) -> bool:
        """Whether no weaker sandbox will do."""
        return self.sandbox == "bubblewrap" or self.network is not True

    def not_enforced(self, task: Task) -> list[str]:
        """Constraints of the plan that nothing enforces for this task."""
        if self.backend_of(task).driven_by_model:
            return []
        # Only calls of our own model backends are counted.
        named: dict[str, Message | None] = {
            "constraints.apiRateLimit": self.constraints.api_rate_limit,
            "constraints.budget": self.constraints.budget,
        }
        return [name for name, value in named.items() if value is not None]
