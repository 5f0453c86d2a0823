#include "simulation/services/etcd_users.hpp"

#include <algorithm>

namespace pgcluster {
namespace {

Output refused(const std::string& why) { return {.status = 1, .err = "Error: etcdserver: " + why + "\n"}; }

bool among(const std::set<std::string>& prefixes, const std::string& key) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) { return key.starts_with(prefix); });
}

}  // namespace

bool EtcdUsers::lets_in(const std::string& user, const std::string& password) const {
  const auto it = users.find(user);
  return it != users.end() && !it->second.password.empty() && it->second.password == password;
}

bool EtcdUsers::may(const std::string& user, const std::string& key, bool write) const {
  if (!enabled) return true;
  const auto it = users.find(user);
  if (it == users.end()) return false;
  return std::any_of(it->second.roles.begin(), it->second.roles.end(), [&](const std::string& name) {
    if (name == "root") return true;
    const auto role = roles.find(name);
    return role != roles.end() && among(write ? role->second.writes : role->second.reads, key);
  });
}

Output EtcdUsers::command(const std::string& as, const std::vector<std::string>& words, const std::string& password) {
  if (words.size() < 2) return refused("unknown command");
  const auto user = users.find(as);
  if (enabled && (user == users.end() || !user->second.roles.contains("root"))) return refused("permission denied");
  if (words[0] == "user") return user_command(words, password);
  if (words[0] == "role") return role_command(words);
  return auth_command(words[1]);
}

Output EtcdUsers::user_command(const std::vector<std::string>& words, const std::string& password) {
  if (words[1] == "list") {
    std::string out;
    for (const auto& [name, user] : users) out += name + "\n";
    return {.out = out};
  }
  if (words.size() < 3) return refused("user name is empty");
  const std::string& name = words[2];
  const bool known = users.contains(name);
  if (words[1] == "add") {
    if (known) return refused("user name already exists");
    users[name] = {.password = password};
    return {.out = "User " + name + " created\n"};
  }
  if (!known) return refused("user name not found");
  if (words[1] == "delete") users.erase(name);
  if (words[1] == "passwd") users[name].password = password;
  if (words[1] == "grant-role" && words.size() > 3) {
    if (words[3] != "root" && !roles.contains(words[3])) return refused("role name not found");
    users[name].roles.insert(words[3]);
  }
  return {};
}

Output EtcdUsers::role_command(const std::vector<std::string>& words) {
  const std::string& name = words.at(2);
  if (words[1] == "add") {
    if (roles.contains(name)) return refused("role name already exists");
    roles[name] = {};
  } else if (words[1] == "grant-permission" && words.size() > 4) {
    if (!roles.contains(name)) return refused("role name not found");
    roles[name].reads.insert(words[4]);
    if (words[3] == "readwrite") roles[name].writes.insert(words[4]);
  }
  return {};
}

Output EtcdUsers::auth_command(const std::string& what) {
  if (what == "enable") {
    const auto root = users.find("root");
    if (root == users.end()) return refused("root user does not exist");
    if (!root->second.roles.contains("root")) return refused("root user does not have root role");
  }
  enabled = what == "enable";
  return {.out = enabled ? "Authentication Enabled\n" : "Authentication Disabled\n"};
}

Output EtcdUsers::make(const std::string& as, const std::string& cluster, const std::string& reader, const std::string& user,
                       const std::string& password, bool auth) {
  const std::string prefix = "/service/" + cluster + "/", role = "patroni@" + cluster, making = "making@" + cluster;
  std::vector<std::vector<std::string>> commands{{"user", "add", "root"},
                                                 {"user", "grant-role", "root", "root"},
                                                 {"user", "add", making},
                                                 {"role", "add", reader},
                                                 {"role", "grant-permission", reader, "read", prefix},
                                                 {"user", "add", reader},
                                                 {"user", "grant-role", reader, reader},
                                                 {"role", "add", role},
                                                 {"role", "grant-permission", role, "readwrite", prefix},
                                                 {"user", "add", user},
                                                 {"user", "passwd", user},
                                                 {"user", "grant-role", user, role},
                                                 {"user", "delete", making}};
  if (auth) commands = {{"user", "passwd", user}, {"auth", "enable"}};
  for (const auto& words : commands) {
    const Output done = command(as, words, words.size() > 2 && words[2] == user ? password : std::string());
    if (done.status != 0 && done.err.find("already exists") == std::string::npos) return done;
  }
  return {};
}

}  // namespace pgcluster
