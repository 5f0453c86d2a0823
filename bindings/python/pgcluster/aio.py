"""The calls that wait for hosts, for asyncio. Each runs on a thread of its own, together with your steps and components. Events are
delivered in the loop.

    report = await pgcluster.aio.apply(plan, executor)

    running = pgcluster.aio.apply(plan, executor)
    async for event in running:
        print(event)
    report = await running

Cancelling the task stops the call in order, like Ctrl-C: running steps finish, locks are released.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import threading
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Generic, ParamSpec, TypeVar

from . import _api
from ._core import Executor, Plan, StopSource
from ._records import Event, Report

P = ParamSpec("P")
T = TypeVar("T")


class Running(Generic[T]):
    """A running call, on a thread of its own. It starts at once; `await` gives its result."""

    def __init__(self, work: Callable[[StopSource], T]) -> None:
        self._stop = StopSource()
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._loop.create_future()
        self._raised: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), name="pgcluster", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[StopSource], T]) -> None:
        try:
            result = work(self._stop)
        except BaseException as error:  # raised where the call is awaited
            self._tell(self._failed, error)
        else:
            self._tell(self._done, result)

    def _tell(self, what: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:
            pass  # the loop is closed: no one awaits the result

    def _done(self, result: T) -> None:
        if self._raised is not None:
            self._failed(self._raised)
        elif not self._future.done():
            self._future.set_result(result)

    def _failed(self, error: BaseException) -> None:
        if not self._future.done():
            self._future.set_exception(self._raised or error)

    def cancel(self) -> None:
        """Tells the call to stop in order. `await` then gives what it returns or raises."""
        self._stop.request_stop()

    async def _ended(self) -> None:
        """After the task was cancelled: stops the call in order, and drops its result."""
        self._stop.request_stop()
        await asyncio.wait([self._future])
        if not self._future.cancelled():
            self._future.exception()  # marks the exception as retrieved

    async def _result(self) -> T:
        try:
            return await asyncio.shield(self._future)
        except asyncio.CancelledError:
            await self._ended()
            raise

    def __await__(self) -> Generator[Any, None, T]:
        return self._result().__await__()


def _options(stop: StopSource, options: dict[str, Any]) -> dict[str, Any]:
    """The options with `stop` as the call's own stop source. One that the caller gave stops the call, too."""
    given, poll = options.get("stop"), options.get("poll")
    if given is None:
        return {**options, "stop": stop}
    if not isinstance(given, StopSource):
        raise TypeError(f"stop must be StopSource, not {type(given).__name__}")

    def look() -> None:
        if given.stop_requested():
            stop.request_stop()
        if poll is not None:
            poll()

    if given.stop_requested():
        stop.request_stop()
    return {**options, "stop": stop, "poll": look}


class Applying(Running[Report]):
    """A running apply. `async for` gives its events until it ends, and raises what it raised; `await` gives its report."""

    def __init__(self, plan: Plan, executor: Executor, on_event: Callable[[Event], object] | None, options: dict[str, Any]) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        tell = functools.partial(self._tell, self._take, on_event)
        super().__init__(lambda stop: _api.apply(plan, executor, on_event=tell, **_options(stop, options)))
        self._future.add_done_callback(lambda _: self._events.put_nowait(None))

    def _take(self, on_event: Callable[[Event], object] | None, event: Event) -> None:
        self._events.put_nowait(event)
        if on_event is None or self._raised is not None:
            return
        try:
            on_event(event)
        except BaseException as error:  # raised after the apply has ended and released its locks
            self._raised = error
            self._stop.request_stop()

    async def __aiter__(self) -> AsyncIterator[Event]:
        try:
            while (event := await self._events.get()) is not None:
                yield event
        except asyncio.CancelledError:
            await self._ended()
            raise
        self._events.put_nowait(None)  # for another iteration
        self._future.result()


def apply(plan: Plan, executor: Executor, *, on_event: Callable[[Event], object] | None = None, stop: StopSource | None = None,
          deadline: _api.Seconds = datetime.timedelta(seconds=3600), reconnect: _api.Seconds = datetime.timedelta(seconds=90), parallel: int = 32, who: str = "",
          poll: Callable[[], object] | None = None) -> Applying:
    """Like pgcluster.apply. `on_event` is called in the loop, `poll` on the thread of the call."""
    return Applying(plan, executor, on_event, dict(stop=stop, deadline=deadline, reconnect=reconnect, parallel=parallel, who=who, poll=poll))


def _waiting(function: Callable[P, T]) -> Callable[P, Running[T]]:
    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> Running[T]:
        untyped: Callable[..., T] = function
        return Running(lambda stop: untyped(*args, **_options(stop, options)))

    return call


plan_deploy = _waiting(_api.plan_deploy)
plan_backup = _waiting(_api.plan_backup)
plan_prove = _waiting(_api.plan_prove)
plan_restore = _waiting(_api.plan_restore)
plan_rotate = _waiting(_api.plan_rotate)
plan_switchover = _waiting(_api.plan_switchover)
plan_failover = _waiting(_api.plan_failover)
plan_restart = _waiting(_api.plan_restart)
plan_reload = _waiting(_api.plan_reload)
plan_reinit = _waiting(_api.plan_reinit)
plan_pause = _waiting(_api.plan_pause)
plan_resume = _waiting(_api.plan_resume)
plan_destroy = _waiting(_api.plan_destroy)
plan_from_document = _waiting(_api.plan_from_document)
read_backups = _waiting(_api.read_backups)
read_history = _waiting(_api.read_history)
read_status = _waiting(_api.read_status)
html_report = _waiting(_api.html_report)
check_hosts = _waiting(_api.check_hosts)
read_password = _waiting(_api.read_password)
make_plan = _waiting(_api.make_plan)
observe = _waiting(_api.observe)
