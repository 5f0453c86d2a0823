"""A stand-in of a cloud for the lab: serve.py PROVIDER NAME=ADDRESS... says its URL, and its state as JSON for each line of its input."""

import json
import sys

from hetzner import Hetzner

mock = {"hetzner": Hetzner}[sys.argv[1]](dict(word.split("=") for word in sys.argv[2:]))
print(json.dumps({"url": mock.endpoint, "env": mock.env}), flush=True)
for _ in sys.stdin:
    with mock.lock:
        print(json.dumps({"names": mock.names(), "facts": {name: mock.facts(name) for name in mock.names()}, "violations": mock.violations,
                          "checks": {name: mock.one(name)["services"][0]["health_check"] for name in mock.names()}}), flush=True)
mock.close()
