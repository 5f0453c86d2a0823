#include "simulation/services/balancer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/base64.hpp"
#include "component/haproxy/haproxy.hpp"
#include "component/keepalived/shell.hpp"
#include "component/vip/vip.hpp"
#include "op/ask.hpp"
#include "simulation/services/gateway.hpp"

namespace pgcluster {
namespace {

constexpr const char* confd_unit = "confd.service";

std::string after_word(const std::string& text, const std::string& word) {
  const auto at = text.find(word);
  return at == std::string::npos ? "" : text.substr(at + word.size(), text.find_first_of("\" \n", at + word.size()) - at - word.size());
}

// The nodes in confd.toml, and by which files it asks them.
Endpoints endpoints_of(const std::string& config) {
  Endpoints found{.tls = {after_word(config, "client_cakeys = \""), after_word(config, "client_cert = \""), after_word(config, "client_key = \"")}};
  for (auto at = config.find("\"http"); at != std::string::npos; at = config.find("\"http", at + 1))
    if (const std::string word = config.substr(at + 1, config.find('"', at + 1) - at - 1); word.find("://") != word.npos) found.urls.push_back(word);
  if (config.find("nodes = [\"127.0.0.1:850") != std::string::npos) found.urls.emplace_back("http://127.0.0.1:8500");
  return found;
}

// Lines of a template for one member: {{base .Key}} is its name, and what else has braces leads to its address.
std::string filled(std::string lines, const std::string& name, const std::string& address) {
  for (auto at = lines.find("{{"); at != std::string::npos; at = lines.find("{{")) {
    const auto size = lines.find("}}", at) + 2 - at;
    lines.replace(at, size, lines.compare(at, size, "{{base .Key}}") == 0 ? name : address);
  }
  return lines;
}

// As `haproxy -c` does with words at the beginning of a line that are no section.
std::string fault(const SimulatedHost& host, const std::string& config) {
  static const std::vector<std::string> known{"global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "userlist", "mailers"};
  std::istringstream lines(config);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string certificate = after_word(line, " ssl crt ");
    const std::string key = certificate.empty() ? "" : certificate.substr(0, certificate.size() - 4) + ".key";
    if (const std::string file = missing_file(host, {certificate, key, after_word(line, " ca-file ")}); !file.empty())
      return "[ALERT]    (1) : config : parsing [/dev/stdin:" + std::to_string(number) + "] : unable to stat SSL certificate from file '" + file +
             "' : No such file or directory.\n";
    if (line.empty() || line[0] == ' ' || line[0] == '\t' || line[0] == '#') continue;
    const std::string word = line.substr(0, line.find(' '));
    if (std::find(known.begin(), known.end(), word) == known.end())
      return "[ALERT]    (1) : config : parsing [/dev/stdin:" + std::to_string(number) + "]: unknown keyword '" + word + "' out of section.\n";
  }
  return {};
}

}  // namespace

std::optional<SimulatedPackage> BalancerModel::package(const std::string& name) {
  if (name == "haproxy")
    return SimulatedPackage{.version = "3.0.11-1", .units = {haproxy_unit}, .files = {{haproxy_file, File{.content = "global\n\nDebian's own\n"}}}};
  if (name == "keepalived") return SimulatedPackage{.version = "2.3.3-1", .units = {keepalived_unit}};
  return std::nullopt;
}

std::optional<ServiceModel::Start> BalancerModel::unit_starts(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit == haproxy_unit) {
    const std::string* config = host.read(haproxy_file);
    return Start{.takes = {}, .dies = config ? fault(host, *config) : "[ALERT] : cannot open /etc/haproxy/haproxy.cfg"};
  }
  if (unit == confd_unit) return Start{.takes = {}, .dies = host.read("/usr/local/bin/confd") ? "" : "confd.service: Unable to locate executable"};
  if (unit == keepalived_unit) return Start{};
  return std::nullopt;
}

void BalancerModel::unit_started(SimulatedHost& host, const std::string& unit, SimulatedTime) {
  if (unit == haproxy_unit) loaded_[host.name] = *host.read(haproxy_file);
  if (unit == confd_unit) render(host);
}

void BalancerModel::unit_reloaded(SimulatedHost& host, const std::string& unit, SimulatedTime now) {
  if (unit == keepalived_unit) reloaded_[host.name] = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  if (const std::string* config = host.read(haproxy_file); unit == haproxy_unit && config && fault(host, *config).empty())
    loaded_[host.name] = *host.read(haproxy_file);
}

void BalancerModel::passed(SimulatedTime) {
  for (const std::string& name : fleet_->hosts()) {
    SimulatedHost& host = fleet_->host(name);
    if (!host.down && !host.frozen && host.active(confd_unit)) render(host);
  }
}

// Between {{range …}} and {{end}}: a line for each member.
void BalancerModel::render(SimulatedHost& host) {
  const std::string* config = host.read("/etc/confd/confd.toml");
  const std::string* resource = host.read("/etc/confd/conf.d/haproxy.toml");
  const std::string* wished = host.read("/etc/confd/templates/haproxy.tmpl");
  if (!config || !resource || !wished) return;
  const auto members = patroni_->members(host.name, endpoints_of(*config), after_word(*resource, "prefix = \"/service/"));
  if (!members) return;
  std::string text = *wished;
  for (auto at = text.find("{{len "); at != std::string::npos; at = text.find("{{len "))
    text.replace(at, text.find("}}", at) + 2 - at, std::to_string(members->size()));
  for (auto at = text.find("{{range"); at != std::string::npos; at = text.find("{{range")) {
    const auto end = text.find("{{end}}", at);
    const std::string one = text.substr(text.find("    server ", at), end - text.find("    server ", at));
    std::string lines;
    for (const auto& [name, address] : *members) lines += filled(one, name, address);
    text.replace(at, end + 7 - at, lines);
  }
  if (const std::string* now = host.read(haproxy_file); now && *now == text) return;
  host.write(haproxy_file, text);
  if (host.active(haproxy_unit)) fleet_->reload_unit(host, haproxy_unit);
}

bool BalancerModel::serves(const SimulatedHost& host) const { return !host.down && !host.frozen && host.active(haproxy_unit); }

std::string BalancerModel::page(const SimulatedHost& host) {
  const std::string& config = loaded_[host.name];
  std::string out = after_word(config, "status 200 content-type text/plain string \"");
  if (const auto end = out.find("\\n"); end != std::string::npos) out.resize(end);
  out += "\n# pxname,svname,status\n";
  std::istringstream lines(config);
  std::string section, check;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("listen ")) section = line.substr(7);
    if (const std::string uri = after_word(line, "meth OPTIONS uri "); !uri.empty()) check = uri.substr(0, uri.find('?'));
    std::istringstream words(line);
    std::string word, name, address;
    if (words >> word >> name >> address && word == "server")
      out += section + "," + name + "," +
             (patroni_->serves_as(address.substr(0, address.rfind(':')), check, line.find(" check-ssl ") != std::string::npos) ? "UP" : "DOWN") +
             "\n";
  }
  return out;
}

// As etcdctl get --prefix --keys-only -w json does.
Output BalancerModel::members_by_etcdctl(const SimulatedHost& host, const std::vector<std::string>& argv) {
  if (!host.packages.contains("etcd-client")) return {.status = 127, .err = "etcdctl: command not found\n"};
  Endpoints endpoints{.tls = curl_files(argv)};
  for (const std::string& word : argv)
    if (const std::string option = "--endpoints="; word.starts_with(option)) endpoints.urls.push_back(word.substr(option.size()));
  const std::string& prefix = argv.back();
  const auto members = patroni_->members(host.name, endpoints, prefix.substr(9, prefix.find('/', 9) - 9));
  if (!members) return {.status = 1, .err = "Error: etcdserver: permission denied\n"};
  nlohmann::json answer{{"header", {{"revision", 1}}}};
  for (const auto& [name, address] : *members) answer["kvs"].push_back({{"key", to_base64(prefix + name)}});
  return {.out = answer.dump()};
}

std::optional<Output> BalancerModel::exec(SimulatedHost& host, const std::vector<std::string>& argv, const std::string& input) {
  if (argv[0] == "curl" && argv.back().ends_with("/;csv")) {
    if (!host.packages.contains("curl")) return Output{.status = 127, .err = "curl: command not found\n"};
    if (!serves(host)) return Output{.status = 7, .err = "curl: (7) Failed to connect\n"};
    const bool tls = argv.back().starts_with("https:"), speaks_tls = loaded_[host.name].find(" ssl crt ") != std::string::npos;
    if (const int status = tls ? tls_status(host, curl_files(argv)) : 0; status != 0) return Output{.status = status};
    if (tls != speaks_tls) return Output{.status = tls ? 35 : 52};
    return Output{.out = page(host)};
  }
  if (argv.size() > 4 && argv[2] == shell::in_state) {
    const auto unit = host.units.find(argv[4]);
    if (unit == host.units.end() || !host.active(argv[4])) return Output{};
    const auto since = std::max(static_cast<std::int64_t>(unit->second.state.started), reloaded_[host.name]);
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(fleet_->now().time_since_epoch()).count();
    return Output{.out = std::to_string((now - since) / 1000000) + "\n"};
  }
  if (argv[0] == "haproxy") {
    if (!host.packages.contains("haproxy")) return Output{.status = 127, .err = "haproxy: command not found\n"};
    const std::string why = fault(host, input);
    return Output{.status = why.empty() ? 0 : 1, .err = why};
  }
  if (const GatewayCall call = gateway_call(argv); !call.range_end.empty()) {
    if (!host.packages.contains("curl")) return Output{.status = 1};
    const std::string prefix = from_base64(call.key).value_or("");
    const std::string scope = prefix.substr(9, prefix.find('/', 9) - 9);
    const auto members = patroni_->members(host.name, call.endpoints, scope);
    if (!members) return Output{.status = 1};
    nlohmann::json answer{{"header", {{"revision", "1"}}}};
    for (const auto& [name, address] : *members) answer["kvs"].push_back({{"key", to_base64(prefix + name)}});
    return Output{.out = answer.dump()};
  }
  if (argv[0] == "etcdctl" && argv.back().ends_with("/members/")) return members_by_etcdctl(host, argv);
  static const std::string kv = "/v1/kv/service/";
  const auto at = argv.back().find(kv);
  if ((argv[0] == "curl" || !first_call(argv).empty()) && at != std::string::npos && argv.back().find("/members/?keys") != std::string::npos) {
    const std::string scope = argv.back().substr(at + kv.size(), argv.back().find('/', at + kv.size()) - at - kv.size());
    const auto members = host.active("consul.service") ? patroni_->members(host.name, {{"http://127.0.0.1:8500"}}, scope) : std::nullopt;
    if (!members) return Output{.status = 7, .out = "\n000"};
    nlohmann::json answer = nlohmann::json::array();
    for (const auto& [name, address] : *members) answer.push_back("service/" + scope + "/members/" + name);
    return Output{.out = answer.empty() ? "\n404" : answer.dump() + "\n200"};
  }
  return std::nullopt;
}

bool BalancerModel::holds(const std::string& host, const std::string& vip) {
  const auto able = [&](const std::string& name) {
    const SimulatedHost& one = fleet_->host(name);
    const std::string* config = one.read("/etc/keepalived/keepalived.conf");
    return serves(one) && one.active(keepalived_unit) && config && config->find(" " + vip + "/") != std::string::npos;
  };
  std::string& holder = holder_[vip];
  if (holder.empty() || !able(holder)) {
    holder.clear();
    for (const std::string& name : fleet_->hosts())
      if (holder.empty() && able(name)) holder = name;
  }
  return !holder.empty() && holder == host;
}

std::string BalancerModel::listening(const SimulatedHost& host, const std::string& filter) const {
  const auto config = loaded_.find(host.name);
  if (!serves(host) || config == loaded_.end()) return {};
  std::string out;
  for (auto at = config->second.find("bind :"); at != std::string::npos; at = config->second.find("bind :", at + 1)) {
    const auto from = config->second.find_first_not_of(':', at + 5);
    const std::string port = config->second.substr(from, config->second.find_first_of(" \n", from) - from);
    if ((filter + " ").find(":" + port + " ") != std::string::npos) out += "LISTEN 0 128 *:" + port + " *:* users:((\"haproxy\",pid=1,fd=5))\n";
  }
  const std::string local = after_word(config->second, "bind 127.0.0.2:");
  if (const std::string port = local.substr(0, local.find('\n')); !port.empty() && (filter + " ").find(":" + port + " ") != std::string::npos)
    out += "LISTEN 0 128 127.0.0.2:" + port + " 0.0.0.0:* users:((\"haproxy\",pid=1,fd=6))\n";
  return out;
}

}  // namespace pgcluster
