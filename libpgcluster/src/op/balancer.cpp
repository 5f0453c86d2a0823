#include "op/balancer.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/strings.hpp"

namespace pgcluster {
namespace {

constexpr const char* checked_mark = "?checked";

std::string url(const Balancer& wish) { return "load-balancers/" + wish.name; }
std::string resource(const std::string& at, const Balancer& wish) { return at + ":" + wish.name; }

}  // namespace

std::string text(const Balancer& b, bool found) {
  std::string out;
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) out += std::string(key) + ": " + value + "\n";
  };
  const auto number = [&](const char* key, int value) {
    if (value != 0) add(key, std::to_string(value));
  };
  add("name", b.name);
  add("cluster", b.owner);
  add("size", b.size);
  add("network", b.network);
  add("public", b.is_public ? "true" : "false");
  std::vector<std::string> allowed = b.allowed;
  std::sort(allowed.begin(), allowed.end());
  for (const std::string& one : allowed) add("allowed", one);
  number("port", b.port);
  number("target_port", b.target_port);
  add("check.path", b.path);
  if (b.check_tls) add("check.tls", "true");
  number("check.port", b.check_port);
  number("check.interval", b.interval);
  number("check.timeout", b.timeout);
  number("check.down_after", b.down);
  number("check.up_after", b.up);
  add("sessions", b.sessions);
  std::vector<BalancerTarget> targets = b.targets;
  std::sort(targets.begin(), targets.end(), [](const auto& one, const auto& other) { return one.name < other.name; });
  for (const BalancerTarget& target : targets) {
    std::string line = target.name;
    if (!target.address.empty()) line += " " + target.address;
    if (!target.id.empty()) line += " id=" + target.id;
    add("target", line);
  }
  add("other", b.other);
  if (found) add("address", b.address);
  return out;
}

Balancer read_balancer(const std::string& text) {
  Balancer b;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, colon), value = line.substr(colon + 2);
    const auto number = [&] { return std::atoi(value.c_str()); };
    if (key == "name") b.name = value;
    if (key == "cluster") b.owner = value;
    if (key == "size") b.size = value;
    if (key == "network") b.network = value;
    if (key == "public") b.is_public = value == "true";
    if (key == "allowed") b.allowed.push_back(value);
    if (key == "port") b.port = number();
    if (key == "target_port") b.target_port = number();
    if (key == "check.path") b.path = value;
    if (key == "check.tls") b.check_tls = value == "true";
    if (key == "check.port") b.check_port = number();
    if (key == "check.interval") b.interval = number();
    if (key == "check.timeout") b.timeout = number();
    if (key == "check.down_after") b.down = number();
    if (key == "check.up_after") b.up = number();
    if (key == "sessions") b.sessions = value;
    if (key == "other") b.other = value;
    if (key == "address") b.address = value;
    if (key != "target") continue;
    BalancerTarget target;
    for (const std::string& word : strings::split(value, " ")) {
      if (target.name.empty())
        target.name = word;
      else if (word.starts_with("id="))
        target.id = word.substr(3);
      else
        target.address = word;
    }
    b.targets.push_back(std::move(target));
  }
  return b;
}

Ask balancer_ask(const std::string& at, const Balancer& wish, bool checked) {
  return {at, Http{.method = "GET", .url = url(wish) + (checked ? checked_mark : ""), .body = text(wish), .about = {resource(at, wish)}}};
}

bool is_checked(const Http& ask) { return ask.url.ends_with(checked_mark); }

namespace {
// A vendor may need minutes to create one.
Do sent(const std::string& at, const char* method, const Balancer& wish, const Answer& was) {
  return {.at = at,
          .what = Send{{.method = method, .url = url(wish), .body = text(wish), .about = {resource(at, wish)}}},
          .was = was,
          .limit = std::chrono::minutes(10)};
}
}  // namespace

Do balancer_change(const std::string& at, const Balancer& wish, const Answer& was) { return sent(at, "PUT", wish, was); }
Do balancer_removal(const std::string& at, const Balancer& wish, const Answer& was) { return sent(at, "DELETE", wish, was); }

}  // namespace pgcluster
