#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <pgcluster/simulation/simulated.hpp>
#include <pgcluster/plan/plan.hpp>

// Random clusters of made-up services: packages, files, units, gates, and what waits for what.
namespace laws {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  /// 0 … below - 1
  std::size_t operator()(std::size_t below) { return static_cast<std::size_t>(random_() % below); }
  bool chance(std::size_t percent) { return (*this)(100) < percent; }
  template <class T>
  const T& of(const std::vector<T>& list) {
    return list[(*this)(list.size())];
  }

 private:
  std::mt19937_64 random_;
};

/// Every package brings a unit of its name; a service is ready some time after its unit is active.
class MadeUp final : public pgcluster::ServiceModel {
 public:
  explicit MadeUp(std::chrono::milliseconds recovers) : recovers_(recovers) {}
  void added(pgcluster::SimulatedExecutor& executor) override { executor_ = &executor; }
  std::optional<pgcluster::SimulatedPackage> package(const std::string& name) override {
    return pgcluster::SimulatedPackage{.units = {name + ".service"}};
  }
  void unit_started(pgcluster::SimulatedHost& host, const std::string& unit, pgcluster::SimulatedTime now) override {
    ready_[host.name + " " + unit] = now + recovers_;
  }
  std::optional<pgcluster::Output> exec(pgcluster::SimulatedHost& host, const std::vector<std::string>& argv, const std::string&) override {
    if (argv[0] != "ready") return std::nullopt;
    const bool ready = host.active(argv[1]) && std::max(executor_->now(), host.busy_until) >= ready_[host.name + " " + argv[1]];
    return pgcluster::Output{.status = ready ? 0 : 1};
  }

 private:
  std::chrono::milliseconds recovers_;
  pgcluster::SimulatedExecutor* executor_ = nullptr;
  std::map<std::string, pgcluster::SimulatedTime> ready_;
};

struct Service {
  std::string name;
  bool rolling = true;
  bool reloadable = false;
  std::size_t files = 1;                          ///< of those, the first are read at start, the last one when loaded
  std::map<std::string, std::string> contents{};  ///< by "host path"
};

struct Cluster {
  std::vector<std::string> hosts;
  std::vector<Service> services;
  std::vector<std::pair<std::string, std::string>> waits;  ///< step names: the second waits for the first

  static Cluster random(Dice& dice, std::size_t index);
  pgcluster::Steps steps() const;
  pgcluster::Hosts access() const;
  void change(Dice& dice);                                               ///< other wishes
  void drift(Dice& dice, pgcluster::SimulatedExecutor& executor) const;  ///< strangers on the hosts
};

inline std::string path_of(const Service& service, std::size_t file) { return "/etc/" + service.name + "/" + std::to_string(file) + ".conf"; }

}  // namespace laws
