"""Life of an MCP server: its death, its worker's, its client's, and a second client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from typing import Any

from tests.command_line import wait_for
from tests.mcp.support import McpSite
from tests.support import eventually, sh, tasks

INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


class Pipe:
    """A server and its raw pipes."""

    def __init__(self, mcp: McpSite, *options: str) -> None:
        self.process = subprocess.Popen(
            mcp.argv(*options),
            env=mcp.cli.env,
            cwd=mcp.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.send(INITIALIZE)
        assert self.receive()["id"] == 0
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, message: Any) -> None:
        assert self.process.stdin is not None
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def call(self, identifier: int, tool: str, **arguments: Any) -> None:
        params = {"name": tool, "arguments": arguments}
        self.send({"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": params})

    def end(self) -> tuple[int, str]:
        """Exit code and standard error after the client has closed the connection."""
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err.decode()


async def test_an_execution_goes_on_without_its_server_and_its_worker(mcp: McpSite) -> None:
    """Killed: the MCP server, then the worker; nothing is lost and no agent runs twice."""
    go, ran, begun = (mcp.folder.parent / name for name in ("go", "ran", "begun"))
    wait = f"while [ ! -e {go} ]; do sleep 0.05; done"
    plan = {
        "workspace": ".",
        "sandbox": "none",
        "tasks": tasks(
            {"id": "a", "run": f"echo a >> {ran}; echo a > a"},
            {"id": "b", "run": f"touch {begun}; {wait}; echo b > b", "dependsOn": ["a"]},
        ),
    }
    with await asyncio.to_thread(Pipe, mcp, "--allow-commands") as pipe:
        pipe.call(1, "execute_parallel_workflow", plan=plan, executionStrategy="aggressive", maxParallelAgents=2)
        answer = json.loads((await asyncio.to_thread(pipe.receive))["result"]["content"][0]["text"])
        await eventually(begun.exists)
        pipe.process.send_signal(signal.SIGKILL)
    (worker,) = mcp.processes("epw.service.worker_process")
    os.kill(worker.pid, signal.SIGKILL)
    async with mcp.agent() as agent:
        seen = await agent.result("get_execution", executionId=answer["executionId"])
        assert seen["status"] == "running"
        go.touch()
        ended = await agent.result("get_execution", executionId=answer["executionId"], wait=True)
    assert ended["status"] == "succeeded"
    assert ran.read_text() == "a\n"
    assert sh(mcp.folder, "git", "show", f"{ended['delivery']['branch']}:b") == "b\n"


async def test_after_everything_was_killed_the_next_server_goes_on(mcp: McpSite) -> None:
    go = mcp.folder.parent / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.05; done"
    plan = {"workspace": ".", "sandbox": "none", "tasks": tasks({"id": "a", "run": wait})}
    async with mcp.agent("--allow-commands") as agent:
        arguments = {"executionStrategy": "aggressive", "maxParallelAgents": 1}
        started = await agent.result("execute_parallel_workflow", plan=plan, **arguments)
        await asyncio.to_thread(wait_for, lambda: mcp.processes("epw.service.worker_process"))
    background = mcp.processes("epw.service.background")
    for process in [*background, *mcp.processes("epw.service.worker_process")]:
        process.kill()
    go.touch()
    async with mcp.agent() as agent, mcp.agent() as second:
        ended = await agent.result("get_execution", executionId=started["executionId"], wait=True)
        assert ended["status"] == "succeeded"
        same = await second.result("list_executions")
        assert [row["executionId"] for row in same["executions"]] == [started["executionId"]]


def test_standard_output_is_protocol_alone_and_the_server_ends_with_its_client(mcp: McpSite) -> None:
    with Pipe(mcp) as pipe:
        pipe.call(1, "list_executions")
        assert pipe.receive()["id"] == 1
        code, err = pipe.end()
        assert (code, err) == (0, "")


def test_what_is_no_message_gets_an_error_and_the_server_goes_on(mcp: McpSite) -> None:
    with Pipe(mcp) as pipe:
        nested = b'{"a":' * 3000
        cases: list[tuple[bytes, int, Any]] = [
            (b"not json", -32700, None),
            (b"\xff\xfe", -32700, None),
            (nested, -32700, None),
            (b"[]", -32600, None),
            (b'{"jsonrpc": "1.0", "id": 7, "method": "ping"}', -32600, 7),
            (b"1" * 17_000_000, -32600, None),
            (b'{"jsonrpc": "2.0", "id": 12, "method": "ping", "method": "ping"}', -32600, 12),
            (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600, None),
            (b'{"jsonrpc": "2.0", "id": 8, "method": "nothing"}', -32601, 8),
            (b'{"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": 5}}', -32602, 9),
            (b'{"jsonrpc": "2.0", "id": 10, "method": "tools/call", "params": {"name": "nothing"}}', -32602, 10),
        ]
        for line, code, identifier in cases:
            pipe.send(line)
            answer = pipe.receive()
            assert (answer["error"]["code"], answer["id"]) == (code, identifier), line[:50]
        large = [{"id": str(n), "description": "d" * 1000} for n in range(10_000)]
        pipe.call(11, "create_dependency_graph", tasks=large, detectImplicit=False)
        assert pipe.receive()["id"] == 11
        assert pipe.end() == (0, "")


def test_a_hundred_calls_at_once_are_all_answered(mcp: McpSite) -> None:
    with Pipe(mcp) as pipe:
        for number in range(1, 101):
            rows = [{"id": f"{number}-{n}", "description": f"part {n}"} for n in range(50)]
            pipe.call(number, "create_dependency_graph", tasks=rows)
        answered = [pipe.receive() for _ in range(100)]
        assert sorted(each["id"] for each in answered) == list(range(1, 101))
        for each in answered:
            nodes = json.loads(each["result"]["content"][0]["text"])["graph"]["nodes"]
            assert next(iter(nodes)) == f"{each['id']}-0", "an answer belongs to its call"
        assert pipe.end() == (0, "")


def test_a_client_that_does_not_read_is_not_read_either(mcp: McpSite) -> None:
    """Otherwise the answers would pile up in memory."""
    with Pipe(mcp) as pipe:
        assert pipe.process.stdin is not None
        os.set_blocking(pipe.process.stdin.fileno(), False)
        rows = [{"id": str(n), "description": f"part {n}"} for n in range(100)]
        params = {"name": "create_dependency_graph", "arguments": {"tasks": rows}}
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode() + b"\n"
        sent, refused = 0, 0
        while refused < 100:
            try:
                sent += os.write(pipe.process.stdin.fileno(), line)
                refused = 0
            except BlockingIOError:
                refused += 1
                # The server may still be busy with what it has read.
                subprocess.run(["sleep", "0.02"], check=True)
            assert sent < 100 * 1000 * len(line)


async def test_servers_that_begin_at_once_share_one_background_process(mcp: McpSite) -> None:
    plan = {"workspace": ".", "tasks": tasks({"id": "a", "simulate": {"seconds": 2}})}
    async with mcp.agent() as one, mcp.agent() as two, mcp.agent() as three:
        starts = [agent.result("execute_parallel_workflow", plan=plan) for agent in (one, two, three)]
        begun = asyncio.gather(*starts)
        seen: dict[int, None] = {}
        while not begun.done():
            seen |= dict.fromkeys(process.pid for process in mcp.processes("epw.service.background"))
            await asyncio.sleep(0)
        for started in await begun:
            ended = await one.result("get_execution", executionId=started["executionId"], wait=True)
            assert ended["status"] == "succeeded"
        seen |= dict.fromkeys(process.pid for process in mcp.processes("epw.service.background"))
    assert len(seen) == 1
