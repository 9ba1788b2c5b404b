"""Connection to Temporal: by its own environment configuration, else to the embedded server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from activities.state.state_directory import StateDirectory
from epw.core.errors import Unavailable
from epw.core.messages import WORKFLOW_TYPE
from epw.core.search_attributes import TYPES
from epw.service.converter import converter_with
from epw.service.embedded import embedded_server
from epw.service.server_clock import follow_clock
from epw.service.server_errors import cause
from epw.settings import Settings

Connect = Callable[..., Awaitable[Client]]
RUNNING = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
"""Query of the server's list for the executions that run."""
_CONNECT_SECONDS = 8.0
_START_SECONDS = 30.0
_RETRY_SECONDS = 0.1
_LONGER_DAYS, _EVER_DAYS = 7, 36_500
_CLOUD, _CLOUD_HOSTS = "https://cloud.temporal.io", (".tmprl.cloud", ".api.temporal.io")
_REMEDY = "; start it, correct TEMPORAL_ADDRESS or its profile, or unset it: then epw runs a server of its own"


@dataclass(frozen=True)
class Connection:
    client: Client
    web_ui: str | None
    """Page of the Web UI that lists what is in the namespace; None where its address is not known."""
    is_embedded: bool
    state: StateDirectory | None = None
    """Where the workers of this machine are on record."""

    async def has_running(self) -> bool:
        """Whether an execution is running; True too where the server cannot say it now."""
        try:
            return (await self.client.count_workflows(RUNNING)).count > 0
        except RPCError:
            return True


@asynccontextmanager
async def connected(
    settings: Settings,
    *,
    connect_seconds: float = _CONNECT_SECONDS,
    start_seconds: float = _START_SECONDS,
    runtime: Runtime | None = None,
) -> AsyncIterator[Connection]:
    """A client of the configured server or of the embedded one; raises `Unavailable` within seconds.

    `connect_seconds`: for one attempt to connect; `start_seconds`: for a server that was just started to serve.
    `runtime`: of the SDK, with its metrics.
    """
    days = settings.keep_days
    connect = partial(Client.connect, data_converter=converter_with(settings.payload_keys), runtime=runtime)
    try:
        config = ClientConfig.load_client_connect_config()
    except Exception as error:
        raise Unavailable(f"Temporal's configuration cannot be read: {error}") from None
    if config.get("target_host"):
        client, _ = await _connect(connect, connect_seconds, config, _REMEDY)
        await follow_clock(client)
        address = settings.web_ui or (_CLOUD if config["target_host"].split(":")[0].endswith(_CLOUD_HOSTS) else None)
        yield Connection(
            client, _pages(address, client.namespace) if address else None, is_embedded=False, state=settings.state
        )
        return
    async with embedded_server(settings) as server:
        config["target_host"], config["namespace"] = server.address, server.namespace
        web_ui = _pages(server.web_ui, server.namespace)
        client, described = await _connect_to_started(connect, connect_seconds, start_seconds, config)
        await _keep_for(client, described, days)
        yield Connection(client, web_ui, is_embedded=True, state=settings.state)


def _pages(web_ui: str, namespace: str) -> str:
    return f"{web_ui.rstrip('/')}/namespaces/{namespace}/workflows"


async def _connect_to_started(
    connect: Connect, connect_seconds: float, start_seconds: float, config: ClientConnectConfig
) -> tuple[Client, DescribeNamespaceResponse | None]:
    """Connect to a server that was just started, which listens before it serves: retried for a while."""
    deadline = asyncio.get_running_loop().time() + start_seconds
    while True:
        try:
            return await _connect(connect, connect_seconds, config)
        except Unavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)


async def _connect(
    connect: Connect, seconds: float, config: ClientConnectConfig, remedy: str = ""
) -> tuple[Client, DescribeNamespaceResponse | None]:
    """A client, and what its server says of the namespace, if this client may know it."""
    try:
        async with asyncio.timeout(seconds):
            client = await connect(**config)
            return client, await _namespace(client)
    except (TimeoutError, RuntimeError, ValueError, RPCError) as error:
        raise Unavailable(f"no Temporal server at {config['target_host']}: {cause(str(error))}{remedy}") from None


async def _keep_for(client: Client, described: DescribeNamespaceResponse | None, days: float | None) -> None:
    """Have the embedded server keep executions that have ended for so long; it would forget them after a day.

    A week longer than their files, of which it alone says when they may go.
    """
    wanted = timedelta(days=_EVER_DAYS if days is None else days + _LONGER_DAYS)
    if described is None or described.config.workflow_execution_retention_ttl.ToTimedelta() == wanted:
        return
    ttl = Duration()
    ttl.FromTimedelta(wanted)
    config = NamespaceConfig(workflow_execution_retention_ttl=ttl)
    with contextlib.suppress(RPCError):
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(namespace=client.namespace, config=config)
        )


async def _namespace(client: Client) -> DescribeNamespaceResponse | None:
    """The namespace, waited for: a development server answers before it has created it. None: it is not shown."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    while True:
        try:
            return await client.workflow_service.describe_namespace(request)
        except RPCError as error:
            if error.status == RPCStatusCode.UNAVAILABLE:
                raise
            if error.status != RPCStatusCode.NOT_FOUND:
                return None
            await asyncio.sleep(_RETRY_SECONDS)


class SearchAttributes:
    """Search attributes of this application in a namespace, looked up once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: bool | None = None

    async def known(self) -> bool:
        """Whether the namespace has them; registers them where that is allowed."""
        if self._known is None:
            self._known = await self._register()
        return self._known

    async def _register(self) -> bool:
        namespace, operator = self._client.namespace, self._client.operator_service
        missing = {name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}") for name, kind in TYPES.items()}
        try:
            listed = await operator.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
            for name in listed.custom_attributes:
                missing.pop(name, None)
            if missing:
                add = AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
                await operator.add_search_attributes(add)
        except RPCError:
            return not missing
        return True
