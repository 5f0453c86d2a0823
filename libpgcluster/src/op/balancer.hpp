#pragma once

#include <optional>
#include <string>
#include <vector>

#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/ask.hpp>
#include <pgcluster/op/change.hpp>

// A cloud's load balancer in words that all providers share: what is asked and wished of one, and what its API says it is.
namespace pgcluster {

/// A host behind it.
struct BalancerTarget {
  std::string name;
  std::string address{};
  std::string id{};  ///< the cloud's own; empty: found by name or address
  friend bool operator==(const BalancerTarget&, const BalancerTarget&) = default;
};

struct Balancer {
  std::string name;
  std::string owner;      ///< the cluster, as its tag has it; empty: it has no tag of ours
  std::string size{};     ///< the vendor's type or number; empty where there is none to choose
  std::string network{};  ///< that the targets are in
  bool is_public = false;
  std::vector<std::string> allowed{};  ///< networks that may connect, where it is public
  int port = 0;
  int target_port = 0;
  std::string path{};  ///< of the health check by HTTP
  int check_port = 0;
  int interval = 0, timeout = 0, down = 0, up = 0;  ///< seconds, and how often in a row; 0: the vendor has no such setting
  std::string sessions{};                           ///< what becomes of sessions to a target that fails its check
  std::vector<BalancerTarget> targets{};            ///< by name
  std::string other{};                              ///< found: what else of it is not as this library makes it
  std::string address{};                            ///< found: where clients connect
  friend bool operator==(const Balancer&, const Balancer&) = default;
};

/// A line for each field, in a fixed order; what has the same text is the same. `found` adds what only the API knows.
std::string text(const Balancer& balancer, bool found = false);
/// What text() wrote. Lines that are none are passed over.
Balancer read_balancer(const std::string& text);

/// To ask for the balancer that the wish names, and to have it so. `at` is the cloud's name in the plan. `checked`: it is an error of the spec where
/// the wish's network or hosts are not there.
Ask balancer_ask(const std::string& at, const Balancer& wish, bool checked = false);
/// Whether such an ask is a checked one.
bool is_checked(const Http& ask);
Do balancer_change(const std::string& at, const Balancer& wish, const Answer& was);
Do balancer_removal(const std::string& at, const Balancer& wish, const Answer& was);

}  // namespace pgcluster
