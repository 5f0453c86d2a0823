#include "component/certificates.hpp"

#include <algorithm>

#include <pgcluster/component/consul.hpp>
#include <pgcluster/component/etcd.hpp>
#include <pgcluster/component/haproxy.hpp>
#include <pgcluster/component/patroni.hpp>

#include "base/url.hpp"
#include "op/ask.hpp"
#include "op/facts.hpp"

namespace pgcluster::certificates {
namespace {

std::string file_of(const std::string& name, const char* kind) { return "/etc/pgcluster/tls/" + name + kind; }

Wire find_wire(const ClusterView& view) {
  if (view.facts.empty()) return Wire::unknown;
  const auto settled = [](const Facts& facts) { return owns(facts, std::string("file:") + settled_file); };
  // Consider only units that use the network. pgcluster's other units may already run on a host that does not have the marker file yet.
  const auto runs = [](const Facts& facts) {
    constexpr const char* units[] = {"etcd", "consul", "patroni", "pgbouncer", "haproxy", "confd"};
    return std::any_of(std::begin(units), std::end(units), [&](const char* unit) { return owns(facts, "unit:" + std::string(unit) + ".service"); });
  };
  const auto has_files = [](const Facts& facts) {
    return std::any_of(facts.owned.begin(), facts.owned.end(), [](const Owned& one) { return one.resource.starts_with(files); });
  };
  bool plain = false, encrypted = false;
  for (const auto& [host, facts] : view.facts) {
    encrypted = encrypted || has_files(facts);
    plain = plain || (!settled(facts) && runs(facts));
  }
  if (wanted(view.spec)) return plain ? Wire::opening : Wire::tls;
  return encrypted ? Wire::closing : Wire::plain;
}

std::vector<std::string> options(const std::string& name) {
  return {"--cacert", authority_file, "--cert", certificate_file(name), "--key", key_file(name)};
}

}  // namespace

std::string certificate_file(const std::string& name) { return file_of(name, ".crt"); }
std::string key_file(const std::string& name) { return file_of(name, ".key"); }

std::vector<StepRef> closings(const Topology& topology) {
  std::vector<StepRef> all;
  for (const TopologyHost& host : topology.hosts)
    all.insert(all.end(), {etcd::closed(host.name), consul::closed(host.name), haproxy::serves(host.name), patroni::member(host.name)});
  return all;
}

StepRef unsettled(const std::string& host) { return removal(host, "certificates", std::string("file:") + settled_file); }

std::vector<StepRef> before_unsettled(const Topology& topology) {
  std::vector<StepRef> all;
  for (const TopologyHost& host : topology.hosts) all.push_back(etcd::unmarked(host.name));
  return all;
}

void declare(const NodeView& node, Needs& needs, std::vector<CertificateNeed> certificates) {
  if (!wanted(node.spec())) return;
  needs.packages.push_back(node.platform().openssl);
  for (CertificateNeed& one : certificates) needs.certificates.push_back(std::move(one));
}

StepRef ready(const std::string& host, const std::string& name) { return {host, "certificates", name}; }

std::string url(const Spec& spec, const std::string& address, int port, const std::string& path) {
  return (wanted(spec) ? "https://" : "http://") + net::host_port(address, port) + path;
}

std::string drop_in(const std::string& unit) { return "/etc/systemd/system/" + unit + ".d/55-pgcluster-certificates.conf"; }

Steps notes(const NodeView& node, const std::string& component, const ServiceWish& wish, const std::vector<std::string>& exec_reload,
            const std::string& more_service_lines) {
  WriteFile made = unit_notes(wish, exec_reload, more_service_lines);
  made.path = drop_in(wish.unit);
  if (wanted(node.spec())) return file(node.step(component, "certificates-unit"), node.name(), std::move(made));
  const std::string resource = "file:" + made.path;
  return owns(node.facts, resource) ? Steps(absent(removal(node.name(), component, resource), node.name(), resource)) : Steps();
}

std::vector<std::string> client_names(const NodeView& node) {
  const Spec& spec = node.spec();
  std::vector<std::string> names;
  if (!spec.cluster_vip.empty()) names.push_back(spec.cluster_vip);
  for (const TopologyHost* balancer : node.cluster.topology.with(Role::balancer)) names.insert(names.end(), {balancer->name, balancer->address});
  if (spec.dcs_type == DcsType::consul)
    for (const char* kind : {"master", "replica"}) names.push_back(kind + ("." + spec.patroni_cluster_name) + ".service.consul");
  return names;
}

std::vector<std::string> curl_options(const Spec& spec, const std::string& name) { return wanted(spec) ? options(name) : std::vector<std::string>{}; }

Wire wire(const ClusterView& view) { return *view.derived(find_wire); }

std::vector<const char*> schemes(const ClusterView& view) {
  std::vector<const char*> all{wanted(view.spec) ? "https" : "http"};
  if (const Wire now = wire(view); now != Wire::plain && now != Wire::tls) all.push_back(wanted(view.spec) ? "http" : "https");
  return all;
}

std::vector<std::vector<std::string>> calls(const ClusterView& view, const std::string& certificate, const std::vector<std::string>& words,
                                            const std::string& address, int port, const std::vector<std::string>& paths, int plain_port) {
  std::vector<std::vector<std::string>> all;
  for (const std::string scheme : schemes(view)) {
    std::vector<std::string> call = words;
    if (scheme == "https")
      for (std::string& word : options(certificate)) call.push_back(std::move(word));
    const int at = plain_port != 0 && scheme == "http" ? plain_port : port;
    for (const std::string& path : paths) call.push_back(scheme + "://" + net::host_port(address, at) + path);
    all.push_back(std::move(call));
  }
  return all;
}

std::vector<std::string> command(const std::vector<std::vector<std::string>>& calls) {
  if (calls.size() != 1) return first_answer(calls);
  std::vector<std::string> argv{"curl"};
  argv.insert(argv.end(), calls.front().begin(), calls.front().end());
  return argv;
}

}  // namespace pgcluster::certificates
