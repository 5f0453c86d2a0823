"""A component of your own beside the built-in ones: the Prometheus node exporter on every host. own_component.py cluster.yaml [--simulated]"""

import json
import sys

import pgcluster
from pgcluster.testing import simulated_fleet


class NodeExporter(pgcluster.Component):
    """Its port comes from the spec: extra: {node_exporter: {port: 9100}}."""

    def name(self) -> str:
        return "node_exporter"

    def steps(self, node: pgcluster.NodeView) -> pgcluster.Steps:
        port = json.loads(pgcluster.extra_json(node.spec(), self.name())).get("port", 9100)
        wish = pgcluster.ServiceWish("prometheus-node-exporter.service", start_files=["/etc/default/prometheus-node-exporter"])
        defaults = pgcluster.WriteFile("/etc/default/prometheus-node-exporter", f'ARGS="--web.listen-address={node.host.address}:{port}"\n')
        return pgcluster.sequence(
            # The package must not start the unit before its configuration exists.
            pgcluster.packages(node.step("package"), node.name(), ["prometheus-node-exporter"], mask=[wish.unit]),
            pgcluster.file(node.step("unit"), node.name(), pgcluster.unit_notes(wish)),
            pgcluster.file(node.step("config"), node.name(), defaults),
            pgcluster.service(node.step("service"), node.name(), wish),
        )


def main() -> None:
    brings = pgcluster.SimulatedPackage("1.9", units=["prometheus-node-exporter.service"])
    executor: pgcluster.Executor = simulated_fleet({"prometheus-node-exporter": brings}) if "--simulated" in sys.argv else pgcluster.SshExecutor()
    plan = pgcluster.plan_deploy(pgcluster.load_spec(sys.argv[1]), executor, components=[NodeExporter()])
    print(plan)
    print(pgcluster.apply(plan, executor).check())


if __name__ == "__main__":
    main()
