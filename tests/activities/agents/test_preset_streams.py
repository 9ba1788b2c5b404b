"""What the output of each preset's program means: streams, and messages about limits.

The streams of Claude Code, Codex, Gemini CLI, opencode, Copilot and aider are recorded, against scripted APIs, and
shortened; those of Cursor and goose follow their documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.agents.presets.output import Output
from activities.agents.presets.reset_time import reset_time
from activities.agents.reporter import Reporter, Warnings
from activities.agents.secrets import Secrets
from activities.state.heartbeat import Heartbeat
from epw.core.messages import AgentProgress
from epw.core.presets.events import Doing, Event, Failed, Limited, Said, Session, Used
from epw.core.presets.preset import Preset, Start
from epw.core.presets.registry import PRESETS

STREAMS = Path(__file__).with_name("streams")
NOW = datetime(2026, 11, 26, 19, 30, tzinfo=UTC)
_KEYS = (
    *("type", "message", "content", "usage", "item", "part", "data", "result", "stats", "error", "text", "tool_call"),
    *("tokens", "id", "modelUsage", "rate_limit_info", "changes", "toolCall", "subtype", "is_error", "status", "role"),
)
_TYPES = ("assistant", "result", "tool_use", "message", "step_finish", "error", "item.completed", "turn.completed")
_SIMPLE = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(_KEYS), values, max_size=5)


_JSON = st.recursive(_SIMPLE, lambda each: st.lists(each) | objects(each))


def events(name: str, folder: Path) -> list[Event]:
    preset = PRESETS[name.partition(".")[0]]
    path = next(STREAMS.glob(f"{name}.jsonl"), STREAMS / f"{name}.txt")
    return list(output(preset, path, folder).events(is_over=True))


def output(preset: Preset, path: Path, folder: Path) -> Output:
    heartbeat = Heartbeat(AgentProgress(task_id="a", agent_id="agent-1"))
    reporter = Reporter(heartbeat, Secrets(()), _nothing, Warnings(heartbeat.warn))
    return Output(preset, path, folder / "log", reporter, Path("/tree"))


async def _nothing() -> None:
    """Checkpoint of a reporter that saves nothing."""


@pytest.mark.parametrize("name", PRESETS)
def test_a_stream_says_what_is_done_and_what_was_done(name: str, tmp_path: Path) -> None:
    found = events(name, tmp_path)
    doings = [each for each in found if isinstance(each, Doing)]
    assert any("made.txt" in each.operation for each in doings)
    if name != "codex":  # there it was the shell that wrote
        assert [path.rpartition("/")[2] for each in doings for path in each.files] == ["made.txt"]
    if name != "aider":  # its text has no marks that tell it from the rest
        said, last = "", max(found.index(each) for each in doings)
        for event in found[last:]:
            if isinstance(event, Said):
                said = f"{said}{event.text}" if event.is_part else event.text
        assert said == "Wrote made.txt."
    assert any(isinstance(each, Session) for each in found) == PRESETS[name].resumes
    last_failure = max((found.index(each) for each in found if isinstance(each, Failed | Limited)), default=-1)
    assert last_failure < max(found.index(each) for each in doings)
    log = (tmp_path / "log").read_text()
    assert "made.txt" in log
    assert '{"type"' not in log


@pytest.mark.parametrize(
    ("name", "tokens", "cost"),
    [
        ("claude-cli", (300, 60), 0.003),
        ("codex", (200, 40), None),
        ("gemini", (200, 40), None),
        ("opencode", (200, 40), 0.0012),
        ("cursor", (200, 40), None),
        ("aider", (2300, 26), 0.0074),
    ],
)
def test_tokens_and_dollars_are_those_that_the_program_says(
    name: str, tokens: tuple[int, int], cost: float | None, tmp_path: Path
) -> None:
    parts: dict[str | None, Used] = {}
    for event in events(name, tmp_path):
        if isinstance(event, Used):
            parts = {} if event.key is None else parts
            parts[event.key] = event
    assert (sum(p.input_tokens for p in parts.values()), sum(p.output_tokens for p in parts.values())) == tokens
    costs = [part.cost for part in parts.values() if part.cost is not None]
    assert (pytest.approx(sum(costs)) == cost) if costs else cost is None
    assert PRESETS[name].reports_cost == (cost is not None)


def test_a_usage_limit_is_known_by_its_recorded_message(tmp_path: Path) -> None:
    (limited,) = (each for each in events("claude-cli.limit", tmp_path) if isinstance(each, Limited))
    assert limited.until == 1795732908
    (failed,) = (each for each in events("codex.limit", tmp_path) if isinstance(each, Failed))
    assert PRESETS["codex"].is_limit(failed.message)
    (waiting,) = (each for each in events("gemini.limit", tmp_path) if isinstance(each, Limited))
    assert reset_time(waiting.message, NOW) == NOW.timestamp() + 2 * 3600 + 13 * 60 + 5
    doing, unknown = events("opencode.limit", tmp_path)
    assert doing == Doing("waiting for the API: AI_APICallError: This request would exceed your account's rate limit.")
    assert isinstance(unknown, Limited)
    assert reset_time(unknown.message, NOW) is None


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "message", "until"),
    [
        (
            "claude-cli",
            "You've hit your session limit · resets 10:41pm (UTC)",
            datetime(2026, 11, 26, 22, 41, tzinfo=UTC),
        ),
        (
            "claude-cli",
            "You've hit your limit · resets 3pm (Europe/Berlin)",
            datetime(2026, 11, 27, 15, 0, tzinfo=BERLIN),
        ),
        ("claude-cli", "Claude AI usage limit reached|1795732908", datetime.fromtimestamp(1795732908, UTC)),
        (
            "claude-cli",
            "You've hit your weekly limit · resets Dec 2 at 5pm (UTC)",
            datetime(2026, 12, 2, 17, 0, tzinfo=UTC),
        ),
        ("claude-cli", "5-hour limit reached ∙ resets 1am", datetime(2026, 11, 27, 1, 0, tzinfo=UTC)),
        (
            "codex",
            "You’ve hit your usage limit. Upgrade to Pro (https://example.org/pro), or try again at 10:30 PM.",
            datetime(2026, 11, 26, 22, 30, tzinfo=UTC),
        ),
        (
            "codex",
            "You've hit your usage limit … or try again at Dec 8th, 2026 12:30 PM.",
            datetime(2026, 12, 8, 12, 30, tzinfo=UTC),
        ),
        (
            "codex",
            "You've hit your usage limit. Try again in 3 days 6 hours 8 minutes.",
            NOW + timedelta(days=3, hours=6, minutes=8),
        ),
        (
            "gemini",
            "You have exhausted your capacity on this model. Your quota will reset after 3s.",
            NOW + timedelta(seconds=3),
        ),
        (
            "cursor",
            "You've hit your usage limit. Usage will reset when your monthly cycle ends on 12/23/2026.",
            datetime(2026, 12, 23, tzinfo=UTC),
        ),
        ("opencode", "usage limit, until 2026-11-27T08:00:00Z", datetime(2026, 11, 27, 8, 0, tzinfo=UTC)),
        ("copilot", "You have exceeded your premium request allowance.", None),
    ],
)
def test_the_end_of_a_usage_limit_is_read_from_the_message(name: str, message: str, until: datetime | None) -> None:
    assert PRESETS[name].is_limit(message)
    found = reset_time(message, NOW)
    assert found == (until.timestamp() if until else None)


def test_a_time_of_day_is_one_in_the_zone_in_which_the_program_runs() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=-8)))
    assert reset_time("try again at 1:30 PM.", there) == datetime(2026, 11, 26, 21, 30, tzinfo=UTC).timestamp()


@given(st.text(max_size=80))
def test_no_message_breaks_the_search_for_a_time(text: str) -> None:
    for each in (text, f"resets {text}", f"in {text} at 99:99 PM on 40/40/2026 Feb 31"):
        found = reset_time(each, NOW)
        assert found is None or isinstance(found, float)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(line=objects(_JSON), kind=st.sampled_from(_TYPES))
def test_no_line_of_an_agent_s_own_making_breaks_a_parser(line: dict[str, Any], kind: str) -> None:
    for preset in PRESETS.values():
        assert all(isinstance(each, Event) for each in preset.read({**line, "type": kind}))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_prompt_is_in_no_argument_and_the_model_and_session_are(preset: Preset) -> None:
    first = preset.arguments(Start("/attempt/prompt.md", "/state", model="a-model"))
    assert any("a-model" in each for each in first)
    assert ("/attempt/prompt.md" in first) == (preset.prompt == "file")
    again = preset.arguments(Start("/attempt/prompt.md", "/state", session="a-session"))
    assert any("a-session" in each for each in again) == preset.resumes
    assert not any("None" in each for each in [*first, *again])


def test_a_line_that_is_cut_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    stream, parts = (STREAMS / "codex.jsonl").read_bytes(), list[Event]()
    reader = output(PRESETS["codex"], path, tmp_path)
    for at in _cuts(stream):
        path.write_bytes(stream[:at])
        parts += reader.events()
    assert parts == events("codex", tmp_path)


def _cuts(stream: bytes) -> Iterator[int]:
    yield from range(7, len(stream), 97)
    yield len(stream)
