// DigitalOcean: one load balancer is one resource, which a change sends whole. It bears no tags: its name ends in .pgcluster, and names are not
// unique there, so that a create is never repeated before several looks.
#include <algorithm>
#include <set>

#include "base/network.hpp"
#include "cloud/session.hpp"

namespace pgcluster::executor {
namespace {

using Json = nlohmann::json;

constexpr int idle_seconds = 600;  // the longest idle timeout that there is

class DigitalOcean final : public CloudApi {
 public:
  explicit DigitalOcean(CloudSession& session) : session_(session), base_(session.endpoint("https://api.digitalocean.com") + "/v2") {
    session_.authorize_by([token = session.credential("do_api_token", {"DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN"})](HttpRequest& request) {
      request.headers.emplace_back("Authorization", "Bearer " + token);
    });
  }

  std::optional<Balancer> find(const Balancer& wish) override {
    const auto all = raw(wish);
    if (all.empty()) return std::nullopt;
    const Json& lb = all[0];
    Balancer is{.name = wish.name, .owner = wish.owner, .size = std::to_string(json_read::number<int>(lb, "size_unit"))};
    if (all.size() > 1) note(is, "there are " + std::to_string(all.size()) + " of this name");
    is.is_public = json_read::text(lb, "network") != "INTERNAL";
    is.network = wish.network.empty() ? "" : json_read::text(lb, "vpc_uuid");
    is.address = json_read::text(lb, "ip");
    for (const Json& one : json_read::list(json_read::at(lb, "firewall"), "allow"))
      if (one.is_string()) is.allowed.push_back(network(one.get<std::string>()));
    if (!json_read::list(json_read::at(lb, "firewall"), "deny").empty()) note(is, "somebody is denied");
    for (const Json& rule : json_read::list(lb, "forwarding_rules")) {
      if (is.port != 0) note(is, "a rule for port " + std::to_string(json_read::number<int>(rule, "entry_port")));
      is.port = json_read::number<int>(rule, "entry_port");
      is.target_port = json_read::number<int>(rule, "target_port");
      if (json_read::text(rule, "entry_protocol") != "tcp" || json_read::text(rule, "target_protocol") != "tcp")
        note(is, "a rule that is not plain TCP");
    }
    if (json_read::at(lb, "enable_proxy_protocol") == true) note(is, "PROXY protocol");
    if (const int idle = json_read::number<int>(lb, "http_idle_timeout_seconds"); idle != idle_seconds)
      note(is, "sessions may be idle for " + std::to_string(idle) + " s");
    const Json& check = json_read::at(lb, "health_check");
    is.path = json_read::text(check, "path");
    is.check_tls = json_read::text(check, "protocol") == "https";
    if (json_read::text(check, "protocol") != "http" && !is.check_tls) is.path += " (" + json_read::text(check, "protocol") + ")";
    is.check_port = json_read::number<int>(check, "port");
    is.interval = json_read::number<int>(check, "check_interval_seconds");
    is.timeout = json_read::number<int>(check, "response_timeout_seconds");
    is.down = json_read::number<int>(check, "unhealthy_threshold");
    is.up = json_read::number<int>(check, "healthy_threshold");
    if (!json_read::text(lb, "tag").empty()) note(is, "targets by the tag " + json_read::text(lb, "tag"));
    for (const Json& one : json_read::list(lb, "droplet_ids")) {
      const std::string id = one.is_number_integer() ? std::to_string(one.get<std::int64_t>()) : "";
      BalancerTarget target{.name = "droplet-" + id, .id = id};
      for (const BalancerTarget& wanted : wish.targets)
        if (droplet(wish, wanted) == id) target = wanted;
      is.targets.push_back(std::move(target));
    }
    return is;
  }

  void check(const Balancer& wish) override {
    std::vector<BalancerTarget> missing;
    for (const BalancerTarget& one : wish.targets)
      if (!known(wish, one)) missing.push_back(one);
    no_such_servers(missing, "account's droplets" + within(wish.network));
  }

  void create(const Balancer& wish) override {
    const HttpRequest request{
        .method = "POST", .url = base_ + "/load_balancers", .headers = {{"Content-Type", "application/json"}}, .body = body(wish).dump()};
    session_.create(request, [&] { return !raw(wish).empty(); });
    await(wish);
  }

  void change(const Balancer& wish, const Balancer& is) override {
    const auto all = raw(wish);
    if (is.is_public != wish.is_public || is.network != wish.network || all.size() != 1) {  // which cannot be changed
      remove(wish);
      return create(wish);
    }
    Json whole = body(wish);
    if (const std::string project = json_read::text(all[0], "project_id"); !project.empty())
      whole["project_id"] = project;  // else it goes to the default one
    session_.json("PUT", base_ + "/load_balancers/" + json_read::text(all[0], "id"), whole);
    await(wish);
  }

  void remove(const Balancer& wish) override {
    for (const Json& one : raw(wish)) session_.call({.method = "DELETE", .url = base_ + "/load_balancers/" + json_read::text(one, "id")}, {404});
    session_.wait_for("removed the load balancer " + wish.name, [&] { return raw(wish).empty(); });
  }

 private:
  static std::string full_name(const Balancer& wish) { return wish.name + ".pgcluster"; }

  // "cidr:10.0.0.0/8", "ip:10.0.0.1"
  static std::string network(const std::string& rule) {
    if (rule.starts_with("ip:")) return net::single_address(rule.substr(3));
    return rule.starts_with("cidr:") ? rule.substr(5) : rule;
  }

  Json body(const Balancer& wish) {
    Json made{{"name", full_name(wish)},
              {"region", session_.setting("server_location")},
              {"size_unit", std::atoi(wish.size.c_str())},
              {"http_idle_timeout_seconds", idle_seconds},
              {"network", wish.is_public ? "EXTERNAL" : "INTERNAL"},
              {"forwarding_rules",
               Json::array({{{"entry_protocol", "tcp"}, {"entry_port", wish.port}, {"target_protocol", "tcp"}, {"target_port", wish.target_port}}})},
              {"health_check",
               {{"protocol", wish.check_tls ? "https" : "http"},
                {"port", wish.check_port},
                {"path", wish.path},
                {"check_interval_seconds", wish.interval},
                {"response_timeout_seconds", wish.timeout},
                {"unhealthy_threshold", wish.down},
                {"healthy_threshold", wish.up}}},
              {"droplet_ids", Json::array()}};
    if (!wish.network.empty()) made["vpc_uuid"] = wish.network;
    if (wish.is_public)
      for (const std::string& one : wish.allowed) made["firewall"]["allow"].push_back("cidr:" + one);
    for (const BalancerTarget& one : wish.targets) {
      const std::string id = droplet(wish, one);
      if (id.empty() || id.find_first_not_of("0123456789") != std::string::npos) no_such_servers({one}, "account's droplets" + within(wish.network));
      made["droplet_ids"].push_back(std::stoll(id));
    }
    return made;
  }

  void await(const Balancer& wish) {
    session_.wait_for("made the load balancer " + wish.name, [&] {
      const auto all = raw(wish);
      const std::string status = all.empty() ? "" : json_read::text(all[0], "status");
      if (status == "errored")
        throw Error(Code::command_failed, session_.name() + " could not make the load balancer " + wish.name, "see its console for why");
      return status == "active";
    });
  }

  std::vector<Json> pages(const std::string& of, const char* key) {
    std::vector<Json> found;
    for (int page = 1; page > 0;) {
      const Json answer = session_.json("GET", base_ + of + "?per_page=200&page=" + std::to_string(page));
      for (const Json& one : json_read::list(answer, key)) found.push_back(one);
      page = json_read::text(json_read::at(json_read::at(answer, "links"), "pages"), "next").empty() ? 0 : page + 1;
    }
    return found;
  }

  std::vector<Json> raw(const Balancer& wish) {
    auto all = pages("/load_balancers", "load_balancers");
    std::erase_if(all, [&](const Json& one) { return json_read::text(one, "name") != full_name(wish); });
    return all;
  }

  // Of the wish's network: others may have the same addresses.
  std::vector<Json> droplets(const Balancer& wish) {
    if (!droplets_) droplets_ = pages("/droplets", "droplets");
    std::vector<Json> here = *droplets_;
    if (!wish.network.empty()) std::erase_if(here, [&](const Json& one) { return json_read::text(one, "vpc_uuid") != wish.network; });
    return here;
  }
  static std::string id_of(const Json& droplet) {
    return json_read::at(droplet, "id").is_number_integer() ? std::to_string(json_read::at(droplet, "id").get<std::int64_t>()) : "";
  }

  std::string droplet(const Balancer& wish, const BalancerTarget& wanted) {
    if (!wanted.id.empty()) return wanted.id;
    std::string by_name;
    for (const Json& one : droplets(wish)) {
      for (const char* family : {"v4", "v6"})
        for (const Json& net : json_read::list(json_read::at(one, "networks"), family))
          if (json_read::text(net, "ip_address") == wanted.address) return id_of(one);
      if (json_read::text(one, "name") == wanted.name) by_name = id_of(one);
    }
    return by_name;
  }

  bool known(const Balancer& wish, const BalancerTarget& wanted) {
    const auto all = droplets(wish);
    const std::string id = droplet(wish, wanted);
    return std::any_of(all.begin(), all.end(), [&](const Json& one) { return id_of(one) == id; });
  }

  CloudSession& session_;
  std::string base_;
  std::optional<std::vector<Json>> droplets_{};
};

}  // namespace

std::unique_ptr<CloudApi> digitalocean_api(CloudSession& session) { return std::make_unique<DigitalOcean>(session); }

}  // namespace pgcluster::executor
