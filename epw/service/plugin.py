"""Temporal plugin for users who have a client and worker of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkerConfig

from activities.agents.base import Agent
from activities.state.host import host_name
from epw.core.queues import host_of, is_for_steps
from epw.service.converter import converter_with
from epw.service.polling import allow_long_turns, polled_queues, polling
from epw.service.recovery import maintained
from epw.service.registration import OPTIONS, WORKFLOWS, activities, raise_open_files
from epw.settings import Settings


class EpwPlugin(SimplePlugin):
    """Workflows, activities, data converter and workflow runner of this application.

    Pass it to the client, from which workers take it over:

        client = await Client.connect("localhost:7233", plugins=[EpwPlugin()])
        worker = Worker(client, task_queue="epw")

    While such a worker runs, others beside it poll the queues of steps and of this host, for activities that need its
    state directory. One worker per process and state directory. Raises `Unavailable` where the state directory or the
    file of keys cannot be used.
    """

    def __init__(self, settings: Settings | None = None, *, agents: Mapping[str, Agent] | None = None) -> None:
        """`settings`: default from the environment; `agents`: backends by name, default all of them."""
        self._settings = settings or Settings.from_environment()
        super().__init__("epw", data_converter=converter_with(self._settings.payload_keys), workflows=WORKFLOWS)
        self._agents = agents

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Add the application to a worker; a limit of concurrent activities, or a tuner, that it has stays."""
        self._settings.make_home()
        state = self._settings.state
        if self._is_beside(config["task_queue"]):
            return config
        has_limit = config.get("tuner") or config.get("max_concurrent_activities")
        options = {
            name: value for name, value in OPTIONS.items() if name != "max_concurrent_activities" or not has_limit
        }
        registered = activities(
            config["client"],
            state,
            config["task_queue"],
            agents=self._agents,
            max_kept_bytes=self._settings.max_kept_bytes,
        )
        config["activities"] = [*config.get("activities", []), *registered]
        # The workers beside it stop after it, and their agents have their grace time.
        config.update(options)  # type: ignore[typeddict-item]
        config["plugin_shutdown_timeout"] = None
        return super().configure_worker(config)

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Run a worker beside the one for the queue of this host, and keep the state directory tidy meanwhile."""
        if self._is_beside(worker.task_queue):
            return await next(worker)
        self._settings.make_home()
        allow_long_turns(worker)
        state, config = self._settings.state, worker.config(active_config=True)
        raise_open_files()
        _, *others = polled_queues(worker.task_queue, host_name(state))
        beside = [
            Worker(
                worker.client,
                task_queue=each.name,
                activities=config["activities"],
                identity=config["identity"],
                graceful_shutdown_timeout=config["graceful_shutdown_timeout"],
                deployment_config=config.get("deployment_config"),
                **OPTIONS,
            )
            for each in others
        ]
        async with maintained(worker.client, state, config["identity"] or worker.client.identity), polling(beside):
            return await super().run_worker(worker, next)

    def _is_beside(self, queue: str) -> bool:
        """Whether a queue is one of those that are polled beside the user's own worker."""
        return host_of(queue) == host_name(self._settings.state) or is_for_steps(queue)
