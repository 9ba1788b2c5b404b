"""Pages of Temporal's Web UI: an execution, and lists of them by their search attributes."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from temporalio.client import WorkflowExecutionDescription

from epw.core.errors import InvalidRequest
from epw.core.messages import WORKFLOW_TYPE
from epw.core.search_attributes import STATUS, WAITING
from epw.service.connection import Connection

_UNKNOWN = "the Web UI of this Temporal server is not known: set EPW_WEB_UI to its address"


def page_of(connection: Connection, described: WorkflowExecutionDescription) -> str:
    """The page of an execution; raises `InvalidRequest` where the address of the Web UI is not known."""
    return f"{_pages(connection)}/{quote(described.id, safe='')}/{described.run_id}"


def list_page(connection: Connection, query: str) -> str:
    """The page that lists what a query of Temporal finds; raises `InvalidRequest` as `page_of`."""
    return f"{_pages(connection)}?{urlencode({'query': query})}"


def query_of(*, waiting: bool = False, status: str | None = None) -> str:
    """Temporal's query for executions that wait for a person, or that have a status."""
    parts = [f"`WorkflowType`='{WORKFLOW_TYPE}'"]
    parts += [f"`{WAITING}`='question'", "`ExecutionStatus`='Running'"] if waiting else []
    parts += [f"`{STATUS}`='{status}'"] if status is not None else []
    return " AND ".join(parts)


def _pages(connection: Connection) -> str:
    if connection.web_ui is None:
        raise InvalidRequest(_UNKNOWN)
    return connection.web_ui
