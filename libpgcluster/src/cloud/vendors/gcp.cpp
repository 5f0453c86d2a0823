// Google Cloud: a regional passthrough load balancer, internal or external, of a forwarding rule, a backend service and a health check of one name;
// the hosts stand in an instance group for each zone, which all balancers of a cluster share. Requests that make something bear an id: repeated, they
// are the same one.
#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <set>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "base/strings.hpp"
#include "base/url.hpp"
#include "cloud/session.hpp"

namespace pgcluster::executor {
namespace {

using Json = nlohmann::json;

// Where Google's probes come from, of an internal balancer and of an external one.
const std::vector<std::string> inner_probes{"130.211.0.0/22", "35.191.0.0/16"};
const std::vector<std::string> outer_probes{"209.85.152.0/22", "209.85.204.0/22", "35.191.0.0/16"};

std::string base64url(std::string_view bytes) {
  std::string text = to_base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(text.find_last_not_of("=\n") + 1);
  return text;
}

std::string sign_rs256(const std::string& key, const std::string& text) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pkey(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::size_t length = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (!pkey || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, pkey.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &length, bytes, text.size()) != 1)
    throw Error(Code::auth_failed, "the private key of Google's service account cannot be used", "take the JSON as Google gave it");
  std::string signature(length, '\0');
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length, bytes, text.size());
  signature.resize(length);
  return signature;
}

std::string resource_name(const std::string& url) { return url.substr(url.rfind('/') + 1); }

class Gcp final : public CloudApi {
 public:
  explicit Gcp(CloudSession& session) : session_(session), zones_(strings::split(session.setting("server_location"), ",")) {
    std::string contents = session.credential("gcp_service_account_contents", {"GOOGLE_CREDENTIALS", "GCP_SERVICE_ACCOUNT_CONTENTS"}, false);
    if (contents.empty()) {
      std::ifstream file(session.credential("gcp_service_account_contents", {"GOOGLE_APPLICATION_CREDENTIALS"}));
      contents.assign(std::istreambuf_iterator<char>(file), {});
    }
    if (const auto decoded = from_base64(contents); decoded && !decoded->empty()) contents = *decoded;
    account_ = json_read::parse(contents);
    for (const char* key : {"project_id", "client_email", "private_key", "token_uri"})
      if (json_read::text(account_, key).empty())
        throw Error(Code::auth_failed, std::string("the credentials are no service account of Google's: ") + key + " is missing",
                    "give the JSON of a service account's key by GOOGLE_APPLICATION_CREDENTIALS or gcp_service_account_contents");
    if (zones_.empty()) needs_setting(CloudProvider::gcp, "server_location", "europe-west3-a, or several zones of a region with commas between them");
    region_ = zones_[0].substr(0, zones_[0].rfind('-'));
    project_ = session.endpoint("https://compute.googleapis.com") + "/compute/v1/projects/" + json_read::text(account_, "project_id");
    session_.authorize_by(nullptr);
    const std::string bearer = session.token("gcp:" + json_read::text(account_, "client_email"), [this] { return token(); });
    session_.authorize_by([bearer](HttpRequest& request) { request.headers.emplace_back("Authorization", "Bearer " + bearer); });
  }

  std::optional<Balancer> find(const Balancer& wish) override {
    const Json rule = get(regional("forwardingRules", wish.name));
    const Json service = get(regional("backendServices", wish.name));
    const Json check = get(regional("healthChecks", wish.name));
    if (rule.is_null() && !is_ours(service, wish) && !is_ours(check, wish)) return std::nullopt;
    Balancer is{.name = wish.name, .owner = owner(rule.is_null() ? (service.is_null() ? check : service) : rule)};
    if (rule.is_null() || service.is_null() || check.is_null()) note(is, "parts of it are missing");
    is.is_public = json_read::text(rule, "loadBalancingScheme") == "EXTERNAL";
    is.address = json_read::text(rule, "IPAddress");
    is.network = is.is_public ? wish.network : network_of(rule, wish);
    const Json& ports = json_read::list(rule, "ports");
    if (ports.size() == 1 && ports[0].is_string()) is.port = is.target_port = std::atoi(ports[0].get<std::string>().c_str());
    if (!rule.is_null() && resource_name(json_read::text(rule, "backendService")) != wish.name)
      note(is, "it leads to " + resource_name(json_read::text(rule, "backendService")));
    is.check_tls = json_read::text(check, "type") == "HTTPS";
    const Json& http = json_read::at(check, is.check_tls ? "httpsHealthCheck" : "httpHealthCheck");
    is.path = json_read::text(http, "requestPath");
    if (json_read::text(check, "type") != "HTTP" && !is.check_tls) is.path += " (" + json_read::text(check, "type") + ")";
    is.check_port = json_read::number<int>(http, "port");
    is.interval = json_read::number<int>(check, "checkIntervalSec");
    is.timeout = json_read::number<int>(check, "timeoutSec");
    is.down = json_read::number<int>(check, "unhealthyThreshold");
    is.up = json_read::number<int>(check, "healthyThreshold");
    is.sessions = json_read::text(json_read::at(service, "connectionTrackingPolicy"), "connectionPersistenceOnUnhealthyBackends") == "NEVER_PERSIST"
                      ? "cut"
                      : "kept";
    std::set<std::string> groups;
    for (const Json& one : json_read::list(service, "backends")) groups.insert(json_read::text(one, "group"));
    std::set<std::string> members;
    for (const std::string& zone : zones_)
      for (const std::string& one : in_group(zone, wish)) {
        const auto mine = std::find_if(groups.begin(), groups.end(), [&](const std::string& g) { return g.ends_with("/" + group_path(zone, wish)); });
        if (mine != groups.end()) members.insert(one);
      }
    for (const std::string& one : members) {
      BalancerTarget target{.name = resource_name(one), .id = resource_name(one)};
      for (const BalancerTarget& wanted : wish.targets)
        if (const auto found = instance(wish, wanted); found && resource_name(found->url) == resource_name(one)) target = wanted;
      is.targets.push_back(std::move(target));
    }
    const Json probed = get(firewall(wish.name + "-probes"));
    if (sources(probed) != probe_sources(is.is_public) || opened(probed) != is.check_port) note(is, "its probes do not come through the firewall");
    if (is.is_public) {
      const Json clients = get(firewall(wish.name + "-clients"));
      is.allowed = sources(clients);
      if (!clients.is_null() && opened(clients) != is.port) note(is, "another port is open");
    }
    return is;
  }

  void check(const Balancer& wish) override {
    std::vector<BalancerTarget> missing;
    for (const BalancerTarget& one : wish.targets)
      if (!instance(wish, one)) missing.push_back(one);
    no_such_servers(missing, servers(wish));
  }

  void create(const Balancer& wish) override { make(wish); }

  void change(const Balancer& wish, const Balancer& is) override {
    const Json rule = get(regional("forwardingRules", wish.name));
    // Of a rule and a service the scheme cannot be changed, of a rule nor can port and network.
    const bool other_scheme = is.is_public != wish.is_public;
    if (!rule.is_null() &&
        (other_scheme || is.port != wish.port || is.network != wish.network || resource_name(json_read::text(rule, "backendService")) != wish.name))
      drop(regional("forwardingRules", wish.name));
    if (other_scheme) drop(regional("backendServices", wish.name));
    make(wish);
  }

  void remove(const Balancer& wish) override {
    for (const char* of : {"forwardingRules", "backendServices", "healthChecks"})
      if (is_ours(get(regional(of, wish.name)), wish)) drop(regional(of, wish.name));
    for (const char* of : {"-probes", "-clients"})
      if (is_ours(get(firewall(wish.name + of)), wish)) drop(firewall(wish.name + of));
    // The last one of the cluster's takes the groups along; until then they are in use.
    for (const std::string& zone : zones_)
      if (is_ours(get(group_path(zone, wish)), wish)) drop(group_path(zone, wish), true);
  }

 private:
  struct Instance {
    std::string zone;
    std::string url;
  };

  static std::string mark(const std::string& cluster) { return "pgcluster:" + cluster; }
  static std::string owner(const Json& of) {
    const std::string text = json_read::text(of, "description");
    return text.starts_with("pgcluster:") ? text.substr(10) : "";
  }
  static bool is_ours(const Json& of, const Balancer& wish) { return !of.is_null() && owner(of) == wish.owner; }

  std::string regional(const char* of, const std::string& name) const { return "regions/" + region_ + "/" + of + "/" + name; }
  static std::string firewall(const std::string& name) { return "global/firewalls/" + name; }
  static std::string group_path(const std::string& zone, const Balancer& wish) { return "zones/" + zone + "/instanceGroups/" + wish.owner; }
  std::string partial(const std::string& path) const { return project_ + "/" + path; }

  // Proves who asks by a signature, and gets a token for it.
  std::pair<std::string, long> token() {
    const auto now = static_cast<long>(std::time(nullptr));
    const Json claims{{"iss", account_["client_email"]},
                      {"scope", "https://www.googleapis.com/auth/compute"},
                      {"aud", account_["token_uri"]},
                      {"iat", now},
                      {"exp", now + 3600}};
    const std::string head = base64url(R"({"alg":"RS256","typ":"JWT"})") + "." + base64url(claims.dump());
    const std::string assertion = head + "." + base64url(sign_rs256(json_read::text(account_, "private_key"), head));
    const std::string uri = json_read::text(account_, "token_uri");
    if (!uri.starts_with("https://") && !uri.starts_with("http://127.0.0.1:"))
      throw Error(Code::auth_failed, "the token_uri of Google's service account is not an https address", "take the JSON as Google gave it");
    const HttpResponse response = session_.call({.method = "POST",
                                                 .url = uri,
                                                 .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                                                 .body = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + assertion},
                                                {400});
    const Json answer = json_read::parse(response.body);
    if (response.status >= 300 || json_read::text(answer, "access_token").empty())
      throw Error(Code::auth_failed, "Google gives no token for the service account: " + json_read::text(answer, "error_description"),
                  "is the key still valid, and this machine's clock right?");
    return {json_read::text(answer, "access_token"), json_read::number<int>(answer, "expires_in")};
  }

  Json get(const std::string& path) { return session_.json("GET", partial(path), nullptr, {404}); }

  // A change: an operation, which is waited for. `in_use`: that something still uses it is no error.
  void act(const std::string& method, const std::string& path, const Json& body, bool in_use = false) {
    std::string id = random_hex(16);
    for (const std::size_t dash : {8U, 13U, 18U, 23U}) id.insert(dash, "-");
    const Json begun = session_.json(method, partial(path) + "?requestId=" + id, body,
                                     in_use               ? std::vector<int>{400, 404}
                                     : method == "DELETE" ? std::vector<int>{404}
                                                          : std::vector<int>{});
    if (begun.is_null()) return;
    const std::string operation =
        path.substr(0, path.find('/', path.starts_with("global/") ? 0 : path.find('/') + 1)) + "/operations/" + json_read::text(begun, "name");
    Json now = begun;
    session_.wait_for("ended the operation " + json_read::text(begun, "name"), [&] {
      if (json_read::text(now, "status") == "DONE") return true;
      now = session_.json("GET", partial(operation));
      return json_read::text(now, "status") == "DONE";
    });
    for (const Json& error : json_read::list(json_read::at(now, "error"), "errors"))
      if (!in_use || json_read::text(error, "code") != "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE")
        throw Error(Failure{.code = Code::command_failed,
                            .message = session_.name() + " could not carry out " + method + " " + path + ": " + json_read::text(error, "message"),
                            .hint = "see the operation in the vendor's console"});
  }
  void drop(const std::string& path, bool in_use = false) { act("DELETE", path, nullptr, in_use); }

  // Made where it is not there, else patched.
  void ensure(const std::string& path, Json body, const Balancer& wish) {
    const Json now = get(path);
    body["name"] = resource_name(path);
    body["description"] = mark(wish.owner);
    if (now.is_null()) return act("POST", path.substr(0, path.rfind('/')), body);
    if (!is_ours(now, wish))
      throw Error(Code::refused, "there is " + path + " at " + session_.name() + ", and it is not this cluster's",
                  "remove or rename it, or give the cluster another patroni_cluster_name");
    if (now.contains("fingerprint")) body["fingerprint"] = now["fingerprint"];
    act("PATCH", path, body);
  }

  void make(const Balancer& wish) {
    Json backends = Json::array();
    for (const std::string& zone : members(wish)) backends.push_back({{"group", partial(group_path(zone, wish))}, {"balancingMode", "CONNECTION"}});
    ensure(firewall(wish.name + "-probes"), hole(wish, probe_sources(wish.is_public), wish.check_port), wish);
    if (wish.is_public)
      ensure(firewall(wish.name + "-clients"), hole(wish, wish.allowed, wish.port), wish);
    else if (is_ours(get(firewall(wish.name + "-clients")), wish))
      drop(firewall(wish.name + "-clients"));
    ensure(regional("healthChecks", wish.name),
           {{"type", wish.check_tls ? "HTTPS" : "HTTP"},
            {wish.check_tls ? "httpsHealthCheck" : "httpHealthCheck", {{"port", wish.check_port}, {"requestPath", wish.path}}},
            {"checkIntervalSec", wish.interval},
            {"timeoutSec", wish.timeout},
            {"unhealthyThreshold", wish.down},
            {"healthyThreshold", wish.up}},
           wish);
    const std::string scheme = wish.is_public ? "EXTERNAL" : "INTERNAL";
    ensure(regional("backendServices", wish.name),
           {{"protocol", "TCP"},
            {"loadBalancingScheme", scheme},
            {"backends", backends},
            {"healthChecks", {partial(regional("healthChecks", wish.name))}},
            {"connectionTrackingPolicy", {{"connectionPersistenceOnUnhealthyBackends", "NEVER_PERSIST"}}}},
           wish);
    if (!get(regional("forwardingRules", wish.name)).is_null()) return;
    Json rule{{"loadBalancingScheme", scheme},
              {"IPProtocol", "TCP"},
              {"ports", {std::to_string(wish.port)}},
              {"backendService", partial(regional("backendServices", wish.name))}};
    if (!wish.is_public) {
      const auto names = strings::split(wish.network, "/");
      rule["network"] = network(wish);
      if (names.size() > 1) rule["subnetwork"] = partial("regions/" + region_ + "/subnetworks/" + names[1]);
    }
    ensure(regional("forwardingRules", wish.name), rule, wish);
  }

  std::string network(const Balancer& wish) const { return partial("global/networks/" + network_name(wish)); }

  static std::string network_of(const Json& rule, const Balancer& wish) {
    if (wish.network.empty() && resource_name(json_read::text(rule, "network")) == "default") return {};
    const std::string subnet = resource_name(json_read::text(rule, "subnetwork"));
    return resource_name(json_read::text(rule, "network")) + (wish.network.find('/') == std::string::npos || subnet.empty() ? "" : "/" + subnet);
  }

  static const std::vector<std::string>& probe_sources(bool is_public) { return is_public ? outer_probes : inner_probes; }

  Json hole(const Balancer& wish, const std::vector<std::string>& from, int port) const {
    return {{"network", network(wish)},
            {"direction", "INGRESS"},
            {"sourceRanges", from},
            {"allowed", Json::array({{{"IPProtocol", "tcp"}, {"ports", {std::to_string(port)}}}})}};
  }
  static std::vector<std::string> sources(const Json& rule) {
    std::vector<std::string> found;
    for (const Json& one : json_read::list(rule, "sourceRanges"))
      if (one.is_string()) found.push_back(one);
    std::sort(found.begin(), found.end());
    return found;
  }
  static int opened(const Json& rule) {
    const Json& allowed = json_read::list(rule, "allowed");
    if (allowed.size() != 1 || json_read::list(allowed[0], "ports").size() != 1 || json_read::at(rule, "disabled") == true) return 0;
    return std::atoi(allowed[0]["ports"][0].get<std::string>().c_str());
  }

  std::vector<Json> pages(const std::string& method, const std::string& path, const Json& body) {
    std::vector<Json> found;
    std::string next;
    do {
      const Json answer = session_.json(method, partial(path) + (next.empty() ? "" : "?pageToken=" + net::url_encoded(next)), body, {404});
      for (const Json& one : json_read::list(answer, "items")) found.push_back(one);
      next = json_read::text(answer, "nextPageToken");
    } while (!next.empty());
    return found;
  }

  std::set<std::string> in_group(const std::string& zone, const Balancer& wish) {
    std::set<std::string> found;
    for (const Json& one : pages("POST", group_path(zone, wish) + "/listInstances", {{"instanceState", "ALL"}}))
      found.insert(json_read::text(one, "instance"));
    return found;
  }

  static std::string servers(const Balancer& wish) { return "zones' instances" + within(network_name(wish)); }
  static std::string network_name(const Balancer& wish) {
    const auto names = strings::split(wish.network, "/");
    return names.empty() ? "default" : names[0];
  }

  // Other networks may have the same addresses, and a group's instances are of one.
  std::optional<Instance> instance(const Balancer& wish, const BalancerTarget& wanted) {
    if (!instances_) {
      instances_.emplace();
      for (const std::string& zone : zones_)
        for (const Json& one : pages("GET", "zones/" + zone + "/instances", nullptr)) instances_->emplace_back(zone, one);
    }
    std::optional<Instance> by_name;
    for (const auto& [zone, one] : *instances_) {
      const Instance here{zone, json_read::text(one, "selfLink")};
      const Json& interfaces = json_read::list(one, "networkInterfaces");
      if (std::none_of(interfaces.begin(), interfaces.end(),
                       [&](const Json& i) { return resource_name(json_read::text(i, "network")) == network_name(wish); }))
        continue;
      if (!wanted.id.empty() && (json_read::text(one, "id") == wanted.id || json_read::text(one, "name") == wanted.id)) return here;
      if (!wanted.id.empty()) continue;
      for (const Json& interface : interfaces)
        if (json_read::text(interface, "networkIP") == wanted.address && resource_name(json_read::text(interface, "network")) == network_name(wish))
          return here;
      if (json_read::text(one, "name") == wanted.name) by_name = here;
    }
    return by_name;
  }

  // Each zone's group with the hosts that stand there, and the zones that have any.
  std::set<std::string> members(const Balancer& wish) {
    std::map<std::string, std::set<std::string>> wanted;
    for (const BalancerTarget& one : wish.targets) {
      const auto found = instance(wish, one);
      if (!found) no_such_servers({one}, servers(wish));
      wanted[found->zone].insert(found->url);
    }
    std::set<std::string> used;
    for (const std::string& zone : zones_) {
      const std::string path = group_path(zone, wish);
      const Json now = get(path);
      if (now.is_null() && wanted[zone].empty()) continue;
      if (now.is_null()) ensure(path, {{"network", network(wish)}}, wish);
      if (!now.is_null() && !is_ours(now, wish))
        throw Error(Code::refused, "there is an instance group " + wish.owner + " that is not this cluster's",
                    "remove it, or choose another patroni_cluster_name");
      const auto has = now.is_null() ? std::set<std::string>{} : in_group(zone, wish);
      const auto send = [&](const char* action, const std::set<std::string>& from, const std::set<std::string>& but) {
        Json body{{"instances", Json::array()}};
        for (const std::string& one : from)
          if (!but.contains(one)) body["instances"].push_back({{"instance", one}});
        if (!body["instances"].empty()) act("POST", path + "/" + action, body);
      };
      send("addInstances", wanted[zone], has);
      send("removeInstances", has, wanted[zone]);
      if (!wanted[zone].empty()) used.insert(zone);
    }
    return used;
  }

  CloudSession& session_;
  std::vector<std::string> zones_;
  std::string region_{}, project_{};
  Json account_{};
  std::optional<std::vector<std::pair<std::string, Json>>> instances_{};
};

}  // namespace

std::unique_ptr<CloudApi> gcp_api(CloudSession& session) { return std::make_unique<Gcp>(session); }

}  // namespace pgcluster::executor
