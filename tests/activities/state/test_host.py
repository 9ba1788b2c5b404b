"""The name of a host."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from activities.state.host import host_name
from activities.state.state_directory import StateDirectory

_AT_ONCE = 8


def test_all_who_ask_first_at_once_get_one_name(tmp_path: Path) -> None:
    for turn in range(20):
        state, barrier = StateDirectory(tmp_path / str(turn)), Barrier(_AT_ONCE)

        def asked(state: StateDirectory = state, barrier: Barrier = barrier) -> str:
            barrier.wait()
            return host_name(state)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            names = {each.result() for each in [pool.submit(asked) for _ in range(_AT_ONCE)]}
        assert names == {host_name(state)}
        assert [each.name for each in state.path.iterdir()] == ["host"], "nothing else is left"
