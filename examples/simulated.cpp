// A whole deployment with no host at all: the fleet is in memory, and its time is its own. simulated cluster.yaml
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>

#include <pgcluster/executor/simulated.hpp>
#include <pgcluster/operate/operate.hpp>

int main(int argc, char** argv) try {
  const auto spec = pgcluster::load_spec(argc > 1 ? argv[1] : "cluster.yaml");
  pgcluster::SimulatedExecutor fleet;  // hosts are made as they are asked for, each an empty Debian

  const auto plan = pgcluster::plan_deploy(spec, fleet);
  std::cout << plan.text() << '\n';

  const auto show = [](const pgcluster::Event& event) {
    if (event.kind == pgcluster::Event::Kind::step_done)
      std::printf("%7.1f s  %s\n", std::chrono::duration<double>(event.at).count(), event.step.c_str());
  };
  const auto report = pgcluster::apply(plan, fleet, {.on_event = show});
  std::cout << '\n' << report.check().text() << '\n';

  const auto status = pgcluster::read_status(spec, fleet);
  std::cout << status.text();
  const auto again = pgcluster::plan_deploy(spec, fleet);
  std::cout << "\nAgain:\n" << again.text();
  return status.healthy && again.empty() ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
