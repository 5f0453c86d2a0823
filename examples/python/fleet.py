"""Deploys many clusters at once: fleet.py [--dask] [--simulated] cluster.yaml…

By default, threads of this machine: pgcluster waits for hosts without the GIL. With --dask, the workers of a Dask cluster: specs and
reports are pickled, and the pickle of a spec contains no password, only "!env NAME" and "!file PATH".

Ctrl-C stops all applies in order: running steps finish, locks are released, and the reports say so."""

import concurrent.futures
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import pgcluster
from pgcluster.testing import simulated_fleet


class Submits(Protocol):
    """Whatever has submit(): the executors of concurrent.futures, the client of Dask."""

    def submit(self, function: Any, /, *args: Any) -> Any: ...


def deploy(spec: pgcluster.Spec, simulated: bool, stop: pgcluster.StopSource | None = None) -> tuple[str, pgcluster.Report | None, pgcluster.Error | None]:
    """Deploys one cluster. An error is a result: a bad cluster does not end the others."""
    executor: pgcluster.Executor = simulated_fleet() if simulated else pgcluster.SshExecutor()
    try:
        return spec.patroni_cluster_name, pgcluster.apply(pgcluster.plan_deploy(spec, executor, stop=stop), executor, stop=stop), None
    except pgcluster.Error as error:
        return spec.patroni_cluster_name, None, error


def deploy_all(specs: Iterable[pgcluster.Spec], pool: Submits, *options: Any) -> Iterator[bool]:
    for future in [pool.submit(deploy, spec, *options) for spec in specs]:
        name, report, error = future.result()
        print(f"{name}: {(report.text() if report is not None else str(error)).strip()}")
        yield report is not None and report.ok()


def stop_on_ctrl_c() -> pgcluster.StopSource:
    """Python handles signals on the main thread only; the applies run on others. A second Ctrl-C acts as usual."""
    stop = pgcluster.StopSource()

    def interrupted(number: int, frame: object) -> None:
        stop.request_stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, interrupted)
    return stop


def main() -> int:
    specs = [pgcluster.load_spec(word) for word in sys.argv[1:] if not word.startswith("--")]
    simulated = "--simulated" in sys.argv
    if "--dask" in sys.argv:
        from distributed import Client

        # For a cluster of Dask: Client("tcp://scheduler:8786").
        with Client(n_workers=2, threads_per_worker=2, dashboard_address=None) as client:  # type: ignore[no-untyped-call]
            good = list(deploy_all(specs, client, simulated))
    else:
        stop = stop_on_ctrl_c()
        with concurrent.futures.ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as pool:
            good = list(deploy_all(specs, pool, simulated, stop))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
