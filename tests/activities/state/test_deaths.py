"""Deaths of workers under a task, as recovery counts them."""

from __future__ import annotations

from pathlib import Path

from activities.state.worker_records import AttemptRecord, count_death, count_of
from activities.system.process_identity import Process

_FIRST: Process = (7, 100.25)
_SECOND: Process = (8, 200.5)


def _record(worker: Process, deaths: Path, *, alone: bool = False) -> AttemptRecord:
    return AttemptRecord("name", b"token", "marker", worker, deaths, alone=alone)


def test_a_death_counts_once_however_often_recovery_begins_anew(tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    for _ in range(5):
        count_death([_record(_FIRST, deaths)])
    assert count_of(deaths) == 1
    count_death([_record(_SECOND, deaths)])
    assert count_of(deaths) == 2


def test_a_suspect_that_ran_alone_is_charged_alone(tmp_path: Path) -> None:
    suspect, innocent = tmp_path / "suspect", tmp_path / "innocent"
    count_death([_record(_FIRST, suspect, alone=True), _record(_FIRST, innocent)])
    assert (count_of(suspect), count_of(innocent)) == (1, 0)


def test_deaths_that_an_earlier_version_has_counted_count(tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.write_text("2")
    count_death([_record(_FIRST, deaths)])
    assert count_of(deaths) == 3
