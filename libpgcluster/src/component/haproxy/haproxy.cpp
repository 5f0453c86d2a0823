// HAProxy: one address and a port for each role, on every balancer.
#include "component/haproxy/haproxy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <tuple>

#include <pgcluster/component/confd.hpp>

#include "base/joined.hpp"
#include "component/certificates.hpp"
#include "component/listening.hpp"
#include "component/patroni/patroni.hpp"
#include "component/registry.hpp"
#include "component/sandbox.hpp"
#include "component/vip/vip.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

using std::chrono::seconds;

constexpr const char* header = "# Written by pgcluster";

std::string drop_in_path(const char* unit) { return std::string("/etc/systemd/system/") + unit + ".d/50-pgcluster.conf"; }

// confd reloads HAProxy itself. Where it ended between writing the file and that, it finds the file as wished later, and does not reload HAProxy:
// then the service step does.
ServiceWish service_wish(const Spec& spec) {
  ServiceWish wish{
      .unit = haproxy_unit, .start_files = {drop_in_path(haproxy_unit)}, .load_files = {haproxy_file}, .reloadable = true, .settle = seconds(30)};
  if (certificates::wanted(spec))
    wish.load_files.insert(wish.load_files.end(), {certificates::authority_file, certificates::certificate_file(haproxy_certificate)});
  return wish;
}

StepPtr config_step(const NodeView& node) {
  return haproxy_checked_file(node, node.step("haproxy", "config"), haproxy_file, haproxy_config, {std::string("file:") + haproxy_file}, {});
}

StepPtr close_step(const NodeView& node) {
  return haproxy_closing_file(node, node.step("haproxy", "close"), haproxy_file, haproxy_config(node), {haproxy_unit, SetUnit::Go::reload, {}},
                              Impact::reload);
}

// Somebody else's HAProxy goes on as it is.
StepPtr stranger_step(const NodeView& node) {
  const std::string name = node.step("haproxy", "stranger");
  const bool ours = owns(node.facts, std::string("unit:") + haproxy_unit);
  const Ask unit{node.name(), UnitOf{haproxy_unit}};
  const Ask config{node.name(), FileOf{haproxy_file}};
  auto decide = [unit, config, ours, host = node.name()](const Answers& answers) -> Decision {
    if (ours) return Done{};
    const auto* state = answers.get<Unit>(unit);
    const auto* found = answers.get<File>(config);
    if (!state || state->active != "active" || (found && found->content.starts_with(header))) return Done{};
    return Refused{{.message = host + " runs a HAProxy that pgcluster has not set up",
                    .hint = "let other hosts balance (roles: [balancer]), or, where nobody needs it: systemctl disable --now haproxy"}};
  };
  return gate(name, {.asks = {unit, config}, .decide = decide});
}

// confd has written the file from the template that it has now.
StepPtr rendered_step(const NodeView& node, const std::string& what, bool open) {
  const Ask present{node.name(), FileOf{haproxy_file}};
  const Ask confd{node.name(), UnitOf{"confd.service"}};
  auto decide = [present, confd, mark = "string \"" + haproxy_mark(node, open) + "\\n\"",
                 closed = "string \"" + haproxy_mark(node) + "\\n\""](const Answers& answers) -> Decision {
    const auto* found = answers.get<File>(present);
    if (found && (found->content.find(mark) != std::string::npos || found->content.find(closed) != std::string::npos)) return Done{};
    if (const auto* unit = answers.get<Unit>(confd); unit && unit->active == "failed" && !answers.pending(confd))
      return Refused{{.message = "confd has died, and " + std::string(haproxy_file) + " is not up to date", .hint = "its journal says why"},
                     Code::not_converged};
    return Later{"confd has written " + std::string(haproxy_file)};
  };
  return make_step(node.step("haproxy", what), {.asks = {present, confd},
                                                .decide = decide,
                                                .settle = seconds(node.spec().confd_interval + 60),
                                                .evidence = {journal_ask(node.name(), "confd.service")}});
}

// The same for what confd writes when all Patronis have gone over.
StepPtr loaded_step(const NodeView& node, const ServiceWish& wish) {
  const Ask ask{node.name(), UnitOf{haproxy_unit, wish.start_files, wish.load_files}};
  auto decide = [ask, host = node.name()](const Answers& answers) -> Decision {
    const auto* unit = answers.get<Unit>(ask);
    if (answers.pending(ask) || !unit || unit->active != "active")
      return Later{.until = "HAProxy has read the file of confd", .action = Action::reload};
    if (unit->load_files_current) return Done{};
    return Change{.todo = {Do{.at = host, .what = SetUnit{haproxy_unit, SetUnit::Go::reload, {}}}},
                  .action = Action::reload,
                  .reason = "HAProxy has not read the file of confd"};
  };
  return make_step(node.step("haproxy", "loaded"),
                   {.asks = {ask}, .decide = decide, .settle = seconds(30), .evidence = {journal_ask(node.name(), haproxy_unit)}});
}

StepPtr listens(const NodeView& node) {
  std::string filter;
  std::vector<int> ports;
  for (const auto& [name, port] : haproxy_ports(node.spec())) {
    filter += (filter.empty() ? "sport = :" : " or sport = :") + std::to_string(port);
    ports.push_back(port);
  }
  const Ask ask{node.name(), Exec{.argv = {"ss", "-Hltnp", filter}, .about = {std::string("unit:") + haproxy_unit}}};
  const std::string health = haproxy_health_address + (":" + std::to_string(node.spec().haproxy_listen_port.stats));
  auto decide = [ask, ports, health, host = node.name()](const Answers& answers) -> Decision {
    const std::string* out = answers.out(ask);
    std::istringstream lines(out ? *out : "");
    for (std::string line; std::getline(lines, line);) {
      if (line.find("\"haproxy\"") != std::string::npos) continue;
      int taken = 0;
      for (const int port : ports)
        if (line.find(":" + std::to_string(port) + " ") != std::string::npos) taken = port;
      const std::string process = listening_process(line, "");
      const std::string wrong = "port " + std::to_string(taken) + " of " + host + ", wanted for HAProxy, is taken by ";
      if (process.empty())
        return Later{.until = "HAProxy listens on port " + std::to_string(taken), .wrong = wrong + "another process", .patience = seconds(10)};
      return Refused{{.message = wrong + process, .hint = "stop it, or choose another port in haproxy_listen_port: " + line}};
    }
    for (const int port : ports)
      if (!out || out->find(":" + std::to_string(port) + " ") == std::string::npos) return Later{"HAProxy listens on port " + std::to_string(port)};
    if (out->find(health + " ") == std::string::npos) return Later{"HAProxy listens on " + health};
    return Done{};
  };
  return gate(haproxy::listens(node.name()),
              {.asks = {ask}, .decide = decide, .settle = seconds(30), .evidence = {journal_ask(node.name(), haproxy_unit)}});
}

std::string listed(const std::vector<std::string>& names) { return names.empty() ? "nobody" : joined(names); }

// A port that should lead somewhere by what the members say of themselves, and that HAProxy still leads nowhere: what is awaited; empty where all do.
std::string idle_port(const Spec& spec, const patroni::Members& members, const HaproxyState& state) {
  constexpr std::int64_t close = 1 << 20;  // bytes; further behind, a replica may be beyond patroni_maximum_lag_on_replica
  std::vector<std::string> replicas, synchronous, asynchronous;
  for (const auto& [host, member] : members.all) {
    if (!member.fine() || member.leads || members.lag(*host) > close) continue;
    const auto& tags = host->patroni_tags;
    const bool apart = std::find(tags.begin(), tags.end(), std::pair<std::string, std::string>("noloadbalance", "true")) != tags.end();
    if (member.sync) synchronous.push_back(host->name);
    if (apart) continue;
    replicas.push_back(host->name);
    if (!member.sync) asynchronous.push_back(host->name);
  }
  const HaproxyPorts& ports = spec.haproxy_listen_port;
  const std::tuple<const char*, int, const std::vector<std::string>&, const char*> all[] = {
      {"replicas", ports.replicas, replicas, "a replica"},
      {"replicas_sync", ports.replicas_sync, synchronous, "a synchronous replica"},
      {"replicas_async", ports.replicas_async, asynchronous, "an asynchronous replica"}};
  for (const auto& [section, port, expected, what] : all)
    if (port != 0 && !expected.empty() && state.up(section).empty())
      return "port " + std::to_string(port) + " leads to " + what + " (" + joined(expected) + ")";
  return {};
}

// HAProxy has read its configuration, its servers are Patroni's members, and it routes to the leader.
StepPtr serves(const NodeView& node) {
  const ClusterView& cluster = node.cluster;
  const Ask ask = haproxy_ask(node.cluster, node.name());
  const bool confd = with_confd(node.spec());
  std::vector<Ask> asks{ask};
  std::optional<Ask> members;
  if (confd) asks.push_back(*(members = patroni::member_names_ask(cluster, node.host)));
  const auto view = shared(cluster);
  for (const Ask& one : *view->derived(patroni::member_asks)) asks.push_back(one);
  // Members that join by this plan must be among the servers at the end.
  std::vector<std::string> joining;
  if (!confd)
    for (const TopologyHost& host : cluster.left)
      if (host.has(Role::postgres)) joining.push_back(host.name);
  for (const std::string& name : node.topology().database)
    if (!confd || (!patroni::configured(cluster, name) && !cluster.leaves_out(name))) joining.push_back(name);
  auto decide = [=, mark = haproxy_mark(node), dcs = std::string(to_string(node.topology().dcs_type))](const Answers& answers) -> Decision {
    const HaproxyState state = read_haproxy(answers[ask]);
    if (!state.answers) return Later{"HAProxy answers on its statistics page"};
    if (state.mark != mark)
      return Later{.until = "HAProxy serves with its present configuration",
                   .seen = "it still runs with the former one (" + state.mark + ", not " + mark + ")"};
    std::vector<std::string> wanted = joining, has;
    if (members) {
      const auto named = patroni::read_member_names(answers[*members]);
      if (!named) return Later{dcs + " says who Patroni's members are"};
      for (const std::string& name : joining)
        if (std::find(named->begin(), named->end(), name) == named->end()) return Later{name + " is a member of Patroni's"};
      wanted = *named;
    }
    if (const auto master = state.sections.find("master"); master != state.sections.end())
      for (const auto& [server, status] : master->second) has.push_back(server);
    std::sort(wanted.begin(), wanted.end());
    if (has != wanted) return Later{"HAProxy's servers are " + listed(wanted) + " (it has " + listed(has) + ")"};
    const auto up = state.up("master");
    if (up.size() != 1) return Later{up.empty() ? "HAProxy sees the leader" : "HAProxy sees only one leader (" + listed(up) + " for now)"};
    const std::string idle = idle_port(view->spec, patroni::read_members(*view, answers), state);
    return idle.empty() ? Decision(Done{}) : Later{idle};
  };
  std::vector<Ask> evidence{journal_ask(node.name(), haproxy_unit)};
  if (confd) evidence.push_back(journal_ask(node.name(), "confd.service"));
  return gate(haproxy::serves(node.name()),
              {.asks = asks, .decide = decide, .settle = seconds(node.spec().patroni_ttl + node.spec().confd_interval + 60), .evidence = evidence});
}

const std::vector<std::string> reloads{"/usr/sbin/haproxy -Ws -f $CONFIG -c -q $EXTRAOPTS", "/bin/kill -USR2 $MAINPID"};

// The drop-in must not depend on confd, haproxy_maxconn or certificates: a change of it restarts HAProxy.
// The master process is root, its worker is not. The sections of haproxy_extra may bind to low ports or to an interface, make sockets in /run for
// other accounts, use regular expressions, and name certificates that stand anywhere and belong to anybody.
const Sandbox haproxy_sandbox{.capabilities =
                                  "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETGID CAP_SETUID "
                                  "CAP_SYS_CHROOT CAP_SYS_RESOURCE",
                              .writes = "/run -/var/lib/haproxy",
                              .calls = "chroot",
                              .privileged = true,
                              .compiles = true,
                              .reads_home = true};

WriteFile drop_in(const NodeView& node, ServiceWish wish) {
  wish.load_files = {haproxy_file};
  // Stopping cuts open sessions. Move the VIP away first to drain them.
  std::string more = "LimitNOFILE=" + std::to_string(node.facts.nofile_limit) + "\nTimeoutStopSec=5\n";
  more += sandbox_lines(node.facts, haproxy_sandbox) + "\n[Unit]\nStartLimitIntervalSec=0\n";
  return unit_notes(wish, reloads, more);
}

class Haproxy final : public Component {
 public:
  std::string name() const override { return "haproxy"; }

  Steps steps(const NodeView& node) const override {
    if (!node.has(Role::balancer)) return {};
    const auto step = [&](const char* what) { return node.step("haproxy", what); };
    const ServiceWish wish = service_wish(node.spec());
    const std::string host = node.name();
    std::vector<StepRef> gone;  // who is pruned may lead until then
    for (const TopologyHost& left : node.cluster.pruned) gone.push_back(removal(left.name, "patroni", std::string("unit:") + patroni::unit_name));
    Steps config = with_confd(node.spec()) ? after({confd::service(host)}, rendered_step(node, "rendered", certificates::goes_over(node.cluster)))
                                           : after_where_planned(gone, config_step(node));
    const std::vector<StepRef> before{certificates::ready(host, haproxy_certificate)};
    std::vector<StepRef> known{patroni::leader()};
    for (const std::string& name : node.topology().database) known.push_back(patroni::member(name));
    return sequence(stranger_step(node), packages(haproxy::packages(host), host, needs(node).packages, {haproxy_unit}),
                    parallel(after_where_planned(before, config), file(step("unit"), host, drop_in(node, wish)),
                             certificates::notes(node, "haproxy", wish, reloads)),
                    rolling("haproxy", host, holder_last(node.cluster), sequence(service(step("service"), host, wish), listens(node))),
                    after(known, sequence(closing(node, wish), serves(node))));
  }

  static Steps closing(const NodeView& node, const ServiceWish& wish) {
    if (!certificates::goes_over(node.cluster)) return {};
    if (!with_confd(node.spec())) return close_step(node);
    return after({confd::closed(node.name())}, sequence(rendered_step(node, "rendered-closed", false), loaded_step(node, wish)));
  }

  Needs needs(const NodeView& node) const override {
    if (!node.has(Role::balancer)) return {};
    const PackagedService& packaged = node.platform().haproxy;
    Needs all{.packages = packaged.packages, .ports = {}, .units = {haproxy_unit}, .accounts = {packaged.account}};
    all.packages.push_back(node.platform().http_client);
    CertificateNeed certificate{.name = haproxy_certificate, .names = certificates::client_names(node)};
    for (const auto& [name, port] : haproxy_ports(node.spec())) {
      if (name == "stats") certificate.port = port;
      all.ports.push_back({port, "HAProxy (" + name + ")", haproxy_unit, name == "stats" ? Reach::cluster : Reach::clients});
    }
    certificates::declare(node, all, {std::move(certificate)});
    return all;
  }

  std::vector<Probe> health(const NodeView& node) const override {
    if (!node.has(Role::balancer)) return {};
    return {{haproxy_ask(node.cluster, node.name()), [port = node.spec().haproxy_listen_port.master](const Answer& answer) -> std::optional<Problem> {
               const HaproxyState state = read_haproxy(answer);
               if (!state.answers)
                 return Problem{.cause = "balancer_silent",
                                .message = "HAProxy does not answer",
                                .remedy = "read the journal of haproxy.service on the host; apply starts it again"};
               if (!state.up("master").empty()) return std::nullopt;
               return Problem{.cause = "balancer_without_leader",
                              .message = "HAProxy sees no leader: port " + std::to_string(port) + " leads nowhere",
                              .remedy = "see whether a member leads, and whether this host reaches its Patroni and its port"};
             }}};
  }
};

}  // namespace

std::vector<std::string> HaproxyState::up(const std::string& section) const {
  std::vector<std::string> found;
  if (const auto it = sections.find(section); it != sections.end())
    for (const auto& [server, status] : it->second)
      if (status.starts_with("UP")) found.push_back(server);
  return found;
}

Ask haproxy_ask(const ClusterView& cluster, const std::string& host) {
  std::vector<std::vector<std::string>> calls;
  for (const char* scheme : certificates::schemes(cluster)) {
    const std::string base = fmt::format("{}://127.0.0.1:{}", scheme, cluster.spec.haproxy_listen_port.stats);
    calls.push_back({"-s", "-m", "3", "--noproxy", "*"});
    if (base.starts_with("https")) calls.back().insert(calls.back().end(), {"--cacert", certificates::authority_file});
    calls.back().insert(calls.back().end(), {base + "/pgcluster", base + "/;csv"});
  }
  return {host, Exec{.argv = certificates::command(calls),
                     .about = {std::string("unit:") + haproxy_unit, "unit:confd.service", "unit:patroni.service", "dcs:initialize"}}};
}

HaproxyState read_haproxy(const Answer& answer) {
  HaproxyState state;
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return state;
  std::istringstream lines(output->out);
  std::string line;
  if (!std::getline(lines, state.mark)) return state;
  std::size_t status_at = 0;
  const auto fields = [](const std::string& text) {
    std::vector<std::string> all;
    std::istringstream in(text);
    for (std::string one; std::getline(in, one, ',');) all.push_back(one);
    return all;
  };
  while (std::getline(lines, line)) {
    const std::vector<std::string> row = fields(line);
    if (line.starts_with("# ")) {
      state.answers = true;
      status_at = static_cast<std::size_t>(std::find(row.begin(), row.end(), "status") - row.begin());
    } else if (state.answers && row.size() > status_at && row.size() > 1 && row[1] != "FRONTEND" && row[1] != "BACKEND") {
      state.sections[row[0]][row[1]] = row[status_at];
    }
  }
  return state;
}

Ask haproxy_check_ask(const NodeView& node, bool open) {
  return {node.name(), Exec{.argv = {"haproxy", "-c", "-f", "/dev/stdin"},
                            .input = haproxy_config(node, open),
                            .about = {"package:haproxy", "file:" + certificates::certificate_file(haproxy_certificate)}}};
}

std::string read_haproxy_check(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status == 0 || output->status >= 124) return {};
  const std::string& all = output->err.empty() ? output->out : output->err;
  std::string why;
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);)
    if (line.find("[ALERT]") != std::string::npos && line.find("fatal error") == std::string::npos &&
        line.find("Error(s) found") == std::string::npos && line.find("Fatal errors found") == std::string::npos)
      why += (why.empty() ? "" : "; ") + line.substr(line.find(" : ") == std::string::npos ? 0 : line.find(" : ") + 3);
  return why.empty() ? all : why;
}

StepPtr haproxy_checked_file(const NodeView& node, const StepRef& name, const std::string& path, std::string (*content)(const NodeView&, bool),
                             std::vector<std::string> keeps, std::vector<std::string> touches) {
  const std::string host = node.name();
  const bool open = certificates::goes_over(node.cluster);
  const StepPtr wished = file(name, host, {.path = path, .content = content(node, open)});
  const Ask check = haproxy_check_ask(node, open), present{host, FileOf{path}};
  std::vector<Ask> asks = wished->asks();
  asks.push_back(check);
  auto decide = [=, closed = content(node, false)](const Answers& answers) -> Decision {
    Decision decision = wished->decide(answers);
    auto* change = std::get_if<Change>(&decision);
    if (!change) return decision;
    if (const auto* found = answers.get<File>(present); open && found && found->content == closed) return Done{};
    // Without its certificate it would refuse any configuration.
    if (const std::string why = read_haproxy_check(answers[check]); !why.empty() && !answers.pending(check)) return haproxy_refuses(host, why);
    const auto& asked = std::get<Exec>(check.what);
    Run once_more{.argv = asked.argv, .input = asked.input, .touches = touches, .name = "check the configuration of HAProxy"};
    change->todo.insert(change->todo.begin(), Do{.at = host, .what = std::move(once_more)});
    return decision;
  };
  return make_step(name, {.asks = asks, .decide = decide, .keeps = std::move(keeps)});
}

StepPtr haproxy_closing_file(const NodeView& node, const StepRef& name, const std::string& path, const std::string& content, const SetUnit& then,
                             Impact impact) {
  const StepPtr wished = file(name, node.name(), {.path = path, .content = content});
  auto decide = [=, host = node.name()](const Answers& answers) -> Decision {
    Decision decision = wished->decide(answers);
    auto* change = std::get_if<Change>(&decision);
    if (!change) return decision;
    change->todo.push_back({.at = host, .what = then});
    change->action = then.go == SetUnit::Go::reload ? Action::reload : Action::restart;
    change->impact = impact;
    change->reason = "all Patronis have gone over";
    return decision;
  };
  return make_step(name, {.asks = wished->asks(), .decide = decide, .settle = seconds(10)});
}

Refused haproxy_refuses(const std::string& host, const std::string& why) {
  return {{.message = "haproxy on " + host + " does not take the configuration: " + why,
           .hint = "correct haproxy_extra in the spec; what runs now is not touched",
           .path = "haproxy_extra"}};
}

Order holder_last(const ClusterView& cluster) {
  std::vector<std::string> hosts;
  for (const TopologyHost* host : cluster.topology.with(Role::balancer)) hosts.push_back(host->name);
  if (!cluster.spec.cluster_vip.empty()) return vip_holder_last(cluster.spec, hosts);
  Order order;
  order.order = [hosts](const Answers&) { return hosts; };
  return order;
}

ComponentPtr haproxy_component() { return std::make_shared<Haproxy>(); }

}  // namespace pgcluster
