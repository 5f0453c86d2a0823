// A component of your own beside the built-in ones: the Prometheus node exporter on every host.
#include <exception>
#include <iostream>
#include <memory>

#include <pgcluster/executor/ssh.hpp>
#include <pgcluster/operate/operate.hpp>

class NodeExporter final : public pgcluster::Component {
 public:
  std::string name() const override { return "node_exporter"; }
  pgcluster::Steps steps(const pgcluster::NodeView& node) const override {  // a graph of steps
    return pgcluster::sequence(pgcluster::package(node, "prometheus-node-exporter"), pgcluster::service(node, "prometheus-node-exporter"));
  }
  // What check, status and destroy need to know of it.
  pgcluster::Needs needs(const pgcluster::NodeView&) const override {
    return {.packages = {"prometheus-node-exporter"},
            .ports = {{.number = 9100, .purpose = "the metrics exporter", .unit = "prometheus-node-exporter.service"}},
            .units = {"prometheus-node-exporter.service"}};
  }
};

int main(int argc, char** argv) try {
  const auto spec = pgcluster::load_spec(argc > 1 ? argv[1] : "cluster.yaml");
  pgcluster::SshExecutor ssh;
  pgcluster::DeployOptions options;
  options.components = {std::make_shared<NodeExporter>()};
  const auto plan = pgcluster::plan_deploy(spec, ssh, options);
  std::cout << plan.text();
  std::cout << pgcluster::apply(plan, ssh).check().text();
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
