// From a spec to a running cluster in a few lines: minimal cluster.yaml
#include <exception>
#include <iostream>

#include <pgcluster/executor/ssh.hpp>
#include <pgcluster/operate/operate.hpp>

int main(int argc, char** argv) try {
  const auto spec = pgcluster::load_spec(argc > 1 ? argv[1] : "cluster.yaml");  // throws an error that lists every mistake
  pgcluster::SshExecutor ssh;

  const auto plan = pgcluster::plan_deploy(spec, ssh);  // reads the hosts, changes nothing
  std::cout << plan.text();

  const auto show = [](const pgcluster::Event& event) {
    if (event.kind == pgcluster::Event::Kind::step_done) std::cerr << event.step << " done\n";
  };
  pgcluster::apply(plan, ssh, {.on_event = show}).check();  // throws if the apply failed

  std::cout << pgcluster::read_status(spec, ssh).text();
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
