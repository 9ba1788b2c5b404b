"""Tree delivery of an execution, made from its store."""

from __future__ import annotations

from activities.apply.tree_delivery import TreeDelivery
from activities.git.hub import Hub
from activities.state.execution_store import ExecutionStore


def tree_delivery_of(execution: ExecutionStore, hub: Hub, head: str | None = None) -> TreeDelivery:
    """The delivery into the execution's workspace; `head`: the commit to be delivered."""
    workspace = execution.workspace()
    if head is not None:
        submodules = execution.submodules(hub)
        now = submodules.paths_at_start(submodules.lowered(head))
        known = {path: workspace.modules[old] if old else workspace.for_new_submodule() for path, old in now.items()}
        workspace = workspace.model_copy(update={"modules": {**workspace.modules, **known}})
    return TreeDelivery(hub, workspace, execution.path / "apply", execution.ref("delivered-onto"))
