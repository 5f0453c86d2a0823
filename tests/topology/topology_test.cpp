#include <pgcluster/topology/topology.hpp>

#include "golden.hpp"

using namespace pgcluster;

TEST_CASE("cases") {
  for (const auto& folder : golden::cases("topology")) {
    CAPTURE(folder.string());
    const Spec spec = parse_spec(golden::read(folder / "cluster.yaml"), "cluster.yaml");
    const Topology topology = resolve(spec);
    std::string text = "dcs";
    for (const auto& member : topology.dcs_members) text += ' ' + member;
    text += topology.dcs_named ? " (named)" : " (default)";
    text += ", quorum " + std::to_string(topology.quorum()) + ", tolerates " + std::to_string(topology.tolerates()) + '\n';
    for (const TopologyHost& host : topology.hosts) {
      text += host.name + ' ' + host.address + ' ' + host.datacenter + ':';
      for (const Role role : host.roles) text += ' ' + std::string(to_string(role));
      text += "; ssh " + host.access.user + '@' + host.access.address + ':' + std::to_string(host.access.port) + '\n';
    }
    for (const Endpoint& endpoint : topology.endpoints)
      text += endpoint.kind + ' ' + endpoint.address + ' ' + std::to_string(endpoint.port) + ' ' + endpoint.uri + '\n';
    for (const Diagnostic& warning : topology.warnings) text += warning.text() + '\n';
    golden::check(folder / "expected.txt", text);
    golden::check(folder / "expected.dot", graph(topology, spec, "dot"));
    golden::check(folder / "expected.mmd", graph(topology, spec, "mermaid"));
    golden::check(folder / "expected.json", cluster_file(topology));
  }
}
