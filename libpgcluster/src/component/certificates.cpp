#include "component/certificates.hpp"

#include <algorithm>

#include "base/url.hpp"
#include "op/ask.hpp"
#include "op/facts.hpp"

namespace pgcluster::certificates {
namespace {

std::string file_of(const std::string& name, const char* kind) { return "/etc/pgcluster/tls/" + name + kind; }

Wire find_wire(const ClusterView& view) {
  if (view.facts.empty()) return Wire::unknown;
  const auto settled = [](const Facts& facts) { return owns(facts, std::string("file:") + settled_file); };
  const auto runs = [](const Facts& facts) {
    return std::any_of(facts.owned.begin(), facts.owned.end(), [](const Owned& one) { return one.resource.starts_with("unit:"); });
  };
  bool plain = false, encrypted = false;
  for (const auto& [host, facts] : view.facts) {
    encrypted = encrypted || settled(facts);
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

StepRef ready(const std::string& host, const std::string& name) { return {host, "certificates", name}; }

std::string url(const Spec& spec, const std::string& address, int port, const std::string& path) {
  return (wanted(spec) ? "https://" : "http://") + net::host_port(address, port) + path;
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
                                            const std::string& address, int port, const std::vector<std::string>& paths) {
  std::vector<std::vector<std::string>> all;
  for (const std::string scheme : schemes(view)) {
    std::vector<std::string> call = words;
    if (scheme == "https")
      for (std::string& word : options(certificate)) call.push_back(std::move(word));
    for (const std::string& path : paths) call.push_back(scheme + "://" + net::host_port(address, port) + path);
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

std::string curl_words(const Spec& spec, const std::string& name) {
  std::string words;
  for (const std::string& word : curl_options(spec, name)) words += word + " ";
  return words;
}

}  // namespace pgcluster::certificates
