// What planning and applying costs the controller, without hosts: bench_fleet CLUSTERS HOSTS. So many clusters of so many hosts are planned,
// deployed and planned once more, each on a simulated fleet of its own; what the simulated hosts themselves cost is not counted. All plans
// are kept until the end, as a program would that looks at a whole fleet. Prints one JSON document.
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <pgcluster/simulation/services.hpp>
#include <pgcluster/operate/operate.hpp>

namespace {

std::uint64_t live = 0;
std::uint64_t peak = 0;

void* take(std::size_t size) {
  void* found = std::malloc(size);
  if (!found) throw std::bad_alloc();
  live += malloc_usable_size(found);
  peak = std::max(peak, live);
  return found;
}
void give(void* what) noexcept {
  live -= malloc_usable_size(what);
  std::free(what);
}

}  // namespace

// Nothing here has a second thread, so that plain counters do.
void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* what) noexcept { give(what); }
void operator delete[](void* what) noexcept { give(what); }
void operator delete(void* what, std::size_t) noexcept { give(what); }
void operator delete[](void* what, std::size_t) noexcept { give(what); }

namespace {

using namespace pgcluster;

double cpu() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Adds the CPU time of its own life.
struct Meter {
  double& sum;
  double begun = cpu();
  ~Meter() { sum += cpu() - begun; }
};

/// The simulated fleet, and how much time went into it.
class Metered final : public Executor {
 public:
  Metered() { add_service_models(fleet_); }
  ProgramResult run(const HostAccess& host, const Program& program) override {
    const Meter meter{seconds_};
    return fleet_.run(host, program);
  }
  std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) override {
    const Meter meter{seconds_};
    return fleet_.lock(host, us);
  }
  void beat(const HostAccess& host) override {
    const Meter meter{seconds_};
    fleet_.beat(host);
  }
  void unlock(const HostAccess& host) noexcept override {
    const Meter meter{seconds_};
    fleet_.unlock(host);
  }
  bool blocking() const noexcept override { return false; }
  SimulatedTime now() const override { return fleet_.now(); }
  void sleep_until(SimulatedTime until) override {
    const Meter meter{seconds_};
    fleet_.sleep_until(until);
  }
  double seconds() const { return seconds_; }

 private:
  SimulatedExecutor fleet_;
  double seconds_ = 0;
};

/// CPU time of a kind of work on all clusters, the most memory that it had at once, and what its results keep.
struct Cost {
  double seconds = 0;
  std::uint64_t on_top = 0;
  std::uint64_t kept = 0;

  template <class Work>
  void measure(const Metered& fleet, const Work& work) {
    const double begun = cpu() - fleet.seconds();
    const std::uint64_t before = peak = live;
    work();
    seconds += cpu() - fleet.seconds() - begun;
    on_top = std::max(on_top, peak - before);
  }
  void release(std::vector<Plan>& plans) {
    const std::uint64_t before = live;
    plans.clear();
    kept = before - live;
  }
  std::string json(const char* name, double hosts) const {
    char text[200];
    std::snprintf(text, sizeof text, R"("%s": {"ms_per_host": %.4f, "kept_kb_per_host": %.2f, "peak_kb": %.1f})", name, seconds * 1e3 / hosts,
                  static_cast<double>(kept) / 1024 / hosts, static_cast<double>(on_top) / 1024);
    return text;
  }
};

std::string yaml(int cluster, int hosts) {
  const std::string name = "c" + std::to_string(cluster);
  std::string text = "patroni_cluster_name: " + name +
                     "\ncluster_vip: 10.255.0.1\npostgresql_users: [{name: app, password: \"the app's\"}]\n"
                     "postgresql_databases: [{db: app, owner: app}]\nhosts:\n";
  for (int i = 1; i <= hosts; ++i)
    text += "  " + name + "-pg" + std::to_string(i) + ": {address: 10." + std::to_string(cluster / 250) + "." + std::to_string(cluster % 250) + "." +
            std::to_string(i) + "}\n";
  return text;
}

}  // namespace

int main(int argc, char** argv) try {
  const int clusters = argc > 1 ? std::atoi(argv[1]) : 1;
  const int hosts = argc > 2 ? std::atoi(argv[2]) : 3;
  std::vector<Plan> fresh, again;
  Cost read, plan, applied, noop;
  for (int c = 0; c < clusters; ++c) {
    Metered fleet;
    std::optional<Spec> spec;
    read.measure(fleet, [&] { spec = parse_spec(yaml(c, hosts)); });
    plan.measure(fleet, [&] { fresh.push_back(plan_deploy(*spec, fleet)); });
    applied.measure(fleet, [&] { apply(fresh.back(), fleet).check(); });
    noop.measure(fleet, [&] { again.push_back(plan_deploy(*spec, fleet)); });
    if (!again.back().empty()) {
      std::fprintf(stderr, "the second plan is not empty:\n%s\n", again.back().text().c_str());
      return 1;
    }
  }
  const double all = static_cast<double>(clusters) * hosts;
  const double steps = static_cast<double>(again.front().unchanged()) / hosts;
  plan.release(fresh);
  noop.release(again);
  std::printf("{\"clusters\": %d, \"hosts\": %.0f, \"steps_per_host\": %.1f, %s, %s, %s, %s}\n", clusters, all, steps, read.json("read", all).c_str(),
              plan.json("plan", all).c_str(), applied.json("apply", all).c_str(), noop.json("noop", all).c_str());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
