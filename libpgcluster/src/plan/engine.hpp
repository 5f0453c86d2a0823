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

/// One apply: which step is where, what each host is told next. Everything here happens on the thread that called apply.
class Engine {
 public:
  Engine(const Plan::Data& plan, Executor& executor, const ApplyOptions& options, LockHolder us);
  /// Locks all hosts of the plan; throws Error (locked, or a host's own) and leaves none locked where one cannot be had.
  void lock();
  Report run();
  void unlock() noexcept;

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class At { waiting, held, acting, asking, explaining, done, failed, blocked };

  // Answers that are being collected from one or several hosts.
  struct Round {
    std::vector<AskPtr> asks;
    Answers answers;
    std::set<std::string> missing;  // hosts that have not answered yet
  };
  struct Node {
    At at = At::waiting;
    std::size_t waits = 0;  // steps before it that are not done
    bool refresh = false;   // look again before acting: the state may have moved on
    bool acted = false;
    bool changed = false;
    std::optional<Change> change{};
    std::size_t next_do = 0;
    Time reached{}, deadline{};
    std::optional<Time> wrong_since{};  // decisions have been Laters with patience since
    std::chrono::milliseconds pause{0};
    Round round{};
    std::optional<Failure> failure{};
    std::string blocked_by{};
    std::chrono::milliseconds took{0};
    bool announced = false;
  };
  struct Host {
    HostAccess access{};
    bool busy = false;
    bool locked = false;
    bool stopped = false;  // drifted: nothing more is changed here
    std::optional<std::size_t> stopped_by{};
    bool dead = false;  // not reached any more
    std::optional<Time> lost_since{};
    Time retry_at{};
    std::chrono::milliseconds backoff{500};
    Time last_contact{};
    std::set<std::size_t> acts{};  // nodes whose next Do is here
    std::set<std::size_t> asks{};  // nodes (or the order round) that want answers from here
  };
  // Part of a program: Dos of one node.
  struct Item {
    std::size_t node;
    std::size_t count;  // how many Dos of it
    std::size_t first;  // index in the program
  };
  struct Job {
    std::string host;
    Program program;
    std::vector<AskPtr> asks;  // the program's
    std::vector<Item> items;
    std::vector<std::size_t> asked;  // nodes whose round it serves
  };

  static constexpr std::size_t order_round = static_cast<std::size_t>(-1);

  void reach(std::size_t i);
  void begin(std::size_t i);
  void act(std::size_t i, Change change);
  void start_round(std::size_t i, std::vector<AskPtr> asks);
  void feed(std::size_t i, const std::string& host);
  void judge(std::size_t i);
  bool announced(std::size_t i, const Change& change) const;
  void again_later(std::size_t i, const std::string& what);
  void finish(std::size_t i);
  void fail(std::size_t i, Failure failure);
  void blame_lost_host(Failure& failure, const std::vector<AskPtr>& asks) const;
  void settle_failure(std::size_t i);
  void block_after(std::size_t i);
  void block(std::size_t i, std::size_t by);
  void close(std::size_t i);  // terminal: the lane may go on

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

  void emit(Event::Kind kind, const std::string& host, const std::string& step, std::string message = {}, std::chrono::milliseconds took = {});
  std::chrono::milliseconds since(Time begin) const;
  Round& round(std::size_t i) { return i == order_round ? order_ : nodes_[i].round; }
  const PlanNode& plan(std::size_t i) const { return plan_.nodes[i]; }
  bool terminal(std::size_t i) const { return nodes_[i].at >= At::done; }
  Report report();

  const Plan::Data& plan_;
  Executor& executor_;
  const ApplyOptions& options_;
  LockHolder us_;
  Time started_;
  std::vector<Node> nodes_;
  std::map<std::string, Host> hosts_;
  std::multimap<Time, std::size_t> timers_;  // nodes to ask again
  std::size_t open_ = 0;
  std::size_t running_ = 0;                                // jobs
  std::map<std::string, std::vector<std::size_t>> turns_;  // disturbing, with all their nodes
  std::string lane_;                                       // turn that has it
  std::set<std::size_t> held_;                             // reached, but its turn has not come
  std::optional<std::size_t> lane_broken_by_;
  Round order_;
  std::set<std::string> passed_over_;  // groups whose next member cannot begin yet
  std::string ordering_;               // group that is being asked for its order
  std::optional<Time> order_since_;    // nobody could be chosen since
  Time order_again_{};
  const Answers* fresh_ = nullptr;  // answers that have come with the program being looked at
  std::vector<Failure> failures_;
  bool cancelled_ = false;
  std::unique_ptr<Workers> workers_;
};

}  // namespace pgcluster
