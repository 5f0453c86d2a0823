#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <pgcluster/component/component.hpp>
#include <pgcluster/component/haproxy.hpp>

namespace pgcluster {

inline constexpr const char* haproxy_unit = "haproxy.service";
inline constexpr const char* haproxy_file = "/etc/haproxy/haproxy.cfg";
/// The path of the page that answers 200 while HAProxy serves.
inline constexpr const char* haproxy_ok = "/haproxy-ok";
/// The address at which HAProxy serves that page, and nothing else, to the host itself: without TLS, on the port of the statistics page.
inline constexpr const char* haproxy_health_address = "127.0.0.2";

/// The certificate of its page of statistics.
inline constexpr const char* haproxy_certificate = "haproxy";

/// Whether confd keeps haproxy.cfg; else apply does.
bool with_confd(const Spec& spec);

/// HAProxy's sections that listen, and on which ports: master, replicas, …, stats.
std::vector<std::pair<std::string, int>> haproxy_ports(const Spec& spec);

/// Behind the name of a server whose Patroni is asked with TLS, as long as a cluster goes over.
inline constexpr const char* haproxy_tls_suffix = "-tls";

/// haproxy.cfg with the database hosts as servers. `open`: as long as the cluster goes over from plain to TLS, or back.
std::string haproxy_config(const NodeView& node, bool open = false);
/// The same as a template of confd, with Patroni's members as servers.
std::string haproxy_template(const NodeView& node, bool open = false);
/// What a running HAProxy says of itself that has read such a file.
std::string haproxy_mark(const NodeView& node, bool open = false);

/// What HAProxy on a host has, by its page of statistics.
struct HaproxyState {
  bool answers = false;
  std::string mark;
  std::map<std::string, std::map<std::string, std::string>> sections{};  ///< section -> server -> status: "UP", "DOWN", "UP 1/2", …
  /// Servers of a section that get connections.
  std::vector<std::string> up(const std::string& section) const;
};
Ask haproxy_ask(const ClusterView& cluster, const std::string& host);
HaproxyState read_haproxy(const Answer& answer);

/// Why HAProxy does not take the file: asked of the program itself, where it is installed; changes nothing.
Ask haproxy_check_ask(const NodeView& node, bool open = false);
/// Empty where it takes it, or is not there to be asked.
std::string read_haproxy_check(const Answer& answer);
/// A file from which HAProxy's configuration comes, by `content(node, open)`. A configuration that HAProxy does not accept never replaces the present
/// one: `haproxy -c` is run while planning, and once more just before the change. While the cluster goes over, the closed form counts as done, too.
StepPtr haproxy_checked_file(const NodeView& node, const StepRef& name, const std::string& path, std::string (*content)(const NodeView&, bool),
                             std::vector<std::string> keeps, std::vector<std::string> touches);
/// Once all Patronis have gone over: the closed form of that file, and what makes its reader take it.
StepPtr haproxy_closing_file(const NodeView& node, const StepRef& name, const std::string& path, const std::string& content, const SetUnit& then,
                             Impact impact);
/// Refused, in haproxy's own words.
Refused haproxy_refuses(const std::string& host, const std::string& why);

/// The balancers in the order in which they are disturbed: the one that holds the VIP last.
Order holder_last(const ClusterView& cluster);

}  // namespace pgcluster
