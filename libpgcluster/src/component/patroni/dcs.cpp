// What Patroni needs of its DCS, and what it keeps there: asked of etcd's gateway, or of Consul's agent on the same host.
#include <algorithm>
#include <sstream>

#include "base/base64.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/consul/consul.hpp"
#include "component/etcd/etcd.hpp"
#include "component/patroni/patroni.hpp"
#include "component/patroni/shell.hpp"
#include "op/answer_json.hpp"
#include "op/ask.hpp"

namespace pgcluster::patroni {
namespace {

using Json = nlohmann::json;

bool on_consul(const ClusterView& view) { return view.topology.dcs_type == DcsType::consul; }

// Whether etcd may have users: then nobody else may read a key.
bool may_have_users(const ClusterView& view) { return !on_consul(view) && certificates::wanted(view.spec); }

// Each endpoint of etcd, in each way that it may speak.
std::vector<std::string> etcd_urls(const ClusterView& view) {
  std::vector<std::string> all;
  for (const TopologyHost& member : etcd_hosts(view))
    for (const std::string scheme : certificates::schemes(view))
      all.push_back(scheme + "://" + net::host_port(member.address, view.spec.etcd_client_port));
  return all;
}

// The same as etcd_calls(), as Patroni's user.
std::vector<std::string> keys_as_patroni(const ClusterView& view, const std::string& body, const char* path) {
  std::vector<std::string> argv{"sh", "-c", shell::etcd_key, "sh", path, body, view.spec.patroni_cluster_name, certificate};
  for (std::string& url : etcd_urls(view)) argv.push_back(std::move(url));
  return argv;
}

// Names of keys, as the reader: by etcdctl, because etcd takes a certificate's name through gRPC only.
Exec names_as_reader(const ClusterView& view, const std::string& prefix) {
  std::vector<std::vector<std::string>> calls;
  for (const std::string& url : etcd_urls(view)) {
    std::vector<std::string> call{"etcdctl", "--command-timeout=3s", "--dial-timeout=1s", "--endpoints=" + url};
    if (url.starts_with("https:"))
      call.insert(call.end(), {"--cacert", certificates::authority_file, "--cert", certificates::certificate_file("confd"), "--key",
                               certificates::key_file("confd")});
    call.insert(call.end(), {"get", "--prefix", "--keys-only", "-w", "json", prefix});
    calls.push_back(std::move(call));
  }
  return {.argv = first_answer(calls), .limit = std::chrono::seconds(20)};
}

// curl's words that ask each endpoint of etcd for keys, and then perhaps for its version.
std::vector<std::vector<std::string>> etcd_calls(const ClusterView& view, const TopologyHost& host, const std::string& body, const char* path,
                                                 bool version) {
  // A balancer on a host of its own shows confd's certificate: it has none of Patroni's.
  const char* shown = std::find(host.roles.begin(), host.roles.end(), Role::postgres) != host.roles.end() ? certificate : "confd";
  std::vector<std::vector<std::string>> all;
  for (const TopologyHost& member : etcd_hosts(view)) {
    const auto each = [&](const std::vector<std::string>& words, const char* path) {
      return certificates::calls(view, shown, words, member.address, view.spec.etcd_client_port, {path});
    };
    auto range = each({"-sf", "-m", "3", "--connect-timeout", "1", "-d", body}, path);
    const auto then = each({"--next", "-sf", "-m", "3"}, "/version");
    for (std::size_t i = 0; i < range.size(); ++i) {
      if (version) range[i].insert(range[i].end(), then[i].begin(), then[i].end());
      all.push_back(std::move(range[i]));
    }
  }
  return all;
}

constexpr const char* range = "/v3/kv/range";

std::vector<std::vector<std::string>> range_calls(const ClusterView& view, const TopologyHost& host, const std::string& body, bool version) {
  return etcd_calls(view, host, body, range, version);
}

// The body and the status of a key of Consul's. Reading is consistent: an answer means that there is a quorum.
Ask consul_key_ask(const ClusterView& view, const TopologyHost& host, const std::string& key) {
  const std::string path = "/v1/kv/service/" + view.spec.patroni_cluster_name + "/" + key;
  return consul_get(view, host.name, consul_home_path(view.spec, path), {"dcs:initialize"});
}

// What Consul says of a key; status 0 where it says nothing.
std::pair<int, Json> consul_key(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  const auto end = output && output->status == 0 ? output->out.rfind('\n') : std::string::npos;
  if (end == std::string::npos) return {0, nullptr};
  const std::string status = output->out.substr(end + 1);
  if (status == "404") return {404, nullptr};
  Json json = json_read::parse(output->out.substr(0, end));
  return status == "200" && json.is_array() && !json.empty() ? std::pair<int, Json>{200, std::move(json)} : std::pair<int, Json>{0, nullptr};
}

// One key of Patroni's. Reading is linearizable: an answer means that there is a quorum. The version of an etcd cluster is 3.0.0 until each member
// was seen once, and Patroni does not use such an etcd.
Ask key_ask(const ClusterView& view, const TopologyHost& host, const std::string& key, std::vector<std::string> about) {
  if (on_consul(view)) {
    Ask ask = consul_key_ask(view, host, key);
    std::get<Exec>(ask.what).about = std::move(about);
    return ask;
  }
  const std::string body = R"({"key":")" + to_base64("/service/" + view.spec.patroni_cluster_name + "/" + key) + R"("})";
  Exec exec{.argv = may_have_users(view) ? keys_as_patroni(view, body, range) : first_answer(range_calls(view, host, body, true)),
            .limit = std::chrono::seconds(20)};
  about.emplace_back("dcs:users");
  exec.about = std::move(about);
  return {host.name, std::move(exec)};
}

// The TLS lines of Patroni's DCS section: the authority that it trusts, and its client certificate and key.
std::string certificate_lines() {
  return std::string("  cacert: \"") + certificates::authority_file + "\"\n  cert: \"" + certificates::certificate_file(certificate) +
         "\"\n  key: \"" + certificates::key_file(certificate) + "\"\n";
}

}  // namespace

Text dcs_section(const ClusterView& view) {
  if (on_consul(view)) {
    // Use no health checks for the session: it must end only by its TTL, because gossip declares a host dead long before its PostgreSQL has stopped.
    // Patroni does not register services; the agent's configuration does.
    Text out = "consul:\n  host: \"127.0.0.1:" + std::to_string(consul_api_port(view.spec)) + "\"\n  register_service: false\n  checks: []\n";
    if (certificates::wanted(view.spec)) out += "  scheme: https\n" + certificate_lines();
    if (view.spec.consul_layout == ConsulLayout::federated) out += "  dc: \"" + consul_home(view.spec) + "\"\n";
    if (consul_has_tokens(view)) {
      out += "  token: \"";
      out += consul_patroni_token(view);
      out += "\"\n";
    }
    return out;
  }
  Text out = "etcd3:\n  hosts:\n";
  for (const std::string& name : view.topology.dcs_members)
    out += "    - \"" + net::host_port(view.topology.host(name).address, view.spec.etcd_client_port) + "\"\n";
  if (certificates::wanted(view.spec)) out += "  protocol: https\n" + certificate_lines();
  if (etcd_has_users(view)) {
    out += "  username: \"" + etcd_patroni_user(view) + "\"\n  password: \"";
    out += view.secret(etcd_password_secret);
    out += "\"\n";
  }
  return out;
}

std::vector<Ask> dcs_evidence(const ClusterView& view, const TopologyHost& host) {
  const auto& members = view.topology.dcs_members;
  if (on_consul(view)) return {journal_ask(host.name, consul_unit)};
  if (std::find(members.begin(), members.end(), host.name) != members.end()) return {journal_ask(host.name, etcd_unit)};
  return {};
}

std::vector<StepRef> dcs_steps(const ClusterView& view, const TopologyHost& host) {
  const auto healthy = on_consul(view) ? consul::healthy : etcd::healthy;
  const auto& members = view.topology.dcs_members;
  std::vector<StepRef> steps;
  if (on_consul(view) || std::find(members.begin(), members.end(), host.name) != members.end()) steps.push_back(healthy(host.name));
  // Patroni uses a new DCS only when it has seen all of its members.
  if (begins(view) || certificates::goes_over(view))
    for (const std::string& member : members) steps.push_back(healthy(member));
  if (!on_consul(view) && etcd_has_users(view)) steps.push_back(begins(view) ? etcd::auth() : etcd::users());
  if (on_consul(view) && consul_has_tokens(view)) steps.push_back(consul::tokens(consul_home(view.spec)));
  return steps;
}

const std::string& dcs_client_package(const NodeView& node) {
  return node.spec().dcs_type == DcsType::consul ? node.platform().patroni_consul : node.platform().patroni_etcd;
}

namespace {

constexpr const char* forgotten[] = {"leader", "status", "history", "failover", "sync"};

// The names of all keys of the cluster.
Ask keys_ask(const ClusterView& view, const TopologyHost& host) {
  const std::vector<std::string> about{"dcs:keys", "dcs:users", "unit:patroni.service"};
  if (on_consul(view)) {
    Ask ask = consul_key_ask(view, host, "?keys");
    std::get<Exec>(ask.what).about = about;
    return ask;
  }
  const std::string prefix = "/service/" + view.spec.patroni_cluster_name;
  const std::string body = R"({"key":")" + to_base64(prefix + "/") + R"(","range_end":")" + to_base64(prefix + "0") + R"(","keys_only":true})";
  return {host.name, Exec{.argv = may_have_users(view) ? keys_as_patroni(view, body, range) : first_answer(range_calls(view, host, body, false)),
                          .about = about,
                          .limit = std::chrono::seconds(20)}};
}

Do forget(const ClusterView& view, const TopologyHost& host, const std::string& key) {
  Run run{.touches = {"dcs:keys"}, .name = "remove the key " + key + " of the former data from the DCS"};
  const std::string name = "service/" + view.spec.patroni_cluster_name + "/" + key;
  if (on_consul(view)) {
    run.argv = certificates::command(consul_calls(view, consul_home_path(view.spec, "/v1/kv/" + name), {"-sf", "-m", "20", "-X", "DELETE"}));
  } else {
    const char* path = "/v3/kv/deleterange";
    const std::string body = R"({"key":")" + to_base64("/" + name) + R"("})";
    run.argv = may_have_users(view) ? keys_as_patroni(view, body, path) : first_answer(etcd_calls(view, host, body, path, false));
  }
  return {.at = host.name, .what = std::move(run)};
}

}  // namespace

StepPtr forget_step(const std::shared_ptr<const ClusterView>& view, const std::string& name, const StepRef& step) {
  const TopologyHost host = view->topology.host(name);
  const Ask keys = keys_ask(*view, host);
  auto decide = [=](const Answers& answers) -> Decision {
    const auto known = read_member_names(answers[keys]);
    if (!known) return Later{.until = "the DCS answers", .at_most = Impact::none, .action = Action::remove};
    Change change{.todo = {}, .action = Action::remove, .reason = "what the DCS knows of the former data"};
    for (const char* key : forgotten)
      if (std::binary_search(known->begin(), known->end(), key)) change.todo.push_back(forget(*view, host, key));
    if (change.todo.empty()) return Done{};
    // Later steps wait until the keys are gone.
    std::get<Run>(change.todo.back().what).slow = true;
    return change;
  };
  return make_step(step, {.asks = {keys}, .decide = decide, .settle = std::chrono::seconds(60)});
}

Ask member_names_ask(const ClusterView& view, const TopologyHost& host) {
  if (on_consul(view)) {
    Ask ask = consul_key_ask(view, host, "members/?keys");
    std::get<Exec>(ask.what).about.emplace_back("unit:patroni.service");
    return ask;
  }
  const std::string prefix = "/service/" + view.spec.patroni_cluster_name + "/members";
  const std::string body = R"({"key":")" + to_base64(prefix + "/") + R"(","range_end":")" + to_base64(prefix + "0") + R"(","keys_only":true})";
  Exec exec = may_have_users(view) ? names_as_reader(view, prefix + "/")
                                   : Exec{.argv = first_answer(range_calls(view, host, body, false)), .limit = std::chrono::seconds(20)};
  exec.about = {"dcs:initialize", "unit:patroni.service"};
  return {host.name, std::move(exec)};
}

Ask initialize_ask(const ClusterView& view, const TopologyHost& host) {
  Ask ask = key_ask(view, host, "initialize", {"dcs:initialize"});
  if (!may_have_users(view)) return ask;
  // A Patroni that runs knows it, too, and needs no login of ours.
  auto& exec = std::get<Exec>(ask.what);
  auto calls = certificates::calls(view, certificate, {"-sf", "-m", "3"}, host.address, view.spec.patroni_restapi_port, {"/patroni"});
  calls.push_back(std::move(exec.argv));
  exec.argv = first_answer(calls);
  exec.about.emplace_back("unit:patroni.service");
  return ask;
}

Ask sync_ask(const ClusterView& view, const TopologyHost& host) {
  return key_ask(view, host, "sync", {"dcs:initialize", "dcs:config", "unit:patroni.service"});
}

namespace {

// etcd's answer to key_ask(); null where it says nothing that counts.
Json etcd_key(const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return nullptr;
  std::istringstream in(output->out);
  Json range, version;
  json_read::read(in, range);
  json_read::read(in, version);
  return range.is_object() && range.contains("header") && !json_read::text(version, "etcdcluster").starts_with("3.0.") ? range : nullptr;
}

// The value of the key that was asked for; an empty string if the key does not exist, nullopt if the DCS does not answer.
std::optional<std::string> key_value(const Answer& answer) {
  if (const auto [status, keys] = consul_key(answer); status != 0)
    return status == 200 ? from_base64(json_read::text(keys[0], "Value")).value_or("") : std::string();
  const Json json = etcd_key(answer);
  if (!json.is_object()) return std::nullopt;
  const Json& found = json_read::list(json, "kvs");
  return found.empty() ? std::string() : from_base64(json_read::text(found[0], "value")).value_or("");
}

// The system identifier as a Patroni that runs tells it; empty in an answer of the DCS.
std::string patronis_id(const Answer& answer) { return json_read::text(json_of(answer), "database_system_identifier"); }

}  // namespace

Initialized read_initialized(const Answer& answer) {
  if (!patronis_id(answer).empty()) return Initialized::yes;
  const auto value = key_value(answer);
  if (!value) return Initialized::unknown;
  // Without a value it stands while a member tries to begin the cluster.
  return value->empty() ? Initialized::no : Initialized::yes;
}

std::optional<std::vector<std::string>> read_member_names(const Answer& answer) {
  std::vector<std::string> names;
  if (const auto [status, keys] = consul_key(answer); status != 0) {
    for (const Json& key : keys)
      if (key.is_string()) names.push_back(key.get<std::string>().substr(key.get<std::string>().rfind('/') + 1));
    std::sort(names.begin(), names.end());
    return names;
  }
  const auto* output = std::get_if<Output>(&answer);
  std::istringstream in(output && output->status == 0 ? output->out : "");
  Json json;
  json_read::read(in, json);  // what follows is the version
  if (!json.is_object() || !json.contains("header")) return std::nullopt;
  for (const Json& one : json_read::list(json, "kvs")) {
    const std::string key = from_base64(json_read::text(one, "key")).value_or("");
    names.push_back(key.substr(key.rfind('/') + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_system_id(const ClusterView& view, const Answer& answer) {
  if (const std::string id = patronis_id(answer); !id.empty())
    return read_member(answer).scope == view.spec.patroni_cluster_name ? id : std::string();
  return key_value(answer).value_or("");
}

std::optional<std::set<std::string>> read_sync(const Answer& answer) {
  const auto value = key_value(answer);
  if (!value) return std::nullopt;
  const std::vector<std::string> names = strings::split(json_read::text(json_read::parse(*value), "sync_standby"), ", ");
  return std::set<std::string>(names.begin(), names.end());
}

}  // namespace pgcluster::patroni
