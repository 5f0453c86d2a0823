#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/step/step.hpp>

namespace pgcluster {

/// All that was answered, and what the plan's Dos so far will have made of it: what a later step of the plan will find.
class Projection {
 public:
  void add(const Ask& ask, Answer answer);
  /// The answers to one step's asks, pending where a Do before may alter them.
  Answers answers(const std::vector<Ask>& asks) const;
  /// Whether a Do before may alter what this Do acts on.
  bool touched(const Do& d) const;
  void project(const Do& d);
  /// A step that is decided later may alter these resources.
  void may_touch(const std::string& host, const std::vector<std::string>& resources);

 private:
  struct Entry {
    Ask ask;
    Answer answer;
  };
  bool pending(const Ask& ask) const;
  void each(const std::string& resource, const std::function<void(Entry&)>& change);

  std::map<std::string, Entry, std::less<>> entries_;                   // by key(ask)
  std::map<std::string, std::vector<std::string>, std::less<>> about_;  // scoped resource -> keys of entries
  std::set<std::string, std::less<>> touched_;                          // scoped resources
  std::set<std::string, std::less<>> installing_;                       // hosts on which packages arrive, and with them files and units
};

}  // namespace pgcluster
