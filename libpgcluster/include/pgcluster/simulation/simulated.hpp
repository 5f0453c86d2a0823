#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/executor/executor.hpp>
#include <pgcluster/op/facts.hpp>

namespace PGCLUSTER_API pgcluster {

/// A moment of the fleet's virtual time.
using SimulatedTime = std::chrono::steady_clock::time_point;

/// What comes with a package.
struct SimulatedPackage {
  std::string version = "1";
  std::vector<std::string> depends{};
  std::vector<std::string> units{};  ///< enabled and started, unless they are masked
  std::map<std::string, File> files{};
  std::map<std::string, Account> accounts{};
  friend bool operator==(const SimulatedPackage&, const SimulatedPackage&) = default;
};

/// A unit of systemd on a simulated host.
struct SimulatedUnit {
  Unit state{};                             ///< masked: at run time
  std::optional<SimulatedTime> ready_at{};  ///< activating: when it becomes active
  /// Digests of the files that its drop-in notes (see unit_notes), as they were when it was started or loaded; "": not there.
  std::optional<std::map<std::string, std::string>> start_notes{};
  std::optional<std::map<std::string, std::string>> load_notes{};
};

/// A host as it stands. Tests and models may change anything in it.
struct SimulatedHost {
  std::string name{};
  Facts facts{};  ///< but owned, cluster, secrets and clock, which are files and virtual time
  std::map<std::string, File> files{};
  std::map<std::string, std::string> packages{};  ///< versions by name
  std::map<std::string, SimulatedUnit> units{};
  std::map<std::string, Account> accounts{};
  std::optional<LockHolder> lock{};
  SimulatedTime beaten{};      ///< the lock's last beat
  SimulatedTime busy_until{};  ///< its programs have taken it that far
  std::chrono::seconds clock_ahead{0};  ///< of virtual time; negative: its clock is behind
  int boot = 1;
  bool down = false;    ///< host_unreachable
  bool frozen = false;  ///< timed_out
  bool cloud = false;   ///< a cloud's API: its load balancers are files, /load-balancers/NAME

  /// Content of a regular file; null if there is no such file.
  const std::string* read(const std::string& path) const;
  /// Makes or replaces a regular file of root's.
  void write(const std::string& path, std::string content, unsigned mode = 0644);
  /// Whether the unit is active; false if there is no such unit.
  bool active(const std::string& unit) const;
};

class SimulatedExecutor;

/// How services behave. One object for the whole fleet: state that the hosts of a cluster share is kept in it. A user's own plugs in.
/// `now` is the host's time, ahead of the executor's while the host is busy.
class ServiceModel {
 public:
  /// The outcome of starting a unit.
  struct Start {
    std::optional<std::chrono::milliseconds> takes{};  ///< empty: as SimulatedOptions say
    std::string dies{};                                ///< not empty: it fails, and this is its journal
  };
  virtual ~ServiceModel() = default;
  /// Called once, by SimulatedExecutor::add().
  virtual void added(SimulatedExecutor&) {}
  /// What the package brings; empty where this model does not know it.
  virtual std::optional<SimulatedPackage> package(const std::string& /*name*/) { return std::nullopt; }
  /// The package is there now, its files and accounts, too.
  virtual void package_installed(SimulatedHost&, const std::string& /*name*/) {}
  /// The package is gone, its files, too.
  virtual void package_removed(SimulatedHost&, const std::string& /*name*/) {}
  /// A unit is being started or restarted; empty: this model does not know it.
  virtual std::optional<Start> unit_starts(SimulatedHost&, const std::string& /*unit*/, SimulatedTime /*now*/) { return std::nullopt; }
  /// It has become active.
  virtual void unit_started(SimulatedHost&, const std::string& /*unit*/, SimulatedTime /*now*/) {}
  /// It has been stopped, also as the first half of a restart, or by a crash of its host.
  virtual void unit_stopped(SimulatedHost&, const std::string& /*unit*/, SimulatedTime /*now*/) {}
  /// It has read its configuration again.
  virtual void unit_reloaded(SimulatedHost&, const std::string& /*unit*/, SimulatedTime /*now*/) {}
  /// Called when virtual time has passed, at least once for each sleep of the executor.
  virtual void passed(SimulatedTime /*now*/) {}
  /// A command, reading or changing; empty: not a program of this model.
  virtual std::optional<Output> exec(SimulatedHost&, const std::vector<std::string>& /*argv*/, const std::string& /*input*/) { return std::nullopt; }
};

/// How long things take in virtual time, and what the hosts of the fleet are.
struct SimulatedOptions {
  std::chrono::milliseconds install{20'000};
  std::chrono::milliseconds unit_start{1'000};  ///< from the command until the unit is active
  std::chrono::milliseconds other{5};
  std::int64_t clock = 1'700'000'000;  ///< Unix time at the beginning
  /// Whether packages that no model knows can be installed; they contain nothing.
  bool any_package = true;
  Facts facts{.os_id = "debian",
              .os_version = "13",
              .os_codename = "trixie",
              .arch = "x86_64",
              .memory_bytes = std::uint64_t{4} << 30,
              .cpus = 2,
              .nofile_limit = 524288,
              .default_interface = "eth0"};
};

/// A Do that acted, or tried to.
struct SimulatedAct {
  std::size_t sequence = 0;  ///< from 1, in the order of causes over all hosts
  SimulatedTime begin{};     ///< of the host's time
  std::chrono::milliseconds duration{0};
  std::string host;
  Do what;
  std::string description;
  std::vector<std::string> resources{};
  std::optional<SetUnit::Go> go{};  ///< of a SetUnit: what it really did
  bool failed = false;
  /// It stopped or restarted a unit that was active, at least until `serving_at`.
  bool disturbed = false;
  SimulatedTime serving_at{};
};

/// A fleet in memory with its own clock: no call waits in real time, and the same calls give the same results.
///
/// Time: run() returns before its program ends, and the host is busy until the program has ended (busy_until). The next run() for the same host waits
/// for that, which advances now(); so do sleep_until() and advance(). A started unit is "activating" until its start time has passed, so a step that
/// waits for it does wait. Hosts therefore overlap in virtual time like real ones.
///
/// run() creates a host that does not exist yet, as an empty Debian.
class SimulatedExecutor final : public Executor {
 public:
  /// A fleet without hosts and without models, at the clock that the options say.
  explicit SimulatedExecutor(SimulatedOptions options = {});
  ~SimulatedExecutor() override;
  SimulatedExecutor(const SimulatedExecutor&) = delete;
  SimulatedExecutor& operator=(const SimulatedExecutor&) = delete;

  ProgramResult run(const HostAccess& host, const Program& program) override;
  std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) override;
  void beat(const HostAccess& host) override;
  void unlock(const HostAccess& host) noexcept override;
  void cancel() noexcept override;
  void resume() noexcept override;
  bool blocking() const noexcept override { return false; }
  /// The virtual time. The comment of the class tells what advances it.
  SimulatedTime now() const override;
  void sleep_until(SimulatedTime until) override;

  /// Lets virtual time pass.
  void advance(std::chrono::milliseconds by) { sleep_until(now() + by); }
  /// When the last host will have ended its work.
  SimulatedTime finished() const;
  /// As they were given.
  const SimulatedOptions& options() const noexcept;

  /// Models are asked in the order in which they were added.
  void add(std::shared_ptr<ServiceModel> model);
  /// The host, made where it is not there. References stay valid.
  SimulatedHost& host(const std::string& name);
  /// The same by the access's name.
  SimulatedHost& host(const HostAccess& access);
  /// Names of all hosts that were made so far, sorted.
  std::vector<std::string> hosts() const;

  /// All changes of all hosts, in order, but for the record of each apply in the hosts' history.
  const std::vector<SimulatedAct>& trace() const noexcept;
  /// Forgets the trace; sequences go on counting.
  void clear_trace();
  /// Starts the unit, with the bookkeeping that systemd does on a host; for models and tests.
  void start_unit(SimulatedHost& host, const std::string& unit);
  /// Stops the unit, with the same bookkeeping.
  void stop_unit(SimulatedHost& host, const std::string& unit);
  /// Makes the unit fail by itself; `journal` is appended to its journal.
  void fail_unit(SimulatedHost& host, const std::string& unit, const std::string& journal = {});
  /// Reloads the unit, with the bookkeeping that systemd does on a host.
  void reload_unit(SimulatedHost& host, const std::string& unit);
  /// Installs a package with what it depends on, at once. Throws Error (command_failed) where there is none of that name.
  void install(SimulatedHost& host, const std::string& package);
  /// Power off and on: /run is empty, enabled units start, the lock is gone, the boot id is another.
  void reboot(SimulatedHost& host);

  // Faults. Each happens once, except those of fail().

  /// Where the connection breaks: before the Do, after it, or while the host goes on with the whole program as an orphan.
  enum class Lost { before, after, orphan };
  /// The connection to `host` breaks at its nth Do from now, counted from 1: Error connection_lost, state unknown.
  void lose_connection(const std::string& host, std::size_t nth, Lost how);
  /// `which` is called just before each Do acts: if it returns an Output, the Do fails with that. An empty function ends this.
  void fail(std::function<std::optional<Output>(const Do&)> which);
  /// At the nth Do of the fleet from now, counted from 1, before or after it, `thrower` is called: the controller is killed.
  void interrupt(std::size_t nth, bool after, std::function<void()> thrower);
  /// Called before each Do that the host looks at, with the host; may change the fleet: a stranger at work.
  void meanwhile(std::function<void(SimulatedHost&, const Do&)> what);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcluster
