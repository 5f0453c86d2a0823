#include <pgcluster/op/change.hpp>

#include "op/ask.hpp"
#include "op/overloaded.hpp"

namespace pgcluster {
namespace {

std::string without_version(const std::string& package) { return package.substr(0, package.find('=')); }

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += " " + word;
  return text;
}

}  // namespace

std::vector<std::string> resources(const Do& d) {
  using List = std::vector<std::string>;
  return std::visit(Overloaded{
                        [](const WriteFile& write) { return List{"file:" + write.path}; },
                        [](const WriteBlock& write) { return List{"block:" + write.path + "#" + write.marker}; },
                        [](const Upload& upload) { return List{"file:" + upload.path}; },
                        [](const Install& install) {
                          List list;
                          for (const std::string& package : install.packages) list.push_back("package:" + without_version(package));
                          return list;
                        },
                        [](const SetUnit& set) { return List{"unit:" + set.name}; },
                        [](const SetAccount& set) { return List{"account:" + set.name}; },
                        [](const Run& run) { return run.touches; },
                        [](const Send& send) { return send.request.about; },
                        [](const Remove& remove) {
                          switch (remove.kind) {
                            case Remove::Kind::file:
                              return List{"file:" + remove.name};
                            case Remove::Kind::tree:
                              return List{"tree:" + remove.name};
                            case Remove::Kind::block:
                              return List{"block:" + remove.name + "#" + remove.marker};
                            case Remove::Kind::package:
                              return List{"package:" + remove.name};
                            case Remove::Kind::unit:
                              return List{"unit:" + remove.name};
                          }
                          return List{};
                        },
                    },
                    d.what);
}

std::string describe(const Do& d) {
  return std::visit(Overloaded{
                        [](const WriteFile& write) { return "write " + write.path; },
                        [](const WriteBlock& write) { return "write block " + write.marker + " in " + write.path; },
                        [](const Upload& upload) { return "upload " + upload.source + " to " + upload.path; },
                        [](const Install& install) { return "apt install" + listed(install.packages); },
                        [](const SetUnit& set) {
                          std::string text;
                          if (set.enabled) text = *set.enabled ? "enable" : "disable";
                          const char* go = "";
                          switch (set.go) {
                            case SetUnit::Go::nothing:
                              break;
                            case SetUnit::Go::start:
                              go = "start";
                              break;
                            case SetUnit::Go::stop:
                              go = "stop";
                              break;
                            case SetUnit::Go::restart:
                              go = "restart";
                              break;
                            case SetUnit::Go::reload:
                              go = "reload";
                              break;
                          }
                          if (*go != '\0') text = go;  // the action implies that it is enabled
                          return (text.empty() ? "look at" : text) + " " + set.name;
                        },
                        [](const SetAccount& set) { return "account " + set.name; },
                        [](const Run& run) { return run.name.empty() ? "run " + shown(run.argv) : run.name; },
                        [](const Send& send) { return send.request.method + " " + send.request.url; },
                        [](const Remove& remove) {
                          switch (remove.kind) {
                            case Remove::Kind::file:
                              return "remove " + remove.name;
                            case Remove::Kind::tree:
                              return "remove " + remove.name + " and all in it";
                            case Remove::Kind::block:
                              return "remove block " + remove.marker + " from " + remove.name;
                            case Remove::Kind::package:
                              return "apt purge " + remove.name;
                            case Remove::Kind::unit:
                              return "stop and disable " + remove.name;
                          }
                          return std::string();
                        },
                    },
                    d.what);
}

bool is_slow(const Do& d) {
  if (const auto* run = std::get_if<Run>(&d.what)) return run->slow;
  if (const auto* remove = std::get_if<Remove>(&d.what)) return remove->kind == Remove::Kind::package;
  return std::holds_alternative<Install>(d.what) || std::holds_alternative<Upload>(d.what);
}

}  // namespace pgcluster
