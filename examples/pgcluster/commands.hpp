#pragma once

#include <functional>
#include <string>
#include <vector>

#include <pgcluster/executor/executor.hpp>
#include <pgcluster/operate/operate.hpp>
#include "console.hpp"
#include "interrupt.hpp"

namespace command {

/// The parsed command line.
struct Arguments {
  std::string spec;
  std::string plan;  ///< a plan's document
  std::string out;
  std::string log;
  std::string to;
  std::string host;
  std::string role = "superuser";
  std::string format = "dot";
  std::vector<std::string> without;
  std::string type = "incr";                 ///< of a backup
  std::vector<std::string> what;             ///< to rotate
  std::string time, lsn, xid, name, backup;  ///< up to where is restored
  int timeline = 0;
  bool keep_data = false;
  bool json = false;
  bool diff = false;
  bool detailed_exitcode = false;
  bool yes = false;
  bool prune = false;
  bool no_restart = false;
  std::string document = "spec";
  bool watch = false;
  bool no_color = false;
};

/// What every sub-command needs.
struct Session {
  const Arguments& arguments;
  const Console& console;
  pgcluster::Executor& executor;
  Interrupt& interrupt;
};

// Each returns the exit status. These only read:
int validate(Session& session);
int check(Session& session);
int plan(Session& session);
int show_status(Session& session);
int backups(Session& session);
int history(Session& session);
int report(Session& session);
int watch(Session& session, const pgcluster::Spec& spec);  ///< shows the status until Ctrl-C
int password(Session& session);
int graph(Session& session);
int schema(Session& session);
// These change something:
int apply(Session& session);
int destroy(Session& session);
/// The options of a planner that has more of them, with the common ones taken over.
template <class Options>
Options options_from(const pgcluster::OperateOptions& all) {
  return {.stop = all.stop, .deadline = all.deadline, .parallel = all.parallel, .poll = all.poll, .components = all.components};
}
using Planner = std::function<pgcluster::Plan(const pgcluster::Spec&, pgcluster::Executor&, const pgcluster::OperateOptions&)>;
int operate(Session& session, const Planner& planner);
/// The same for work of several plans that is confirmed as a whole, when the first one is shown.
int operate_as_one(Session& session, const Planner& planner);
/// The same for work that disturbs nobody, and is not confirmed.
int operate_at_once(Session& session, const Planner& planner);

/// The hosts of --without; throws Usage for one that is not in the spec.
std::vector<std::string> without(const Arguments& arguments, const pgcluster::Spec& spec);

/// Calls `ask` with the options of the session, and shows a spinner meanwhile.
void asking(Session& session, const pgcluster::Spec& spec, const std::function<void(const pgcluster::OperateOptions&)>& ask);

}  // namespace command
