"""Models and bounds of a plan: what a user writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from epw.core.backends import BACKENDS, Backend, DefaultSandbox, default_backend
from epw.core.naming import HIDDEN_REFS
from epw.core.plan.outgoing import MAX_RULES, NoticeRule, PullRequestWish
from epw.core.plan.parts import (
    BackendName,
    Checks,
    Constraints,
    EnvironmentName,
    Glob,
    Host,
    Label,
    LoginName,
    Message,
    OnQuestion,
    PlanPart,
    RelativePath,
    ResourceLimits,
    Simulate,
    Simulation,
    TaskConstraints,
    Text,
    Value,
)
from epw.core.presets.preset import Login
from epw.core.presets.registry import LOGINS
from epw.core.queues import MAX_LABELS

MAX_TASKS = 10_000
MAX_AGENTS = 1000
MAX_ID_LENGTH = 128
MAX_DESCRIPTION_BYTES = 16 * 1024
DEFAULT_MINUTES = 10.0
MAX_MINUTES = 1440


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
    estimated_cost_usd: float | None = Field(default=None, alias="estimatedCostUSD", gt=0)
    """What an attempt probably spends on models; `analyze` holds it against the budget."""
    estimated_tokens: int | None = Field(default=None, ge=1)
    """How many tokens an attempt probably uses; `analyze` holds them against budget and rate limit."""
    estimated_requests: int | None = Field(default=None, ge=1)
    """How often an attempt probably calls its model; `analyze` holds it against the rate limit."""
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
    logins: list[LoginName] | None = None
    """Logins of programs that its processes get, and no others; where absent, its agent's own, and the plan's."""
    include: list[RelativePath] = Field(default_factory=list, max_length=100)
    """Ignored paths of the workspace, or globs of what earlier tasks keep, copied beside the plan's."""
    keep: list[Glob] = Field(default_factory=list, max_length=100)
    """Ignored results that are kept, beside the plan's."""
    needs: list[Label] = Field(default_factory=list, max_length=MAX_LABELS)
    """Labels that a worker must have to run it (`epw worker --label gpu`)."""


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
    max_agents: int = Field(default=5, ge=1, le=MAX_AGENTS)
    """How many tasks run at once."""
    workspace: Text | None = Field(default=None, min_length=1)
    """A directory, git repository or not, relative to the plan file, or a git URL; where absent, each task has an empty
    one."""
    base: Text | None = Field(default=None, min_length=1)
    """A ref to start from; where absent, the work tree as it is, of a git URL its default branch."""
    agent: BackendName | None = None
    """The backend of tasks that name none; where absent, chosen by what each task brings."""
    model: str | None = Field(default=None, min_length=1)
    """The model of tasks that name none; where absent, the newest Sonnet."""
    atomic: Literal["execution", "batch", "task"] | None = None
    """What is undone together; where absent, the strategy decides. A batch is a level of the graph."""
    deliver: Literal["branch", "apply", "push", "none"] | None = None
    """How the result is handed over; where absent, a branch of a repository, changed files of a directory, of a git URL
    a branch that is pushed."""
    url_refs: str = Field(default=HIDDEN_REFS, max_length=100)
    """Where on a git URL an execution keeps its refs until `epw gc`; some servers take none outside `refs/heads/`."""
    commits: Literal["squash", "keep"] = "squash"
    """Commits of a delivered branch: one for each task, or those that its agent made."""
    pull_request: PullRequestWish | None = None
    """The pull request that is opened for a delivered branch; where absent, none."""
    verify: Text | None = Field(default=None, min_length=1)
    """Command that the merged tree must pass."""
    checks: Checks = "auto"
    """The languages' own checkers of merged trees: all that are there, none, those named, or a command of yours."""
    setup: Text | None = Field(default=None, min_length=1)
    """Command that prepares a new directory."""
    env: dict[EnvironmentName, Value] = Field(default_factory=dict)
    """Variables that are set for agents and commands."""
    pass_env: list[EnvironmentName] = Field(default_factory=list)
    """Variables of the worker that are passed on."""
    logins: list[LoginName] = Field(default_factory=list)
    """Logins of programs that the processes of all tasks get."""
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
    notify: list[NoticeRule] = Field(default_factory=list, max_length=MAX_RULES)
    """Whom to tell when something happens, whether or not anybody follows the execution."""
    on_proposal: Literal["ask", "take", "refuse"] = "ask"
    """What becomes of tasks that an agent proposes to add."""
    simulation: Simulation = Simulation()

    def backend_of(self, task: Task) -> Backend:
        """The backend of a task: its own, else the plan's, else the one that its fields select.

        A task with `run` is that command, whatever model does the plan's other tasks.
        """
        by_fields = default_backend(task)
        if task.agent is not None:
            return BACKENDS[task.agent]
        if self.agent is None or (by_fields.runs_command and BACKENDS[self.agent].driven_by_model):
            return by_fields
        return BACKENDS[self.agent]

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

    @property
    def may_leave_host(self) -> bool:
        """Whether its activities may run on any host, given a git URL: a budget is kept in a ledger of one."""
        return self.constraints.budget is None

    @property
    def included(self) -> list[str]:
        """Paths that `include` of the plan or of a task names."""
        return [*self.include, *(path for task in self.tasks for path in task.include)]

    def included_in(self, task: Task) -> list[str]:
        """Paths and globs of what is copied into the task's directories."""
        return [*self.include, *task.include]

    def logins_of(self, task: Task) -> list[Login]:
        """The logins that the task's processes get."""
        backend, named = self.backend_of(task), self.logins if task.logins is None else task.logins
        own = [backend.preset.login] if backend.preset is not None and task.logins is None else []
        found = [] if backend.simulated else [*own, *(LOGINS[name] for name in named)]
        return list({each.name: each for each in found}.values())

    @property
    def brings_programs(self) -> bool:
        """Whether attempts' directories may hold programs that are not in the workspace."""
        return self.setup is not None or bool(self.include)

    @property
    def has_models(self) -> bool:
        """Whether some task is done by a model."""
        return any(self.backend_of(task).driven_by_model for task in self.tasks)

    @property
    def calls_account(self) -> bool:
        """Whether some task calls a model through the worker's API account."""
        return any(self.backend_of(task).calls_account for task in self.tasks)

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

    def not_enforced(self, task: Task, *, tells_spending: bool = False) -> list[str]:
        """Constraints of the plan that nothing enforces for this task, as far as it does not tell what it spends."""
        backend = self.backend_of(task)
        if backend.calls_account:
            return []
        named: dict[str, Message | None] = {"constraints.apiRateLimit": self.constraints.api_rate_limit}
        if backend.preset is None and not tells_spending:
            # Only a command itself can say what it spends; of a preset its program does.
            named["constraints.budget"] = self.constraints.budget
        return [name for name, value in named.items() if value is not None]
