// Uses what crosses the border of a shared library: virtual functions both ways, exceptions, casts, callbacks, values.
#include <iostream>
#include <memory>
#include <stdexcept>

#include <pgcluster/pgcluster.hpp>

namespace {

class Motd final : public pgcluster::Component {
 public:
  std::string name() const override { return "motd"; }
  pgcluster::Steps steps(const pgcluster::NodeView& node) const override {
    return pgcluster::file(node.step(name(), "file"), node.name(), {.path = "/etc/motd", .content = "cluster " + node.spec().patroni_cluster_name});
  }
};

class Stubborn final : public pgcluster::Step {
 public:
  std::string name() const override { return "pg1/stubborn/step"; }
  std::vector<pgcluster::Ask> asks() const override { return {}; }
  pgcluster::Decision decide(const pgcluster::Answers&) const override { return pgcluster::Refused{{.message = "it will not"}}; }
};

void expect(bool true_, const char* what) {
  if (!true_) throw std::runtime_error(what);
}

}  // namespace

int main() try {
  try {
    pgcluster::parse_spec("hosts: { pg1: { adress: 10.0.0.1 } }");
    expect(false, "a wrong spec is refused");
  } catch (const pgcluster::Error& error) {
    expect(error.code() == pgcluster::Code::spec_invalid && !error.diagnostics().empty(), "its error is caught as what it is");
  }
  const auto spec = pgcluster::parse_spec("hosts: { pg1: { address: 10.0.0.1 }, pg2: { address: 10.0.0.2 }, pg3: { address: 10.0.0.3 } }");
  pgcluster::SimulatedExecutor fleet;
  pgcluster::add_service_models(fleet);
  pgcluster::Executor& executor = fleet;
  expect(dynamic_cast<pgcluster::SimulatedExecutor*>(&executor) && !dynamic_cast<pgcluster::SshExecutor*>(&executor), "types are told apart");

  const auto own = std::make_shared<Motd>();
  const auto plan = pgcluster::plan_deploy(spec, executor, {.components = {own}});
  int events = 0;
  pgcluster::apply(plan, executor, {.on_event = [&](const pgcluster::Event&) { ++events; }}).check();
  expect(events > 0 && fleet.host("pg2").read("/etc/motd"), "the component's file is there");
  expect(pgcluster::read_status(spec, executor).healthy, "the cluster is healthy");
  expect(pgcluster::plan_deploy(spec, executor, {.components = {own}}).empty(), "nothing more to do");

  try {
    pgcluster::make_plan({{"pg1", {.name = "pg1", .address = "10.0.0.1"}}}, pgcluster::Steps(std::make_shared<Stubborn>()), executor);
    expect(false, "a step that refuses stops the plan");
  } catch (const std::exception& error) {
    expect(dynamic_cast<const pgcluster::Error*>(&error), "an Error is a std::exception");
  }
  std::cout << "consumer: " << plan.changes().size() << " changes, healthy\n";
} catch (const std::exception& error) {
  std::cerr << "consumer: " << error.what() << '\n';
  return 1;
}
