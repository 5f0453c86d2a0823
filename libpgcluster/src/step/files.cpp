#include <algorithm>

#include "step/made.hpp"

namespace pgcluster {
namespace {

// A step made of functions. All ready-made steps are of this class.
class MadeStep final : public Step {
 public:
  MadeStep(std::string name, StepParts parts, Bringers brought_by)
      : name_(std::move(name)), parts_(std::move(parts)), brought_by_(std::move(brought_by)) {}
  std::string name() const override { return name_; }
  std::vector<Ask> asks() const override {
    std::vector<Ask> all = parts_.asks;
    if (parts_.common) all.insert(all.end(), parts_.common->begin(), parts_.common->end());
    return all;
  }
  Decision decide(const Answers& answers) const override { return parts_.decide(answers); }
  std::chrono::seconds settle() const override { return parts_.settle; }
  std::vector<std::string> keeps() const override { return parts_.keeps; }
  std::vector<Ask> evidence() const override { return parts_.evidence; }
  Bringers brought_by() const override { return brought_by_; }

 private:
  std::string name_;
  StepParts parts_;
  Bringers brought_by_;
};

Refused unreadable(const std::string& what, const Answer& answer) {
  const auto* why = std::get_if<Unreadable>(&answer);
  return {{.message = "cannot read " + what + (why ? ": " + why->why : ""), .hint = "inspect it on the host, then plan again"}, Code::command_failed};
}

Refused fixed(const std::string& path) {
  return {{.message = path + " cannot be written, not even by root: it is immutable, or its file system is read-only",
           .hint = "on the host: chattr -i " + path + ", or mount its file system read-write"}};
}

Answer without_content(File found) {
  found.content.clear();
  return found;
}

struct Block {
  std::string begin, end;
  explicit Block(const std::string& marker) : begin("# BEGIN pgcluster " + marker + "\n"), end("# END pgcluster " + marker + "\n") {}
  std::string with(const std::string& content) const { return begin + content + end; }
  // The text of the file with the block replaced or appended; an empty content removes the block.
  std::string put(const std::string& file, const std::string& content) const {
    const std::string block = content.empty() ? "" : with(content);
    const auto from = file.find(begin);
    if (from != std::string::npos)
      if (const auto to = file.find(end, from); to != std::string::npos) return file.substr(0, from) + block + file.substr(to + end.size());
    return file + (file.empty() || file.back() == '\n' || block.empty() ? "" : "\n") + block;
  }
};

}  // namespace

StepPtr make_step(std::string name, StepParts parts) { return std::make_shared<MadeStep>(std::move(name), std::move(parts), Bringers{}); }

StepPtr waiting_step(std::string name, StepParts parts, Bringers brought_by) {
  return std::make_shared<MadeStep>(std::move(name), std::move(parts), std::move(brought_by));
}

StepPtr gate(std::string name, GateWish wish) {
  StepParts parts{std::move(wish.asks), std::move(wish.decide), wish.settle, {}, std::move(wish.evidence), std::move(wish.common)};
  return waiting_step(std::move(name), std::move(parts), std::move(wish.brought_by));
}

StepPtr file(std::string name, std::string host, WriteFile wish) {
  const Ask ask{host, FileOf{wish.path}};
  auto decide = [host, ask, wish](const Answers& answers) -> Decision {
    const Answer& answer = answers[ask];
    Change change{.todo = {Do{.at = host, .what = wish}}};
    if (std::holds_alternative<Absent>(answer)) {
      change.action = Action::create;
      change.todo[0].was = Absent{};
      change.diff = unified_diff(wish.path, "", wish.content);
      change.reason = "the file is not there";
      return change;
    }
    const auto* found = std::get_if<File>(&answer);
    if (!found) return unreadable(wish.path, answer);
    if (found->kind != File::Kind::regular)
      return Refused{{.message = wish.path + " is not a regular file", .hint = "move it away: pgcluster writes a file at this path"}};
    const bool same = found->content == wish.content.reveal();
    if (same && found->mode == wish.mode && found->owner == wish.owner && found->group == wish.group) return Done{};
    if (found->fixed) return fixed(wish.path);
    change.action = Action::update;
    change.todo[0].was = without_content(*found);
    change.diff = unified_diff(wish.path, found->content, wish.content);
    change.reason = same ? "owner or mode differ" : "the file differs";
    return change;
  };
  return make_step(std::move(name), {.asks = {ask}, .decide = decide, .keeps = {"file:" + wish.path}});
}

StepPtr block(std::string name, std::string host, WriteBlock wish) {
  const Ask ask{host, FileOf{wish.path}};
  auto decide = [host, ask, wish](const Answers& answers) -> Decision {
    const Answer& answer = answers[ask];
    const auto* found = std::get_if<File>(&answer);
    if (!found && !std::holds_alternative<Absent>(answer)) return unreadable(wish.path, answer);
    const std::string before = found ? found->content : "";
    const std::string after = Block(wish.marker).put(before, wish.content);
    if (before == after) return Done{};
    if (found && found->fixed) return fixed(wish.path);
    return Change{.todo = {Do{.at = host, .what = wish}},
                  .action = before.find(Block(wish.marker).begin) == std::string::npos ? Action::create : Action::update,
                  .diff = unified_diff(wish.path, before, after),
                  .reason = "our block in the file differs"};
  };
  return make_step(std::move(name), {.asks = {ask}, .decide = decide, .keeps = {"block:" + wish.path + "#" + wish.marker}});
}

StepPtr packages(std::string name, std::string host, std::vector<std::string> packages, std::vector<std::string> mask) {
  std::vector<Ask> asks;
  std::vector<std::string> keeps;
  for (const std::string& package : packages) {
    asks.push_back({host, PackageOf{package}});
    keeps.push_back("package:" + package);
  }
  auto decide = [host, asks, packages, mask](const Answers& answers) -> Decision {
    Install install{.packages = {}, .mask = mask};
    for (std::size_t i = 0; i < asks.size(); ++i) {
      const Answer& answer = answers[asks[i]];
      if (std::holds_alternative<Absent>(answer))
        install.packages.push_back(packages[i]);
      else if (!std::holds_alternative<Package>(answer))
        return unreadable("the state of package " + packages[i], answer);
    }
    if (install.packages.empty()) return Done{};
    std::string reason = "not installed:";
    for (const std::string& package : install.packages) reason += " " + package;
    return Change{.todo = {Do{.at = host, .what = std::move(install), .was = Absent{}, .limit = std::chrono::minutes(15)}},
                  .action = Action::create,
                  .reason = std::move(reason)};
  };
  return make_step(std::move(name), {.asks = asks, .decide = decide, .keeps = keeps});
}

StepPtr absent(std::string name, std::string host, std::string resource, Impact package_impact) {
  const auto colon = resource.find(':');
  const std::string kind = resource.substr(0, colon);
  const std::string what = colon == std::string::npos ? "" : resource.substr(colon + 1);
  Ask ask{host, FileOf{what, false}};
  Remove remove{Remove::Kind::file, what};
  Impact impact = Impact::none;
  auto gone = [](const Answer& answer) { return std::holds_alternative<Absent>(answer); };
  std::function<bool(const Answer&)> holds = gone;
  if (kind == "tree") {
    remove.kind = Remove::Kind::tree;
    impact = Impact::data;
  } else if (kind == "unit") {
    ask.what = UnitOf{what};
    remove.kind = Remove::Kind::unit;
    impact = Impact::outage;
    holds = [gone](const Answer& answer) {
      const auto* unit = std::get_if<Unit>(&answer);
      return gone(answer) || (unit && !unit->enabled && (unit->active == "inactive" || unit->active == "failed"));
    };
  } else if (kind == "package") {
    ask.what = PackageOf{what};
    remove.kind = Remove::Kind::package;
    impact = package_impact;
  } else if (kind == "block") {
    const auto hash = what.rfind('#');
    const std::string path = what.substr(0, hash);
    const std::string marker = hash == std::string::npos ? "" : what.substr(hash + 1);
    ask.what = FileOf{path};
    remove = {Remove::Kind::block, path, marker};
    holds = [gone, marker](const Answer& answer) {
      const auto* found = std::get_if<File>(&answer);
      return gone(answer) || (found && found->content.find(Block(marker).begin) == std::string::npos);
    };
  } else if (kind != "file") {
    throw Error(Code::internal, "there is no way to remove " + resource);
  }
  auto decide = [host, ask, remove, impact, holds, resource, kind](const Answers& answers) -> Decision {
    const Answer& answer = answers[ask];
    if (std::holds_alternative<Unreadable>(answer)) return unreadable(resource, answer);
    if (holds(answer)) return Done{};
    if (const auto* found = std::get_if<File>(&answer); found && found->fixed && kind != "tree") return fixed(std::get<FileOf>(ask.what).path);
    Change change{.todo = {Do{.at = host, .what = remove, .limit = std::chrono::minutes(5)}},
                  .action = Action::remove,
                  .impact = impact,
                  .reason = "ours, and no longer described"};
    if (const auto* found = std::get_if<File>(&answer); found && kind == "file") change.todo[0].was = without_content(*found);
    return change;
  };
  return make_step(std::move(name), {.asks = {ask}, .decide = decide, .settle = std::chrono::seconds(30), .keeps = {resource}});
}

}  // namespace pgcluster
