#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include <pgcluster/executor/executor.hpp>
#include <pgcluster/step/step.hpp>

namespace PGCLUSTER_API pgcluster {

/// The hosts of a plan by name.
using Hosts = std::map<std::string, HostAccess>;

/// One thing that apply will do, or wait for.
struct PlannedChange {
  std::string id;    ///< the step's name
  std::string host;  ///< empty: of the cluster
  std::string component;
  std::string step;  ///< last part of the name
  Action action = Action::update;
  Impact impact = Impact::none;
  bool known = true;  ///< false: decided when reached, at most this
  std::string reason;
  std::vector<std::string> after;  ///< ids of changes that it waits for
  std::optional<Text> diff;
  friend bool operator==(const PlannedChange&, const PlannedChange&) = default;
};

/// What a planner promises beyond the steps, for the plan's document.
struct PlanOrigin {
  std::string planner;  ///< "deploy"
  std::string spec{};   ///< YAML, secrets as references
  std::map<std::string, std::string> options{};
};

/// What would be done. A value; cheap to copy. Nothing in it shows a secret but the steps inside, which nobody can print.
class Plan {
 public:
  /// What the engine keeps of a plan.
  struct Data;
  /// For the engine; plans come from make_plan and the planners.
  explicit Plan(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  /// All changes, in a possible order of execution.
  const std::vector<PlannedChange>& changes() const;
  /// What is doubtful, for people; no warning stops an apply.
  const std::vector<Diagnostic>& warnings() const;
  /// Whether there is nothing to do.
  bool empty() const;
  /// Whether there is something to do.
  explicit operator bool() const { return !empty(); }
  /// How many steps hold already.
  std::size_t unchanged() const;

  /// For people; `diff` adds the texts. `color` adds ANSI colours.
  std::string text(bool diff = false, bool color = false) const;
  /// The contract's document: format 1, changes, warnings, summary.
  std::string json() const;
  /// What --out writes: format, library version, spec, planner, options, promised changes.
  std::string document() const;

  /// For the engine.
  const Data& data() const { return *data_; }

 private:
  std::shared_ptr<const Data> data_;
};

/// How a plan is made. Callbacks come on the calling thread.
struct PlanOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};
  std::size_t parallel = 32;           ///< hosts at once
  std::vector<Diagnostic> warnings{};  ///< taken over into the plan
  PlanOrigin origin{};
  /// Hosts that the plan leaves out, as if they were down. Steps may ask them (each answer is Unreadable) and wait for their steps (which the plan
  /// does not have: no wait).
  std::set<std::string> without{};
  std::function<void(const std::string& host, const std::string& what)> on_progress{};
  std::function<void()> poll{};  ///< called on the calling thread at least every 100 ms
};

/// Asks each host all that the steps want to know, in one program a host, and decides. Changes nothing.
/// Throws Error: spec_invalid for two steps that keep one resource, internal for steps that wait for each other in a circle or for a step that the
/// plan does not have (see after()), refused where a step refuses, or a host's own error.
Plan make_plan(const Hosts& hosts, const Steps& steps, Executor& executor, const PlanOptions& options = {});

/// What hosts answered; errors instead of answers where a host could not be asked.
struct Observed {
  std::map<std::string, std::vector<Answer>> answers;
  std::map<std::string, Error> errors;
};
/// Asks several hosts at once, `parallel` at a time. A host that cannot be asked is in the result's errors.
Observed observe(const Hosts& hosts, const std::map<std::string, std::vector<Ask>>& asks, Executor& executor, const PlanOptions& options = {});

/// What happens during an apply, in order of time. Delivered on the thread that called apply.
struct Event {
  /// step_* are about one step, host_* about one host; between started and done a step may report progress any number of times.
  enum class Kind { apply_started, lock_taken, step_started, step_progress, step_done, step_failed, step_blocked, host_lost, host_back, apply_done };
  Kind kind = Kind::apply_started;
  std::chrono::milliseconds at{0};  ///< since apply began
  std::string host{};
  std::string step{};
  std::string message{};
  std::chrono::milliseconds took{0};
};
/// The kind's name in JSON: "step_done".
std::string_view to_string(Event::Kind kind) noexcept;
/// One line of JSON without its newline.
std::string json(const Event& event);
/// The contract's document of an error, in one line: {"format": 1, "error": {code, host, step, message, hint, …}}.
std::string json(const Failure& failure);

/// How one change of the plan went.
struct StepReport {
  /// blocked: it waited for one that failed; not_reached: the apply was cancelled or stopped before it.
  enum class State { done, unchanged, failed, blocked, not_reached };
  std::string id;
  std::string host;
  State state = State::not_reached;
  std::chrono::milliseconds took{0};
  std::optional<Failure> failure{};
  std::string blocked_by{};  ///< id of the step that failed
};

/// How an apply went.
class Report {
 public:
  std::vector<StepReport> steps;  ///< of the plan's changes
  std::vector<Failure> failures;  ///< one per cause
  std::chrono::milliseconds took{0};
  std::size_t changed = 0;
  bool cancelled = false;

  /// Whether everything was done.
  bool ok() const { return failures.empty() && !cancelled; }
  /// Throws the first failure, with the others as its diagnostics; returns the report itself where it is ok.
  const Report& check() const;
  /// For people, in lines: each failure as Error::text() has it, then what was done in how long.
  std::string text() const;
  /// The contract's document: format 1, in one line.
  std::string json() const;
};

/// How an apply goes on. Callbacks come on the calling thread; what one throws ends the apply, which gives its locks back and throws it on.
struct ApplyOptions {
  std::function<void(const Event&)> on_event{};
  std::stop_token stop{};  ///< no further program; running ones end
  std::chrono::seconds deadline{3600};
  std::chrono::seconds reconnect{90};  ///< how long a lost connection is tried again
  std::size_t parallel = 32;
  std::string who{};             ///< for the lock: "root@host pid 4711"; empty: made from the process
  std::function<void()> poll{};  ///< called on the calling thread at least every 100 ms
};

/// Does what the plan says, and nothing else. Throws Error only where nothing was begun (locked, unreachable); else see the report.
Report apply(const Plan& plan, Executor& executor, const ApplyOptions& options = {});

}  // namespace pgcluster
