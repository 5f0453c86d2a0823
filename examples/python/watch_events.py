"""Deploys with a progress bar for each host: watch_events.py cluster.yaml [--simulated]. Needs rich: pip install pgcluster[progress]."""

import sys
from collections import Counter

import pgcluster
from pgcluster.testing import simulated_fleet
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


def owner(step: str) -> str:
    return pgcluster.host_of(step) or "cluster"


def main() -> int:
    executor: pgcluster.Executor = simulated_fleet() if "--simulated" in sys.argv else pgcluster.SshExecutor()
    spec = pgcluster.load_spec(sys.argv[1])
    plan = pgcluster.plan_deploy(spec, executor)
    totals = Counter(owner(change.id) for change in plan.changes())
    with Progress(TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[doing]}")) as progress:
        bars = {name: progress.add_task(name, total=total, doing="") for name, total in sorted(totals.items())}

        def show(event: pgcluster.Event) -> None:
            """On the thread that called apply: no locks."""
            bar = bars.get(owner(event.step)) if event.step else None
            if bar is None:
                return
            if event.kind == pgcluster.Event.Kind.step_done:
                progress.update(bar, advance=1, doing="")
            elif event.kind in (pgcluster.Event.Kind.step_failed, pgcluster.Event.Kind.step_blocked):
                progress.update(bar, doing=f"[red]{event.message.splitlines()[0]}")
            else:
                progress.update(bar, doing=event.step)

        report = pgcluster.apply(plan, executor, on_event=show)
    print(report)
    return 0 if report.ok() else 1


if __name__ == "__main__":
    sys.exit(main())
