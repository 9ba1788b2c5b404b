"""Parts of a plan: the base of all messages, texts with their bounds, limits, checks, simulation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError

from epw.core.backends import BACKENDS
from epw.core.checker_names import CHECKER_NAMES
from epw.core.plan.docstrings import docstrings
from epw.core.plan.wording import did_you_mean
from epw.core.presets.registry import LOGINS
from epw.core.queues import LABEL


def _one_of(names: Collection[str]) -> PlainValidator:
    """Validator of a name, read when a plan is: backends can be added."""

    def known(name: Any) -> str:
        if isinstance(name, str) and name in names:
            return name
        raise PydanticKnownError("literal_error", {"expected": ", ".join(names)})

    return PlainValidator(known)


def _backend(name: Any) -> str:
    """The name of a backend, read when a plan is: backends can be added."""
    if isinstance(name, str) and name in BACKENDS:
        return name
    message = "no agent {name}; there are {known}{hint} Any other program runs by agent command: give the task a `run`"
    shown = name[:100] if isinstance(name, str) else "of that kind"
    known = {"name": shown, "known": ", ".join(BACKENDS), "hint": did_you_mean(shown, BACKENDS) or "."}
    raise PydanticCustomError("unknown_agent", message, known)


# One variable of a process may have 128 KB.
Value = Annotated[str, StringConstraints(max_length=30_000, pattern=r"^[^\x00]*$")]
BackendName = Annotated[str, PlainValidator(_backend), WithJsonSchema({"enum": list(BACKENDS), "type": "string"})]
LoginName = Annotated[str, _one_of(LOGINS), WithJsonSchema({"enum": list(LOGINS), "type": "string"})]
CheckerName = Annotated[str, _one_of(CHECKER_NAMES), WithJsonSchema({"enum": list(CHECKER_NAMES), "type": "string"})]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
RelativePath = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^/\x00][^\x00]*$")]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^/\x00][^\x00]*$")]
# `name`, `*.name` or an address (IPv6 in brackets), with or without `:port`.
Host = Annotated[
    str,
    StringConstraints(max_length=300, pattern=r"^((\*\.)?[\w]([\w.-]*[\w])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"),
]
Label = Annotated[str, StringConstraints(pattern=f"^{LABEL}$")]
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

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in docstrings(cls).items():
            field = cls.model_fields.get(name)
            if field is not None and (shown := properties.get(field.alias or name)) is not None:
                shown.setdefault("description", text)
        return schema


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


def _checks(value: Any) -> Any:
    """As written by hand: YAML 1.1 takes `off` for false, and one name needs no list."""
    if value is False:
        return "off"
    if value in CHECKER_NAMES:
        return [value]
    if value in _CHOICES or isinstance(value, list | dict | CheckCommand):
        return value
    known = ", ".join((*_CHOICES, *CHECKER_NAMES))
    told = {"value": repr(value), "known": known}
    raise PydanticCustomError("checks", "{value} is no checker; there are {known}", told)


def _kind_of_checks(value: Any) -> str:
    return "names" if isinstance(value, list) else "choice" if isinstance(value, str) else "own"


_CHOICES = ("auto", "off")
_CHECK_NAMES = WithJsonSchema({"enum": [*_CHOICES, *CHECKER_NAMES], "type": "string"})
Checks = Annotated[
    Annotated[Literal["auto", "off"], Tag("choice"), _CHECK_NAMES]
    | Annotated[list[CheckerName], Tag("names")]
    | Annotated[CheckCommand, Tag("own")],
    Discriminator(_kind_of_checks),
    BeforeValidator(_checks),
]
"""Checkers of merged trees: all that are there, none, those named, or a command of the plan's own."""


class Simulation(PlanPart):
    """How all simulated agents behave."""

    seed: int = 0
    """Decides which simulated attempts fail."""
    speed: float = Field(default=1, gt=0)
    """Divides the estimated minutes."""


class Simulate(PlanPart):
    """What the simulated agent of a task does."""

    seconds: float | None = Field(default=None, ge=0)
    """How long an attempt takes; where absent, no time."""
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
