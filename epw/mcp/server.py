"""MCP server of the application, on whatever transport: tools, resources and prompts."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError, NoBackChannelError
from pydantic import ValidationError
from temporalio.service import RPCError

from epw.core.errors import EpwError, InvalidRequest, Unavailable
from epw.core.plan.wording import did_you_mean
from epw.core.version import __version__
from epw.mcp import prompts, resources
from epw.mcp.answers import failure, serialized
from epw.mcp.application import Application
from epw.mcp.call import Call
from epw.mcp.tools import TOOLS, Tool

INSTRUCTIONS = """\
Runs coding agents in parallel on one repository without losing work. Plan with analyze_task_parallelizability, then \
start with execute_parallel_workflow: analysisResult is the whole answer of the analysis, workspace the repository, \
executionStrategy aggressive or conservative, maxParallelAgents how many at once; or give a plan. It answers at once \
with an executionId; get_execution with wait: true tells when it has ended or needs an answer. Every task has its own \
directory; changes are merged and delivered on a branch."""
_LEAVE = "leave"
_MAX_ASKING_SECONDS = 600.0
_MAX_CALLS = 16
"""Calls that are worked on at once; others wait for their turn."""
_MAX_CACHED = 100
_MAX_CACHE_SIZE = 20_000_000
"""Characters of arguments and answers that are kept."""
_log = logging.getLogger(__name__)
_Context = ServerRequestContext[Any, Any]


class McpServer:
    """Handlers of one server; a connection more or less makes no difference to them."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._turns = asyncio.Semaphore(_MAX_CALLS)
        self._cache: OrderedDict[str, str] = OrderedDict()
        self.sdk: Server[Any] = Server(
            "epw",
            version=__version__,
            title="Parallel coding agents",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_resource_templates,
            on_read_resource=self._read_resource,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
        )

    async def _list_tools(
        self, context: _Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name,
                    title=tool.title,
                    description=tool.description,
                    input_schema=tool.input_schema,
                    output_schema=tool.output_schema,
                    annotations=types.ToolAnnotations(
                        read_only_hint=tool.is_read_only, destructive_hint=tool.is_destructive
                    ),
                )
                for tool in TOOLS.values()
            ]
        )

    async def _call_tool(
        self, context: _Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            message = f"unknown tool {params.name[:100]!r}; there are: {', '.join(TOOLS)}"
            raise MCPError(types.INVALID_PARAMS, self._application.answers.clean(message))
        arguments = params.arguments or {}
        try:
            key = f"{tool.name} {serialized(arguments)}" if tool.is_cached else None
            if key is not None and key in self._cache:
                self._cache.move_to_end(key)
                return _success(tool, self._cache[key])
            asking = _Asking(context, params)
            call = Call(arguments, context.session.report_progress, asking.ask, _name_of_client(context))
            document = await self._worked_on(tool, call)
            if ignored := [
                f"{name}{did_you_mean(name, tool.properties)}" for name in arguments if name not in tool.properties
            ]:
                document = {**document, "ignored": ignored}
            text = self._application.answers.text_of(document)
            if key is not None:
                self._keep(key, text)
            return _success(tool, text)
        except _InputRequired as required:
            return required.result
        except EpwError as error:
            return self._failed(error, arguments)
        except RPCError as error:
            return self._failed(Unavailable(f"the Temporal server went away or refused: {error.message}"), arguments)
        except OSError as error:
            return self._failed(InvalidRequest(f"{error.strerror or error}: {error.filename or ''}"[:500]), arguments)
        except (RecursionError, UnicodeError) as error:
            wrong = {"type": "InvalidInput", "message": f"the arguments cannot be read: {type(error).__name__}"}
            return _failure(serialized({"success": False, "error": wrong}))
        except Exception:
            _log.exception("tool %s", tool.name)
            wrong = {"type": "InternalError", "message": "an error of this server; its log (standard error) has it"}
            return _failure(serialized({"success": False, "error": wrong}))

    def _failed(self, error: EpwError, arguments: Mapping[str, Any]) -> types.CallToolResult:
        """The answer for an error; of paths it names only those that the caller has named or may touch."""
        text = self._application.answers.text_of(failure(error))
        return _failure(self._application.leave.without_outside(text, serialized(arguments)))

    async def _worked_on(self, tool: Tool, call: Call) -> dict[str, Any]:
        """The answer; a call that waits for an execution keeps no other one from its turn."""
        if call.arguments.get("wait"):
            return await tool.call(self._application, call)
        async with self._turns:
            return await tool.call(self._application, call)

    def _keep(self, key: str, text: str) -> None:
        self._cache[key] = text
        while len(self._cache) > _MAX_CACHED or sum(len(k) + len(t) for k, t in self._cache.items()) > _MAX_CACHE_SIZE:
            self._cache.popitem(last=False)

    async def _list_resources(
        self, context: _Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=await resources.listed_resources(self._application))

    async def _list_resource_templates(
        self, context: _Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=resources.TEMPLATES)

    async def _read_resource(
        self, context: _Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            kind, text = await resources.read(self._application, str(params.uri))
        except EpwError as error:
            message = self._application.answers.clean(str(error))
            message = self._application.leave.without_outside(message, str(params.uri))
            raise MCPError(types.INVALID_PARAMS, message) from None
        content = types.TextResourceContents(uri=params.uri, mime_type=kind, text=self._application.answers.clean(text))
        return types.ReadResourceResult(contents=[content])

    async def _list_prompts(
        self, context: _Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=prompts.PROMPTS)

    async def _get_prompt(self, context: _Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        try:
            description, text = prompts.rendered(params.name, params.arguments or {})
        except EpwError as error:
            raise MCPError(types.INVALID_PARAMS, self._application.answers.clean(str(error))) from None
        message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
        return types.GetPromptResult(description=description, messages=[message])


def _name_of_client(context: _Context) -> str:
    """What the client calls itself, for `steering` of results."""
    known = context.session.client_params
    return f"MCP: {known.client_info.name}"[:200] if known is not None else Call.client


class _InputRequired(Exception):
    """The client is to ask its user, then make the same call again."""

    def __init__(self, result: types.InputRequiredResult) -> None:
        self.result = result
        super().__init__()


class _Asking:
    """Question to the client's user, by whichever way its protocol has."""

    def __init__(self, context: _Context, params: types.CallToolRequestParams) -> None:
        self._context = context
        self._params = params

    async def ask(self, question: str) -> bool | None:
        """Whether the user agrees; None where the client cannot ask."""
        capabilities = self._context.session.client_capabilities
        if capabilities is None or capabilities.elicitation is None:
            return None
        schema = {
            "type": "object",
            "properties": {"allow": {"type": "boolean", "title": "Allow"}},
            "required": ["allow"],
        }
        if self._context.protocol_version in types.version.MODERN_PROTOCOL_VERSIONS:
            given = (self._params.input_responses or {}).get(_LEAVE)
            if given is None:
                asked = types.ElicitRequest(
                    params=types.ElicitRequestFormParams(message=question, requested_schema=schema)
                )
                raise _InputRequired(types.InputRequiredResult(input_requests={_LEAVE: asked}))
            answer = given
        else:
            try:
                async with asyncio.timeout(_MAX_ASKING_SECONDS):
                    answer = await self._context.session.elicit_form(question, schema, self._context.request_id)
            except (MCPError, NoBackChannelError, ValidationError, TimeoutError):
                return None
        content = getattr(answer, "content", None) or {}
        return getattr(answer, "action", None) == "accept" and content.get("allow") is True


def _success(tool: Tool, text: str) -> types.CallToolResult:
    """The answer as text, and for a tool with an output schema also as the structure that the protocol then wants."""
    structure = None if tool.output_schema is None else json.loads(text)
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=structure)


def _failure(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
