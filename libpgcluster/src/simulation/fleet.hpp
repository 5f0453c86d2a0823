#pragma once

#include <deque>
#include <list>
#include <string_view>
#include <utility>

#include <pgcluster/simulation/simulated.hpp>

namespace pgcluster {

class __attribute__((visibility("hidden"))) SimulatedExecutor::Impl {
 public:
  Impl(SimulatedExecutor& self, SimulatedOptions options) : self_(self), options_(std::move(options)) {}

  SimulatedHost& host(const std::string& name);
  /// Throws if the host is down or frozen, or if the executor was cancelled.
  SimulatedHost& reach(const HostAccess& access);
  SimulatedTime local(const SimulatedHost& host) const { return std::max(now_, host.busy_until); }
  bool lock_alive(const SimulatedHost& host) const;

  ProgramResult run(const HostAccess& access, const Program& program);

  // simulated_dos.cpp
  DoResult perform(SimulatedHost& host, const Do& d);
  void note_owned(SimulatedHost& host, const std::vector<Owned>& own);
  void strike_owned(SimulatedHost& host, const std::vector<std::string>& disown);
  // simulated_asks.cpp
  Answer answer(SimulatedHost& host, const Ask& ask);
  Output exec(SimulatedHost& host, const std::vector<std::string>& argv, const Text& input);
  // simulated_units.cpp
  SimulatedUnit* unit(SimulatedHost& host, const std::string& name);
  void ripen(SimulatedHost& host);  ///< makes units active that are activating and whose start time has passed
  void start(SimulatedHost& host, const std::string& name);
  void stop(SimulatedHost& host, const std::string& name);
  void reload(SimulatedHost& host, const std::string& name);
  std::optional<SimulatedPackage> package(const std::string& name) const;
  /// Installs the package. Returns an error message in apt's words, or an empty string.
  std::string install(SimulatedHost& host, const std::string& name);
  void purge(SimulatedHost& host, const std::string& name);
  void reboot(SimulatedHost& host);

  SimulatedExecutor& self_;
  SimulatedOptions options_;
  SimulatedTime now_{std::chrono::hours(1)};
  std::map<std::string, SimulatedHost> hosts_;
  std::map<std::string, std::string> journals_;  // by "host unit"
  std::vector<std::shared_ptr<ServiceModel>> models_;
  std::vector<SimulatedAct> trace_;
  std::size_t sequence_ = 0;  // of acts
  std::int64_t pids_ = 1000;
  std::set<std::string> tokens_;  // of locks that were taken through this executor
  bool cancelled_ = false;

  struct Break {
    std::size_t left;
    Lost how;
  };
  std::map<std::string, Break> breaks_;
  std::function<std::optional<Output>(const Do&)> fails_;
  std::size_t interrupt_in_ = 0;
  bool interrupt_after_ = false;
  std::function<void()> thrower_;
  std::function<void(SimulatedHost&, const Do&)> meanwhile_;

 private:
  void perform_all(SimulatedHost& host, const Program& program, ProgramResult& result);

  // simulated_dos.cpp
  struct Acting;
  void act(Acting& a, const WriteFile& write);
  void act(Acting& a, const WriteBlock& write);
  void act(Acting& a, const Upload& upload);
  void act(Acting& a, const Install& wanted);
  void act(Acting& a, const SetUnit& set);
  void act(Acting& a, const SetAccount& set);
  void act(Acting& a, const Run& run);
  void act(Acting& a, const Send& send);
  void act(Acting& a, const Remove& remove);
  void put_file(Acting& a, const std::string& path, std::string content, unsigned mode, const std::string& owner, const std::string& group);
  void put_block(Acting& a, const std::string& path, const std::string& marker, const std::string& content);
  void remove_unit(Acting& a, const std::string& name);
  bool as_was(Acting& a, const std::string& path);
  bool go(Acting& a);
};

}  // namespace pgcluster
