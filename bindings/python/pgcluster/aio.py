"""The calls that wait for hosts, for asyncio. Each works on a thread of its own, where own steps and components run, too; events come in the loop.

    report = await pgcluster.aio.apply(plan, executor)

    running = pgcluster.aio.apply(plan, executor)
    async for event in running:
        print(event)
    report = await running

A task that is cancelled ends the call in order, as Ctrl-C does: what runs on hosts ends, locks are given back.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Generic, TypeVar

from . import _api
from ._core import Executor, Plan, StopSource
from ._records import CheckReport, Event, Report, Status

T = TypeVar("T")


class Running(Generic[T]):
    """A call at work on a thread of its own; begins at once. `await` gives what it returns."""

    def __init__(self, work: Callable[[StopSource], T]) -> None:
        self._stop = StopSource()
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(work,), name="pgcluster", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[StopSource], T]) -> None:
        try:
            result = work(self._stop)
        except BaseException as error:  # all of it arrives at who awaits
            self._tell(self._failed, error)
        else:
            self._tell(self._done, result)

    def _tell(self, what: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    def _done(self, result: T) -> None:
        if not self._future.done():
            self._future.set_result(result)

    def _failed(self, error: BaseException) -> None:
        if not self._future.done():
            self._future.set_exception(error)

    def cancel(self) -> None:
        """Asks the call to end in order; what it then returns or raises is what `await` gives."""
        self._stop.request_stop()

    async def _result(self) -> T:
        try:
            return await asyncio.shield(self._future)
        except asyncio.CancelledError:
            self._stop.request_stop()
            await asyncio.wait([self._future])
            if not self._future.cancelled():
                self._future.exception()  # it was looked at
            raise

    def __await__(self) -> Generator[Any, None, T]:
        return self._result().__await__()


class Applying(Running[Report]):
    """An apply at work. `async for` gives its events up to the end, `await` its report."""

    def __init__(self, plan: Plan, executor: Executor, on_event: Callable[[Event], object] | None, options: dict[str, Any]) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        super().__init__(lambda stop: _api.apply(plan, executor, on_event=functools.partial(self._tell, self._take, on_event), stop=stop, **options))
        self._future.add_done_callback(lambda _: self._events.put_nowait(None))

    def _take(self, on_event: Callable[[Event], object] | None, event: Event) -> None:
        self._events.put_nowait(event)
        if on_event is not None:
            try:
                on_event(event)
            except BaseException as error:
                self._failed(error)
                self._stop.request_stop()

    async def __aiter__(self) -> AsyncIterator[Event]:
        try:
            while (event := await self._events.get()) is not None:
                yield event
        except asyncio.CancelledError:
            self._stop.request_stop()
            await asyncio.wait([self._future])
            raise


def apply(plan: Plan, executor: Executor, *, on_event: Callable[[Event], object] | None = None, **options: Any) -> Applying:
    """As pgcluster.apply. `on_event` is called in the loop."""
    return Applying(plan, executor, on_event, options)


def _waiting(function: Callable[..., T]) -> Callable[..., Running[T]]:
    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Running[T]:
        return Running(lambda stop: function(*args, stop=stop, **options))

    return call


plan_deploy: Callable[..., Running[Plan]] = _waiting(_api.plan_deploy)
plan_switchover: Callable[..., Running[Plan]] = _waiting(_api.plan_switchover)
plan_failover: Callable[..., Running[Plan]] = _waiting(_api.plan_failover)
plan_restart: Callable[..., Running[Plan]] = _waiting(_api.plan_restart)
plan_reload: Callable[..., Running[Plan]] = _waiting(_api.plan_reload)
plan_reinit: Callable[..., Running[Plan]] = _waiting(_api.plan_reinit)
plan_pause: Callable[..., Running[Plan]] = _waiting(_api.plan_pause)
plan_resume: Callable[..., Running[Plan]] = _waiting(_api.plan_resume)
plan_destroy: Callable[..., Running[Plan]] = _waiting(_api.plan_destroy)
read_status: Callable[..., Running[Status]] = _waiting(_api.read_status)
check_hosts: Callable[..., Running[CheckReport]] = _waiting(_api.check_hosts)
read_password: Callable[..., Running[str]] = _waiting(_api.read_password)
