#include <nlohmann/json.hpp>

#include <pgcluster/topology/topology.hpp>

#include "base/choice.hpp"

namespace pgcluster {

namespace {

// Of a TopologyHost or a KnownHost.
template <typename Host>
nlohmann::ordered_json host_json(const Host& host, const std::vector<std::string>& networks) {
  nlohmann::ordered_json one{{"name", host.name}, {"address", host.address}};
  for (const Role role : host.roles) one["roles"].push_back(to_string(role));
  one["access"] = {{"address", host.access.address}, {"port", host.access.port}, {"user", host.access.user}};
  for (const Hop& hop : host.access.jump) one["access"]["jump"].push_back(to_string(hop));
  if (!networks.empty()) one["networks"] = networks;
  return one;
}

}  // namespace

std::string cluster_file(const Topology& topology, const std::vector<KnownHost>& left, const std::vector<KnownCloud>& clouds,
                         const std::map<std::string, std::vector<std::string>>& networks) {
  nlohmann::ordered_json json{{"format", 1}, {"cluster", topology.cluster}, {"hosts", nlohmann::ordered_json::array()}};
  for (const TopologyHost& host : topology.hosts) {
    const auto known = networks.find(host.name);
    json["hosts"].push_back(host_json(host, known == networks.end() ? std::vector<std::string>{} : known->second));
  }
  for (const KnownHost& host : left) json["hosts"].push_back(host_json(host, host.networks));
  for (const KnownCloud& cloud : clouds) {
    nlohmann::ordered_json one{{"provider", to_string(cloud.provider)}};
    if (!cloud.endpoint.empty()) one["endpoint"] = cloud.endpoint;
    for (const auto& [key, value] : cloud.settings)
      if (!value.empty()) one["settings"][key] = value;
    json["clouds"].push_back(std::move(one));
  }
  return json.dump(2) + '\n';
}

std::optional<KnownCluster> read_cluster_file(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("format") != 1) return std::nullopt;
    KnownCluster known;
    known.cluster = json.at("cluster").get<std::string>();
    for (const auto& one : json.at("hosts")) {
      KnownHost host;
      host.name = one.at("name").get<std::string>();
      host.address = one.at("address").get<std::string>();
      for (const auto& name : one.value("roles", nlohmann::json::array()))
        if (const auto role = role_from(name.get<std::string>())) host.roles.push_back(*role);
      const auto& access = one.at("access");
      host.access.name = host.name;
      host.access.address = access.at("address").get<std::string>();
      host.access.port = access.at("port").get<int>();
      host.access.user = access.at("user").get<std::string>();
      for (const auto& written : access.value("jump", nlohmann::json::array()))
        if (const auto hop = parse_hop(written.get<std::string>())) host.access.jump.push_back(*hop);
      host.networks = one.value("networks", std::vector<std::string>{});
      known.hosts.push_back(std::move(host));
    }
    for (const auto& one : json.value("clouds", nlohmann::json::array())) {
      const auto word = one.at("provider").get<std::string>();
      const auto provider = value_of<CloudProvider>(word);
      if (!provider) {
        known.unknown_clouds.push_back(word);
        continue;
      }
      KnownCloud cloud{.provider = *provider, .endpoint = one.value("endpoint", "")};
      const auto settings = one.value("settings", nlohmann::json::object());
      for (const auto& [key, value] : settings.items()) cloud.settings.emplace_back(key, value.get<std::string>());
      known.clouds.push_back(std::move(cloud));
    }
    return known;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace pgcluster
