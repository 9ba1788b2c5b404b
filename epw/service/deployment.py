"""Worker Deployments of Temporal: which version of the workers new executions begin on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from epw.core.errors import InvalidRequest, Unavailable

_APPEARS_SECONDS = 30.0
_LOOK_SECONDS = 0.2
_STATUS = {
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT: "current",
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING: "ramping",
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING: "draining",
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED: "drained",
}


@dataclass(frozen=True)
class Deployment:
    """What the server knows of a deployment; empty where it knows none of its name."""

    name: str
    current: str | None = None
    """The version that new executions begin on; None: workers without a version."""
    versions: dict[str, str] = field(default_factory=dict)
    """What becomes of each version: `current`, `draining` while executions of it run, `drained`, `new`."""


async def deployment_of(client: Client, name: str) -> Deployment:
    """Look a deployment up."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    try:
        info = (await client.workflow_service.describe_worker_deployment(request)).worker_deployment_info
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return Deployment(name)
    versions = {each.deployment_version.build_id: _STATUS.get(each.status, "new") for each in info.version_summaries}
    return Deployment(name, info.routing_config.current_deployment_version.build_id or None, versions)


async def make_current(client: Client, name: str, version: str | None) -> None:
    """Have new executions begin on a version, None for workers without one; those under way stay on theirs.

    Raises `InvalidRequest`.
    """
    found = await deployment_of(client, name)
    if version is not None and version not in found.versions:
        there = f"; there are {', '.join(found.versions)}" if found.versions else ""
        raise InvalidRequest(f"deployment {name} has no version {version}{there}: `epw worker --version {version}`")
    await client.workflow_service.set_worker_deployment_current_version(
        SetWorkerDeploymentCurrentVersionRequest(
            namespace=client.namespace,
            deployment_name=name,
            build_id=version or "",
            # Hosts are upgraded one after the other: the queues of some have no worker of this version yet.
            ignore_missing_task_queues=True,
        )
    )


async def begin(client: Client, name: str, version: str) -> Deployment:
    """Wait until the server knows the version of a worker that polls; the first of its deployment becomes current.

    Raises `Unavailable`.
    """
    try:
        async with asyncio.timeout(_APPEARS_SECONDS):
            while version not in (found := await deployment_of(client, name)).versions:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise Unavailable(f"the Temporal server does not show version {version} of deployment {name}") from None
    except RPCError as error:
        raise Unavailable(f"the Temporal server has no Worker Deployments: {error.message}") from None
    if found.current is None:
        await make_current(client, name, version)
        found = await deployment_of(client, name)
    return found
