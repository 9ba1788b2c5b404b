"""Resources: executions, their reports and diffs, and answers that were cut."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, unquote

from mcp import types

from epw.client.listing import listed
from epw.core.errors import InvalidRequest
from epw.mcp import answers
from epw.mcp.application import Application
from epw.mcp.views import whole
from epw.rendering.markdown import markdown

_EXECUTIONS = "epw://executions/"
_MAX_LISTED = 50
TEMPLATES = [
    types.ResourceTemplate(
        name="execution",
        uri_template=f"{_EXECUTIONS}{{id}}",
        description="Every field of an execution and its tasks.",
        mime_type="application/json",
    ),
    types.ResourceTemplate(
        name="report",
        uri_template=f"{_EXECUTIONS}{{id}}/report",
        description="What an execution did, for people: tasks, conflicts, questions, cost.",
        mime_type="text/markdown",
    ),
    types.ResourceTemplate(
        name="diff",
        uri_template=f"{_EXECUTIONS}{{id}}/tasks/{{task}}/diff",
        description="The change of one task.",
        mime_type="text/x-diff",
    ),
]
_PATH = re.compile(r"(?P<id>[^/]+)(?:/(?:(?P<report>report)|tasks/(?P<task>[^/]+)/diff))?")


async def listed_resources(application: Application) -> list[types.Resource]:
    """The newest executions."""
    rows = await listed(await application.host.connection())
    return [
        types.Resource(
            name=row["executionId"],
            uri=_EXECUTIONS + quote(row["executionId"], safe=""),
            description=f"{row['status']}, {row['strategy']}",
            mime_type="application/json",
        )
        for row in rows[:_MAX_LISTED]
    ]


async def read(application: Application, uri: str) -> tuple[str, str]:
    """Type and text of a resource; raises `InvalidRequest` where there is none."""
    if uri.startswith(answers.URI):
        kept = application.answers.whole(uri)
        if kept is None:
            raise InvalidRequest(f"{uri} is not kept any more: call the tool again")
        return "application/json", _json(kept)
    found = _PATH.fullmatch(uri.removeprefix(_EXECUTIONS)) if uri.startswith(_EXECUTIONS) else None
    if found is None:
        raise InvalidRequest(
            f"no resource {uri[:200]!r}; there are {', '.join(each.uri_template for each in TEMPLATES)}"
        )
    execution_id = unquote(found["id"])
    if found["task"] is not None:
        return "text/x-diff", await application.executions.diff(execution_id, unquote(found["task"]))
    if found["report"]:
        return "text/markdown", markdown(await application.executions.report(execution_id))
    document, _ = await application.executions.state(execution_id)
    return "application/json", _json(whole(document))


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1)
