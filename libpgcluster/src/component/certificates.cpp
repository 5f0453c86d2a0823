#include "component/certificates.hpp"

#include "base/url.hpp"

namespace pgcluster::certificates {
namespace {

std::string file_of(const std::string& name, const char* kind) { return "/etc/pgcluster/tls/" + name + kind; }

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

std::vector<std::string> curl_options(const Spec& spec, const std::string& name) {
  if (!wanted(spec)) return {};
  return {"--cacert", authority_file, "--cert", certificate_file(name), "--key", key_file(name)};
}

std::string curl_words(const Spec& spec, const std::string& name) {
  std::string words;
  for (const std::string& word : curl_options(spec, name)) words += word + " ";
  return words;
}

}  // namespace pgcluster::certificates
