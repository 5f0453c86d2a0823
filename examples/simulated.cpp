// Deploys a spec on a simulated fleet in memory, without hosts or root, in about a second: simulated cluster.yaml
#include <exception>
#include <iomanip>
#include <iostream>

#include <pgcluster/operate/operate.hpp>
#include <pgcluster/simulation/services.hpp>

int main(int argc, char** argv) try {
  const auto spec = pgcluster::load_spec(argc > 1 ? argv[1] : "cluster.yaml");
  pgcluster::SimulatedExecutor fleet;
  pgcluster::add_service_models(fleet);

  const auto plan = pgcluster::plan_deploy(spec, fleet);
  std::cout << plan.text() << '\n';

  const auto show = [](const pgcluster::Event& event) {
    if (event.kind == pgcluster::Event::Kind::step_done || event.kind == pgcluster::Event::Kind::step_failed)
      std::cout << std::setw(7) << std::fixed << std::setprecision(1) << static_cast<double>(event.at.count()) / 1000 << " s  " << event.step
                << (event.message.empty() ? "" : ": " + event.message) << '\n';
  };
  pgcluster::apply(plan, fleet, {.on_event = show}).check();

  const auto status = pgcluster::read_status(spec, fleet);
  std::cout << '\n' << status.text() << '\n';
  const auto again = pgcluster::plan_deploy(spec, fleet);
  std::cout << (again.empty() ? "Planned again: no changes.\n" : again.text());
  return again.empty() && status.healthy ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
