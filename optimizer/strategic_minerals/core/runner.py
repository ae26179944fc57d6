"""How work runs: processes, threads, deadline, memory, cancellation and progress, in one record that every verb takes.

A `Runner` is entered once, by the outermost verb; what it calls runs under the same limits, in this process and in those that it
starts. Long work asks `checkpoint` on its way, so that a deadline and a cancellation hold while a plan is read and a model is
built, not only while HiGHS runs."""

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.context import SpawnContext
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_type_hints

from pydantic import Field
from pydantic.fields import FieldInfo

from .errors import Fault, InputError, OnProgress, Outcome, Progress, Reason, StoppedError, shown, stopped

A = TypeVar("A")
B = TypeVar("B")

LONGEST_S = 1e9
"""Seconds that mean no deadline where a solver wants a number."""
POLL_S = 0.2
"""Seconds between two looks at a cancellation while other processes work."""
MIB = 2**20


class _Spawned(SpawnContext):
    """Notes down the processes that it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Any] = []

    def Process(self, *given: Any, **options: Any) -> Any:  # type: ignore[override]  # noqa: N802 - a pool's name for it
        """A process."""
        self.all.append(super().Process(*given, **options))
        return self.all[-1]


@contextmanager
def _unheard() -> Iterator[None]:
    """Let processes that start within be deaf to Ctrl-C from their first moment on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Crew:
    """Spawned processes of a call and of all that it calls: started when they are first needed, gone when the call ends."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._spawned = _Spawned()
        self._stop: Any = None
        self._begun: Any = None
        self._counter: Any = None

    def of(self, processes: int) -> ProcessPoolExecutor:
        """The processes; how many is decided by whoever asks first."""
        if self._pool is None:
            self._stop, self._begun = self._spawned.Event(), self._spawned.Event()
            self._counter = self._spawned.Value("q", 0)
            given = self._stop, self._begun, self._counter
            self._pool = ProcessPoolExecutor(processes, self._spawned, _begin_worker, given)
        return self._pool

    @property
    def parts(self) -> int:
        """Parts of tasks that its processes have done (`count_part`)."""
        return 0 if self._counter is None else int(self._counter.value)

    @property
    def is_starting(self) -> bool:
        """Whether no process has begun a task so far."""
        return self._begun is not None and not self._begun.is_set()

    def dismiss(self, wait: bool) -> None:
        """Stop what they still do, and let them go. wait: for those too that only begin."""
        if self._pool is not None:
            self._stop.set()
            killed = self.is_starting and not wait
            for process in self._spawned.all if killed else ():
                if process.pid is not None:
                    process.kill()
            self._pool.shutdown(not killed, cancel_futures=True)


@dataclass(frozen=True)
class Call:
    """A runner at work: when it ends, and what has to be asked and reported on the way."""

    end: float = math.inf
    """Instant of `time.monotonic`."""
    threads: int = 0
    memory_mib: float = math.inf
    cancelled: Callable[[], bool] | None = None
    on_progress: Callable[[Progress], Any] | None = None
    crew: _Crew = field(default_factory=_Crew)
    begin: float = field(default_factory=time.monotonic)
    counted: list[int] = field(default_factory=list)
    """Parts done, as reported: what a part does on its way is then no longer passed on."""

    @property
    def seconds(self) -> float:
        """Seconds since the outermost call began."""
        return time.monotonic() - self.begin

    def left(self) -> float:
        """Seconds until the deadline, 0 to `LONGEST_S`."""
        return min(LONGEST_S, max(0.0, self.end - time.monotonic()))

    def report(self, progress: Progress) -> bool:
        """Pass progress on; whether the work has to stop."""
        if progress.done is not None:
            self.counted.append(progress.done)
        if self.on_progress is not None:
            self.on_progress(replace(progress, seconds=self.seconds))
        return self.cancelled is not None and self.cancelled()

    @property
    def inner(self) -> Callable[[Progress], Any] | None:
        """What a call within reports to: this one's caller, until parts are counted."""
        follow = self.on_progress
        return None if follow is None else lambda progress: None if self.counted else follow(progress)

    @property
    def watch(self) -> OnProgress | None:
        """What a solver calls on its way; None where nobody follows the work and nobody can stop it."""
        return None if self.on_progress is None and self.cancelled is None else self.report

    def check(self, phase: str = "") -> None:
        """Report a phase and raise StoppedError where a limit is reached."""
        if phase:
            self.report(Progress(phase, self.seconds))
        self.stop_if_cancelled()
        if time.monotonic() >= self.end:
            raise self.stopped("time_limit")
        if math.isfinite(self.memory_mib) and resident_mib() > self.memory_mib:
            raise self.stopped("out_of_memory")

    def stop_if_cancelled(self) -> None:
        """Raise StoppedError where somebody has cancelled the work."""
        if self.cancelled is not None and self.cancelled():
            raise self.stopped("interrupted")

    def stopped(self, reason: Reason) -> StoppedError:
        """The error of work that a limit has stopped."""
        return stopped(f"{ENDED[reason]} after {self.seconds:,.1f} s", Outcome(reason, None, None, None, None))


ENDED = {
    "interrupted": "cancelled",
    "time_limit": "the deadline was reached before there was an answer,",
    "out_of_memory": "the memory limit was reached",
}
"""Why work stopped, in words that go on with `after ... s`."""

_CALL: ContextVar[Call | None] = ContextVar("strategic_minerals_call", default=None)
"""The call that this thread or task works for."""


@dataclass(frozen=True)
class Runner:
    """Where work runs, how long, and who follows it. The default runs in this process, one thread a core, without limits."""

    processes: Annotated[int, Field(ge=1, description="Processes for independent tasks; 1: this one.")] = 1
    executor: Executor | None = None
    """Takes the place of processes, e.g. that of a Dask cluster; a flat solve runs as a whole in one of its workers."""
    threads: Annotated[
        int,
        Field(ge=0, description="Threads of each process, for the scenarios of decomposed solves; 0: one per core."),
    ] = 0
    deadline_s: Annotated[
        float,
        Field(ge=0, description="Seconds for the whole question; a solve that has a plan in time gives it."),
    ] = math.inf
    memory_mib: Annotated[float, Field(ge=0, description="Memory of a process [MiB] above which work stops.")] = (
        math.inf
    )
    cancelled: Callable[[], bool] | None = None
    """Asked now and then; True stops the work."""
    on_progress: Callable[[Progress], Any] | None = None
    """Called with phases, bounds of a solve and parts done."""
    store: str | Path | None = None
    """Folder that keeps finished parts of a long study: the same folder continues a stopped one. None: nothing is kept."""

    def __post_init__(self) -> None:
        """Raises InputError for limits that are not valid."""
        faults = []
        for name, limit in LIMITS.items():
            value, kind = getattr(self, name), limit.annotation
            low, wider = limit.metadata[0].ge, int if kind is int else int | float
            if isinstance(value, bool) or not isinstance(value, wider) or not value >= low:
                what = "an integer" if kind is int else "a number"
                faults.append(Fault("Runner", "", name, shown(value), f"{what} of at least {low}"))
        words = {"executor": "an executor", "cancelled": "a function", "on_progress": "a function", "store": "a path"}
        fit = hasattr(self.executor, "submit"), callable(self.cancelled), callable(self.on_progress)
        for (name, what), holds in zip(words.items(), (*fit, isinstance(self.store, str | os.PathLike)), strict=True):
            if getattr(self, name) is not None and not holds:
                faults.append(Fault("Runner", "", name, shown(getattr(self, name)), f"{what}, or none"))
        if faults:
            raise InputError(faults)

    @contextmanager
    def started(self) -> Iterator[Call]:
        """Let everything within run under these limits and those of the work around it, whichever are narrower."""
        around = _CALL.get()
        asks = [ask for ask in (self.cancelled, None if around is None else around.cancelled) if ask is not None]
        crew = around.crew if around is not None else _Crew()
        call = Call(
            end=min(time.monotonic() + self.deadline_s, around.end if around else math.inf),
            threads=self.threads or (around.threads if around else 0),
            memory_mib=min(self.memory_mib, around.memory_mib if around else math.inf),
            cancelled=(lambda: any(ask() for ask in asks)) if asks else None,
            on_progress=self.on_progress or (None if around is None else around.inner),
            crew=crew,
            begin=around.begin if around is not None else time.monotonic(),
        )
        token, ended = _CALL.set(call), False
        try:
            yield call
            ended = True
        finally:
            _CALL.reset(token)
            if around is None:
                crew.dismiss(wait=ended)

    def each(
        self,
        what: str,
        do: Callable[[A], B],
        tasks: Sequence[A],
        *,
        done: int = 0,
        of: int | None = None,
        on_parts: Callable[[int], None] | None = None,
    ) -> Iterator[B]:
        """Results of independent tasks in their order, each as soon as it and those before it are there.

        what: the tasks in words, for progress; empty: the caller reports. done, of: parts that were finished before, and in all,
        where the tasks are some of them. on_parts: called with the parts of tasks that spawned processes have done, where tasks
        count them. The function and the tasks travel to other processes: they have to be picklable, and a
        task should take a second or more. Raises what a task does, and StoppedError where a limit is reached in between.
        """
        call, total = current(), len(tasks) if of is None else of
        if what:
            call.report(Progress(what, call.seconds, done=done, of=total))
        for n, result in enumerate(self._results(call, do, tasks, on_parts), 1):
            if what:
                call.report(Progress(what, call.seconds, done=done + n, of=total))
            yield result

    def _results(
        self, call: Call, do: Callable[[A], B], tasks: Sequence[A], on_parts: Callable[[int], None] | None
    ) -> Iterator[B]:
        team = self.executor
        if team is None and min(self.processes, len(tasks)) > 1:
            team = call.crew.of(self.processes)
        if team is None:
            for task in tasks:
                call.check()
                yield do(task)
            return
        threads = call.threads
        if not threads and self.executor is None:  # they share what this machine has
            threads = max(1, cores() // min(self.processes, len(tasks)))
        now = time.time()
        inside = partial(_remote, do, threads, call.memory_mib, now - call.seconds, now + call.left())
        with _unheard():
            begun, futures = call.crew.parts, [team.submit(inside, task) for task in tasks]
        known = begun

        def look() -> None:
            nonlocal known
            if on_parts is not None and call.crew.parts != known:
                known = call.crew.parts
                on_parts(known - begun)

        try:
            yield from (_awaited(call, future, look) for future in futures)
        finally:
            for future in futures:
                future.cancel()


def carrying(run: Runner, function: Any) -> Runner:
    """The runner, or this process in place of its others where a function cannot be read there: one that is in a notebook, in
    a script, or inside another function."""
    try:
        travels = function is None or (
            getattr(function, "__module__", "") != "__main__" and bool(pickle.dumps(function))
        )
    except (pickle.PicklingError, AttributeError, TypeError):
        travels = False
    return run if travels else replace(run, processes=1, executor=None)


LIMITS = {
    name: FieldInfo.from_annotation(kind)
    for name, kind in get_type_hints(Runner, include_extras=True).items()
    if hasattr(kind, "__metadata__")
}
"""What the runner states of its figures, by name."""
HERE = Runner()
"""In this process, without limits."""


def in_child(
    do: Callable[..., A], *given: Any, memory_mib: float = math.inf, deadline_s: float = math.inf, **options: Any
) -> A:
    """What `do(*given, **options)` gives in a process of its own, which may be killed without harm: `in_child(solve, plan, data,
    memory_mib=4000, deadline_s=600)`.

    memory_mib: its address space at most, which is more than it uses, on systems that can limit it. deadline_s: seconds from now
    after which it is killed; give `do` a `run=Runner(deadline_s=...)` that is shorter to have the plan that it has by then. A
    deadline and a cancellation of the work around (`Runner.started`) end it too. Function, arguments and result are pickled, and a
    script that calls this has its own work under `if __name__ == "__main__":`, for the process reads it again.

    Raises what `do` raises; DeadlineError, CancelledError, MemoryLimitError where memory was refused, StoppedError where the
    process crashed or did not begin."""
    run = options.get("run")
    if isinstance(run, Runner) and (run.on_progress is not None or run.cancelled is not None):
        raise _ended("failed", "callbacks of a runner work in this process alone: leave on_progress and cancelled out")
    try:
        task = ForkingPickler.dumps((do, given, options))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise _ended(
            "failed", f"what is given cannot be sent to a process (callbacks work in this one alone): {error}"
        ) from None
    spawned, call = multiprocessing.get_context("spawn"), current()
    end = min(time.monotonic() + deadline_s, call.end)
    here, there = spawned.Pipe()
    child = spawned.Process(target=_in_child, args=(there, memory_mib), daemon=True)
    with _unheard():
        child.start()
    there.close()
    sending = threading.Thread(target=_send, args=(here, task), daemon=True)
    sending.start()
    try:
        while not here.poll(max(0.0, min(POLL_S, end - time.monotonic()))):
            call.stop_if_cancelled()
            if time.monotonic() >= end:
                raise _ended("time_limit", f"the process was ended after {deadline_s:g} s")
        good, found = here.recv()
    except (EOFError, ConnectionError):
        child.join()
        raise _crashed(child.exitcode, memory_mib) from None
    finally:
        child.kill()
        child.join()
        here.close()
    if not good:
        raise found
    return cast(A, found)


def _send(there: Any, task: Any) -> None:
    """Send a task to a process that may be gone before it has read it."""
    with contextlib.suppress(OSError, TypeError, ValueError):  # closed meanwhile
        there.send_bytes(task)


def _ended(reason: Reason, text: str) -> StoppedError:
    return stopped(text, Outcome(reason, None, None, None, None))


def _crashed(code: int | None, memory_mib: float) -> StoppedError:
    """Why a process that sent nothing has ended."""
    if code == 1:
        guard = 'a script that starts processes has its own work under `if __name__ == "__main__":`'
        return _ended("failed", f"the process did not begin: {guard}")
    limit = f", which was allowed {memory_mib:,.0f} MiB of memory" if math.isfinite(memory_mib) else ""
    reason: Reason = "out_of_memory" if limit and code is not None and code < 0 else "failed"
    return _ended(reason, f"the process ended with code {code} and without an answer{limit}")


def _in_child(there: Any, memory_mib: float) -> None:
    """In the process: work within so much memory, and send back what came of it."""
    _leave_no_locks()
    with contextlib.suppress(ImportError, ValueError, OSError):  # no such limit here
        import resource

        if math.isfinite(memory_mib):
            most = int(memory_mib * MIB)
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        do, given, options = there.recv()
        found: tuple[bool, Any] = (True, do(*given, **options))
    except MemoryError:
        found = (False, _ended("out_of_memory", f"more than {memory_mib:,.0f} MiB of memory were needed"))
    except Exception as error:
        found = (False, error)
    try:
        there.send(found)
    except Exception as error:
        there.send(
            (False, _ended("failed", f"the answer cannot be sent from a process: {type(error).__name__}: {error}"))
        )


def current() -> Call:
    """The call that this thread or task works for; one without limits where no verb has been entered."""
    return _CALL.get() or Call()


def checkpoint(phase: str = "") -> None:
    """Raise StoppedError where the current call has reached a limit. phase: reported on the way, where given."""
    call = _CALL.get()
    if call is not None:
        call.check(phase)


def unlimited(do: Callable[..., A], *given: Any) -> A:
    """What `do(*given)` gives, stopped by no limit of the current call: what has to be reported of a plan that was found."""
    inside = copy_context()
    inside.run(_CALL.set, replace(current(), end=math.inf, cancelled=None))
    return inside.run(do, *given)


def cores() -> int:
    """Threads for clusters of scenarios: as many as the current call says, else one for each core that this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return current().threads or allowed


def resident_mib() -> float:
    """Resident memory of this process [MiB]; 0 where the system does not say."""
    if not sys.platform.startswith("linux"):
        return 0.0
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / MIB


def _remote(do: Callable[[A], B], threads: int, memory_mib: float, began: float, ends: float, task: A) -> B:
    """A task under the limits of whoever sent it, anywhere. began, ends: the whole call's, by the clock that machines share."""
    for event in _BEGUN:
        event.set()
    now, call = time.time(), Call()
    token = _CALL.set(replace(call, begin=call.begin - (now - began)))
    asks = _stopped if _STOP else None
    limits = Runner(threads=threads, memory_mib=memory_mib, deadline_s=max(0.0, ends - now), cancelled=asks)
    try:
        with limits.started() as inner:
            inner.check()
            return do(task)
    finally:
        call.crew.dismiss(wait=True)
        _CALL.reset(token)


def _awaited(call: Call, future: Future[B], look: Callable[[], None]) -> B:
    """A result from elsewhere. The deadline is kept there, once a process is up: a solve that reaches it may have a plan, which
    takes a moment to read."""
    while True:
        try:
            return future.result(POLL_S)
        except NotYet:
            if future.done():
                raise
            call.stop_if_cancelled()
            if call.crew.is_starting:
                call.check()
            look()


def count_part() -> None:
    """State from a spawned process that another part of its task is done."""
    for counter in _COUNTER:
        with counter.get_lock():
            counter.value += 1


_STOP: list[Any] = []
"""Of a spawned process: the event by which the process that started it stops its tasks."""
_BEGUN: list[Any] = []
"""Of a spawned process: the event by which it says that it is up."""
_COUNTER: list[Any] = []
"""Of a spawned process: counts the parts of tasks that are done."""


def _stopped() -> bool:
    return any(event.is_set() for event in _STOP)


def _leave_no_locks() -> None:
    """Of a spawned process, which may be killed: let a lock that a library makes (Pyomo does) have no name that would be left."""
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork", force=True)


def _begin_worker(stop: Any, begun: Any, counter: Any) -> None:
    """What a spawned process does first: listen for a stop, and end when the process that started it is gone. One that is killed
    cannot say so, and what it started would wait for its tasks for ever, with all the memory of its last one."""
    _leave_no_locks()
    _STOP.append(stop)
    _BEGUN.append(begun)
    _COUNTER.append(counter)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
