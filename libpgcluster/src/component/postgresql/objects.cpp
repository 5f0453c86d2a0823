#include "component/postgresql/objects.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "base/json.hpp"
#include "component/postgresql/contents.hpp"
#include "component/postgresql/sql.hpp"
#include "component/postgresql/sql_step.hpp"
#include "op/answer_json.hpp"
#include "spec/privileges.hpp"

namespace pgcluster {

using Json = nlohmann::json;

static void add_privileges(const Spec& spec, ObjectState state, Objects& all) {
  for (const PrivilegeSpec& one : spec.postgresql_privs) {
    if (one.state != state) continue;
    for (const std::string& object : privileges::objects(one))
      for (const std::string& maker : privileges::makers(spec, one))
        for (const std::string& word : privileges::words(one, object, spec.postgresql_version))
          all.privileges[{one.db, privileges::role(one), std::string(to_string(one.type)), privileges::schema(one), object, maker}].insert(word);
  }
}

namespace {

Objects objects_in(const Spec& spec, ObjectState state) {
  Objects all;
  for (const UserSpec& user : spec.postgresql_users) {
    if (user.state != state) continue;
    all.roles.insert(user.name);
    if (state == ObjectState::present)
      for (const std::string& group : user.member_of) all.memberships.emplace(user.name, group);
  }
  for (const DatabaseSpec& database : spec.postgresql_databases)
    if (database.state == state) all.databases.insert(database.db);
  for (const SchemaSpec& schema : spec.postgresql_schemas)
    if (schema.state == state) all.schemas.emplace(schema.db, schema.schema);
  for (const ExtensionSpec& extension : spec.postgresql_extensions)
    if (extension.state == state) all.extensions.emplace(extension.db, extension.ext);
  add_privileges(spec, state, all);
  return all;
}

}  // namespace

Objects described_objects(const Spec& spec) { return objects_in(spec, ObjectState::present); }
Objects dropped_objects(const Spec& spec) { return objects_in(spec, ObjectState::absent); }

Objects left_privileges(const ClusterView& view) {
  const Objects described = described_objects(view.spec), dropped = dropped_objects(view.spec), before = remembered_objects(view.facts);
  const auto stays = [](const std::set<std::string>& once, const std::set<std::string>& now, const std::set<std::string>& gone,
                        const std::string& name) { return once.contains(name) && !now.contains(name) && !gone.contains(name); };
  Objects left;
  for (const auto& [grant, words] : before.privileges) {
    if (dropped.databases.contains(grant.db)) continue;
    // What left the spec as a whole stays as it is.
    if (stays(before.databases, described.databases, dropped.databases, grant.db) || stays(before.roles, described.roles, dropped.roles, grant.role))
      continue;
    Objects::Grant whole = grant;
    whole.object = privileges::all_in_schema;
    for (const std::string& word : words) {
      const auto has = [&](const Objects& some, const Objects::Grant& one) {
        const auto found = some.privileges.find(one);
        return found != some.privileges.end() && found->second.contains(word);
      };
      if (!has(described, grant) && !has(described, whole) && !has(dropped, grant)) left.privileges[grant].insert(word);
    }
  }
  return left;
}

Objects remembered_objects(const std::map<std::string, Facts>& facts) {
  Objects all;
  for (const auto& [host, fact] : facts) {
    std::istringstream lines(fact.objects);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("role ")) all.roles.insert(line.substr(5));
      if (line.starts_with("database ")) all.databases.insert(line.substr(9));
      if (line.starts_with("privilege "))
        if (const Json parts = json_read::parse(line.substr(10)); parts.is_array() && parts.size() == 7 && parts[6].is_array()) {
          const auto part = [&](std::size_t n) { return json_read::plain(parts[n]); };
          for (const Json& privilege : parts[6])
            all.privileges[{part(0), part(1), part(2), part(3), part(4), part(5)}].insert(json_read::plain(privilege));
        }
      for (const auto& [word, pairs] : {std::pair{"membership ", &all.memberships}, {"schema ", &all.schemas}, {"extension ", &all.extensions}})
        if (line.starts_with(word))
          if (const Json names = json_read::parse(line.substr(std::strlen(word))); names.is_array() && names.size() == 2)
            pairs->emplace(json_read::plain(names[0]), json_read::plain(names[1]));
    }
  }
  return all;
}

std::string objects_file(const Objects& objects) {
  std::string text = "# Roles and databases that the spec describes, or that left it and are still there.\n";
  for (const std::string& name : objects.roles) text += "role " + name + "\n";
  for (const std::string& name : objects.databases) text += "database " + name + "\n";
  for (const auto& [word, pairs] :
       {std::pair{"membership ", &objects.memberships}, {"schema ", &objects.schemas}, {"extension ", &objects.extensions}})
    for (const auto& [first, second] : *pairs) text += word + Json::array({first, second}).dump() + "\n";
  for (const auto& [grant, words] : objects.privileges)
    text += "privilege " + Json::array({grant.db, grant.role, grant.type, grant.schema, grant.object, grant.maker, words}).dump() + "\n";
  return text;
}

StepPtr objects_step(const View& view, const TopologyHost& host) {
  const std::string path = "/var/lib/pgcluster/objects";
  const StepRef name{host.name, "patroni", "objects"};
  const Objects described = described_objects(view->spec), dropped = dropped_objects(view->spec);
  Objects remembered = remembered_objects(view->facts);
  // The steps before this one drop these objects and memberships, so the same plan forgets them.
  for (const std::string& role : dropped.roles) remembered.roles.erase(role);
  for (const std::string& database : dropped.databases) remembered.databases.erase(database);
  std::erase_if(remembered.memberships, [&](const Objects::Membership& one) {
    return dropped.roles.contains(one.first) || dropped.roles.contains(one.second) ||
           (described.roles.contains(one.first) && !described.memberships.contains(one));
  });
  for (const auto all : {&Objects::schemas, &Objects::extensions})
    std::erase_if(remembered.*all, [&](const Objects::Inside& one) { return (dropped.*all).contains(one) || dropped.databases.contains(one.first); });
  // Privileges of what left the spec as a whole are kept in mind with it; all others are revoked by a step before this one.
  const Objects revoked = left_privileges(*view);
  std::erase_if(remembered.privileges, [&](const auto& one) {
    return described.privileges.contains(one.first) || dropped.databases.contains(one.first.db) || dropped.privileges.contains(one.first) ||
           revoked.privileges.contains(one.first) || (!remembered.roles.contains(one.first.role) && !remembered.databases.contains(one.first.db)) ||
           (described.roles.contains(one.first.role) && described.databases.contains(one.first.db));
  });
  const auto within = [](const auto& all, const auto& some) { return std::includes(all.begin(), all.end(), some.begin(), some.end()); };
  if (within(described.roles, remembered.roles) && within(described.databases, remembered.databases) &&
      within(described.memberships, remembered.memberships) && within(described.schemas, remembered.schemas) &&
      within(described.extensions, remembered.extensions) && remembered.privileges.empty())
    return file(name, host.name, WriteFile{.path = path, .content = objects_file(described)});
  // Some have left the spec: they are remembered as long as they are there.
  const Ask ask{host.name, FileOf{path}};
  auto decide = [=, host = host.name](const Answers& answers) -> Decision {
    const TopologyHost* server_host = writable_host(*view, answers);
    if (!server_host) return nobody_writes(*view, answers, Action::update);
    const Server& server = answers.read(server_ask(*view, *server_host), read_server);
    Objects wish = described;
    for (const std::string& role : remembered.roles)
      if (server.roles.contains(role)) wish.roles.insert(role);
    for (const std::string& database : remembered.databases)
      if (server.databases.contains(database)) wish.databases.insert(database);
    for (const auto& [role, group] : remembered.memberships)
      if (const auto found = server.roles.find(role); found != server.roles.end() && found->second.member_of.contains(group))
        wish.memberships.emplace(role, group);
    for (const auto& [grant, words] : remembered.privileges)
      if (server.databases.contains(grant.db) && server.roles.contains(grant.role)) wish.privileges[grant] = words;
    if (const Contents* contents = has_contents(*view) ? &answers.read(contents_ask(*view, *server_host), read_contents) : nullptr)
      for (const auto all : {&Objects::schemas, &Objects::extensions})
        for (const Objects::Inside& one : remembered.*all) {
          const auto database = contents->databases.find(one.first);
          const bool unknown = database == contents->databases.end() && server.databases.contains(one.first);
          const bool is_there =
              database != contents->databases.end() &&
              (all == &Objects::schemas ? database->second.schemas.contains(one.second) : database->second.extensions.contains(one.second));
          if (unknown || is_there) (wish.*all).insert(one);
        }
    const File* found = answers.get<File>(ask);
    if (!found && !std::holds_alternative<Absent>(answers[ask])) return Later{path + " of " + host + " can be read", Impact::none, Action::update};
    const std::string now = found ? found->content : "", text = objects_file(wish);
    if (found && now == text) return Done{};
    return Change{.todo = {Do{.at = host, .what = WriteFile{.path = path, .content = text}}},
                  .action = found ? Action::update : Action::create,
                  .diff = unified_diff(path, now, text),
                  .reason = found ? "the spec describes other roles or databases" : "the file is not there"};
  };
  return make_step(
      name, {.asks = {ask}, .decide = decide, .settle = std::chrono::seconds(60), .keeps = {"file:" + path}, .common = view->derived(object_asks)});
}

}  // namespace pgcluster
