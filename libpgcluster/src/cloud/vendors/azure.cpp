// Azure: a load balancer of the Standard kind is one resource, which a change puts whole. A public one has an address of its own, and its allow list
// stands as a rule in the network security group of the servers, as the balancer itself filters nothing.
#include <algorithm>
#include <set>

#include "base/strings.hpp"
#include "base/url.hpp"
#include "cloud/session.hpp"

namespace pgcluster::executor {
namespace {

using Json = nlohmann::json;

constexpr const char* version = "?api-version=2024-05-01";

std::string last(const std::string& id) { return id.substr(id.rfind('/') + 1); }

std::string plain(const std::string& text) { return text.ends_with("/32") ? text.substr(0, text.size() - 3) : text; }

class Azure final : public CloudApi {
 public:
  explicit Azure(CloudSession& session) : session_(session) {
    const std::string vendors = "https://management.azure.com";
    base_ = session.endpoint(vendors);
    group_ = session.setting("azure_resource_group");
    if (group_.empty()) needs_setting(CloudProvider::azure, "azure_resource_group", "the resource group of the servers");
    scope_ = "/subscriptions/" + session.credential("azure_subscription_id", {"AZURE_SUBSCRIPTION_ID"}) + "/resourceGroups/" + group_ +
             "/providers/Microsoft.Network/";
    session_.authorize_by(nullptr);
    const std::string client = session.credential("azure_client_id", {"AZURE_CLIENT_ID"});
    const std::string login = base_ == vendors ? "https://login.microsoftonline.com" : base_;
    const std::string bearer = session.token("azure:" + client, [&] { return token(login, client); });
    session_.authorize_by([bearer](HttpRequest& request) { request.headers.emplace_back("Authorization", "Bearer " + bearer); });
  }

  std::optional<Balancer> find(const Balancer& wish) override {
    const Json lb = get("loadBalancers/" + wish.name);
    const Json ip = get("publicIPAddresses/" + wish.name);
    if (lb.is_null() && owner(ip) != wish.owner) return std::nullopt;
    Balancer is{.name = wish.name, .owner = owner(lb.is_null() ? ip : lb)};
    const Json& all = json_read::at(lb, "properties");
    if (lb.is_null()) note(is, "only its address is there");
    if (json_read::text(all, "provisioningState") == "Failed") note(is, "its last change has failed");
    if (json_read::text(json_read::at(lb, "sku"), "name") != "Standard") note(is, "it is not of the Standard kind");
    const Json front = properties(all, "frontendIPConfigurations");
    is.is_public = front.contains("publicIPAddress");
    is.address = is.is_public ? json_read::text(json_read::at(ip, "properties"), "ipAddress") : json_read::text(front, "privateIPAddress");
    is.network = is.is_public || strings::lower(json_read::text(json_read::at(front, "subnet"), "id")) == strings::lower(subnet(wish))
                     ? wish.network
                     : last(json_read::text(json_read::at(front, "subnet"), "id"));
    const Json rule = properties(all, "loadBalancingRules");
    is.port = json_read::number<int>(rule, "frontendPort");
    is.target_port = json_read::number<int>(rule, "backendPort");
    if (json_read::list(all, "loadBalancingRules").size() > 1) note(is, "there are more rules");
    if (json_read::text(rule, "protocol") != "Tcp" || json_read::at(rule, "enableFloatingIP") == true) note(is, "its rule is not plain TCP");
    const Json probe = properties(all, "probes");
    is.path = json_read::text(probe, "requestPath");
    is.check_tls = json_read::text(probe, "protocol") == "Https";
    if (json_read::text(probe, "protocol") != "Http" && !is.check_tls) is.path += " (" + json_read::text(probe, "protocol") + ")";
    is.check_port = json_read::number<int>(probe, "port");
    is.interval = json_read::number<int>(probe, "intervalInSeconds");
    is.down = json_read::at(probe, "probeThreshold").is_number() ? json_read::number<int>(probe, "probeThreshold")
                                                                 : json_read::number<int>(probe, "numberOfProbes");
    const Json pool = properties(all, "backendAddressPools");
    for (const Json& one : json_read::list(pool, "loadBalancerBackendAddresses")) {
      BalancerTarget target{.name = json_read::text(one, "name"), .address = json_read::text(json_read::at(one, "properties"), "ipAddress")};
      for (const BalancerTarget& wanted : wish.targets)
        if (wanted.address == target.address) target = wanted;
      is.targets.push_back(std::move(target));
    }
    const Json hole = get_hole(wish);
    if (is.is_public) {
      const Json& open = json_read::at(hole, "properties");
      for (const Json& one : json_read::list(open, "sourceAddressPrefixes"))
        if (one.is_string()) is.allowed.push_back(named(one, wish));
      if (!hole.is_null() && (json_read::text(open, "destinationPortRange") != std::to_string(is.port) || json_read::text(open, "access") != "Allow"))
        note(is, "its rule in the security group is another");
    }
    return is;
  }

  // Any address of the network will do as a target: which ones are servers is not asked.
  void check(const Balancer& wish) override {
    const Json network = get("virtualNetworks/" + last(vnet(wish)));
    const Json& all = json_read::list(json_read::at(network, "properties"), "subnets");
    if (std::none_of(all.begin(), all.end(),
                     [&](const Json& one) { return strings::lower(json_read::text(one, "name")) == strings::lower(last(wish.network)); }))
      no_such_network(wish.network, "the resource group " + group_);
    if (wish.is_public) security_rules(wish);
  }

  void create(const Balancer& wish) override { put(wish); }

  void change(const Balancer& wish, const Balancer& is) override {
    // A front end stays public or private, and in its subnet.
    if (is.is_public != wish.is_public || is.network != wish.network) drop("loadBalancers/" + wish.name);
    put(wish);
    if (!wish.is_public) without_public(wish);
  }

  void remove(const Balancer& wish) override {
    if (owner(get("loadBalancers/" + wish.name)) == wish.owner) drop("loadBalancers/" + wish.name);
    without_public(wish);
  }

 private:
  std::pair<std::string, long> token(const std::string& login, const std::string& client) {
    const std::string body = "grant_type=client_credentials&client_id=" + net::url_encoded(client) +
                             "&client_secret=" + net::url_encoded(session_.credential("azure_secret", {"AZURE_CLIENT_SECRET"})) +
                             "&scope=" + net::url_encoded("https://management.azure.com/.default");
    const HttpResponse response =
        session_.call({.method = "POST",
                       .url = login + "/" + net::url_encoded(session_.credential("azure_tenant", {"AZURE_TENANT_ID"})) + "/oauth2/v2.0/token",
                       .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                       .body = body},
                      {400});
    const Json answer = json_read::parse(response.body);
    if (response.status >= 300 || json_read::text(answer, "access_token").empty())
      throw Error(Code::auth_failed, "Azure gives no token for the service principal: " + json_read::text(answer, "error_description"),
                  "are AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET those of one service principal, and is the secret still valid?");
    return {json_read::text(answer, "access_token"), json_read::number<int>(answer, "expires_in")};
  }

  std::string url(const std::string& path) const { return base_ + scope_ + path + version; }
  Json get(const std::string& path) { return session_.json("GET", url(path), nullptr, {404}); }

  // Put and deleted at once, and carried out afterwards: what the resource itself says is looked at.
  void put(const std::string& path, const Json& body) {
    session_.json("PUT", url(path), body);
    session_.wait_for("set " + path, [&] {
      const Json now = get(path);
      const std::string state = json_read::text(json_read::at(now, "properties"), "provisioningState");
      if (state == "Failed" || state == "Canceled")
        throw Error(Code::command_failed, session_.name() + " could not set " + path, "the activity log in Azure's portal says why");
      return state == "Succeeded";
    });
  }
  void drop(const std::string& path) {
    session_.call({.method = "DELETE", .url = url(path)}, {404});
    session_.wait_for("removed " + path, [&] { return get(path).is_null(); });
  }

  static std::string owner(const Json& of) {
    return json_read::text(json_read::at(of, "tags"), "managed-by") == "pgcluster" ? json_read::text(json_read::at(of, "tags"), "cluster")
                                                                                   : std::string();
  }
  // Of the first one in a list.
  static Json properties(const Json& in, const char* of) {
    const Json& all = json_read::list(in, of);
    return all.empty() || !json_read::at(all[0], "properties").is_object() ? Json::object() : all[0].at("properties");
  }
  // As the wish writes it.
  static std::string named(const std::string& network, const Balancer& wish) {
    for (const std::string& one : wish.allowed)
      if (plain(one) == plain(network)) return one;
    return network;
  }

  std::string vnet(const Balancer& wish) const { return scope_ + "virtualNetworks/" + wish.network.substr(0, wish.network.find('/')); }
  std::string subnet(const Balancer& wish) const { return vnet(wish) + "/subnets/" + last(wish.network); }

  void put(const Balancer& wish) {
    const std::string id = scope_ + "loadBalancers/" + wish.name;
    const Json now = get("loadBalancers/" + wish.name);
    if (!now.is_null() && owner(now) != wish.owner)
      throw Error(Code::refused, "the load balancer " + wish.name + " is not this cluster's", "remove or rename it");
    const Json tags{{"cluster", wish.owner}, {"managed-by", "pgcluster"}};
    const std::string location = session_.setting("server_location");
    Json front{{"privateIPAllocationMethod", "Dynamic"}, {"subnet", {{"id", subnet(wish)}}}};
    if (wish.is_public) {
      make_hole(wish);
      put("publicIPAddresses/" + wish.name, {{"location", location},
                                             {"tags", tags},
                                             {"sku", {{"name", "Standard"}}},
                                             {"properties", {{"publicIPAllocationMethod", "Static"}, {"publicIPAddressVersion", "IPv4"}}}});
      front = {{"publicIPAddress", {{"id", scope_ + "publicIPAddresses/" + wish.name}}}};
    }
    Json addresses = Json::array();
    for (const BalancerTarget& one : wish.targets)
      addresses.push_back({{"name", one.name}, {"properties", {{"ipAddress", one.address}, {"virtualNetwork", {{"id", vnet(wish)}}}}}});
    const auto part = [&](const char* name, const Json& of) { return Json::array({{{"name", name}, {"properties", of}}}); };
    const auto in = [&](const char* of, const char* name) { return Json{{"id", id + "/" + of + "/" + name}}; };
    put("loadBalancers/" + wish.name,
        {{"location", location},
         {"tags", tags},
         {"sku", {{"name", "Standard"}}},
         {"properties",
          {{"frontendIPConfigurations", part("front", front)},
           {"backendAddressPools", part("hosts", {{"loadBalancerBackendAddresses", addresses}})},
           {"probes", part("health", {{"protocol", wish.check_tls ? "Https" : "Http"},
                                      {"port", wish.check_port},
                                      {"requestPath", wish.path},
                                      {"intervalInSeconds", wish.interval},
                                      {"numberOfProbes", wish.down},
                                      {"probeThreshold", wish.down}})},
           {"loadBalancingRules", part("database", {{"protocol", "Tcp"},
                                                    {"frontendPort", wish.port},
                                                    {"backendPort", wish.target_port},
                                                    {"frontendIPConfiguration", in("frontendIPConfigurations", "front")},
                                                    {"backendAddressPool", in("backendAddressPools", "hosts")},
                                                    {"probe", in("probes", "health")},
                                                    {"loadDistribution", "Default"},
                                                    {"idleTimeoutInMinutes", 30},
                                                    {"enableTcpReset", true},
                                                    {"enableFloatingIP", false},
                                                    {"disableOutboundSnat", true}})}}}});
  }

  std::string security_group(const Balancer& wish) const {
    const std::string group = session_.setting("azure_network_security_group");
    if (group.empty() && wish.is_public)
      throw Error(Code::spec_invalid, "azure_network_security_group is missing: it holds the allow list of a public load balancer",
                  "write the name of the servers' network security group");
    return group;
  }
  std::string hole(const Balancer& wish) const { return "networkSecurityGroups/" + security_group(wish) + "/securityRules/" + wish.name; }
  Json get_hole(const Balancer& wish) { return security_group(wish).empty() ? Json() : get(hole(wish)); }

  Json security_rules(const Balancer& wish) {
    const Json group = get("networkSecurityGroups/" + security_group(wish));
    if (group.is_null())
      throw Error(Code::spec_invalid, "there is no network security group " + security_group(wish), "correct azure_network_security_group");
    return json_read::list(json_read::at(group, "properties"), "securityRules");
  }

  void make_hole(const Balancer& wish) {
    // No two rules of a group have one priority.
    std::set<int> taken;
    int priority = 0;
    for (const Json& one : security_rules(wish)) {
      const Json& rule = json_read::at(one, "properties");
      if (json_read::text(one, "name") == wish.name) priority = json_read::number<int>(rule, "priority");
      if (json_read::text(rule, "direction") == "Inbound") taken.insert(json_read::number<int>(rule, "priority"));
    }
    for (int one = 1000; priority == 0; ++one)
      if (!taken.contains(one)) priority = one;
    put(hole(wish), {{"properties",
                      {{"description", "pgcluster:" + wish.owner},
                       {"direction", "Inbound"},
                       {"access", "Allow"},
                       {"priority", priority},
                       {"protocol", "Tcp"},
                       {"sourceAddressPrefixes", wish.allowed},
                       {"sourcePortRange", "*"},
                       {"destinationAddressPrefix", "*"},
                       {"destinationPortRange", std::to_string(wish.target_port)}}}});
  }

  // What only a public one has.
  void without_public(const Balancer& wish) {
    if (owner(get("publicIPAddresses/" + wish.name)) == wish.owner) drop("publicIPAddresses/" + wish.name);
    const Json opened = get_hole(wish);
    if (json_read::text(json_read::at(opened, "properties"), "description") == "pgcluster:" + wish.owner) drop(hole(wish));
  }

  CloudSession& session_;
  std::string base_{}, group_{}, scope_{};
};

}  // namespace

std::unique_ptr<CloudApi> azure_api(CloudSession& session) { return std::make_unique<Azure>(session); }

}  // namespace pgcluster::executor
