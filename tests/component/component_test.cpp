#include <pgcluster/component/component.hpp>

#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

TEST_CASE("component: ours, in their order") {
  std::vector<std::string> names;
  for (const ComponentPtr& component : builtin_components()) names.push_back(component->name());
  CHECK(names == std::vector<std::string>{"system", "etcd", "consul", "pgbackrest", "patroni", "pgbouncer", "vip-manager", "haproxy", "confd",
                                          "keepalived", "cloud", "firewall"});
}

TEST_CASE("component: secrets by name, steps by host, component and what") {
  const ClusterView view = cluster(spec());
  CHECK(view.secret("pgbouncer_auth_password").name == "pgbouncer_auth_password");
  CHECK_THROWS_AS(view.secret("no_such_password"), Error);
  const NodeView node{view, view.topology.host("pg2"), view.facts.at("pg2")};
  CHECK(node.step("etcd", "config").name() == "pg2/etcd/config");
  CHECK(node.seen_by(*pgbouncer_component()).step("config").name() == "pg2/pgbouncer/config");
}

TEST_CASE("component: packages and services of a user's own component") {
  const ClusterView view = cluster(spec());
  const NodeView node{view, view.topology.host("pg1"), view.facts.at("pg1"), "node_exporter"};
  const Steps all = sequence(package(node, "prometheus-node-exporter"), service(node, "prometheus-node-exporter"));
  const Decision install = decide(all, "pg1/node_exporter/package:prometheus-node-exporter");
  CHECK(std::get<Install>(std::get<Change>(install).todo.at(0).what).packages == std::vector<std::string>{"prometheus-node-exporter"});
  const Decision start = decide(all, "pg1/node_exporter/service:prometheus-node-exporter");
  CHECK(std::get<SetUnit>(std::get<Change>(start).todo.at(0).what).name == "prometheus-node-exporter.service");
  CHECK(find(service(node, "backup.timer"), "pg1/node_exporter/service:backup.timer")->keeps() == std::vector<std::string>{"unit:backup.timer"});
  const NodeView of_nobody{view, view.topology.host("pg1"), view.facts.at("pg1")};
  CHECK(find(package(of_nobody, "x"), "pg1/x/package:x")->keeps() == std::vector<std::string>{"package:x"});
}

TEST_CASE("component: no two of ours have one step or keep one resource") {
  Spec wished = spec();
  wished.cluster_vip = "10.77.0.100";
  wished.firewall_enabled_at_boot = true;
  ClusterView view = cluster(wished);
  for (const ComponentPtr& component : builtin_components())
    for (const SecretNeed& secret : component->needs(NodeView{view, view.topology.host("pg1"), view.facts.at("pg1")}).secrets)
      view.secrets[secret.name] = {secret.name, "secret"};
  std::map<std::string, std::string> keepers;
  for (const ComponentPtr& component : builtin_components())
    for (const Steps::Node& node : steps(component, view, "pg1").nodes()) {
      CHECK(host_of(node.step->name()) == "pg1");
      CHECK(component_of(node.step->name()) == component->name());
      for (const std::string& resource : node.step->keeps())
        if (!resource.starts_with("package:")) CHECK_MESSAGE(keepers.emplace(resource, node.step->name()).second, resource);
    }
}
