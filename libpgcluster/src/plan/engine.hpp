#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plan/data.hpp"
#include "plan/workers.hpp"

namespace pgcluster {

/// One apply: the state of each step, and the next program of each host. All of it runs on the thread that called apply.
class Engine {
 public:
  Engine(const Plan::Data& plan, Executor& executor, const ApplyOptions& options, LockHolder us);
  /// Locks all hosts of the plan. If one lock cannot be taken, releases the others and throws Error (locked, or the host's own).
  void lock();
  Report run();
  void unlock() noexcept;

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class At { waiting, held, acting, asking, explaining, done, failed, blocked };

  // The answers of one or several hosts to the asks of one step, as far as they have come.
  struct Round {
    std::vector<AskPtr> asks;
    Answers answers;
    std::set<std::string> missing;  // hosts that have not answered yet
  };
  struct Node {
    At at = At::waiting;
    std::size_t waits = 0;  // steps before it that are not done
    bool refresh = false;   // decide anew before acting: the state may have changed
    bool acted = false;
    bool changed = false;
    bool sent = false;        // its change may have been made
    bool taken_back = false;  // and was undone
    std::vector<Do> undo{};   // of the change that was sent, as the next two
    std::optional<TakeBack> may_take_back{};
    std::string tried{};
    std::optional<TakeBack> takes_back{};  // the step has failed, and what it used is being undone
    std::vector<std::size_t> takes{};      // the nodes of that
    std::size_t user = 0;                  // the node whose takes_back it is
    std::optional<Change> change{};
    std::size_t next_do = 0;
    Time reached{}, deadline{};
    std::optional<Time> wrong_since{};  // since when all decisions were Laters with `wrong`
    std::chrono::milliseconds pause{0};
    Round round{};
    std::optional<Failure> failure{};
    std::string blocked_by{};
    std::chrono::milliseconds took{0};
    bool announced = false;
    Later waits_for{};   // the last decision of a step that waits
    Time told{};         // when an event last said what it waits for
    Time asked{};        // when its last round began
    Time looked{};       // when its evidence was last asked for
    bool looks = false;  // the round asks for it
    std::string log{};   // the last line of its evidence
    std::vector<std::string> seen{};
  };
  struct Host {
    HostAccess access{};
    bool busy = false;
    bool locked = false;
    bool stopped = false;  // a Do had drifted: no further change on this host
    std::optional<std::size_t> stopped_by{};
    bool dead = false;  // given up as unreachable
    std::optional<Time> lost_since{};
    Time retry_at{};
    std::chrono::milliseconds backoff{500};
    Time last_contact{};
    std::set<std::size_t> acts{};  // nodes whose next Do is here
    std::set<std::size_t> asks{};  // nodes (or the order round) that need answers from here
    Time program_since{};          // of the program that runs
    Time busy_since{};             // the same, or of its present Do
    std::string step{}, doing{};   // that Do
    std::string lost_why{};
    Time told{};          // when an event last said what apply waits for here
    std::string shown{};  // the executor's words in that event
  };
  // The Dos of one node in a program.
  struct Item {
    std::size_t node;
    std::size_t count;  // number of its Dos
    std::size_t first;  // index in the program
  };
  struct Job {
    std::string host;
    Program program;
    std::vector<AskPtr> asks;  // the program's
    std::vector<Item> items;
    std::vector<std::size_t> asked;  // nodes whose round gets its answers
  };

  static constexpr std::size_t order_round = static_cast<std::size_t>(-1);

  void refresh_after_waits();
  void reach(std::size_t i);
  void begin(std::size_t i);
  void act(std::size_t i, Change change);
  void start_round(std::size_t i, std::vector<AskPtr> asks);
  void ask_again(std::size_t i);
  void feed(std::size_t i, const std::string& host);
  void judge(std::size_t i);
  bool announced(std::size_t i, const Change& change) const;
  void again_later(std::size_t i, Later what);
  bool in_vain(std::size_t i);
  std::vector<std::string> seen(std::size_t i) const;
  void tell_waits();
  void tell_hosts();
  void finish(std::size_t i);
  void fail(std::size_t i, Failure failure);
  void blame_lost_host(Failure& failure, const std::vector<AskPtr>& asks) const;
  bool take_back(std::size_t i);
  void gone_back(std::size_t i, const std::string& why_not);
  void settle_failure(std::size_t i);
  void block_after(std::size_t i);
  void block(std::size_t i, std::size_t by, const std::string& waited = {});
  void close(std::size_t i);  // it is terminal: the next turn may begin

  void take_lane();
  void give_lane(const std::string& turn);
  void order_known();

  void pump();
  std::optional<Job> build(const std::string& name, Host& host);
  void launch(Job job);
  void completed(Job& job, ProgramResult result);
  void item_result(Job& job, const Item& item, const ProgramResult& result);
  void broken(Job& job, const Error& error);
  void lose_host(const std::string& name, const Failure& failure);
  void beat();
  bool stuck();

  void emit(Event::Kind kind, const std::string& host, const std::string& step, std::string message = {}, std::chrono::milliseconds took = {},
            std::string seen = {});
  std::chrono::milliseconds since(Time begin) const;
  Round& round(std::size_t i) { return i == order_round ? order_ : nodes_[i].round; }
  const PlanNode& plan(std::size_t i) const { return plan_.nodes[i]; }
  const std::vector<AskPtr>& asks_of(std::size_t i) const { return plan(nodes_[i].takes_back ? nodes_[i].user : i).asks; }
  bool terminal(std::size_t i) const { return nodes_[i].at >= At::done; }
  Report report();

  const Plan::Data& plan_;
  Executor& executor_;
  const ApplyOptions& options_;
  LockHolder us_;
  Time started_;
  Time told_ = started_;  // of the last event other than step_started
  std::vector<Node> nodes_;
  std::map<std::string, Host> hosts_;
  std::multimap<Time, std::size_t> timers_;  // nodes to ask again
  std::size_t open_ = 0;
  std::size_t running_ = 0;                                // jobs
  std::map<std::string, std::vector<std::size_t>> turns_;  // the disturbing turns, with all their nodes
  std::string lane_;                                       // the turn that is running; empty: none
  std::set<std::size_t> held_;                             // nodes that are reached and wait for their turn
  std::optional<std::size_t> lane_broken_by_;
  Round order_;
  std::set<std::string> passed_over_;  // groups whose next member cannot begin yet
  std::string ordering_;               // group that is being asked for its order
  std::optional<Time> order_since_;    // since when no member could be chosen
  Time order_told_{};                  // when an event last said so
  Time order_again_{};
  const Answers* fresh_ = nullptr;  // answers of the program that has just ended
  std::vector<Failure> failures_;
  std::vector<std::size_t> failed_;           // their nodes, in order
  std::map<std::string, std::size_t> by_id_;  // nodes
  std::set<std::size_t> waiting_;             // nodes whose last decision was to wait
  bool cancelled_ = false;
  std::unique_ptr<Workers> workers_;
};

}  // namespace pgcluster
