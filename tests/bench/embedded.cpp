// What embedded.py does, in C++: bench_embedded CLUSTERS HOSTS. Prints the CPU time of planning and of applying, simulated hosts included.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <pgcluster/simulation/services.hpp>
#include <pgcluster/operate/operate.hpp>

namespace {

double cpu() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

int main(int argc, char** argv) try {
  const int clusters = argc > 1 ? std::atoi(argv[1]) : 1;
  const int hosts = argc > 2 ? std::atoi(argv[2]) : 3;
  double planned = 0, applied = 0;
  for (int c = 0; c < clusters; ++c) {
    pgcluster::SimulatedExecutor fleet;
    pgcluster::add_service_models(fleet);
    double begun = cpu();
    pgcluster::Spec spec{.patroni_cluster_name = "c" + std::to_string(c)};
    for (int i = 1; i <= hosts; ++i)
      spec.hosts.push_back(
          {.name = "pg" + std::to_string(i), .address = "10." + std::to_string(c / 250) + "." + std::to_string(c % 250) + "." + std::to_string(i)});
    const auto plan = pgcluster::plan_deploy(spec, fleet);
    planned += cpu() - begun;
    begun = cpu();
    pgcluster::apply(plan, fleet).check();
    applied += cpu() - begun;
  }
  std::printf("{\"plan\": %.6f, \"apply\": %.6f}\n", planned, applied);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
