// Plans as often as it is told, with one executor: bench_plan cluster.yaml; a line on its standard input is a plan, and a line of output the
// milliseconds that it took. The first has to open the connections.
#include <chrono>
#include <exception>
#include <iostream>
#include <string>

#include <pgcluster/pgcluster.hpp>

int main(int argc, char** argv) try {
  const auto spec = pgcluster::load_spec(argc > 1 ? argv[1] : "cluster.yaml");
  pgcluster::SshExecutor ssh;
  for (std::string line; std::getline(std::cin, line);) {
    const auto begun = std::chrono::steady_clock::now();
    const auto plan = pgcluster::plan_deploy(spec, ssh);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
    std::cout << took.count() << ' ' << plan.changes().size() << std::endl;
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
