#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/executor/executor.hpp>
#include <pgcluster/step/step.hpp>

namespace PGCLUSTER_API pgcluster {

/// The hosts of a plan, by name.
using Hosts = std::map<std::string, HostAccess>;

/// One change that apply will make, or one wait.
struct PlannedChange {
  std::string id;    ///< the step's name
  std::string host;  ///< empty: it belongs to the cluster
  std::string component;
  std::string step;  ///< the last part of the step's name
  Action action = Action::update;
  Impact impact = Impact::none;
  bool known = true;  ///< false: decided during the apply, and at most this
  std::string reason;
  std::vector<std::string> after;  ///< ids of the changes that it waits for
  std::optional<Text> diff;
  friend bool operator==(const PlannedChange&, const PlannedChange&) = default;
};

/// The planner of a plan and its input, for the document of the plan.
struct PlanOrigin {
  std::string planner;  ///< "deploy"
  std::string spec{};   ///< YAML, secrets as references
  std::map<std::string, std::string> options{};
  bool continues = false;  ///< the planner has another plan to make once this one is applied
};

/// What apply would do. A value, cheap to copy. No text of it shows a secret.
class Plan {
 public:
  /// The engine's data.
  struct Data;
  /// For the engine. Plans are made by make_plan and the planners.
  explicit Plan(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  /// All changes, in a possible order of execution.
  const std::vector<PlannedChange>& changes() const;
  /// Doubtful points, for people. A warning does not stop an apply.
  const std::vector<Diagnostic>& warnings() const;
  /// Whether it has no changes.
  bool empty() const;
  /// Whether it has changes.
  explicit operator bool() const { return !empty(); }
  /// Whether the work goes on after this plan: once it is applied, the same planner makes the next one.
  bool continues() const;
  /// The number of steps whose wished state holds already.
  std::size_t unchanged() const;
  /// The number of steps that PlanOptions::no_restart left out.
  std::size_t left_out() const;

  /// A text for people. `diff` adds the diffs, `color` ANSI colours.
  std::string text(bool diff = false, bool color = false) const;
  /// The JSON document of the contract: format 1, changes, warnings, summary.
  std::string json() const;
  /// The document from which plan_from_document() makes the plan again: format, library version, spec, planner, options, promised changes.
  std::string document() const;

  /// For the engine.
  const Data& data() const { return *data_; }

 private:
  std::shared_ptr<const Data> data_;
};

/// Options of make_plan and observe. Callbacks are called on the calling thread.
struct PlanOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};
  std::size_t parallel = 32;           ///< hosts at once
  std::vector<Diagnostic> warnings{};  ///< copied into the plan
  PlanOrigin origin{};
  /// Hosts that the plan leaves out, as if they were down. A step may ask such a host (each answer is Unreadable), and may be after() one of its
  /// steps: the plan does not have that step, so there is nothing to wait for.
  std::set<std::string> without{};
  /// Changes that would restart something or move leadership stay out of the plan, with every change that comes after one of them. A warning names
  /// them.
  bool no_restart = false;
  std::function<void()> poll{};  ///< called on the calling thread at least every 100 ms
};

/// Puts all asks of the steps to the hosts, in one program for each host, and lets the steps decide. Changes nothing.
/// Throws Error: spec_invalid if two steps keep one resource; internal if steps wait for each other in a circle, or for a step that the plan does not
/// have (see after()); refused if a step refuses; or the error of a host.
Plan make_plan(const Hosts& hosts, const Steps& steps, Executor& executor, const PlanOptions& options = {});

/// The answers of each host, or its error if it could not be asked.
struct Observed {
  std::map<std::string, std::vector<Answer>> answers;
  std::map<std::string, Error> errors;
};
/// Asks several hosts at the same time, at most `parallel`. The error of a host that cannot be asked is in the result.
Observed observe(const Hosts& hosts, const std::map<std::string, std::vector<Ask>>& asks, Executor& executor, const PlanOptions& options = {});

/// An event of an apply. Events come in order of time, on the thread that called apply.
struct Event {
  /// step_* are about one step, host_* about one host. A step may report progress any number of times between started and done.
  /// step_waiting comes at least every 10 s while a step waits or a command of it runs: `message` names the awaited state, `seen` the present one,
  /// `took` the time waited so far. step_taken_back: a change of this apply was undone, because of a step that failed; `message` names that step.
  /// host_waiting is the same for a host that apply cannot talk to yet.
  enum class Kind {
    apply_started,
    lock_taken,
    step_started,
    step_progress,
    step_waiting,
    step_done,
    step_failed,
    step_blocked,
    step_taken_back,
    host_waiting,
    host_lost,
    host_back,
    apply_done
  };
  Kind kind = Kind::apply_started;
  std::chrono::milliseconds at{0};  ///< time since apply began
  std::string host{};
  std::string step{};
  std::string message{};
  std::chrono::milliseconds took{0};
  std::string seen{};
};
/// The name of the kind in JSON: "step_done".
std::string_view to_string(Event::Kind kind) noexcept;
/// One line of JSON without its newline.
std::string json(const Event& event);
/// The events of an apply, from such lines. The line of its report is skipped; of several applies in one text the last one counts. Throws Error
/// (refused) where a line is neither, and where there is no event.
std::vector<Event> read_log(std::string_view text);
/// The JSON document of an error in the contract, in one line: {"format": 1, "error": {code, host, step, message, hint, …}}.
std::string json(const Failure& failure);

/// The result of one change of the plan.
struct StepReport {
  /// blocked: it waited for a step that failed; taken_back: it was done, and undone because a later step failed; not_reached: the apply was cancelled
  /// or stopped before it.
  enum class State { done, unchanged, failed, blocked, taken_back, not_reached };
  std::string id;
  std::string host;
  State state = State::not_reached;
  std::chrono::milliseconds took{0};
  std::optional<Failure> failure{};
  std::string blocked_by{};  ///< id of the step that failed
};
/// The name of the state in JSON: "not_reached".
std::string_view to_string(StepReport::State state) noexcept;

/// The result of an apply.
class Report {
 public:
  std::vector<StepReport> steps;  ///< one for each change of the plan
  std::vector<Failure> failures;  ///< one for each cause
  std::chrono::milliseconds took{0};
  std::size_t changed = 0;
  bool cancelled = false;

  /// Whether all changes were made.
  bool ok() const { return failures.empty() && !cancelled; }
  /// Throws the first failure, with the others as its diagnostics. Returns the report itself if it is ok.
  const Report& check() const;
  /// A text for people: each failure in the form of Error::text(), then a summary.
  std::string text() const;
  /// The JSON document of the contract: format 1, in one line.
  std::string json() const;
};

/// Options of apply. Callbacks are called on the calling thread. An exception that one throws ends the apply, which releases its locks and rethrows
/// it.
struct ApplyOptions {
  std::function<void(const Event&)> on_event{};
  std::stop_token stop{};  ///< once requested, no further program starts; running ones end
  std::chrono::seconds deadline{3600};
  std::chrono::seconds reconnect{90};  ///< how long apply tries to connect again to a host that it has lost
  std::size_t parallel = 32;
  std::string who{};             ///< the holder of the lock, as others see it: "root@host pid 4711"; empty: derived from the process
  std::function<void()> poll{};  ///< called on the calling thread at least every 100 ms
};

/// Makes the changes of the plan, and no others. Throws Error only if no change was begun (locked, unreachable); otherwise failures are in the
/// report. Each host of the plan keeps a record of it (/var/lib/pgcluster/history), which read_history() reads.
Report apply(const Plan& plan, Executor& executor, const ApplyOptions& options = {});

}  // namespace pgcluster
