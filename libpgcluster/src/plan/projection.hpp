#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pgcluster/step/step.hpp>

namespace pgcluster {

/// The answers of the hosts, as the Dos of the plan so far will have changed them. Later steps decide on these.
class Projection {
 public:
  void add(AskPtr ask, Answer answer);
  /// The answers to one step's asks; pending if an earlier Do may alter them.
  Answers answers(const std::vector<AskPtr>& asks) const;
  /// The answers as the hosts gave them.
  Answers first(const std::vector<AskPtr>& asks) const;
  bool knows(const Ask& ask) const { return find(ask) != nullptr; }
  /// Whether an earlier Do may alter what this Do acts on.
  bool touched(const Do& d) const;
  void project(const Do& d);
  /// A step that is decided later may alter these resources.
  void may_touch(const std::string& host, const std::vector<std::string>& resources);

 private:
  struct Entry {
    AskPtr ask;
    GivenPtr given, first;
    std::vector<std::string> about;  // scoped resources
  };
  const Entry* find(const Ask& ask) const;
  bool pending(const Entry& entry) const;
  bool pending(const Ask& ask) const;
  static void outdate(Entry& entry, const std::string& path);
  void each(const std::string& resource, const std::function<void(Entry&)>& change);

  std::unordered_multimap<std::size_t, Entry> entries_;            // by hash(ask)
  std::map<std::string, std::vector<Entry*>, std::less<>> about_;  // by scoped resource
  std::set<std::string, std::less<>> touched_;                     // scoped resources
  std::set<std::string, std::less<>> installing_;                  // hosts on which the plan installs packages, and with them unknown files and units
};

}  // namespace pgcluster
