"""Working through many requests to a language model, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from .chat import AnswerError, ChatError

GIVE_UP_AFTER = 3
"""So many jobs that fail in a row, without one that succeeds, end the run."""

Job = TypeVar('Job')


async def run_jobs(jobs: Sequence[Job], work: Callable[[Job], Awaitable[None]], *, parallel: int,
                   stop: Callable[[], bool],
                   on_failure: Callable[[Job, Exception], None]) -> None:
    """Work on all jobs.

    Parameters
    ----------
    jobs
        What to do.
    work
        Does one; :class:`ChatError` and :class:`AnswerError` make it a failure.
    parallel
        Most jobs at once, at least 1.
    stop
        Asked before each job; once true, no further job is started.
    on_failure
        Called with each job that failed, and why.

    Raises
    ------
    ChatError
        After :data:`GIVE_UP_AFTER` failures in a row: the server, or the model, is of no use.
    """
    slots = asyncio.Semaphore(parallel)
    failures = 0

    async def one(job: Job) -> None:
        nonlocal failures
        async with slots:
            if failures >= GIVE_UP_AFTER or stop():
                return
            try:
                await work(job)
                failures = 0
            except (ChatError, AnswerError) as error:
                failures += 1
                on_failure(job, error)
                if failures >= GIVE_UP_AFTER:
                    raise ChatError(
                        f'{failures} requests failed in a row, the last with: {error}') from error

    running = [asyncio.ensure_future(one(job)) for job in jobs]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
