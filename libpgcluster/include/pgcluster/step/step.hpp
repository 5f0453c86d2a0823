#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include <pgcluster/base/memo.hpp>
#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/ask.hpp>
#include <pgcluster/op/change.hpp>
#include <pgcluster/op/program.hpp>
#include <pgcluster/step/step_ref.hpp>

namespace PGCLUSTER_API pgcluster {

/// The kind of a change, as it is shown to people.
enum class Action { create, update, start, stop, restart, reload, remove, run, wait, switchover };
/// The effect of a change on clients, in rising order. From `restart` on a change disturbs: such changes take turns, one host at a time.
enum class Impact { none, reload, restart, switchover, outage, data };

/// The name in the contract: "restart".
std::string_view to_string(Action action) noexcept;
/// The name in the contract: "switchover".
std::string_view to_string(Impact impact) noexcept;
/// Whether it disturbs: one host at a time.
inline bool disturbs(Impact impact) noexcept { return impact >= Impact::restart; }

/// An ask that several steps share.
using AskPtr = std::shared_ptr<const Ask>;

/// An answer that several steps share, with the values that Answers::read() has made of it.
struct Given {
  Answer answer;
  Memo read{};
};
/// An answer that several steps share.
using GivenPtr = std::shared_ptr<const Given>;

/// The answers, by ask. An answer is pending if an earlier step of the plan may still change it.
class Answers {
 public:
  /// The answer; Unreadable if the ask was never put.
  const Answer& operator[](const Ask& ask) const;
  /// Whether an earlier step of the plan may still change the answer.
  bool pending(const Ask& ask) const;
  /// The answer as a T; null if it is of another kind.
  template <class T>
  const T* get(const Ask& ask) const {
    return std::get_if<T>(&(*this)[ask]);
  }
  /// The `out` of an Output with status 0; null otherwise.
  const std::string* out(const Ask& ask) const;
  /// The value that a pure function makes of the answer. The function is called once for all steps that share the answer. The reference is valid
  /// as long as these Answers.
  template <class T>
  const T& read(const Ask& ask, T (*reader)(const Answer&)) const {
    const Given& given = *found(ask).given;
    return *given.read.get(given.answer, reader);
  }

  /// Sets or replaces an answer. For the engine, and for tests of steps.
  void set(const Ask& ask, Answer answer, bool pending = false);
  /// The same for a shared answer.
  void set(AskPtr ask, GivenPtr given, bool pending = false);
  /// Takes over the answer of others; false if they have none.
  bool take(const AskPtr& ask, const Answers& others);

 private:
  struct Entry {
    AskPtr ask;
    GivenPtr given;
    bool pending = false;
  };
  const Entry* find(const Ask& ask) const;
  const Entry& found(const Ask& ask) const;
  std::unordered_multimap<std::size_t, Entry> entries_;  // by hash(ask)
};

/// The wished state holds already.
struct Done {};
/// For a change that is the first to use what other steps have changed, such as a restart with new settings. If it fails, or a later step of its turn
/// does, before another host's member of the rolling group was disturbed, apply makes the `undo` of those steps. The step fails all the same.
struct TakeBack {
  std::vector<StepRef> changes{};                      ///< the steps; the change that was made last is taken back first
  std::function<std::string(const Answers&)> until{};  ///< as Change::until: what is awaited once they are taken back, at most for settle()
  std::string then{};                                  ///< what holds then: "the cluster runs with the former settings again"
};
/// What has to be done. `action`, `diff` and `reason` are for people; `impact` also decides whether the change takes a turn.
struct Change {
  std::vector<Do> todo;
  Action action = Action::update;
  Impact impact = Impact::none;
  Text diff{};
  std::string reason{};  ///< why: "file differs", "runs on an older configuration"
  std::string failed{};  ///< if the same change is decided again after it was made, the step fails at once with this message: "the unit has died"
  /// After the change, what the step still waits for although Done holds ("pg3 streams from pg2"), at most for settle(); "" if nothing. Pure.
  std::function<std::string(const Answers&)> until{};
  std::vector<Do> undo{};                ///< restores the state of before the change; made only for a step that takes the change back
  std::optional<TakeBack> takes_back{};  ///< the changes that are taken back if this one fails
};
/// The decision cannot be made yet: what it waits for, and the greatest change that it may become (action wait: no change, only a wait).
struct Later {
  std::string until;
  Impact at_most = Impact::none;
  Action action = Action::wait;
  /// If not empty: a problem that may still go away. The step fails with this message once all decisions of the last `patience` had one.
  std::string wrong{};
  std::chrono::seconds patience{0};
  /// The present obstacle, in the service's own words if it has some. It is shown during the wait, and when the wait times out. If it is
  /// empty, apply takes the words of the commands that failed.
  std::string seen{};
  /// The host that `wrong` is on; empty: the step's own. Steps that fail with the same words about the same host are reported as one error.
  std::string host{};
};
/// The step is unsafe, or would change what is not ours. A plan with it is refused; during an apply the step fails at once.
struct Refused {
  Diagnostic why;
  Code code = Code::refused;
  /// The host that the problem is on; empty: the step's own. Steps that refuse with the same message about the same host are reported as one error.
  std::string host{};
};
/// What a step decides from the answers.
using Decision = std::variant<Done, Change, Later, Refused>;

/// The steps that a wait depends on. The wait is blocked once fewer than `enough` of them can still succeed. Those that the plan does not have count
/// as done.
struct Bringers {
  std::vector<StepRef> steps{};
  std::size_t enough = 1;
};

/// A wished state: how to see whether it holds, and what to do if it does not. Immutable; used on one thread.
class Step {
 public:
  virtual ~Step() = default;
  /// Unique in a plan and stable: "pg1/etcd/config", or "cluster/patroni/config" if it does not belong to one host.
  virtual std::string name() const = 0;
  /// The asks whose answers decide() needs. Always the same ones; they may be for several hosts.
  virtual std::vector<Ask> asks() const = 0;
  /// The decision. Pure, and total: it must accept every kind of answer.
  virtual Decision decide(const Answers& answers) const = 0;
  /// The longest time from the change until Done, or that Later may last; 0 for a file.
  virtual std::chrono::seconds settle() const { return std::chrono::seconds(0); }
  /// The resources whose state the step defines; no two steps of a plan may keep the same one. A kept resource is owned once the step changes it.
  virtual std::vector<std::string> keeps() const { return {}; }
  /// Asked if the step fails, or waits for long, to explain why: the unit's journal, a service's log.
  virtual std::vector<Ask> evidence() const { return {}; }
  /// The steps that bring about what a wait waits for. It is blocked as soon as too few of them are left. Unlike after(), this sets no order, and not
  /// all of them need to succeed.
  virtual Bringers brought_by() const { return {}; }
};
/// Steps are shared and immutable.
using StepPtr = std::shared_ptr<const Step>;

/// The host in a step's name: "pg1" in "pg1/etcd/config"; "" in "cluster/…".
std::string host_of(std::string_view step_name);
/// The component in a step's name: "etcd" in "pg1/etcd/config".
std::string component_of(std::string_view step_name);

/// The order in which the members of a rolling group are disturbed. It is decided anew before each turn; `order` must be pure.
struct Order {
  std::vector<Ask> asks{};
  /// The members in order. Members after an empty name, or missing, are not disturbed now; they are decided on again later. A plan shows all of them
  /// in this order.
  std::function<std::vector<std::string>(const Answers&)> order{};
  std::shared_ptr<const std::vector<Ask>> common{};  ///< more asks, stored once for all steps that share them
  /// `asks`, then `common`.
  std::vector<Ask> all_asks() const;
};

/// A graph of steps, as a value. A step that stands in several places is one step.
class Steps {
 public:
  /// A step and its rolling group.
  struct Node {
    StepPtr step;
    std::string group{};   ///< id of the rolling group; empty: none
    std::string member{};  ///< name of the member of the group
  };

  /// An empty graph.
  Steps() = default;
  /// A graph of one step, which must not be null.
  Steps(StepPtr step);  // NOLINT: a step is a graph of one
  /// A graph of one step.
  template <class T>
  requires std::derived_from<T, Step> Steps(std::shared_ptr<T> step) : Steps(StepPtr(std::move(step))) {}  // NOLINT

  /// Whether it has no steps.
  bool empty() const noexcept { return nodes_.empty(); }
  /// The steps in a possible order of execution: each after those that it waits for. Throws Error (internal) if they wait in a circle.
  std::vector<Node> nodes() const;
  /// Names of the steps that the named one waits for directly.
  std::vector<std::string> before(const std::string& name) const;
  /// A required reference to a step that is not in the graph.
  struct Missing {
    std::string step;     ///< name of the step that waits
    std::string awaited;  ///< name of the step that it waits for
  };
  /// The references of after() that nothing in this graph meets. A part of a plan may have some; a whole plan must not.
  std::vector<Missing> missing() const;
  /// The orders of its rolling groups, by group.
  const std::map<std::string, Order>& orders() const noexcept { return orders_; }

  friend Steps join(std::vector<Steps> parts, bool in_sequence);
  friend Steps rolling(std::string group, std::string member, Order order, Steps steps);
  friend Steps after(const std::vector<StepRef>& awaited, Steps steps);
  friend Steps after_where_planned(const std::vector<StepRef>& awaited, Steps steps);

 private:
  // One step that another waits for, which may be in another part of the plan.
  struct Wait {
    std::string name;
    bool required = true;
  };
  using Waits = std::map<std::string, std::vector<Wait>>;  // by name of the step that waits

  void take(Steps part);
  void wait_for(const std::vector<StepRef>& awaited, bool required);
  static void add(std::vector<Wait>& all, Wait one);
  std::vector<std::string> sources() const;  // names of the steps that wait for no other step of this graph
  std::vector<std::string> sinks() const;    // names of the steps that no other step of this graph waits for

  std::map<std::string, Node> nodes_;   // by step name
  std::vector<std::string> insertion_;  // names, first mention first
  Waits before_;
  std::map<std::string, Order> orders_;  // by group
};

/// sequence() or parallel() of the parts.
Steps join(std::vector<Steps> parts, bool in_sequence);
/// Joins parts of any types that convert to Steps.
template <class... Parts>
Steps join_all(bool in_sequence, Parts&&... parts) {
  std::vector<Steps> all;
  all.reserve(sizeof...(parts));
  (all.push_back(Steps(std::forward<Parts>(parts))), ...);
  return join(std::move(all), in_sequence);
}

/// Each part begins after the whole part before it.
template <class... Parts>
requires(std::constructible_from<Steps, Parts>&&...) Steps sequence(Parts&&... parts) { return join_all(true, std::forward<Parts>(parts)...); }
/// The same for a list.
inline Steps sequence(std::vector<Steps> parts) { return join(std::move(parts), true); }
/// The parts do not wait for each other.
template <class... Parts>
requires(std::constructible_from<Steps, Parts>&&...) Steps parallel(Parts&&... parts) { return join_all(false, std::forward<Parts>(parts)...); }
/// The same for a list.
inline Steps parallel(std::vector<Steps> parts) { return join(std::move(parts), false); }

/// `steps` begin after the awaited ones, which other parts of the plan bring (another component, another host). If one of those fails, these are
/// blocked by it. Each awaited step must be in the plan: make_plan refuses a plan without it (internal), unless the step's host is left out
/// (PlanOptions::without).
Steps after(const std::vector<StepRef>& awaited, Steps steps);
/// The same for steps that only some plans have, such as the removal of what a host no longer needs: no wait where the plan does not have them.
Steps after_where_planned(const std::vector<StepRef>& awaited, Steps steps);

/// `steps` as one member of the rolling group. If any of the steps disturbs, the whole member takes a turn: no other member of any group runs
/// meanwhile, and the group's order decides which is next. If none disturbs, the group has no effect. Parts with the same group id form one group.
Steps rolling(std::string group, std::string member, Order order, Steps steps);
/// All members of a group as one graph.
Steps rolling(const std::map<std::string, Steps>& members, std::string group, Order order);

// Ready-made steps for one host. `name` is the full name of the step.

/// A file with exactly this content, mode and owner. Its diff masks secrets.
StepPtr file(std::string name, std::string host, WriteFile wish);
/// A marked block in a file that others own, too.
StepPtr block(std::string name, std::string host, WriteBlock wish);
/// Packages are installed, in any version. The installation does not start the units in `mask`.
StepPtr packages(std::string name, std::string host, std::vector<std::string> packages, std::vector<std::string> mask = {});

/// A service that is to run, and the files that it reads.
struct ServiceWish {
  std::string unit;                        ///< "etcd.service"
  std::vector<std::string> start_files{};  ///< a change of one of these restarts the unit
  std::vector<std::string> load_files{};   ///< a change of one of these reloads the unit
  bool reloadable = false;
  Impact restart_impact = Impact::restart;
  Impact reload_impact = Impact::reload;
  std::chrono::seconds settle{60};
  Bringers brought_by{};  ///< the services, this one included, without which it does not become active
};
/// The unit is enabled, active, and runs with the present content of its files. A unit that has died is Refused (not_converged), with its journal
/// as evidence.
StepPtr service(std::string name, std::string host, ServiceWish wish);
/// The last lines of the unit's journal, as evidence for a failed step. A report shows the last 20 lines that are not part of a stack trace.
Ask journal_ask(const std::string& host, const std::string& unit);
/// The drop-in of the unit that records its files' digests when the unit starts or reloads, so that the host itself can tell whether the unit runs
/// with their present content. `more_service_lines` are added to [Service].
WriteFile unit_notes(const ServiceWish& wish, const std::vector<std::string>& exec_reload = {}, const std::string& more_service_lines = {});

/// A resource of ours is removed, and its line in the list of owned resources with it. `resource` is in the form of Owned.
/// `package_impact` is the effect of removing a package that may still be in use.
StepPtr absent(std::string name, std::string host, std::string resource, Impact package_impact = Impact::none);

/// A condition that other steps or the services fulfil.
struct GateWish {
  std::vector<Ask> asks;
  std::function<Decision(const Answers&)> decide;  ///< Done, Later or Refused
  std::chrono::seconds settle{60};
  std::vector<Ask> evidence{};
  std::shared_ptr<const std::vector<Ask>> common{};  ///< as in StepParts
  Bringers brought_by{};                             ///< as in Step
};
/// A step that changes nothing and waits for the condition, at most for `settle`.
StepPtr gate(std::string name, GateWish wish);

/// The parts of a step that is made of functions.
struct StepParts {
  std::vector<Ask> asks;
  std::function<Decision(const Answers&)> decide;
  std::chrono::seconds settle{0};
  std::vector<std::string> keeps{};
  std::vector<Ask> evidence{};
  std::shared_ptr<const std::vector<Ask>> common{};  ///< more asks, stored once for all steps that share them
};
/// A step made of functions. They must be pure, and are called on the thread that plans or applies.
StepPtr make_step(std::string name, StepParts parts);

}  // namespace pgcluster
