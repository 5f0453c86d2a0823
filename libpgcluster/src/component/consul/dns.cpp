// *.consul on the hosts of clients, by the resolver that a host uses already; the rest of its DNS stays as it is.
#include <algorithm>
#include <sstream>

#include "base/joined.hpp"
#include "component/consul/consul.hpp"
#include "component/listening.hpp"

namespace pgcluster {
namespace {

struct Resolver {
  ConsulDns name;
  std::string unit, file, content;
  std::vector<std::string> packages;

  ServiceWish wish() const {
    ServiceWish wish{.unit = unit};
    wish.start_files = {file};
    return wish;
  }
  WriteFile notes() const { return unit_notes(wish()); }
};

const Resolver& resolved() {
  static const Resolver one{ConsulDns::systemd_resolved,
                            "systemd-resolved.service",
                            "/etc/systemd/resolved.conf.d/pgcluster-consul.conf",
                            "# Written by pgcluster.\n[Resolve]\nDNS=127.0.0.1:8600\nDomains=~consul\n",
                            {"systemd-resolved", "libnss-resolve"}};
  return one;
}
const Resolver& dnsmasq() {
  static const Resolver one{ConsulDns::dnsmasq,
                            "dnsmasq.service",
                            "/etc/dnsmasq.d/pgcluster-consul.conf",
                            "# Written by pgcluster.\nserver=/consul/127.0.0.1#8600\n",
                            {"dnsmasq"}};
  return one;
}

// "Global: 10.0.0.2 127.0.0.1:8600" of `resolvectl dns`: those that are not ours.
std::string other_servers(const std::string* out) {
  std::istringstream lines(out ? *out : "");
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("Global:")) continue;
    std::istringstream words(line.substr(7));
    for (std::string word; words >> word;)
      if (word != "127.0.0.1:8600") append(found, word);
  }
  return found;
}

// The servers that /etc/resolv.conf names.
std::vector<std::string> name_servers(const Answer& answer) {
  std::vector<std::string> found;
  const auto* file = std::get_if<File>(&answer);
  std::istringstream lines(file ? file->content : "");
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    if (std::string word, server; words >> word >> server && word == "nameserver") found.push_back(server);
  }
  return found;
}

ConsulDns wanted_by(const NodeView& node) {
  const HostSpec* host = node.spec().host(node.name());
  return host ? host->consul_dns.value_or(node.spec().consul_dns) : node.spec().consul_dns;
}

StepPtr resolver_step(const NodeView& node) {
  const std::string host = node.name();
  const ConsulDns wanted = wanted_by(node);
  const std::vector<Resolver> all{resolved(), dnsmasq()};
  std::vector<Ask> asks;
  std::vector<Ask> units;
  std::vector<StepPtr> files, notes;
  std::vector<std::string> keeps;
  for (const Resolver& one : all) {
    units.push_back({host, UnitOf{one.unit, {one.file}}});
    files.push_back(file("file", host, {.path = one.file, .content = one.content}));
    notes.push_back(file("notes", host, one.notes()));
    for (const StepPtr& step : {files.back(), notes.back()}) {
      for (const Ask& ask : step->asks()) asks.push_back(ask);
      for (const std::string& resource : step->keeps()) keeps.push_back(resource);
    }
  }
  const Ask global{host, Exec{.argv = {"resolvectl", "dns"}, .about = {"unit:systemd-resolved.service"}}};
  const Ask port{host, Exec{.argv = {"ss", "-Hlnup", "sport = :53"}}};
  asks.insert(asks.end(), units.begin(), units.end());
  const Ask resolv{host, FileOf{"/etc/resolv.conf"}};
  asks.insert(asks.end(), {global, port, resolv});
  auto decide = [=](const Answers& answers) -> Decision {
    // The one that is wanted, else the one that runs, or has our file: between its stop and its start it is inactive for a moment.
    std::size_t which = all.size();
    for (std::size_t i = all.size(); i-- > 0;) {
      const auto* unit = answers.get<Unit>(units[i]);
      const bool runs = unit && unit->active != "inactive" && unit->active != "failed";
      if (wanted == all[i].name || (wanted == ConsulDns::automatic && unit && (runs || answers.get<File>(files[i]->asks().front())))) which = i;
    }
    const std::string* listening = answers.out(port);
    const std::string server = listening && !listening->empty() ? listening_process(*listening, "another program") : "";
    const std::string none =
        "; or write consul_dns: none in the host, and let the resolver that clients use forward consul. to port 8600 of an agent "
        "(examples/dns-forwarding.md)";
    if (which == all.size() && !server.empty())
      return Refused{{.message = "port 53 of " + host + " is taken by " + server + ", which is neither systemd-resolved nor dnsmasq",
                      .hint = "stop it" + none,
                      .path = "hosts." + host + ".roles"}};
    if (which == all.size())
      return Refused{
          {.message = host + " uses neither systemd-resolved nor dnsmasq, so that nothing would look up *.consul there",
           .hint = "install the one that you want (apt install systemd-resolved libnss-resolve), or name it: consul_dns: systemd-resolved" + none,
           .path = "hosts." + host + ".roles"}};
    const Resolver& one = all[which];
    const auto* unit = answers.get<Unit>(units[which]);
    const bool runs = unit && unit->active == "active";
    if (unit && (unit->active == "activating" || unit->active == "reloading" || unit->active == "deactivating"))
      return Later{one.unit + " is active (it is " + unit->active + ")", Impact::none, Action::update};
    if (!runs && one.name == ConsulDns::dnsmasq && !server.empty() && server != "dnsmasq" && listening->find("127.0.0.53") == std::string::npos)
      return Refused{
          {.message = "port 53 of " + host + ", wanted for dnsmasq, is taken by " + server, .hint = "stop it, or write consul_dns: auto" + none}};
    if (const std::string others = one.name == ConsulDns::systemd_resolved ? other_servers(answers.out(global)) : ""; !others.empty())
      return Refused{{.message = "systemd-resolved on " + host + " has name servers for all links (" + others +
                                 "): it would ask them for *.consul, and Consul for the rest",
                      .hint = "give them to the link (DNS= in its .network file), or use dnsmasq: consul_dns: dnsmasq" + none}};
    const std::vector<std::string> asked = name_servers(answers[resolv]);
    const auto here = [](const std::string& address) { return address.starts_with("127.") || address == "::1"; };
    if (one.name == ConsulDns::dnsmasq && !asked.empty() && std::none_of(asked.begin(), asked.end(), here))
      return Refused{{.message = "/etc/resolv.conf on " + host + " names " + joined(asked) + ", so that nothing there would ask dnsmasq for *.consul",
                      .hint = "give dnsmasq those servers (server= in /etc/dnsmasq.d), and write nameserver 127.0.0.1 into /etc/resolv.conf" + none}};
    if ((!unit || unit->masked) && one.name == ConsulDns::systemd_resolved && !std::all_of(asked.begin(), asked.end(), here))
      return Refused{
          {.message = "/etc/resolv.conf on " + host + " names " + joined(asked) + ", and the package systemd-resolved would replace it",
           .hint = "install it yourself and give those servers to the link (DNS= in its .network file), or use dnsmasq: consul_dns: dnsmasq" + none}};
    Change change{.todo = {}, .action = Action::update};
    if (!unit || unit->masked)
      change.todo.push_back({.at = host, .what = Install{.packages = one.packages}, .was = {}, .limit = std::chrono::minutes(15)});
    for (const StepPtr& step : {files[which], notes[which]}) {
      Decision decision = step->decide(answers);
      if (std::holds_alternative<Refused>(decision)) return decision;
      if (auto* more = std::get_if<Change>(&decision)) {
        change.todo.insert(change.todo.end(), more->todo.begin(), more->todo.end());
        change.diff += more->diff;
        change.reason = "it does not ask Consul for *.consul yet";
      }
    }
    if (change.todo.empty() && runs && unit->start_files_current) return Done{};
    if (change.reason.empty()) change.reason = runs ? "runs on an older configuration" : one.unit + " does not run";
    // It keeps no unit: the host goes on to have a resolver when the cluster is gone.
    change.todo.push_back(
        {.at = host, .what = SetUnit{one.unit, runs ? SetUnit::Go::restart : SetUnit::Go::start, runs ? std::optional<bool>() : true}});
    return change;
  };
  return make_step(node.step("consul", "dns"), {.asks = asks,
                                                .decide = decide,
                                                .settle = std::chrono::seconds(20),
                                                .keeps = keeps,
                                                .evidence = {journal_ask(host, resolved().unit), journal_ask(host, dnsmasq().unit)}});
}

}  // namespace

std::map<std::string, std::string> consul_dns_readers() { return {{resolved().file, resolved().unit}, {dnsmasq().file, dnsmasq().unit}}; }

Steps consul_dns(const NodeView& node) {
  if (wanted_by(node) == ConsulDns::none) return {};
  return resolver_step(node);
}

}  // namespace pgcluster
