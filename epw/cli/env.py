"""`env`: variables by which the `temporal` CLI and SDKs find the server."""

from __future__ import annotations

import os
import shlex

from temporalio.envconfig import ClientConfig

from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json
from epw.cli.session import run_command
from epw.core.errors import Unavailable
from epw.service.embedded import running_server
from epw.settings import Settings


def env(as_json: bool = JSON_OPTION) -> None:
    """Print variables for a shell: `eval "$(epw env)"`, then `temporal workflow list`."""

    async def command(settings: Settings) -> int:
        found = _variables(settings)
        if as_json:
            print_json(found)
        else:
            for name, value in found.items():
                print(f"export {name}={shlex.quote(value)}")
        return 0

    run_command(command, as_json=as_json)


def _variables(settings: Settings) -> dict[str, str]:
    config = ClientConfig.load_client_connect_config()
    if address := config.get("target_host"):
        namespace = config.get("namespace") or os.environ.get("TEMPORAL_NAMESPACE") or "default"
        return {"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": namespace}
    server = running_server(settings.state.server)
    if server is None:
        raise Unavailable("no server runs for this state directory: `epw up` keeps one up")
    return {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_NAMESPACE": server.namespace}
