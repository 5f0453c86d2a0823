#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "operate/cluster.hpp"
#include "plan/data.hpp"

// What an apply did to a cluster, judged by the trace of Dos, by how the services were just before each of them, and by what the plan said.
// Knows nothing of how the engine schedules.
namespace operate_test {

class Witness {
 public:
  Witness(Fleet& fleet, const Spec& spec, const Plan& plan);
  /// Called before each Do, with its host.
  void before(const SimulatedHost& host);
  /// The host was taken away by somebody else: it need not serve.
  void excuse(const std::string& host) { excused_.insert(host); }
  std::vector<std::string> violations() const;
  /// The whole trace with the state of the members before each act, for whoever looks for the cause of a violation.
  std::string history() const;

 private:
  struct Moment {
    std::map<std::string, PatroniModel::View> members;
    std::map<std::string, EtcdModel::Health> health;
    std::map<std::string, std::set<std::string>> active;  // units by host
    std::set<std::string> excused;
  };
  enum class Server { none, restart, switchover };
  static Server server_act(const SimulatedAct& act);
  static std::string say(const SimulatedAct& act);
  bool planned(const std::string& id, bool disturbs) const;
  bool announced(const SimulatedAct& act) const;

  Fleet& fleet_;
  Spec spec_;
  std::map<std::string, PlannedChange> planned_;
  std::map<std::string, std::set<std::string>> keepers_;  // "host resource" -> steps
  std::set<std::string> excused_;
  std::vector<Moment> moments_;  // by place in the trace
  bool lowers_ = false;
  std::map<std::string, std::string> wishes_;  // parameters that need a restart
};

}  // namespace operate_test
