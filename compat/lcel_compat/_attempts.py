"""Trying a node again, and not waiting for it for ever.

What is tried again, when and how often is for ``policies.py`` to say. A timeout cancels one attempt, so that it works
for asynchronous nodes only; a thread cannot be stopped.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from langchain_core.callbacks import BaseCallbackHandler

from lcel_compat._asyncio import Clock
from lcel_compat._context import TaskScope
from lcel_compat._guests import converted
from lcel_compat._machine import Task
from lcel_compat.errors import GraphBubbleUp
from lcel_compat.policies import TimeoutPolicy, retry_after

Steps: TypeAlias = Generator[Any, Any, Any]
logger = logging.getLogger(__name__)


def is_plain(task: Task) -> bool:
    """Whether the task runs once and for as long as it takes."""
    return task.node.once and (task.packet is None or task.packet.timeout is None)


def timeout_of(task: Task) -> TimeoutPolicy | None:
    """How long the task may take: what the packet says that sent it, else what its node says."""
    sent = None if task.packet is None else task.packet.timeout
    return task.node.timeout if sent is None else sent


def attempts(scope: TaskScope, attempt: Callable[[], Steps]) -> Steps:
    """Run a task until an attempt succeeds or its policies give up.

    Args:
        scope: The task, where it runs.
        attempt: Makes the steps of one attempt.

    Raises:
        BaseException: What the last attempt raised.
    """
    task, colour = scope.task, scope.frame.colour
    timeout, failed = timeout_of(task), 0
    while True:
        try:
            if timeout is None:
                yield from attempt()
            else:
                scope.clock = Clock()
                scope.touched_by_all = timeout.refresh_on == "auto" and timeout.idle_timeout is not None
                yield colour.timed(attempt(), scope, timeout)
            return
        except Exception as raised:
            error = converted(raised)
            failed += 1
            try:
                bubbles = isinstance(error, GraphBubbleUp)
                seconds = None if bubbles else retry_after(task.node.retry, error, failed, random.random)
                if seconds is None:
                    raise error from error.__cause__
            finally:
                del error  # its traceback holds on to this frame
            logger.info("Node %r failed and is tried again in %.2f s: %r", task.name, seconds, raised)
            yield colour.sleep(seconds, scope.frame.session)
            if scope.frame.session.abandoned:
                raise
            task.writes.clear()
            scope.again(failed + 1)


class Progress(BaseCallbackHandler):
    """Tells a clock of everything that the runnables inside an attempt do."""

    run_inline = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def _touch(self, *args: Any, **kwargs: Any) -> None:
        self._clock.touch()

    on_chat_model_start = on_llm_start = on_llm_new_token = on_llm_end = on_llm_error = _touch
    on_chain_start = on_chain_end = on_chain_error = on_custom_event = on_retry = on_text = _touch
    on_tool_start = on_tool_end = on_tool_error = on_agent_action = on_agent_finish = _touch
    on_retriever_start = on_retriever_end = on_retriever_error = _touch
