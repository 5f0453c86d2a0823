// Reads how the cluster is: the members from Patroni, the VIP from the hosts, all else from what the components declare.
#include <algorithm>
#include <ctime>

#include "base/certificate.hpp"
#include "base/joined.hpp"
#include "base/strings.hpp"
#include "base/url.hpp"
#include "component/backup.hpp"
#include "component/certificates.hpp"
#include "component/cloud/cloud.hpp"
#include "component/patroni/patroni.hpp"
#include "component/postgresql/sql.hpp"
#include "component/proof.hpp"
#include "component/shell.hpp"
#include "component/vip/vip.hpp"
#include "operate/declared.hpp"
#include "operate/reach.hpp"
#include "operate/view.hpp"
#include "spec/roles.hpp"
#include "step/unit_state.hpp"

namespace pgcluster {
namespace {

// A question about one component on one host.
struct Question {
  std::string component;
  Probe probe;
  std::string unit{};  // that it is about, if it is about a unit
};

Ask last_lines_ask(const std::string& host, const std::string& unit) {
  return {host, Exec{.argv = {"journalctl", "-u", unit, "-n", "5", "-o", "cat", "--no-pager"}}};
}

Ask clock_ask(const std::string& host) { return {host, Exec{.argv = {"date", "+%s"}}}; }

Ask certificate_ask(const std::string& host, const CertificateNeed& need) { return {host, FileOf{certificates::certificate_file(need.name)}}; }

Probe unit_probe(const std::string& host, const std::string& unit) {
  return {{host, UnitOf{unit}}, [unit](const Answer& answer) -> std::optional<Problem> {
            const auto* state = std::get_if<Unit>(&answer);
            if (!state) return Problem{.cause = "unit_missing", .message = unit + " is not installed", .remedy = "apply installs it"};
            if (state->masked && state->active != "active")
              return Problem{.cause = "unit_masked",
                             .message = unit + " is masked, and " + state->active,
                             .remedy = "on the host: systemctl unmask " + unit + "; then apply starts it"};
            if (dies_again(*state))
              return Problem{
                  .cause = "unit_restarts",
                  .message = unit + " keeps failing (result: " + state->result + ", restarted " + std::to_string(state->restarts) + " times)",
                  .remedy = "its journal says why; mend that, and apply starts it again"};
            if (state->active == "active") return std::nullopt;
            return Problem{.cause = "unit_down",
                           .message = unit + " is " + state->active,
                           .remedy = "journalctl -u " + unit + " on the host says why; apply starts it again"};
          }};
}

std::vector<Question> questions(const NodeView& node, const std::vector<ComponentPtr>& components) {
  std::vector<Question> all;
  for (const Declaration& one : declarations(node, components)) {
    for (const std::string& unit : one.needs.units) all.push_back({one.component->name(), unit_probe(node.name(), unit), unit});
    for (Probe& probe : one.component->health(node.seen_by(*one.component))) all.push_back({one.component->name(), std::move(probe)});
  }
  return all;
}

Ask older_units_ask(const std::string& host) { return {host, Exec{.argv = {"sh", "-c", shell::older_units}, .about = {"unit:*"}}}; }

class Reading {
 public:
  Reading(const Spec& spec, const OperateOptions& options)
      : view_(outline(spec, resolve(spec))), topology_(view_->topology), components_(with_builtin(options.components)) {
    if (with_cloud_balancer(spec)) balancers_ = cloud_balancers(spec, topology_);
    status_.cluster = topology_.cluster;
    status_.endpoints = topology_.endpoints;
  }

  Status read(Executor& executor, const OperateOptions& options) {
    ask(executor, options);
    ask_journals(executor, options);
    for (const TopologyHost& host : topology_.hosts) read_host(host);
    read_reach();
    read_members();
    read_passwords();
    read_certificates();
    read_backup();
    read_vip();
    read_dcs();
    read_cloud();
    status_.healthy = status_.problems.empty();
    return std::move(status_);
  }

 private:
  void ask(Executor& executor, const OperateOptions& options) {
    Hosts hosts = hosts_of(topology_);
    std::map<std::string, std::vector<Ask>> asks;
    for (const TopologyHost& host : topology_.hosts) declared_[host.name] = declarations(node_of(*view_, host), components_);
    for (const TopologyHost& host : topology_.hosts) {
      hosts.at(host.name).connect_timeout = std::chrono::seconds(5);
      questions_[host.name] = questions(node_of(*view_, host), components_);
      for (const Question& one : questions_[host.name]) asks[host.name].push_back(one.probe.ask);
      if (certificates::wanted(view_->spec)) asks[host.name].push_back(clock_ask(host.name));
      for (const Declaration& one : declared_[host.name])
        for (const CertificateNeed& need : one.needs.certificates) asks[host.name].push_back(certificate_ask(host.name, need));
      asks[host.name].push_back(older_units_ask(host.name));
      if (host.has(Role::postgres)) asks[host.name].push_back(server_ask(*view_, host));
      if (has_vip()) asks[host.name].push_back(vip_ask(view_->spec, host.name));
      if (const std::vector<Peer> peers = peers_of(host, topology_, declared_); !peers.empty())
        asks[host.name].push_back(reach_ask(host.name, peers));
    }
    // The hosts with repositories are asked by the component; what database hosts have proven counts as much.
    for (const TopologyHost* keeper : backup::wanted(view_->spec) ? backup::hosts(*view_) : std::vector<const TopologyHost*>{})
      for (const backup::Repository& repo : backup::read_repositories(*view_, keeper->name, Unreadable{}))
        for (Ask& one : proof::asks(*view_, keeper->name, repo.name))
          if (one.at != keeper->name) asks[one.at].push_back(std::move(one));
    for (const CloudBalancer& one : balancers_) {
      hosts.emplace(topology_.cloud->name, *topology_.cloud);
      asks[topology_.cloud->name].push_back(balancer_ask(topology_.cloud->name, one.wish));
    }
    observed_ = observe(hosts, asks, executor, plan_options(options));
    for (const auto& [name, given] : observed_.answers)
      for (std::size_t i = 0; i < given.size() && i < asks[name].size(); ++i) answers_.set(asks[name][i], given[i]);
  }

  // Of units that do not run, the last lines of their journals: only then is there a second round.
  void ask_journals(Executor& executor, const OperateOptions& options) {
    std::map<std::string, std::vector<Ask>> asks;
    for (const TopologyHost& host : topology_.hosts)
      for (const Question& one : questions_[host.name])
        if (!one.unit.empty() && reachable(host.name) && !std::holds_alternative<Absent>(answers_[one.probe.ask]) &&
            one.probe.read(answers_[one.probe.ask]))
          asks[host.name].push_back(last_lines_ask(host.name, one.unit));
    if (asks.empty()) return;
    const Observed observed = observe(hosts_of(topology_), asks, executor, plan_options(options));
    for (const auto& [name, given] : observed.answers)
      for (std::size_t i = 0; i < given.size() && i < asks[name].size(); ++i) answers_.set(asks[name][i], given[i]);
  }

  // Whether the hosts reach each other. A host that cannot be asked is a problem already, and hosts that do not reach it are none besides.
  void read_reach() {
    for (const TopologyHost& host : topology_.hosts) {
      if (!reachable(host.name)) continue;
      const std::vector<Peer> peers = peers_of(host, topology_, declared_);
      for (Barrier& barrier : read_barriers(host.name, peers, answers_[reach_ask(host.name, peers)]))
        if (reachable(barrier.peer))
          found(host.name, "",
                {.cause = "port_closed",
                 .message = std::move(barrier.message),
                 .remedy = std::move(barrier.remedy),
                 .severity = barrier.mutual ? Severity::error : Severity::warning});
    }
  }

  bool has_vip() const { return !view_->spec.cluster_vip.empty(); }
  bool reachable(const std::string& host) const { return observed_.answers.contains(host); }

  // What keeps the host, or the cloud, from answering.
  std::string silence(const std::string& host) const {
    const auto error = observed_.errors.find(host);
    if (error == observed_.errors.end()) return "it did not answer in time";
    return std::string(to_string(error->second.code())) + ": " + error->second.message();
  }

  void found(const std::string& host, const std::string& component, Problem problem) {
    for (Status::Host& one : status_.hosts)
      if (one.name == host && problem.severity == Severity::error) one.problems.push_back(problem.message);
    auto& list = problem.severity == Severity::error ? status_.problems : status_.warnings;
    list.push_back({host, component, std::move(problem)});
  }

  void read_host(const TopologyHost& host) {
    status_.hosts.push_back({.name = host.name, .reachable = reachable(host.name), .problems = {}});
    if (!reachable(host.name))
      return found(host.name, "",
                   {.cause = "host_unreachable",
                    .message = silence(host.name),
                    .remedy = "see whether the host runs and whether ssh reaches it; --without " + host.name + " plans as if it were down"});
    for (const Question& one : questions_[host.name])
      if (auto problem = one.probe.read(answers_[one.probe.ask])) {
        if (const std::string* lines = one.unit.empty() ? nullptr : answers_.out(last_lines_ask(host.name, one.unit)))
          for (const std::string& line : strings::split(*lines, "\n")) problem->evidence.push_back(line);
        found(host.name, one.component, std::move(*problem));
      }
    read_older_units(host);
  }

  // Restarts that are pending: an apply with no_restart leaves them.
  void read_older_units(const TopologyHost& host) {
    const std::string* lines = answers_.out(older_units_ask(host.name));
    std::map<std::string, std::vector<std::string>> files;  // by unit
    for (const std::string& line : strings::split(lines ? *lines : "", "\n"))
      if (const auto space = line.find(' '); space != std::string::npos) files[line.substr(0, space)].push_back(line.substr(space + 1));
    for (const auto& [unit, changed] : files) {
      const auto& all = questions_[host.name];
      const auto of = std::find_if(all.begin(), all.end(), [&unit = unit](const Question& one) { return one.unit == unit; });
      if (of == all.end()) continue;
      found(host.name, of->component,
            {.cause = "restart_pending",
             .message = unit + " runs since before a change of " + joined(changed),
             .remedy = "apply restarts it, one host after the other",
             .severity = Severity::warning});
    }
  }

  void read_members() {
    const patroni::Members members = patroni::read_members(*view_, answers_);
    std::vector<std::string> leaders;
    for (const auto& [host, member] : members.all)
      if (member.leads) leaders.push_back(host->name);
    if (leaders.size() == 1) status_.leader = leaders.front();
    for (const auto& [host, member] : members.all) {
      Status::Member one{.name = host->name,
                         .address = host->address,
                         .role = member.role,
                         .state = member.answers          ? member.shown_state()
                                  : reachable(host->name) ? "unknown"
                                                          : "unreachable",
                         .timeline = member.timeline,
                         .lag_bytes = {},
                         .pending_restart = member.pending_restart};
      if (member.answers && !member.leads && leaders.size() == 1) one.lag_bytes = members.lag(*host);
      status_.paused = status_.paused || member.paused;
      // One that runs and does not stream is no replica yet, though its own Patroni sees nothing wrong.
      if (member.answers && member.runs() && !member.fine())
        found(host->name, "patroni",
              {.cause = "replica_not_streaming",
               .message = "PostgreSQL is " + member.shown_state() + ", and does not stream from the leader",
               .remedy = "read PostgreSQL's log on the host; reinit copies its data anew"});
      if (member.pending_restart)
        found(host->name, "patroni",
              {.cause = "restart_pending",
               .message = "a changed setting waits for a restart of PostgreSQL",
               .remedy = "pgcluster apply or pgcluster restart restarts the members in a safe order",
               .severity = Severity::warning});
      status_.members.push_back(std::move(one));
    }
    if (view_->spec.synchronous_mode && leaders.size() == 1 && members.able_standbys(*view_) > 0 &&
        std::none_of(members.all.begin(), members.all.end(), [](const auto& one) { return one.second.sync; }))
      found("", "patroni",
            {.cause = "no_synchronous_standby",
             .message = std::string("no synchronous standby stands, though synchronous_mode is on") +
                        (view_->spec.synchronous_mode_strict ? ": writes wait for one" : ": a commit is on the leader alone"),
             .remedy = "Patroni names one some seconds after a replica streams; see why no replica does"});
    if (leaders.size() > 1)
      for (const std::string& name : leaders)
        found(name, "patroni",
              {.cause = "several_leaders",
               .message = "it is one of " + std::to_string(leaders.size()) + " members that claim to lead",
               .remedy = "stop Patroni on all but the one that the DCS names, and see where the network is cut"});
    if (leaders.empty() && !members.all.empty())
      found("", "patroni",
            {.cause = "no_leader", .message = "no member leads", .remedy = "fix the problems of the members; failover --to HOST promotes a replica"});
  }

  void read_passwords() {
    const std::vector<std::string> roles = md5_roles(*view_, answers_);
    if (roles.empty()) return;
    Diagnostic why = md5_warning(roles);
    found("", "", {.cause = "md5_password", .message = std::move(why.message), .remedy = std::move(why.hint), .severity = Severity::warning});
  }

  void read_certificates() {
    constexpr std::int64_t seconds_a_day = 24 * 60 * 60;
    std::optional<std::int64_t> first, left;
    for (const TopologyHost& host : topology_.hosts) {
      // A certificate has ended when the host's own clock says so, be it right or wrong.
      const std::string* clock = answers_.out(clock_ask(host.name));
      const std::int64_t now = clock ? std::strtoll(clock->c_str(), nullptr, 10) : std::time(nullptr);
      for (const Declaration& one : declared_[host.name])
        for (const CertificateNeed& need : one.needs.certificates) {
          const auto* found = answers_.get<File>(certificate_ask(host.name, need));
          const auto is = found ? x509::read(found->content) : std::nullopt;
          if (!is) continue;
          first = std::min(first.value_or(is->not_after), is->not_after);
          left = std::min(left.value_or(is->not_after - now), is->not_after - now);
          const std::string name = "the certificate of " + one.component->name() + " (" + certificates::certificate_file(need.name) + ")";
          if (is->not_after <= now)
            found_certificate(host.name, one, "certificate_expired", name + " has expired on " + x509::iso_time(is->not_after).substr(0, 10),
                              Severity::error);
          else if (is->not_after - now < view_->spec.tls_cert_valid_days * seconds_a_day / 3)
            found_certificate(host.name, one, "certificate_ends",
                              name + " ends in " + std::to_string((is->not_after - now) / seconds_a_day) + " days", Severity::warning);
        }
    }
    if (first)
      status_.certificates = Status::Certificates{.first_end = x509::iso_time(*first),
                                                  .days_left = static_cast<int>((*left - (*left < 0 ? seconds_a_day - 1 : 0)) / seconds_a_day)};
  }

  void found_certificate(const std::string& host, const Declaration& of, const char* cause, std::string message, Severity severity) {
    found(host, of.component->name(), {.cause = cause, .message = std::move(message), .remedy = "apply renews it", .severity = severity});
  }

  // By the answers to the components' own questions.
  void read_backup() {
    if (!backup::wanted(view_->spec)) return;
    status_.backup = Status::Backup{};
    std::int64_t last = 0;
    for (const TopologyHost* host : backup::hosts(*view_)) {
      const Ask ask = backup::repositories_ask(*view_, host->name);
      for (const backup::Repository& repo : backup::read_repositories(*view_, host->name, reachable(host->name) ? answers_[ask] : Unreadable{})) {
        status_.backup->unknown = status_.backup->unknown || !repo.problem.empty();
        for (const backup::Backup& one : repo.backups) last = std::max(last, one.stop);
        if (!reachable(host->name)) continue;
        const proof::Proofs proofs = proof::read(*view_, host->name, repo.name, answers_);
        if (const proof::Proof* good = proof::newest_good(proofs.all); good && proofs.now != 0)
          status_.backup->proven_age_s = std::min(status_.backup->proven_age_s.value_or(proofs.now - good->at), proofs.now - good->at);
      }
    }
    if (last > 0) status_.backup->last = x509::iso_time(last);
    for (const TopologyHost* host : topology_.with(Role::postgres)) {
      if (!reachable(host->name)) continue;
      const backup::Archiver archiver = backup::read_archiver(answers_[backup::archiver_ask(*view_, host->name)]);
      if (archiver.leads && archiver.last) status_.backup->archived_age_s = archiver.age_s;
    }
  }

  void read_vip() {
    if (!has_vip()) return;
    status_.vip = Status::Vip{.address = view_->spec.cluster_vip, .holders = {}};
    for (const TopologyHost& host : topology_.hosts)
      if (const std::string* out = answers_.out(vip_ask(view_->spec, host.name)); out && !out->empty()) status_.vip->holders.push_back(host.name);
    std::vector<std::string> unseen;
    for (const TopologyHost& host : topology_.hosts)
      if (!reachable(host.name)) unseen.push_back(host.name);
    status_.vip->unknown = status_.vip->holders.empty() && !unseen.empty();
    if (status_.vip->unknown)
      found("", "",
            {.cause = "vip_unknown",
             .message =
                 "which host has " + status_.vip->address + " is unknown: no host that answers has it, and " + joined(unseen) + " cannot be asked",
             .remedy = "make " + joined(unseen) + " reachable, or connect to " + status_.vip->address + " and see which server answers"});
    else if (status_.vip->holders.size() != 1)
      found("", "",
            {.cause = "vip_not_on_one_host",
             .message = status_.vip->address + (status_.vip->holders.empty() ? " is on no host" : " is on several hosts"),
             .remedy = "see the service that holds it on the hosts; it follows the leader within seconds"});
  }

  // A member of the DCS is healthy if its component sees no problem there.
  void read_dcs() {
    status_.dcs = {.type = topology_.dcs_type, .members = topology_.dcs_members, .healthy_members = {}, .quorum = topology_.quorum()};
    for (const std::string& name : topology_.dcs_members)
      if (reachable(name) && std::none_of(status_.problems.begin(), status_.problems.end(), [&](const Status::Finding& one) {
            return one.host == name && one.component == to_string(topology_.dcs_type);
          }))
        status_.dcs.healthy_members.push_back(name);
    const std::size_t up = status_.dcs.healthy_members.size();
    status_.dcs.healthy = up == status_.dcs.members.size();
    status_.dcs.tolerates = up >= status_.dcs.quorum ? up - status_.dcs.quorum : 0;
  }

  // Clients go to the addresses of the cloud's balancers; problems of these stand among the hosts, at the cloud's name.
  void read_cloud() {
    if (balancers_.empty()) return;
    const std::string& cloud = topology_.cloud->name;
    status_.hosts.push_back({.name = cloud, .reachable = reachable(cloud), .problems = {}});
    const auto missing = [&](const std::string& message, const std::string& remedy) {
      found(cloud, "cloud", {.cause = "balancer_missing", .message = message, .remedy = remedy});
    };
    if (!reachable(cloud))
      return found(cloud, "cloud",
                   {.cause = "cloud_unreachable", .message = silence(cloud), .remedy = "see the cloud's status, the credentials and the network"});
    status_.endpoints.clear();
    for (const CloudBalancer& one : balancers_) {
      if (!one.wanted) continue;
      const auto* output = answers_.get<Output>(balancer_ask(cloud, one.wish));
      const Balancer is = read_balancer(output ? output->out : "");
      if (!output || is.owner != one.wish.owner)
        missing("there is no load balancer " + one.wish.name, "apply makes it");
      else if (is.address.empty())
        missing("the load balancer " + one.wish.name + " has no address yet", "wait a minute, and look again");
      else
        status_.endpoints.push_back({one.kind, is.address, is.port,
                                     "postgresql://" + net::host_port(is.address, is.port) +
                                         "/postgres?target_session_attrs=" + (one.role == BalancerRole::primary ? "read-write" : "any")});
    }
  }

  std::shared_ptr<const ClusterView> view_;
  const Topology& topology_;
  std::vector<ComponentPtr> components_;
  std::vector<CloudBalancer> balancers_{};
  std::map<std::string, std::vector<Question>> questions_{};
  std::map<std::string, std::vector<Declaration>> declared_{};
  Observed observed_{};
  Answers answers_{};
  Status status_{};
};

}  // namespace

Status read_status(const Spec& spec, Executor& executor, const OperateOptions& options) { return Reading(spec, options).read(executor, options); }

}  // namespace pgcluster
