"""The log of a running attempt: complete lines, no secret at any time, one bound, whatever came before it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from activities.agents.secrets import Secrets
from activities.processes.disk import MAX_LOG_BYTES
from activities.processes.output_log import OutputLog

SECRET = "hunter2-is-the-key"
REDACT = Secrets.of({"TOKEN": SECRET}).redact


def written(log: OutputLog, text: str) -> None:
    log.written.parent.mkdir(parents=True, exist_ok=True)
    with open(log.written, "a") as file:
        file.write(text)


def test_lines_show_while_they_are_written_and_the_rest_at_the_end(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "a.1.log", REDACT)
    written(log, f"one {SECRET}\ntwo ")
    log.catch_up()
    assert log.path.read_text() == "one [TOKEN]\n"
    written(log, f"{SECRET}")
    log.catch_up()
    assert log.path.read_text() == "one [TOKEN]\n"
    log.close()
    assert log.path.read_text() == "one [TOKEN]\ntwo [TOKEN]"
    assert not log.written.exists()


def test_an_attempt_that_goes_on_appends_and_a_killed_one_is_taken_in_anew(tmp_path: Path) -> None:
    first = OutputLog(tmp_path / "a.1.log", REDACT)
    written(first, "asked\n")
    first.close()
    killed = OutputLog(tmp_path / "a.1.log", REDACT)
    written(killed, "half\n")
    killed.catch_up()
    again = OutputLog(tmp_path / "a.1.log", REDACT)
    written(again, f"whole {SECRET}\n")
    again.catch_up()
    assert again.path.read_text() == "asked\nhalf\nwhole [TOKEN]\n"
    again.close()
    assert again.path.read_text() == "asked\nhalf\nwhole [TOKEN]\n"


def test_without_secrets_there_is_one_file(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "a.1.log", None)
    assert log.written == log.path
    written(log, "x\n")
    log.catch_up()
    log.close()
    assert log.path.read_text() == "x\n"


def test_a_flood_is_kept_to_a_bound_while_it_runs_and_afterwards(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "a.1.log", REDACT)
    for _ in range(30):
        written(log, "0123456789abcde\n" * 65_536)
        log.catch_up()
        assert log.path.stat().st_blocks * 512 <= 2.5 * MAX_LOG_BYTES
    log.close()
    assert log.path.stat().st_size <= 1.1 * MAX_LOG_BYTES
    assert "left out" in log.path.read_text()


@pytest.mark.parametrize("seed", range(20))
def test_no_secret_is_ever_in_the_log_however_it_is_written(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice([f"a {SECRET} b\n", "line\n", "x" * chance.randint(1, 50), "\n"]) for _ in range(300))
    log = OutputLog(tmp_path / "a.1.log", REDACT)
    at = 0
    while at < len(text):
        step = chance.randint(1, 400)
        written(log, text[at : at + step])
        at += step
        log.catch_up()
        assert SECRET not in (log.path.read_text() if log.path.exists() else "")
    log.close()
    assert log.path.read_text() == text.replace(SECRET, "[TOKEN]")
