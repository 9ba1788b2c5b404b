"""What a collection may take, given who may be at work in a hub."""

from __future__ import annotations

import time
from pathlib import Path

from activities.git.hub import Hub
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.client.collection import collect
from epw.client.mending import mended


def test_what_nobody_knows_to_have_ended_keeps_what_is_young(tmp_path: Path) -> None:
    """An execution that began meanwhile, or whose server is another, is at work."""
    state = StateDirectory(tmp_path)
    hub = Hub.created(state.hub_without_workspace)
    execution = ExecutionStore(state, "of another server", "run")
    execution.keep_id()
    young, soon = hub.store_blob(b"young"), time.time() + 100
    assert collect(state, unused_setups=False, ended=[], began=soon) == []
    assert hub.has(young)
    assert collect(state, unused_setups=False, ended=[execution.key], began=soon) == []
    assert not hub.has(young)


def test_what_was_made_since_a_collection_began_stays(tmp_path: Path) -> None:
    state, began = StateDirectory(tmp_path), time.time()
    hub = Hub.created(state.hub_without_workspace)
    new = hub.store_blob(b"new")
    assert collect(state, unused_setups=False, ended=[], began=began) == []
    assert hub.has(new)


def test_a_hub_that_cannot_be_mended_stops_no_look_at_its_execution(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    execution = ExecutionStore(state, "x", "run")
    execution.keep_id()
    (Hub.created(state.hub_without_workspace).path / "HEAD").unlink()
    assert mended(execution) is None
