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
#include "op/answer_json.hpp"
#include "op/ask.hpp"

namespace pgcluster::patroni {
namespace {

using Json = nlohmann::json;

bool on_consul(const ClusterView& view) { return view.topology.dcs_type == DcsType::consul; }

// curl's words that ask each endpoint of etcd for keys, and then perhaps for its version.
std::vector<std::vector<std::string>> etcd_calls(const ClusterView& view, const TopologyHost& host, const std::string& body, const char* path,
                                                 bool version) {
  // A balancer on a host of its own shows confd's certificate: it has none of Patroni's.
  const char* shown = std::find(host.roles.begin(), host.roles.end(), Role::postgres) != host.roles.end() ? certificate : "confd";
  std::vector<std::vector<std::string>> all;
  for (const std::string& name : view.topology.dcs_members) {
    const auto each = [&](const std::vector<std::string>& words, const char* path) {
      return certificates::calls(view, shown, words, view.topology.host(name).address, view.spec.etcd_client_port, {path});
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

std::vector<std::vector<std::string>> range_calls(const ClusterView& view, const TopologyHost& host, const std::string& body, bool version) {
  return etcd_calls(view, host, body, "/v3/kv/range", version);
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
  return {host.name, Exec{.argv = first_answer(range_calls(view, host, body, true)), .about = std::move(about), .limit = std::chrono::seconds(20)}};
}

// Whom Patroni trusts as its DCS, and what it shows to it.
std::string certificate_lines() {
  return std::string("  cacert: \"") + certificates::authority_file + "\"\n  cert: \"" + certificates::certificate_file(certificate) +
         "\"\n  key: \"" + certificates::key_file(certificate) + "\"\n";
}

}  // namespace

std::string dcs_section(const ClusterView& view) {
  if (on_consul(view)) {
    // No health checks: a session must end by its TTL only, because gossip declares a host dead long before its PostgreSQL has stopped. The agent's
    // configuration registers the services, not Patroni.
    std::string out = "consul:\n  host: \"127.0.0.1:" + std::to_string(consul_api_port(view.spec)) + "\"\n  register_service: false\n  checks: []\n";
    if (certificates::wanted(view.spec)) out += "  scheme: https\n" + certificate_lines();
    if (view.spec.consul_layout == ConsulLayout::federated) out += "  dc: \"" + consul_home(view.spec) + "\"\n";
    return out;
  }
  std::string out = "etcd3:\n  hosts:\n";
  for (const std::string& name : view.topology.dcs_members)
    out += "    - \"" + net::host_port(view.topology.host(name).address, view.spec.etcd_client_port) + "\"\n";
  if (certificates::wanted(view.spec)) out += "  protocol: https\n" + certificate_lines();
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
  return steps;
}

const std::string& dcs_client_package(const NodeView& node) {
  return node.spec().dcs_type == DcsType::consul ? node.platform().patroni_consul : node.platform().patroni_etcd;
}

namespace {

constexpr const char* forgotten[] = {"leader", "status", "history", "failover", "sync"};

// The names of all keys of the cluster.
Ask keys_ask(const ClusterView& view, const TopologyHost& host) {
  const std::vector<std::string> about{"dcs:keys", "unit:patroni.service"};
  if (on_consul(view)) {
    Ask ask = consul_key_ask(view, host, "?keys");
    std::get<Exec>(ask.what).about = about;
    return ask;
  }
  const std::string prefix = "/service/" + view.spec.patroni_cluster_name;
  const std::string body = R"({"key":")" + to_base64(prefix + "/") + R"(","range_end":")" + to_base64(prefix + "0") + R"(","keys_only":true})";
  return {host.name, Exec{.argv = first_answer(range_calls(view, host, body, false)), .about = about, .limit = std::chrono::seconds(20)}};
}

Do forget(const ClusterView& view, const TopologyHost& host, const std::string& key) {
  Run run{.touches = {"dcs:keys"}, .name = "remove the key " + key + " of the former data from the DCS"};
  const std::string name = "service/" + view.spec.patroni_cluster_name + "/" + key;
  if (on_consul(view)) {
    run.argv = consul_environment(view.spec);
    run.argv.insert(run.argv.end(), {consul_program(view.spec), "kv", "delete"});
    if (view.spec.consul_layout == ConsulLayout::federated) run.argv.push_back("-datacenter=" + consul_home(view.spec));
    run.argv.push_back(name);
  } else {
    run.argv = first_answer(etcd_calls(view, host, R"({"key":")" + to_base64("/" + name) + R"("})", "/v3/kv/deleterange", false));
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
    // What comes after it waits until the keys were seen to have gone.
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
  return {host.name, Exec{.argv = first_answer(range_calls(view, host, body, false)),
                          .about = {"dcs:initialize", "unit:patroni.service"},
                          .limit = std::chrono::seconds(20)}};
}

Ask initialize_ask(const ClusterView& view, const TopologyHost& host) { return key_ask(view, host, "initialize", {"dcs:initialize"}); }

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

// The value of the one key that was asked for, empty where there is none; nothing where the DCS does not say.
std::optional<std::string> key_value(const Answer& answer) {
  if (const auto [status, keys] = consul_key(answer); status != 0)
    return status == 200 ? from_base64(json_read::text(keys[0], "Value")).value_or("") : std::string();
  const Json json = etcd_key(answer);
  if (!json.is_object()) return std::nullopt;
  const Json& found = json_read::list(json, "kvs");
  return found.empty() ? std::string() : from_base64(json_read::text(found[0], "value")).value_or("");
}

}  // namespace

Initialized read_initialized(const Answer& answer) {
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
  const Json json = json_of(answer);
  if (!json.is_object() || !json.contains("header")) return std::nullopt;
  for (const Json& one : json_read::list(json, "kvs")) {
    const std::string key = from_base64(json_read::text(one, "key")).value_or("");
    names.push_back(key.substr(key.rfind('/') + 1));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_system_id(const Answer& answer) { return key_value(answer).value_or(""); }

std::optional<std::set<std::string>> read_sync(const Answer& answer) {
  const auto value = key_value(answer);
  if (!value) return std::nullopt;
  const std::vector<std::string> names = strings::split(json_read::text(json_read::parse(*value), "sync_standby"), ", ");
  return std::set<std::string>(names.begin(), names.end());
}

}  // namespace pgcluster::patroni
