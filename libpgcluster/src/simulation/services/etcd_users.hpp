#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/op/answer.hpp>

namespace pgcluster {

/// The users and roles of an etcd, and whether it lets in nobody else. What it says was recorded from etcd 3.5.16.
struct EtcdUsers {
  struct User {
    std::string password{};  ///< empty: known by the common name of its certificate only
    std::set<std::string> roles{};
  };
  struct Role {
    std::set<std::string> reads{}, writes{};  ///< prefixes of keys
  };
  bool enabled = false;
  std::map<std::string, User> users{};
  std::map<std::string, Role> roles{};

  bool lets_in(const std::string& user, const std::string& password) const;
  bool may(const std::string& user, const std::string& key, bool write) const;
  /// A command of etcdctl about users and roles: {"user", "add", NAME, …}. `as`: the common name of its certificate.
  Output command(const std::string& as, const std::vector<std::string>& words, const std::string& password = {});
  /// As make_users.sh does: CLUSTER, READER, USER; it makes the users, or lets in nobody else.
  Output make(const std::string& as, const std::string& cluster, const std::string& reader, const std::string& user, const std::string& password,
              bool auth);

 private:
  Output user_command(const std::vector<std::string>& words, const std::string& password);
  Output role_command(const std::vector<std::string>& words);
  Output auth_command(const std::string& what);
};

}  // namespace pgcluster
