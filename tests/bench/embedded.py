"""What embedded.cpp does, in Python: embedded.py CLUSTERS HOSTS [--events]. Prints the CPU time of planning and of applying."""

import json
import sys
import time

import pgcluster

clusters, hosts = map(int, sys.argv[1:3])
seen = []
options = {"on_event": seen.append} if "--events" in sys.argv else {}
planned = applied = 0.0
for c in range(clusters):
    fleet = pgcluster.SimulatedExecutor()
    pgcluster.add_service_models(fleet)
    begun = time.process_time()
    spec = pgcluster.Spec(f"c{c}", hosts=[pgcluster.HostSpec(f"pg{i}", f"10.{c // 250}.{c % 250}.{i}") for i in range(1, hosts + 1)])
    plan = pgcluster.plan_deploy(spec, fleet)
    planned += time.process_time() - begun
    begun = time.process_time()
    pgcluster.apply(plan, fleet, **options).check()
    applied += time.process_time() - begun
print(json.dumps({"plan": planned, "apply": applied}))
