"""Deploys a cluster from a dict, such as an inventory or an API gives: provision.py [cluster.json] [--simulated]. With --simulated, in memory."""

import json
import pathlib
import sys
from typing import Any

import pgcluster
from pgcluster.testing import simulated_fleet

KEYS: dict[str, Any] = {
    "patroni_cluster_name": "orders",
    "postgresql_parameters": {"max_connections": 200},
    "postgresql_users": [{"name": "orders", "flags": "LOGIN"}],
    "postgresql_databases": [{"db": "orders", "owner": "orders"}],
    "ssh": {"user": "root"},
    "hosts": {f"pg{i}": {"address": f"10.77.0.{10 + i}"} for i in (1, 2, 3)},
}


def main() -> int:
    files = [word for word in sys.argv[1:] if not word.startswith("--")]
    executor: pgcluster.Executor = simulated_fleet() if "--simulated" in sys.argv else pgcluster.SshExecutor()
    try:
        spec = pgcluster.Spec.from_dict(json.loads(pathlib.Path(files[0]).read_text()) if files else KEYS)
        plan = pgcluster.plan_deploy(spec, executor)
        print(plan)
        print(pgcluster.apply(plan, executor).check())
        status = pgcluster.read_status(spec, executor)
    except pgcluster.SpecInvalid as error:
        print(*(finding.text() for finding in error.diagnostics), sep="\n", file=sys.stderr)
        return 65
    except pgcluster.Error as error:
        print(error, file=sys.stderr)
        return 1
    print(status)
    print(*(endpoint.uri for endpoint in status.endpoints), sep="\n")
    return 0 if status.healthy else 1


if __name__ == "__main__":
    sys.exit(main())
