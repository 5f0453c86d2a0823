#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <map>
#include <memory>
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

/// What a change does, as people call it.
enum class Action { create, update, start, stop, restart, reload, remove, run, wait, switchover };
/// What a change means for clients, in rising order. From `restart` on it disturbs: it takes the lane, one host at a time.
enum class Impact { none, reload, restart, switchover, outage, data };

/// The contract's name: "restart".
std::string_view to_string(Action action) noexcept;
/// The contract's name: "switchover".
std::string_view to_string(Impact impact) noexcept;
/// Whether it takes the lane.
inline bool disturbs(Impact impact) noexcept { return impact >= Impact::restart; }

/// An ask that several steps share.
using AskPtr = std::shared_ptr<const Ask>;

/// An answer, shared by all steps that it is given to, with what their functions have read from it.
struct Given {
  Answer answer;
  Memo read{};
};
/// An answer that several steps share.
using GivenPtr = std::shared_ptr<const Given>;

/// What was answered, by ask. An ask that an earlier step of the plan may still change is pending: its answer is of now.
class Answers {
 public:
  /// The answer; Unreadable where nobody asked.
  const Answer& operator[](const Ask& ask) const;
  /// Whether an earlier step of the plan may still change the answer.
  bool pending(const Ask& ask) const;
  /// The answer as a T, or null where it is another kind.
  template <class T>
  const T* get(const Ask& ask) const {
    return std::get_if<T>(&(*this)[ask]);
  }
  /// out of an Output with status 0; null otherwise.
  const std::string* out(const Ask& ask) const;
  /// What a pure function makes of the answer; called once, however many steps are given this answer. Lives as long as these Answers.
  template <class T>
  const T& read(const Ask& ask, T (*reader)(const Answer&)) const {
    const Given& given = *found(ask).given;
    return *given.read.get(given.answer, reader);
  }

  /// Puts an answer in, over the one that was there. For the engine, and for tests of steps.
  void set(const Ask& ask, Answer answer, bool pending = false);
  /// The same for an answer that is shared.
  void set(AskPtr ask, GivenPtr given, bool pending = false);
  /// The answer that others have, where they have one.
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

/// It holds already.
struct Done {};
/// What has to be done. `impact` and `action` are what people and the lane see, `diff` is for people.
struct Change {
  std::vector<Do> todo;
  Action action = Action::update;
  Impact impact = Impact::none;
  Text diff{};
  std::string reason{};  ///< why, for people: "file differs", "runs on an older configuration"
  std::string failed{};  ///< decided again right after the change was made, this means failure at once, and why: "the unit has died"
  /// What else is waited for after the change, for the time of settle(), though Done holds: "pg3 streams from pg2"; "" where nothing is. Pure.
  std::function<std::string(const Answers&)> until{};
};
/// Not knowable yet; what it waits for, and the most that it may turn out to be (action wait: nothing but waiting).
struct Later {
  std::string until;
  Impact at_most = Impact::none;
  Action action = Action::wait;
  /// Not empty: what is wrong, and may still pass. When each decision has said so for `patience`, the step fails with this as its message.
  std::string wrong{};
  std::chrono::seconds patience{0};
};
/// Unsafe, or not ours. The plan is refused; found while applying, the step fails at once.
struct Refused {
  Diagnostic why;
  Code code = Code::refused;
};
/// What a step makes of the answers.
using Decision = std::variant<Done, Change, Later, Refused>;

/// A wish: how something should be, how to see whether it is, and what to do where it is not. Immutable; used on one thread.
class Step {
 public:
  virtual ~Step() = default;
  /// Unique and stable in a plan: "pg1/etcd/config", or "cluster/patroni/config" where it is nobody's own.
  virtual std::string name() const = 0;
  /// What decide() wants to know. Always the same asks; they may go to several hosts.
  virtual std::vector<Ask> asks() const = 0;
  /// Pure and total: every kind of answer has a decision.
  virtual Decision decide(const Answers& answers) const = 0;
  /// How long Done may take after the change, or Later may last; 0 for a file.
  virtual std::chrono::seconds settle() const { return std::chrono::seconds(0); }
  /// Resources that it keeps as wished; no two steps of a plan may keep the same one. What a step keeps and has changed is owned.
  virtual std::vector<std::string> keeps() const { return {}; }
  /// Asked when it fails, to explain: the unit's journal, a service's log.
  virtual std::vector<Ask> evidence() const { return {}; }
};
/// Steps are shared, and never changed.
using StepPtr = std::shared_ptr<const Step>;

/// "pg1" of "pg1/etcd/config"; "" of "cluster/…".
std::string host_of(std::string_view step_name);
/// "etcd" of "pg1/etcd/config".
std::string component_of(std::string_view step_name);

/// In which order the members of a rolling group are disturbed. Asked again at each turn; must be pure.
struct Order {
  std::vector<Ask> asks{};
  /// Members in order. What comes only after an empty name, or not at all, is not disturbed now, and asked about again; a plan shows it there.
  std::function<std::vector<std::string>(const Answers&)> order{};
  std::shared_ptr<const std::vector<Ask>> common{};  ///< more asks, kept once however many steps have this order
  /// `asks`, then `common`.
  std::vector<Ask> all_asks() const;
};

/// A graph of steps, a value. The same step in two places is one step.
class Steps {
 public:
  /// A step and where it stands.
  struct Node {
    StepPtr step;
    std::string group{};   ///< id of its rolling group; empty: none
    std::string member{};  ///< which member of it
  };

  /// Nothing to do.
  Steps() = default;
  /// A graph of one step, which must not be null.
  Steps(StepPtr step);  // NOLINT: a step is a graph of one
  /// A graph of one step.
  template <class T>
  requires std::derived_from<T, Step> Steps(std::shared_ptr<T> step) : Steps(StepPtr(std::move(step))) {}  // NOLINT

  /// Whether there is no step in it.
  bool empty() const noexcept { return nodes_.empty(); }
  /// In a possible order of execution: a step comes after all that it waits for.
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
/// The parts, of any types that make Steps, joined.
template <class... Parts>
Steps join_all(bool in_sequence, Parts&&... parts) {
  std::vector<Steps> all;
  all.reserve(sizeof...(parts));
  (all.push_back(Steps(std::forward<Parts>(parts))), ...);
  return join(std::move(all), in_sequence);
}

/// Each part after the whole of the one before it.
template <class... Parts>
requires(std::constructible_from<Steps, Parts>&&...) Steps sequence(Parts&&... parts) { return join_all(true, std::forward<Parts>(parts)...); }
/// The same for a list.
inline Steps sequence(std::vector<Steps> parts) { return join(std::move(parts), true); }
/// All parts at once.
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

/// `steps` as one member of the rolling group: where any of its steps disturbs, the whole member runs while no other member of any
/// group does, in the group's order; where none does, it runs as if it stood alone. Parts with the same group id are one group.
Steps rolling(std::string group, std::string member, Order order, Steps steps);
/// All members of a group at once, as one graph.
Steps rolling(const std::map<std::string, Steps>& members, std::string group, Order order);

// Ready-made steps for one host. `name` is the whole step name.

/// A file with exactly this content and access. The diff masks secrets.
StepPtr file(std::string name, std::string host, WriteFile wish);
/// A marked block in somebody else's file.
StepPtr block(std::string name, std::string host, WriteBlock wish);
/// Packages are installed, of whatever version; the units in `mask` are not started by that.
StepPtr packages(std::string name, std::string host, std::vector<std::string> packages, std::vector<std::string> mask = {});

/// A service that shall run, and the files that it reads.
struct ServiceWish {
  std::string unit;                        ///< "etcd.service"
  std::vector<std::string> start_files{};  ///< a change of one of these: restart
  std::vector<std::string> load_files{};   ///< a change of one of these: reload
  bool reloadable = false;
  Impact restart_impact = Impact::restart;
  Impact reload_impact = Impact::reload;
  std::chrono::seconds settle{60};
};
/// Enabled, active, and running on its present files. A unit that has died is Refused (not_converged) with its journal as evidence.
StepPtr service(std::string name, std::string host, ServiceWish wish);
/// The unit's last lines in the journal: evidence for a step that fails. A report shows the last 20 that are no stack trace.
Ask journal_ask(const std::string& host, const std::string& unit);
/// Drop-in of `unit` by which the host itself knows whether the unit runs on its present files; also holds further lines for [Service].
WriteFile unit_notes(const ServiceWish& wish, const std::vector<std::string>& exec_reload = {}, const std::string& more_service_lines = {});

/// Something of ours is not there any more. `resource` as in Owned; the owned line goes with it. `package_impact`: what the removal of a package
/// means, for one that may still be in use.
StepPtr absent(std::string name, std::string host, std::string resource, Impact package_impact = Impact::none);

/// A condition that others bring about.
struct GateWish {
  std::vector<Ask> asks;
  std::function<Decision(const Answers&)> decide;  ///< Done, Later or Refused
  std::chrono::seconds settle{60};
  std::vector<Ask> evidence{};
  std::shared_ptr<const std::vector<Ask>> common{};  ///< as in StepParts
};
/// A step that changes nothing, and waits for the condition as long as `settle` says.
StepPtr gate(std::string name, GateWish wish);

/// A step made of functions, for what none of the above fits.
struct StepParts {
  std::vector<Ask> asks;
  std::function<Decision(const Answers&)> decide;
  std::chrono::seconds settle{0};
  std::vector<std::string> keeps{};
  std::vector<Ask> evidence{};
  std::shared_ptr<const std::vector<Ask>> common{};  ///< more asks, the same for many steps: kept once
};
/// The step; the functions must be pure, and are called on the thread that plans or applies.
StepPtr make_step(std::string name, StepParts parts);

}  // namespace pgcluster
