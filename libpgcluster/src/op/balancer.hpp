#pragma once

#include <optional>
#include <string>
#include <vector>

#include <pgcluster/op/answer.hpp>
#include <pgcluster/op/ask.hpp>
#include <pgcluster/op/change.hpp>

// A load balancer of a cloud, in terms that all providers share: as it is wished, and as the API describes it.
namespace pgcluster {

/// A host that gets its connections.
struct BalancerTarget {
  std::string name;
  std::string address{};
  std::string id{};  ///< in the cloud; empty: found by name or address
  friend bool operator==(const BalancerTarget&, const BalancerTarget&) = default;
};

struct Balancer {
  std::string name;
  std::string owner;      ///< name of the cluster in its tag; empty: it has no tag of ours
  std::string size{};     ///< the vendor's type or number of units; empty if the vendor has no choice
  std::string network{};  ///< network of the targets
  bool is_public = false;
  std::vector<std::string> allowed{};  ///< networks that may connect to a public one
  int port = 0;
  int target_port = 0;
  std::string path{};      ///< of the HTTP health check
  bool check_tls = false;  ///< whether it is asked by https; clouds do not verify the certificate
  int check_port = 0;
  int interval = 0, timeout = 0, down = 0,
      up = 0;                             ///< of the health check: seconds, and number of results in a row; 0: the vendor has no such setting
  std::string sessions{};                 ///< treatment of open sessions when the check of their target fails
  std::vector<BalancerTarget> targets{};  ///< by name
  std::string other{};                    ///< only if found: other properties that differ from those that this library sets
  std::string address{};                  ///< only if found: the address for clients
  friend bool operator==(const Balancer&, const Balancer&) = default;
};

/// One line for each field, in a fixed order. Equal balancers have equal texts. `found` adds the fields that only the API knows.
std::string text(const Balancer& balancer, bool found = false);
/// Parses what text() wrote; ignores other lines.
Balancer read_balancer(const std::string& text);

/// The requests that read the balancer of the wish's name, and that make it as wished. `at` is the name of the cloud in the plan. With `checked`, a
/// missing network or host is an error of the spec.
Ask balancer_ask(const std::string& at, const Balancer& wish, bool checked = false);
/// Whether the ask was made with `checked`.
bool is_checked(const Http& ask);
Do balancer_change(const std::string& at, const Balancer& wish, const Answer& was);
Do balancer_removal(const std::string& at, const Balancer& wish, const Answer& was);

}  // namespace pgcluster
