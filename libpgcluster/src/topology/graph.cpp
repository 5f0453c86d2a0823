#include <algorithm>
#include <array>

#include <pgcluster/topology/topology.hpp>

#include "base/url.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

struct Named {
  std::string id;     ///< a word
  std::string label;  ///< lines
};

std::string id_of(std::string prefix, std::string_view name) {
  for (const char c : name) prefix += (c == '-' || c == '.') ? '_' : c;
  return prefix;
}

std::string join(const std::vector<std::string>& lines, std::string_view separator) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : std::string(separator)) + line;
  return out;
}

// What both formats draw.
struct Picture {
  struct Cluster {
    Named name;
    std::vector<Named> hosts{};
  };
  std::vector<Cluster> datacenters;
  std::vector<Named> entries;                      ///< the VIP, where clients go
  std::vector<std::array<std::string, 3>> arrows;  ///< from, to, label
  Named dcs;
  std::vector<std::string> members;
};

std::vector<std::string> does(const TopologyHost& host, const Topology& topology, const Spec& spec) {
  std::vector<std::string> lines;
  if (host.has(Role::postgres)) {
    const bool first = !topology.database.empty() && topology.database.front() == host.name;
    lines.push_back("PostgreSQL " + std::to_string(spec.postgresql_version) + ", Patroni" + (first ? " (preferred leader)" : ""));
    if (spec.pgbouncer_install) lines.push_back("PgBouncer");
    if (!spec.cluster_vip.empty() && !with_haproxy(spec)) lines.push_back("vip-manager");
  }
  if (host.has(Role::balancer)) {
    const bool confd = spec.confd_install && spec.confd_binary.given();
    lines.push_back(std::string("HAProxy") + (confd ? ", confd" : "") + (spec.cluster_vip.empty() ? "" : ", Keepalived"));
  }
  for (const Role role : host.roles)
    if (role != Role::postgres && role != Role::balancer) lines.emplace_back(to_string(role));
  for (const auto& [tag, value] : host.patroni_tags) lines.push_back(tag + ": " + value);
  return lines;
}

Picture picture(const Topology& topology, const Spec& spec) {
  Picture p;
  for (const TopologyHost& host : topology.hosts) {
    auto at = std::find_if(p.datacenters.begin(), p.datacenters.end(), [&](const auto& d) { return d.name.label == host.datacenter; });
    if (at == p.datacenters.end()) {
      p.datacenters.push_back({.name = {id_of("dc_", host.datacenter), host.datacenter}});
      at = p.datacenters.end() - 1;
    }
    std::vector<std::string> lines{host.name + "  " + host.address};
    for (std::string& line : does(host, topology, spec)) lines.push_back(std::move(line));
    at->hosts.push_back({id_of("host_", host.name), join(lines, "\n")});
  }
  // Two datacenters whose names differ only in '-' and '.' must not become one.
  for (std::size_t i = 0; i < p.datacenters.size(); ++i) p.datacenters[i].name.id += '_' + std::to_string(i);

  const std::string dcs_name = topology.dcs_type;
  p.dcs = {"dcs", dcs_name + "\n" + std::to_string(topology.dcs_members.size()) + (topology.dcs_members.size() == 1 ? " member" : " members") +
                      ", survives the loss of " + std::to_string(topology.tolerates())};
  for (const std::string& member : topology.dcs_members) p.members.push_back(id_of("host_", member));

  for (const Endpoint& endpoint : topology.endpoints) {
    const bool by_name = endpoint.address.ends_with(".consul");
    const std::string id = id_of(by_name ? "name_" : "", endpoint.kind);
    if (by_name) {
      p.entries.push_back({id, endpoint.kind + "\n" + endpoint.address + " port " + std::to_string(endpoint.port)});
      for (const std::string& host : topology.database)
        p.arrows.push_back({id, id_of("host_", host),
                            endpoint.kind == "read-write"       ? "if leader"
                            : endpoint.kind == "read-only-sync" ? "if synchronous"
                                                                : "if replica"});
      continue;
    }
    const bool vip = endpoint.address == spec.cluster_vip;
    const std::string port = std::to_string(endpoint.port);
    const bool balanced = with_haproxy(spec);
    const std::string any = balanced ? "any balancer, port " : "any host, port ";
    p.entries.push_back({id, endpoint.kind + "\n" + (vip ? "VIP " + endpoint.address + " port " + port : any + port)});
    if (balanced) {
      for (const TopologyHost* host : topology.with(Role::balancer))
        p.arrows.push_back({id, id_of("host_", host->name), vip ? "if it holds the VIP" : ""});
      continue;
    }
    for (const std::string& name : topology.database) {
      // A URI that names hosts may leave some out.
      if (!vip && endpoint.uri.find(net::host_port(topology.host(name).address, endpoint.port)) == std::string::npos) continue;
      p.arrows.push_back({id, id_of("host_", name), endpoint.kind == "read-write" ? "if leader" : "prefers replicas"});
    }
  }
  for (const TopologyHost* balancer : topology.with(Role::balancer))
    for (const std::string& name : topology.database)
      if (!balancer->has(Role::postgres)) p.arrows.push_back({id_of("host_", balancer->name), id_of("host_", name), "by role"});
  return p;
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

std::string dot_text(const std::string& text) {
  return '"' + replace_all(replace_all(replace_all(text, "\\", "\\\\"), "\"", "\\\""), "\n", "\\n") + '"';
}

std::string dot(const Topology& topology, const Picture& p) {
  std::string out = "digraph " + dot_text(topology.cluster) + " {\n";
  out += "  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n";
  for (const Named& entry : p.entries) out += "  " + entry.id + " [label=" + dot_text(entry.label) + ", shape=oval, style=bold];\n";
  for (const auto& datacenter : p.datacenters) {
    out += "  subgraph cluster_" + datacenter.name.id + " {\n    label=" + dot_text(datacenter.name.label) + ";\n";
    for (const Named& host : datacenter.hosts) out += "    " + host.id + " [label=" + dot_text(host.label) + "];\n";
    out += "  }\n";
  }
  out += "  " + p.dcs.id + " [label=" + dot_text(p.dcs.label) + ", shape=cylinder, style=solid];\n";
  for (const auto& [from, to, label] : p.arrows)
    out += "  " + from + " -> " + to + " [label=" + dot_text(label) + (label == "if leader" ? "" : ", style=dashed") + "];\n";
  for (const std::string& member : p.members) out += "  " + member + " -> " + p.dcs.id + " [dir=none, style=dotted, label=\"member\"];\n";
  return out + "}\n";
}

std::string mermaid_text(const std::string& text) { return '"' + replace_all(replace_all(text, "\"", "#quot;"), "\n", "<br/>") + '"'; }

std::string mermaid(const Picture& p) {
  std::string out = "flowchart LR\n";
  for (const Named& entry : p.entries) out += "  " + entry.id + "([" + mermaid_text(entry.label) + "])\n";
  for (const auto& datacenter : p.datacenters) {
    out += "  subgraph " + datacenter.name.id + " [" + mermaid_text(datacenter.name.label) + "]\n";
    for (const Named& host : datacenter.hosts) out += "    " + host.id + "[" + mermaid_text(host.label) + "]\n";
    out += "  end\n";
  }
  out += "  " + p.dcs.id + "[(" + mermaid_text(p.dcs.label) + ")]\n";
  for (const auto& [from, to, label] : p.arrows)
    out += "  " + from + (label == "if leader" ? " -->" : " -.->") + (label.empty() ? "" : "|" + label + "|") + " " + to + "\n";
  for (const std::string& member : p.members) out += "  " + member + " --- " + p.dcs.id + "\n";
  return out;
}

}  // namespace

std::string graph(const Topology& topology, const Spec& spec, const std::string& format) {
  if (format == "dot") return dot(topology, picture(topology, spec));
  if (format == "mermaid") return mermaid(picture(topology, spec));
  throw Error(Code::refused, "unknown format of a graph: " + format, "use dot or mermaid");
}

}  // namespace pgcluster
