#include <algorithm>

#include "base/joined.hpp"
#include "base/network.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/cloud/cloud.hpp"
#include "component/patroni/patroni.hpp"
#include "component/planned.hpp"
#include "component/postgresql/networks.hpp"
#include "component/postgresql/objects.hpp"
#include "component/postgresql/sql.hpp"
#include "op/facts.hpp"
#include "operate/authority.hpp"
#include "operate/certificates.hpp"
#include "operate/declared.hpp"
#include "operate/deployment.hpp"
#include "operate/obstacles.hpp"
#include "operate/view.hpp"
#include "platform/platform.hpp"
#include "spec/fixed.hpp"
#include "step/unit_state.hpp"

namespace pgcluster {
namespace {

void check_extra(const Spec& spec, const std::vector<ComponentPtr>& own) {
  for (const auto& [name, yaml] : spec.extra)
    if (std::none_of(own.begin(), own.end(), [&name = name](const ComponentPtr& one) { return one->name() == name; }))
      throw Error({.code = Code::spec_invalid,
                   .message = "extra." + name + " is for a component that is not there",
                   .hint = "pass a component of that name to plan_deploy, or take the key out",
                   .diagnostics = {{.message = "no component has this name", .path = "extra." + name}}});
}

// Patroni's state does not move to another DCS by itself. Members that used another DCS than the running ones would start a second cluster.
void check_dcs(const Topology& topology, const std::map<std::string, Facts>& facts, const std::vector<KnownHost>& left, bool prune) {
  const std::string wanted(to_string(topology.dcs_type));
  const std::string other(to_string(topology.dcs_type == DcsType::etcd ? DcsType::consul : DcsType::etcd));
  const auto moved = [&](const std::string& name) {
    return Error({.code = Code::refused,
                  .message = name + " runs " + other + " for this cluster, and dcs_type is " + wanted,
                  .hint = "write dcs_type: " + other +
                          " again: a running cluster is not moved to another DCS. By hand it takes: pgcluster pause; a " + wanted +
                          " on hosts or ports of its own; on every member, Patroni stopped, /etc/patroni/config.yml pointed to it, and Patroni "
                          "started, the leader first, so that it takes over its running server; the old DCS removed; resume. Or deploy a cluster "
                          "with the other DCS, and move the data there",
                  .host = name});
  };
  for (const auto& [name, fact] : facts)
    if (owns(fact, "unit:" + other + ".service") && !owns(fact, "unit:" + wanted + ".service")) throw moved(name);
  for (const KnownHost& host : left)
    for (const Role role : host.roles) {
      if (role != Role::etcd && role != Role::consul) continue;
      if (to_string(role) == other) throw moved(host.name);
      if (role == Role::etcd && prune) continue;
      if (role == Role::etcd)
        throw Error(
            {.code = Code::refused,
             .message = host.name + " is no longer in the spec, and is a member of the DCS",
             .hint = "describe the host again; or apply --prune, which takes it out of the DCS and removes everything that pgcluster put there; "
                     "where it is gone for good: apply --prune --without " +
                     host.name,
             .host = host.name});
      throw Error({.code = Code::refused,
                   .message = host.name + " is a member of the DCS, and this version does not shrink Consul",
                   .hint = "describe the host again; where it is gone for good, plan and apply with --without " + host.name,
                   .host = host.name});
    }
}

// A host that the spec no longer describes: all that it owns, and what its databases keep.
Steps farewell(const NodeView& node, const std::vector<ComponentPtr>& components) {
  Steps allowed;
  if (node.has(Role::postgres) && owns(node.facts, std::string("file:") + patroni::config_path))
    allowed = patroni::departure_gate(shared(node.cluster), node.host);
  std::vector<Owned> units = node.facts.owned;
  std::erase_if(units, [](const Owned& one) { return !one.resource.starts_with("unit:"); });
  return clean(node, components,
               sequence(std::move(allowed), after_where_planned(departures(node.cluster, components), removals(node, components, units, {}))));
}

// A deployment, from the spec to the plan, stage by stage.
class Deployment {
 public:
  Deployment(const Spec& spec, Executor& executor, const DeployOptions& options, Replacing replacing, std::optional<Rebuilding> rebuilding)
      : spec_(spec),
        executor_(executor),
        options_(options),
        topology_(resolve(spec)),
        components_(with_builtin(options.components)),
        hosts_(hosts_of(topology_)),
        plan_(plan_options(options)),
        rotated_(std::move(replacing.secrets)),
        rebuilding_(std::move(rebuilding)) {
    plan_.warnings = topology_.warnings;
    plan_.warnings.insert(plan_.warnings.end(), replacing.warnings.begin(), replacing.warnings.end());
    plan_.origin = {.planner = "deploy", .spec = dump(spec, Secrets::references), .options = {}};
    if (options.prune) plan_.origin.options["prune"] = "true";
    if (options.no_restart) plan_.origin.options["no_restart"] = "true";
    plan_.no_restart = options.no_restart;
    if (!options.without.empty())
      plan_.origin.options["without"] = joined(std::set<std::string>(options.without.begin(), options.without.end()), ",");
    if (!rotated_.empty()) plan_.origin = {.planner = "rotate", .spec = plan_.origin.spec, .options = {{"what", replacing.what}}};
    if (!rebuilding_) return;
    plan_.warnings.insert(plan_.warnings.begin(), rebuilding_->warnings.begin(), rebuilding_->warnings.end());
    plan_.origin = rebuilding_->origin;
  }

  Plan plan() {
    leave_out_hosts();
    ask_hosts();
    warn_of_platforms();
    warn_of_passwords();
    check_vip_network();
    take_leave_of_hosts();
    take_leave_of_clouds();
    take_leave_of_objects();
    make_the_view();
    warn_of_packages();
    refuse_half_a_way();
    Steps all = steps();
    refuse_obstacles(all);
    if (topology_.cloud) hosts_.emplace(topology_.cloud->name, *topology_.cloud);
    Plan made = make_plan(hosts_, all, executor_, plan_, std::move(known_), without_hint);
    check_quorum(made, topology_, without_);
    return made;
  }

 private:
  // Hosts that are named in `without` are planned as if they were down; with prune, those that left the spec are forgotten.
  void leave_out_hosts() {
    for (const std::string& name : options_.without) (options_.prune && !spec_.host(name) ? forgotten_ : without_).insert(name);
    check_left_out(topology_, without_);
    std::erase_if(hosts_, [&](const auto& host) { return without_.contains(host.first); });
    plan_.without = without_;
  }

  // Sends the probable asks of the built-in components' steps together with the asks for the facts, so that a plan needs one program for each host.
  // Only built-in components see guessed facts, never a user's own.
  void ask_hosts() {
    const auto likely = likely_asks(spec_, topology_, builtin_components(), without_);
    facts_ = gather_facts(hosts_, executor_, options_, WayOut::leave_out, likely, &known_);
    left_ = left_hosts(topology_, facts_);
    check_dcs(topology_, facts_, left_, options_.prune);
    check_changes(spec_, topology_, facts_);
    check_beginning(topology_, facts_, without_);
  }

  // Roles that somebody made, or that came with the data. Those that are described get another password from this plan.
  void warn_of_passwords() {
    const auto view = outline(spec_, topology_);
    std::map<std::string, Ask> servers;
    for (Ask& ask : server_asks(*view)) servers.emplace(ask.at, std::move(ask));
    Answers answers;
    for (const auto& [ask, answer] : known_)
      if (const auto server = servers.find(ask->at); server != servers.end() && server->second == *ask) answers.set(*ask, answer);
    std::vector<std::string> roles = md5_roles(*view, answers);
    const Objects described = described_objects(spec_);
    std::erase_if(roles, [&](const std::string& role) { return described.roles.contains(role); });
    if (!roles.empty()) plan_.warnings.push_back(md5_warning(roles));
  }

  // A host that stays behind would speak as nobody listens to any more, and nobody could tell it.
  void refuse_half_a_way() const {
    if (!certificates::goes_over(*view_)) return;
    const bool to_tls = certificates::wanted(spec_);
    if (options_.no_restart)
      throw Error(Code::refused,
                  std::string("the cluster goes ") + (to_tls ? "over to TLS" : "back from TLS to plain") + ", which needs restarts of all services",
                  "apply without --no-restart");
    if (without_.empty()) return;
    throw Error({.code = Code::refused,
                 .message = std::string("the cluster goes ") + (to_tls ? "over to TLS" : "back from TLS to plain") + ", and " + joined(without_) +
                            " cannot come along: a host that is left out would be cut off from the others",
                 .hint = std::string("start it first, and apply without --without; or write tls_cert_generate: ") + (to_tls ? "false" : "true") +
                         ", as the cluster was. If it is gone for good, take it out of the spec: apply --prune --without forgets it"});
  }

  // Before the first deployment of a host: later it has shown whether it works.
  void warn_of_platforms() {
    std::map<const Platform*, std::string> untried;
    for (const auto& [name, fact] : facts_)
      if (const Platform& platform = platform_of(fact); !platform.tried && fact.owned.empty()) append(untried[&platform], name);
    for (const auto& [platform, names] : untried) plan_.warnings.push_back(untried_platform(*platform, names));
  }

  // What the hosts' own state forbids is said for all of them at once, before the first change.
  void refuse_obstacles(const Steps& all) {
    std::map<std::string, std::set<std::string>> kept;
    for (const Steps::Node& one : all.nodes())
      if (const auto name = parse_step_name(one.step->name()); name && !name->what.starts_with("remove:"))
        for (std::string& resource : one.step->keeps()) kept[name->host].insert(std::move(resource));
    std::vector<Diagnostic> errors;
    for (const TopologyHost& host : topology_.hosts) {
      if (view_->leaves_out(host.name)) continue;
      const NodeView node = node_of(*view_, host);
      for (Diagnostic& one : obstacles(node, declarations(node, components_), kept[host.name]))
        (one.severity == Severity::error ? errors : plan_.warnings).push_back(std::move(one));
    }
    if (errors.empty()) return;
    Failure failure{.code = Code::refused, .message = errors.front().message, .hint = errors.front().hint};
    errors.erase(errors.begin());
    failure.diagnostics = std::move(errors);
    throw Error(std::move(failure));
  }

  // A package that the distribution does not have may come from another repository of the host, which its package manager knows.
  void warn_of_packages() {
    std::map<std::string, std::vector<std::string>> wanted;
    std::map<std::string, std::vector<Ask>> asks;
    for (const TopologyHost& host : topology_.hosts) {
      if (view_->leaves_out(host.name)) continue;
      const NodeView node = node_of(*view_, host);
      for (const Declaration& one : declarations(node, components_))
        for (const std::string& package : one.needs.packages)
          if (lacks(node.platform(), package) && !owns(node.facts, "package:" + package)) wanted[host.name].push_back(package);
      if (!wanted.contains(host.name)) continue;
      std::vector<std::string> query = node.platform().package_query;
      query.insert(query.end(), wanted[host.name].begin(), wanted[host.name].end());
      asks[host.name] = {{host.name, Exec{.argv = std::move(query), .limit = std::chrono::seconds(30)}}};
    }
    if (asks.empty()) return;
    const Observed observed = observe(hosts_, asks, executor_, plan_);
    for (auto& [name, packages] : wanted) {
      const auto answers = observed.answers.find(name);
      const auto* policy = answers == observed.answers.end() ? nullptr : std::get_if<Output>(&answers->second.front());
      if (!policy || policy->status != 0) continue;
      std::erase_if(packages, [&](const std::string& package) { return !candidate(policy->out, package).empty(); });
      if (!packages.empty()) warn("apt has no " + joined(packages), missing_hint(view_->platform(name), packages), "hosts." + name);
    }
  }

  // Replaces the warning about the VIP's network: resolve() derived it from the spec alone, this one knows the interfaces of the hosts.
  void check_vip_network() {
    if (spec_.cluster_vip.empty()) return;
    std::map<std::string, std::vector<std::string>> cidrs;
    for (const std::string& host : without_)
      cidrs[host] = {net::single_address(spec_.cluster_vip)};  // its interfaces are unknown: no warning because of it
    for (const auto& [name, fact] : facts_)
      for (const Facts::Interface& interface : fact.interfaces) cidrs[name].push_back(interface.cidr);
    std::erase_if(plan_.warnings, [](const Diagnostic& d) { return d.path == "cluster_vip"; });
    if (auto warning = vip_network_warning(spec_.cluster_vip, topology_, cidrs)) plan_.warnings.push_back(std::move(*warning));
  }

  void warn(std::string message, std::string hint, std::string path) {
    plan_.warnings.push_back({.severity = Severity::warning, .message = std::move(message), .hint = std::move(hint), .path = std::move(path)});
  }

  // Hosts that left the spec: pruned, forgotten, or only warned of.
  void take_leave_of_hosts() {
    for (const std::string& name : forgotten_)
      if (std::none_of(left_.begin(), left_.end(), [&](const KnownHost& host) { return host.name == name; })) throw not_a_host(topology_, name);
    if (!options_.prune) {
      for (const KnownHost& host : left_)
        warn("is no longer in the spec, but still belongs to the cluster", "apply --prune removes everything that pgcluster put there, data included",
             "hosts." + host.name);
      return;
    }
    Hosts reach;
    for (const KnownHost& host : left_) {
      if (forgotten_.contains(host.name))
        warn("is forgotten, but not cleaned: its services, files and data stay",
             "wipe it before it is started again; otherwise it would join the cluster", "hosts." + host.name);
      else
        reach.emplace(host.name, access_of(host, topology_));
    }
    left_facts_ = gather_facts(reach, executor_, options_, WayOut::forget);
    check_still_ours(topology_, left_facts_);
    for (const KnownHost& host : left_)
      if (forgotten_.contains(host.name)) gone_.push_back(as_host(host, topology_));
    std::erase_if(left_, [&](const KnownHost& host) { return forgotten_.contains(host.name); });
    hosts_.insert(reach.begin(), reach.end());
  }

  void take_leave_of_clouds() {
    clouds_ = own_cloud(spec_, topology_);
    for (const LeftCloud& one : left_clouds(spec_, topology_, facts_)) {
      if (options_.prune) {
        hosts_.emplace(one.access.name, one.access);
        unclouded_ = parallel(unclouded_, cloud_farewell(topology_.cluster, one.access.name, one.cloud));
        continue;
      }
      clouds_.push_back(one.cloud);
      std::string where;
      for (const auto& [key, value] : one.cloud.settings)
        if (key == "server_location") where = " (" + value + ")";
      warn(one.access.name + where + " still has load balancers of this cluster, and the spec does not name it any more",
           "apply --prune removes them, with credentials from the variables that the vendor's own tools read", "cloud_provider");
    }
  }

  // Roles and databases that left the spec hold somebody's data: they stay until somebody drops them.
  void take_leave_of_objects() {
    const Objects described = described_objects(spec_), dropped = dropped_objects(spec_), before = remembered_objects(facts_);
    for (const std::string& role : before.roles)
      if (!described.roles.contains(role) && !dropped.roles.contains(role))
        warn("the role " + role + " is no longer described, and stays with its rights and its password",
             "list it with state: absent to drop it, or with flags: NOLOGIN to shut it out", "postgresql_users." + role);
    for (const std::string& database : before.databases)
      if (!described.databases.contains(database) && !dropped.databases.contains(database))
        warn("the database " + database + " is no longer described, and stays with its data", "list it with state: absent to drop it with its data",
             "postgresql_databases." + database);
    for (const auto& [database, schema] : before.schemas)
      if (!described.schemas.contains({database, schema}) && !dropped.schemas.contains({database, schema}) && !dropped.databases.contains(database))
        warn("the schema " + schema + " of the database " + database + " is no longer described, and stays with what is in it",
             "list it with state: absent to drop it once it is empty", "postgresql_schemas." + schema);
    for (const auto& [database, extension] : before.extensions)
      if (!described.extensions.contains({database, extension}) && !dropped.extensions.contains({database, extension}) &&
          !dropped.databases.contains(database))
        warn("the extension " + extension + " of the database " + database + " is no longer described, and stays",
             "list it with state: absent to drop it", "postgresql_extensions." + extension);
  }

  // A host that left the spec goes on as a member, but gets no files any more: it could not log in with what is new.
  void refuse_to_strand() const {
    if (rotated_.empty() || rotated_ == std::set<std::string>{certificates::rotated}) return;
    for (const KnownHost& host : left_)
      if (!host.roles.empty())
        throw Error({.code = Code::refused,
                     .message = host.name +
                                " is no longer in the spec, but still belongs to the cluster, and would not get the new password, key or certificate",
                     .hint = "describe the host again, or remove it: apply --prune",
                     .host = host.name});
  }

  void make_the_view() {
    refuse_to_strand();
    std::vector<TopologyHost> staying, leaving;
    for (const KnownHost& host : left_) (options_.prune ? leaving : staying).push_back(as_host(host, topology_));
    // Treat the secrets found beside the backups as if the first database host had kept them.
    if (rebuilding_)
      for (const auto& [name, value] : rebuilding_->secrets) facts_[topology_.database.front()].secrets.emplace(name, value);
    view_ = make_view(spec_, topology_, std::move(facts_), components_, without_, std::move(staying), std::move(leaving), rotated_,
                      rebuilding_.has_value(), std::move(gone_));
    tell_of_the_authority();
  }

  // Its exchange takes several plans: see authority.hpp.
  void tell_of_the_authority() {
    const auto secret = view_->secrets.find(certificates::authority);
    if (secret == view_->secrets.end() || spec_.tls_ca.given()) return;
    const AuthorityStage stage = authority_stage(secret->second.value);
    if (rotated_.contains(certificates::authority)) {
      plan_.origin.continues = stage != AuthorityStage::one;
      warn(stage == AuthorityStage::both    ? "first of three plans: hosts trust the new authority, too"
           : stage == AuthorityStage::signs ? "second of three plans: the new authority signs all certificates"
                                            : "last of three plans: hosts no longer trust the former authority",
           stage == AuthorityStage::both ? std::string("before the second, give clients that verify the server the file ") +
                                               certificates::authority_file + " of any host once this plan is applied"
                                         : std::string(),
           {});
    } else if (stage != AuthorityStage::one) {
      warn("the exchange of the authority has not ended: hosts trust two of them", "pgcluster rotate ca continues it", {});
    }
  }

  // Remove the balancers of a cloud that left the spec first: the hosts forget the cloud afterwards.
  Steps steps() {
    std::vector<Steps> all;
    for (const TopologyHost& host : topology_.hosts) {
      if (view_->leaves_out(host.name))
        plan_.warnings.push_back(pending_steps(*view_, host, components_));
      else
        all.push_back(host_steps(host));
    }
    for (const TopologyHost& host : view_->pruned) all.push_back(farewell({*view_, host, left_facts_.at(host.name)}, components_));
    for (const ComponentPtr& component : components_) all.push_back(component->cluster_steps(*view_));
    Steps notes;
    if (rebuilding_) notes = restore::rebuild_notes(view_, rebuilding_->note, rebuilding_->free);
    return sequence(std::move(unclouded_), kept_secrets(), std::move(notes), parallel(std::move(all)));
  }

  // All later steps wait for one gate that waits for the secrets. Without it, each of many steps would wait for each of many secrets.
  Steps kept_secrets() {
    Steps secrets = secret_steps(*view_, secret_needs(*view_, components_));
    if (secrets.empty()) return secrets;
    auto kept = [](const Answers&) -> Decision { return Done{}; };
    return sequence(std::move(secrets), gate("cluster/secrets/kept", {.asks = {}, .decide = kept}));
  }

  // The cluster has begun once a member leads: until then, all of the spec may still be corrected.
  Steps begun(const NodeView& node) {
    std::string recorded;
    for (const auto& [host, facts] : view_->facts)
      if (recorded.empty()) recorded = facts.begun;
    return after({patroni::leader()}, file(node.step("pgcluster", "begun"), node.name(),
                                           WriteFile{.path = "/var/lib/pgcluster/begun", .content = begun_with(spec_, recorded)}));
  }

  // The steps of the components, the file with the cluster's hosts, and the removal of resources that no step keeps any more.
  Steps host_steps(const TopologyHost& host) {
    const NodeView node{*view_, host, view_->facts.at(host.name)};
    std::vector<Steps> first, around, parts;
    for (const ComponentPtr& component : components_) {
      const Turn turn = component->turn();
      (turn == Turn::first ? first : turn == Turn::around ? around : parts).push_back(component->steps(node.seen_by(*component)));
    }
    parts.push_back(certificate_steps(node, declarations(node, components_)));
    std::map<std::string, std::vector<std::string>> networks;
    for (const TopologyHost& one : topology_.hosts) networks[one.name] = networks_of(*view_, one.name, one.address);
    const Text known = cluster_file(topology_, options_.prune ? std::vector<KnownHost>{} : left_, clouds_, networks);
    const Steps noted = file(node.step("pgcluster", "cluster"), host.name, WriteFile{.path = "/var/lib/pgcluster/cluster", .content = known});
    if (node.has(Role::postgres)) parts.push_back(begun(node));
    if (rebuilding_ && node.has(Role::postgres) && !rebuilding_->free.contains(host.name))
      parts.push_back(restore::rebuild_steps(view_, rebuilding_->note, host.name));
    Steps rest = parallel(std::move(parts));
    if (Steps rules = parallel(std::move(around)); !rules.empty()) rest = parallel(std::move(rules), between_rules(node, std::move(rest)));
    std::vector<StepRef> gone;
    for (const TopologyHost& pruned : view_->pruned) gone.push_back(cleaned(pruned.name));
    const std::vector<StepRef> departed = departures(*view_, components_);
    gone.insert(gone.end(), departed.begin(), departed.end());
    // A pruned host is forgotten only after it is clean. Otherwise no later apply would continue with it after an interruption.
    Steps host_itself = parallel(std::move(first));
    Steps wanted = gone.empty() ? sequence(parallel(noted, std::move(host_itself)), std::move(rest))
                                : parallel(after_where_planned(gone, noted), sequence(std::move(host_itself), std::move(rest)));
    Steps served = served_steps(node, declarations(node, components_));
    return sequence(with_removals(node, components_, parallel(std::move(wanted), settle_steps(node))), parallel(stays_up(node), std::move(served)));
  }

  // All hosts open what is new before anything needs it, and close what was before when nothing needs it any more.
  Steps between_rules(const NodeView& node, Steps steps) const {
    const auto done = [](const Answers&) -> Decision { return Done{}; };
    return sequence(after_where_planned({opened()}, std::move(steps)),
                    after_where_planned(departures(*view_, components_), gate(in_place(node.name()), {.asks = {}, .decide = done})));
  }

  // A unit that dies again and again is active in between. So the last look of all is whether each has been up for some seconds.
  Steps stays_up(const NodeView& node) {
    std::vector<std::string> units;
    std::vector<Ask> asks;
    std::vector<std::string> journal{"journalctl"};
    for (const Declaration& one : declarations(node, components_))
      for (const std::string& unit : one.needs.units) {
        if (std::find(units.begin(), units.end(), unit) != units.end()) continue;
        units.push_back(unit);
        asks.push_back({node.name(), UnitOf{unit}});
        journal.insert(journal.end(), {"-u", unit});
      }
    if (units.empty()) return {};
    journal.insert(journal.end(), {"-n", "200", "-o", "cat", "--no-pager"});
    auto decide = [units, asks](const Answers& answers) -> Decision {
      for (std::size_t i = 0; i < units.size(); ++i) {
        const auto* unit = answers.get<Unit>(asks[i]);
        const std::string until = units[i] + " has stayed up";
        if (unit && dies_again(*unit))
          return Later{.until = until,
                       .wrong = units[i] + " keeps failing (result: " + unit->result + ", restarted " + std::to_string(unit->restarts) + " times)",
                       .patience = std::chrono::seconds(10)};
        if (!unit || (unit->active != "active" && unit->active != "reloading")) return Later{units[i] + " is active"};
        if (unit->young) return Later{until};
      }
      return Done{};
    };
    return gate(node.step("pgcluster", "stays-up"),
                {.asks = asks, .decide = decide, .settle = std::chrono::seconds(90), .evidence = {{node.name(), Exec{std::move(journal)}}}});
  }

  const Spec& spec_;
  Executor& executor_;
  const DeployOptions& options_;
  Topology topology_;
  std::vector<ComponentPtr> components_;
  Hosts hosts_;
  PlanOptions plan_;
  std::set<std::string> rotated_;
  std::optional<Rebuilding> rebuilding_;
  std::set<std::string> without_{}, forgotten_{};
  std::map<std::string, Facts> facts_{}, left_facts_{};
  Known known_{};
  std::vector<KnownHost> left_{};
  std::vector<TopologyHost> gone_{};
  std::vector<KnownCloud> clouds_{};
  Steps unclouded_{};
  std::shared_ptr<const ClusterView> view_{};
};

}  // namespace

void check_spec(const Spec& spec, const std::vector<ComponentPtr>& own) {
  std::vector<Diagnostic> findings = validate(spec);
  const auto is_error = [](const Diagnostic& one) { return one.severity == Severity::error; };
  if (std::none_of(findings.begin(), findings.end(), is_error)) {
    check_extra(spec, own);
    findings = port_clashes(*outline(spec, resolve(spec)), with_builtin(own));
  }
  if (std::any_of(findings.begin(), findings.end(), is_error))
    throw Error({.code = Code::spec_invalid, .message = "the spec is not valid", .diagnostics = std::move(findings)});
}

Plan plan_deploy(const Spec& spec, Executor& executor, const DeployOptions& options) {
  check_spec(spec, options.components);
  return plan_deployment(spec, executor, options);
}

Plan plan_deployment(const Spec& spec, Executor& executor, const DeployOptions& options, Replacing replacing, std::optional<Rebuilding> rebuilding) {
  return Deployment(spec, executor, options, std::move(replacing), std::move(rebuilding)).plan();
}

}  // namespace pgcluster
