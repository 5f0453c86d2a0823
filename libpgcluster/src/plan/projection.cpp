#include "plan/projection.hpp"

#include <algorithm>
#include <array>

namespace pgcluster {
namespace {

// The key of a resource within the plan. It begins with the name of the host, except for resources of the whole cluster such as "dcs:config".
std::string scoped(const std::string& host, std::string_view resource) {
  static constexpr std::array own{"file:", "block:", "package:", "unit:", "account:", "tree:"};
  for (const std::string_view prefix : own)
    if (resource.starts_with(prefix)) return host + "|" + std::string(resource);
  return std::string(resource);
}

std::vector<std::string> all_resources(const Ask& ask) {
  std::vector<std::string> found = resources(ask);
  if (const auto* unit = std::get_if<UnitOf>(&ask.what)) {
    for (const std::string& path : unit->start_files) found.push_back("file:" + path);
    for (const std::string& path : unit->load_files) found.push_back("file:" + path);
  }
  return found;
}

GivenPtr given(Answer answer) { return std::make_shared<const Given>(Given{std::move(answer)}); }

bool lists(const std::vector<std::string>& files, const std::string& path) {
  for (const std::string& one : files)
    if (one == path) return true;
  return false;
}

}  // namespace

void Projection::add(AskPtr ask, Answer answer) {
  if (find(*ask)) return;
  std::vector<std::string> about;
  for (const std::string& resource : all_resources(*ask)) about.push_back(scoped(ask->at, resource));
  const std::size_t at = hash(*ask);
  const GivenPtr is = given(std::move(answer));
  Entry& entry = entries_.emplace(at, Entry{std::move(ask), is, is, std::move(about)})->second;
  for (const std::string& resource : entry.about) about_[resource].push_back(&entry);
}

const Projection::Entry* Projection::find(const Ask& ask) const {
  const auto [begin, end] = entries_.equal_range(hash(ask));
  const auto it = std::find_if(begin, end, [&](const auto& one) { return one.second.ask.get() == &ask || *one.second.ask == ask; });
  return it == end ? nullptr : &it->second;
}

bool Projection::pending(const Entry& entry) const {
  if (!touched_.empty())
    for (const std::string& resource : entry.about)
      if (touched_.contains(resource)) return true;
  // The content of a package is unknown: a file or unit that is absent now may exist once it is installed.
  return installing_.contains(entry.ask->at) && std::holds_alternative<Absent>(entry.given->answer) &&
         !std::holds_alternative<PackageOf>(entry.ask->what);
}

// Whether an earlier Do may change what this Do checks just before it acts.
bool Projection::pending(const Ask& ask) const {
  if (const Entry* entry = find(ask)) return pending(*entry);
  for (const std::string& resource : all_resources(ask))
    if (touched_.contains(scoped(ask.at, resource))) return true;
  return false;
}

Answers Projection::answers(const std::vector<AskPtr>& asks) const {
  Answers found;
  for (const AskPtr& ask : asks)
    if (const Entry* entry = find(*ask)) found.set(ask, entry->given, pending(*entry));
  return found;
}

Answers Projection::first(const std::vector<AskPtr>& asks) const {
  Answers found;
  for (const AskPtr& ask : asks)
    if (const Entry* entry = find(*ask)) found.set(ask, entry->first);
  return found;
}

bool Projection::touched(const Do& d) const {
  for (const std::string& resource : resources(d))
    if (touched_.contains(scoped(d.at, resource))) return true;
  if (const auto* run = std::get_if<Run>(&d.what); run && run->look) return pending(Ask{d.at, *run->look});
  const auto* was_absent = d.was ? std::get_if<Absent>(&*d.was) : nullptr;
  return was_absent && installing_.contains(d.at) && !std::holds_alternative<Install>(d.what);
}

void Projection::each(const std::string& resource, const std::function<void(Entry&)>& change) {
  if (const auto it = about_.find(resource); it != about_.end())
    for (Entry* entry : it->second) change(*entry);
}

// A unit that reads the file runs on an older one from now on.
void Projection::outdate(Entry& entry, const std::string& path) {
  const auto* asked = std::get_if<UnitOf>(&entry.ask->what);
  const auto* found = std::get_if<Unit>(&entry.given->answer);
  if (!asked || !found) return;
  Unit unit = *found;
  if (lists(asked->start_files, path)) unit.start_files_current = false;
  if (lists(asked->load_files, path)) unit.load_files_current = false;
  entry.given = given(std::move(unit));
}

void Projection::project(const Do& d) {
  for (const std::string& resource : resources(d)) touched_.insert(scoped(d.at, resource));
  const auto file_changes = [&](const std::string& path, const Answer& now) {
    touched_.insert(scoped(d.at, "file:" + path));
    each(scoped(d.at, "file:" + path), [&](Entry& entry) {
      if (std::holds_alternative<FileOf>(entry.ask->what)) entry.given = given(now);
      outdate(entry, path);
    });
  };
  const auto unit_changes = [&](const std::string& name, const std::function<void(Unit&)>& change) {
    each(scoped(d.at, "unit:" + name), [&](Entry& entry) {
      if (!std::holds_alternative<UnitOf>(entry.ask->what)) return;
      Unit unit;
      if (const auto* found = std::get_if<Unit>(&entry.given->answer)) unit = *found;
      change(unit);
      entry.given = given(std::move(unit));
    });
  };

  if (const auto* write = std::get_if<WriteFile>(&d.what)) {
    file_changes(write->path, File{.content = write->content.reveal(), .mode = write->mode, .owner = write->owner, .group = write->group});
  } else if (const auto* block = std::get_if<WriteBlock>(&d.what)) {
    file_changes(block->path, Unreadable{"its block is about to be written"});
  } else if (const auto* upload = std::get_if<Upload>(&d.what)) {
    file_changes(upload->path, File{.sha256 = upload->sha256, .mode = upload->mode});
  } else if (std::holds_alternative<Install>(d.what)) {
    // Several steps may install the same package, and the first one that is reached does. So no step may rely on the install of another.
    installing_.insert(d.at);
  } else if (const auto* set = std::get_if<SetUnit>(&d.what)) {
    unit_changes(set->name, [&](Unit& unit) {
      if (set->enabled) unit.enabled = *set->enabled;
      if (set->go == SetUnit::Go::stop) unit.active = "inactive";
      if (set->go == SetUnit::Go::start || set->go == SetUnit::Go::restart) {
        unit.active = "active";
        unit.masked = false;
        unit.start_files_current = unit.load_files_current = true;
      }
      if (set->go == SetUnit::Go::reload) unit.load_files_current = true;
    });
  } else if (const auto* run = std::get_if<Run>(&d.what)) {
    may_touch(d.at, run->touches);
  } else if (const auto* remove = std::get_if<Remove>(&d.what)) {
    if (remove->kind == Remove::Kind::file) file_changes(remove->name, Absent{});
    if (remove->kind == Remove::Kind::unit) unit_changes(remove->name, [](Unit& unit) { unit.active = "inactive", unit.enabled = false; });
    if (remove->kind == Remove::Kind::package)
      each(scoped(d.at, "package:" + remove->name), [](Entry& entry) {
        if (std::holds_alternative<PackageOf>(entry.ask->what)) entry.given = given(Absent{});
      });
  }
}

void Projection::may_touch(const std::string& host, const std::vector<std::string>& names) {
  for (const std::string& resource : names) {
    touched_.insert(scoped(host, resource));
    // The plan promises the most that may follow: that what reads the file is restarted, or reloaded.
    if (resource.starts_with("file:")) each(scoped(host, resource), [&](Entry& entry) { outdate(entry, resource.substr(5)); });
  }
}

}  // namespace pgcluster
