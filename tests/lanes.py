"""Runs parts of the tests side by side. A part is a program that leaves its counts in a file; what it prints is shown when it ends."""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import time


@dataclasses.dataclass
class Part:
    name: str
    argv: list
    lane: str
    after: tuple = ()    # names of parts without whose success this one is not run
    nice: int = 0
    counts: tuple = (0, 0, 0)    # passed, failed, skipped
    took: float = 0.0
    ended: bool = False


class Lanes:
    """Parts of one lane start in their order, as many at a time as the lane is wide. `heir`: a lane that gets the places of those that have nothing left."""

    def __init__(self, folder, heir=None, **width):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.width = width
        self.heir = heir
        self.running = {}

    def run(self, parts):
        """Returns when all parts have ended. An interruption interrupts the parts, and waits for them: they have labs to take down."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.began, waiting = time.monotonic(), list(parts)
        known = {part.name: part for part in parts}
        try:
            while waiting or self.running:
                for part in [part for part in waiting if self._may_start(part, known)]:
                    if len([one for one in self.running.values() if one[0].lane == part.lane]) < self._places(part.lane, waiting):
                        waiting.remove(part)
                        self._start(part, known)
                for process, (part, started) in list(self.running.items()):
                    if process.poll() is not None:
                        del self.running[process]
                        self._end(part, process, started)
                time.sleep(0.1)
        except KeyboardInterrupt:
            self._interrupt()
            raise

    def _places(self, lane, waiting):
        busy = {part.lane for part in waiting} | {part.lane for part, _ in self.running.values()}
        return self.width[lane] + (sum(width for name, width in self.width.items() if name not in busy) if lane == self.heir else 0)

    def _may_start(self, part, known):
        return all(known[name].ended for name in part.after if name in known)

    def _file(self, part, suffix):
        return self.folder / ("".join(c if c.isalnum() else "-" for c in part.name) + suffix)

    def _say(self, text):
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"{minutes:3}:{seconds:02}  {text}", flush=True)

    def _start(self, part, known):
        if failed := [name for name in part.after if name in known and known[name].counts[1]]:
            part.counts, part.ended = (0, 1, 0), True
            self._say(f"{part.name}: not run, because of {', '.join(failed)}")
            return
        self._file(part, ".json").unlink(missing_ok=True)

        def lower():
            os.nice(part.nice)
            # Where the kernel schedules sessions, their niceness is what counts.
            with contextlib.suppress(OSError):
                pathlib.Path("/proc/self/autogroup").write_text(str(part.nice))

        with open(self._file(part, ".log"), "w") as log:
            process = subprocess.Popen(part.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=lower,
                                       env=dict(os.environ, PGCLUSTER_COUNTS=str(self._file(part, ".json"))))
        self.running[process] = part, time.monotonic()
        self._say(f"{part.name} begins")

    def _end(self, part, process, started):
        part.took, part.ended = time.monotonic() - started, True
        try:
            part.counts = tuple(json.loads(self._file(part, ".json").read_text()))
        except (OSError, ValueError):
            part.counts = (0, 1, 0)
        if process.returncode != 0 and part.counts[1] == 0:
            part.counts = (part.counts[0], 1, part.counts[2])
        passed, failed, skipped = part.counts
        print(f"\n== {part.name}\n{self._file(part, '.log').read_text(errors='replace').strip()}", flush=True)
        self._say(f"{part.name}: {passed} passed, {failed} failed, {skipped} skipped in {part.took:.0f} s")

    def _interrupt(self):
        for number, seconds in ((signal.SIGINT, 120), (signal.SIGKILL, 10)):
            for process in self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            end = time.monotonic() + seconds
            while time.monotonic() < end and any(process.poll() is None for process in self.running):
                time.sleep(0.1)


def leave(counts):
    """What a part does last."""
    if path := os.environ.get("PGCLUSTER_COUNTS"):
        pathlib.Path(path).write_text(json.dumps(counts))
