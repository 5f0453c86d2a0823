// Hetzner Cloud: one load balancer is one resource; what follows its creation are actions on it, one after the other.
#include <algorithm>
#include <set>

#include "base/url.hpp"
#include "cloud/session.hpp"

namespace pgcluster::executor {
namespace {

using Json = nlohmann::json;

std::string id_of(const Json& in) {
  return json_read::at(in, "id").is_number_integer() ? std::to_string(json_read::at(in, "id").get<std::int64_t>()) : "";
}

class Hetzner final : public CloudApi {
 public:
  explicit Hetzner(CloudSession& session) : session_(session), base_(session.endpoint("https://api.hetzner.cloud/v1", "HCLOUD_ENDPOINT")) {
    session_.authorize_by([token = session.credential("hcloud_api_token", {"HCLOUD_TOKEN"})](HttpRequest& request) {
      request.headers.emplace_back("Authorization", "Bearer " + token);
    });
  }

  std::optional<Balancer> find(const Balancer& wish) override {
    const Json lb = raw(wish.name);
    if (lb.is_null()) return std::nullopt;
    Balancer is{.name = json_read::text(lb, "name"), .size = json_read::text(json_read::at(lb, "load_balancer_type"), "name")};
    if (json_read::text(json_read::at(lb, "labels"), "managed-by") == "pgcluster") is.owner = json_read::text(json_read::at(lb, "labels"), "cluster");
    const Json& nets = json_read::at(lb, "private_net");
    if (nets.is_array() && !nets.empty()) {
      const std::string net = std::to_string(nets[0].value("network", std::int64_t{0}));
      is.network = !wish.network.empty() && net == network(wish) ? wish.network : net;
      is.address = json_read::text(nets[0], "ip");
    }
    is.is_public = json_read::at(json_read::at(lb, "public_net"), "enabled") == true;
    if (is.is_public) {
      // There is nothing that could hold a list.
      is.allowed = {"0.0.0.0/0", "::/0"};
      is.address = json_read::text(json_read::at(json_read::at(lb, "public_net"), "ipv4"), "ip");
    }
    for (const Json& service : json_read::list(lb, "services")) {
      if (is.port != 0 && json_read::number<int>(service, "listen_port") != wish.port) {
        note(is, "a service on port " + std::to_string(json_read::number<int>(service, "listen_port")));
        continue;
      }
      if (is.port != 0) note(is, "a service on port " + std::to_string(is.port));
      const Json& check = json_read::at(service, "health_check");
      is.port = json_read::number<int>(service, "listen_port");
      is.target_port = json_read::number<int>(service, "destination_port");
      is.check_port = json_read::number<int>(check, "port");
      is.interval = json_read::number<int>(check, "interval");
      is.timeout = json_read::number<int>(check, "timeout");
      is.down = json_read::number<int>(check, "retries");
      is.path = json_read::text(json_read::at(check, "http"), "path");
      if (json_read::text(check, "protocol") != "http") is.path = "(" + json_read::text(check, "protocol") + ")";
      if (json_read::at(json_read::at(check, "http"), "status_codes") != Json::array({"200"})) is.path += " (other statuses than 200)";
      is.check_tls = json_read::at(json_read::at(check, "http"), "tls") == true;
      if (json_read::text(service, "protocol") != "tcp" || json_read::at(service, "proxyprotocol") == true)
        note(is, "a service that is not plain TCP");
    }
    if (const std::string how = json_read::text(json_read::at(lb, "algorithm"), "type"); how != "round_robin") note(is, how);
    for (const Json& target : json_read::list(lb, "targets")) {
      const std::string id = id_of(json_read::at(target, "server"));
      BalancerTarget found{.name = id.empty() ? json_read::text(target, "type") : "server-" + id, .id = id};
      for (const BalancerTarget& wanted : wish.targets)
        if (!id.empty() && server_of(wish, wanted) == id) found = wanted;
      if (!wish.network.empty() && json_read::at(target, "use_private_ip") != true) found.address = "(its public address)";
      is.targets.push_back(std::move(found));
    }
    return is;
  }

  void check(const Balancer& wish) override {
    if (!wish.network.empty()) network(wish);
    std::vector<BalancerTarget> missing;
    for (const BalancerTarget& one : wish.targets)
      if (!known(wish, one)) missing.push_back(one);
    no_such_servers(missing, project_servers(wish));
  }

  void create(const Balancer& wish) override {
    Json body{{"name", wish.name},
              {"load_balancer_type", wish.size},
              {"algorithm", {{"type", "round_robin"}}},
              {"labels", {{"cluster", wish.owner}, {"managed-by", "pgcluster"}}},
              {"public_interface", wish.is_public},
              {"services", Json::array({service(wish)})},
              {"targets", Json::array()}};
    const std::string where = session_.setting("server_location");
    if (where.empty()) needs_setting(CloudProvider::hetzner, "server_location", "fsn1");
    body["location"] = where;
    if (!wish.network.empty()) body["network"] = std::stoll(network(wish));
    for (const BalancerTarget& one : wish.targets) body["targets"].push_back(target(wish, needed(wish, one)));
    HttpRequest request{.method = "POST", .url = base_ + "/load_balancers", .headers = {{"Content-Type", "application/json"}}, .body = body.dump()};
    const auto response = session_.create(request, [&] { return !raw(wish.name).is_null(); });
    if (response)
      if (const Json made = json_read::parse(response->body); made.is_object()) await(json_read::at(made, "action"));
  }

  void change(const Balancer& wish, const Balancer& is) override {
    const Json lb = raw(wish.name);
    if (lb.is_null()) throw Error(Code::drifted, "the load balancer " + wish.name + " is gone", "plan and apply again");
    const std::string id = id_of(lb);
    if (is.size != wish.size) act(id, "change_type", {{"load_balancer_type", wish.size}});
    if (json_read::text(json_read::at(lb, "algorithm"), "type") != "round_robin") act(id, "change_algorithm", {{"type", "round_robin"}});
    // A target by its private address needs the network first.
    if (is.network != wish.network) {
      // No target may be left that is reached by it.
      for (const Json& net : json_read::list(lb, "private_net")) {
        for (const Json& one : json_read::list(lb, "targets"))
          if (json_read::at(one, "use_private_ip") == true) act(id, "remove_target", without_way(one));
        act(id, "detach_from_network", {{"network", net.value("network", std::int64_t{0})}});
      }
      if (!wish.network.empty()) act(id, "attach_to_network", {{"network", std::stoll(network(wish))}});
    }
    if (is.is_public != wish.is_public) act(id, wish.is_public ? "enable_public_interface" : "disable_public_interface", nullptr);
    std::set<int> ports;
    for (const Json& one : json_read::list(lb, "services")) ports.insert(json_read::number<int>(one, "listen_port"));
    if (ports.contains(wish.port))
      act(id, "update_service", service(wish));
    else
      act(id, "add_service", service(wish));
    for (const int port : ports)
      if (port != wish.port) act(id, "delete_service", {{"listen_port", port}});
    targets(wish, id);
  }

  void remove(const Balancer& wish) override {
    const Json lb = raw(wish.name);
    if (lb.is_null()) return;
    const std::string id = id_of(lb);
    if (json_read::at(json_read::at(lb, "protection"), "delete") == true) act(id, "change_protection", {{"delete", false}});
    session_.call({.method = "DELETE", .url = base_ + "/load_balancers/" + id}, {404});
  }

 private:
  Json raw(const std::string& name) {
    const Json page = session_.json("GET", base_ + "/load_balancers?name=" + net::url_encoded(name));
    for (const Json& one : json_read::list(page, "load_balancers"))
      if (json_read::text(one, "name") == name) return one;
    return nullptr;
  }

  // New ones first, so that there is always one.
  void targets(const Balancer& wish, const std::string& id) {
    std::map<std::string, Json> has;
    std::vector<Json> others;
    const Json now = raw(wish.name);
    for (const Json& one : json_read::list(now, "targets")) {
      const std::string server = id_of(json_read::at(one, "server"));
      if (server.empty() || (json_read::at(one, "use_private_ip") == true) == wish.network.empty())
        others.push_back(one);
      else
        has[server] = one;
    }
    const auto drop = [&](const Json& one) { act(id, "remove_target", without_way(one)); };
    for (const Json& one : others) drop(one);
    std::set<std::string> wanted;
    for (const BalancerTarget& one : wish.targets) {
      const std::string server = needed(wish, one);
      wanted.insert(server);
      if (!has.contains(server)) act(id, "add_target", target(wish, server));
    }
    for (const auto& [server, one] : has)
      if (!wanted.contains(server)) drop(one);
  }

  static Json without_way(const Json& target) {
    Json body{{"type", json_read::text(target, "type")}};
    if (body["type"] == "server") body["server"] = {{"id", target["server"]["id"]}};
    if (body["type"] == "ip") body["ip"] = target["ip"];
    if (body["type"] == "label_selector") body["label_selector"] = target["label_selector"];
    return body;
  }

  static Json target(const Balancer& wish, const std::string& server) {
    return {{"type", "server"}, {"server", {{"id", std::stoll(server)}}}, {"use_private_ip", !wish.network.empty()}};
  }

  static Json service(const Balancer& wish) {
    return {{"protocol", "tcp"},
            {"listen_port", wish.port},
            {"destination_port", wish.target_port},
            {"proxyprotocol", false},
            {"health_check",
             {{"protocol", "http"},
              {"port", wish.check_port},
              {"interval", wish.interval},
              {"timeout", wish.timeout},
              {"retries", wish.down},
              {"http", {{"domain", nullptr}, {"path", wish.path}, {"response", ""}, {"status_codes", {"200"}}, {"tls", wish.check_tls}}}}}};
  }

  void act(const std::string& id, const std::string& action, const Json& body) {
    const Json begun = session_.json("POST", base_ + "/load_balancers/" + id + "/actions/" + action, body);
    await(json_read::at(begun, "action"));
  }

  void await(const Json& action) {
    Json now = action;
    session_.wait_for("finished " + json_read::text(action, "command"), [&] {
      if (json_read::text(now, "status") != "running") return true;
      const Json answer = session_.json("GET", base_ + "/actions/" + id_of(action));
      now = json_read::at(answer, "action");
      return json_read::text(now, "status") != "running";
    });
    if (json_read::text(now, "status") == "error")
      throw Error(Code::command_failed,
                  session_.name() + " could not " + json_read::text(now, "command") + ": " + json_read::text(json_read::at(now, "error"), "message"),
                  "see the load balancer's last action in the vendor's console");
  }

  std::string network(const Balancer& wish) {
    if (wish.network.find_first_not_of("0123456789") == std::string::npos) return wish.network;
    if (auto& known = networks_[wish.network]; !known.empty()) return known;
    const Json page = session_.json("GET", base_ + "/networks?name=" + net::url_encoded(wish.network));
    if (json_read::at(page, "networks").is_array() && !page["networks"].empty()) return networks_[wish.network] = id_of(page["networks"][0]);
    no_such_network(wish.network, "this project");
  }

  const std::vector<Json>& servers() {
    if (servers_) return *servers_;
    servers_.emplace();
    for (std::int64_t page = 1; page > 0;) {
      const Json answer = session_.json("GET", base_ + "/servers?per_page=50&page=" + std::to_string(page));
      for (const Json& one : json_read::list(answer, "servers")) servers_->push_back(one);
      const Json& next = json_read::at(json_read::at(json_read::at(answer, "meta"), "pagination"), "next_page");
      page = next.is_number_integer() && next.get<std::int64_t>() > page ? next.get<std::int64_t>() : 0;
    }
    return *servers_;
  }

  static std::string project_servers(const Balancer& wish) { return "project's servers" + within(wish.network); }

  // Other networks may have the same addresses.
  bool in_network(const Balancer& wish, const Json& server, const std::string& address = {}) {
    if (wish.network.empty() && address.empty()) return true;
    for (const Json& net : json_read::list(server, "private_net"))
      if ((wish.network.empty() || std::to_string(net.value("network", std::int64_t{0})) == network(wish)) &&
          (address.empty() || json_read::text(net, "ip") == address))
        return true;
    return false;
  }

  std::string server_of(const Balancer& wish, const BalancerTarget& wanted) {
    if (!wanted.id.empty()) return wanted.id;
    std::string by_name;
    for (const Json& one : servers()) {
      if (!in_network(wish, one)) continue;
      if (in_network(wish, one, wanted.address) || json_read::text(json_read::at(json_read::at(one, "public_net"), "ipv4"), "ip") == wanted.address)
        return id_of(one);
      if (json_read::text(one, "name") == wanted.name) by_name = id_of(one);
    }
    return by_name;
  }

  bool known(const Balancer& wish, const BalancerTarget& wanted) {
    const std::string id = server_of(wish, wanted);
    const auto& all = servers();
    return std::any_of(all.begin(), all.end(), [&](const Json& one) { return id_of(one) == id && in_network(wish, one); });
  }

  std::string needed(const Balancer& wish, const BalancerTarget& wanted) {
    const std::string id = server_of(wish, wanted);
    if (id.empty() || id.find_first_not_of("0123456789") != std::string::npos) no_such_servers({wanted}, project_servers(wish));
    return id;
  }

  CloudSession& session_;
  std::string base_;
  std::map<std::string, std::string> networks_;
  std::optional<std::vector<Json>> servers_;
};

}  // namespace

std::unique_ptr<CloudApi> hetzner_api(CloudSession& session) { return std::make_unique<Hetzner>(session); }

}  // namespace pgcluster::executor
