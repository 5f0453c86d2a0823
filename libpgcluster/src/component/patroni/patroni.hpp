#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <pgcluster/component/component.hpp>
#include <pgcluster/component/patroni.hpp>

namespace pgcluster::patroni {

inline constexpr const char* unit_name = "patroni.service";
inline constexpr const char* config_path = "/etc/patroni/config.yml";
inline std::string pgpass_path(const Platform& platform) { return platform.postgresql.home + "/.pgpass_patroni"; }

// --- the configuration, as pure functions ---

/// /etc/patroni/config.yml without its bootstrap section.
Text config_head(const ClusterView& view, const TopologyHost& host);
/// What that file, once Patroni has read it, makes PostgreSQL show as pgcluster.config. Patroni reads it some seconds after it is told to,
/// and a server that is restarted at that moment starts with a half-written postgresql.conf.
std::string config_mark(const ClusterView& view, const TopologyHost& host);
/// The bootstrap section, always the file's last: what the cluster begins with, read once.
std::string config_bootstrap(const ClusterView& view);
/// The lines of pg_hba.conf and pg_ident.conf.
std::vector<std::string> hba_lines(const ClusterView& view);
std::vector<std::string> ident_lines(const Spec& spec);
/// Where the bootstrap section begins in such a file; npos where it has none.
std::size_t bootstrap_at(const std::string& config);
ServiceWish service_wish(const Spec& spec);
WriteFile drop_in(const Spec& spec, const Facts& facts);
/// The commands of a reload by which Patroni and PostgreSQL take new certificates, too.
std::vector<std::string> certificate_reloads(const std::string& data_dir);
/// The service that keeps etcd's leader on another host than PostgreSQL's: its unit, program and unit file.
inline constexpr const char* etcd_leader_unit = "pgcluster-etcd-leader.service";
ServiceWish etcd_leader_wish();
WriteFile etcd_leader_program();
WriteFile etcd_leader_unit_file(const NodeView& node);
/// The program that runs before Patroni starts and waits until a running server answers; and the drop-in that makes systemd run it.
WriteFile await_server_program();
WriteFile await_server_drop_in(const ClusterView& view, const std::string& host);
/// Whether Patroni's callback must cut the sessions of clients on a former leader: PgBouncer would keep them, and the clients' way to the leader may
/// not cut them.
bool cuts_sessions(const Spec& spec);
/// The program that Patroni calls when the role of its member changes.
WriteFile role_change_program(const Spec& spec);

/// The settings of the whole cluster but for postgresql.parameters: dotted path and value, true, false or a number.
Pairs cluster_settings(const Spec& spec);

/// Whether a Patroni of ours was ever configured on the host; no host: the cluster begins with this plan.
bool configured(const ClusterView& view, const std::string& host);
bool begins(const ClusterView& view);

// --- what is asked ---

/// The certificate of Patroni, which it also shows to its DCS; and PostgreSQL's.
inline constexpr const char* certificate = "patroni";
inline constexpr const char* server_certificate = "postgresql";

/// The base URL of the host's Patroni REST API, with the scheme that the spec asks for: "https://10.77.0.11:8008".
std::string rest_base(const Spec& spec, const TopologyHost& host);
/// Asks a member for its own state and for the cluster's settings: GET /patroni and GET /config by one curl, which prints one JSON after the other.
Ask member_ask(const ClusterView& view, const TopologyHost& host);
/// member_ask() for all database hosts; with synchronous_mode also sync_ask(), which read_members() uses.
std::vector<Ask> member_asks(const ClusterView& view);
/// Asks the DCS for the list of synchronous standbys, by which Patroni decides who may lead. A member's own report may be up to loop_wait old.
Ask sync_ask(const ClusterView& view, const TopologyHost& host);
/// The names of the synchronous standbys; nullopt if the DCS does not answer.
std::optional<std::set<std::string>> read_sync(const Answer& answer);
/// Patroni's section about its DCS.
Text dcs_section(const ClusterView& view);
/// The log of the DCS's process on the host, if it has one, to explain why it does not answer.
std::vector<Ask> dcs_evidence(const ClusterView& view, const TopologyHost& host);
/// The steps after which the DCS answers on the host: those of the host's own member or agent, and of all members while the cluster is new or
/// switches to TLS or back.
std::vector<StepRef> dcs_steps(const ClusterView& view, const TopologyHost& host);
/// The package with Patroni's client for the DCS.
const std::string& dcs_client_package(const NodeView& node);
/// The cluster's initialize key, from a DCS that answers with a quorum behind it; or what the host's own Patroni tells of its cluster, if it runs.
Ask initialize_ask(const ClusterView& view, const TopologyHost& host);
/// Makes the DCS forget who led, the history of timelines, and the synchronous standbys: the data is replaced by older data. The cluster's settings
/// and its system identifier stay. `host` asks the DCS; no Patroni may run.
StepPtr forget_step(const std::shared_ptr<const ClusterView>& view, const std::string& host, const StepRef& name);
Ask unit_ask(const Spec& spec, const TopologyHost& host);
/// Whether the answer to unit_ask() shows that Patroni has failed and will not start again by itself.
bool died(const Spec& spec, const Answers& answers, const TopologyHost& host);

/// The state of a member as its own Patroni reports it (GET /patroni). GET /cluster is not used: it is up to loop_wait old.
struct Member {
  bool answers = false;
  bool leads = false;
  std::string role;         ///< leader, standby_leader, replica, sync_standby, quorum_standby; empty where it does not answer
  std::string state;        ///< running, starting, creating replica, …
  std::string replication;  ///< replication_state of a replica: "streaming"; empty where Patroni does not tell
  bool streams = false;     ///< a replica that receives WAL
  bool sync = false;        ///< a synchronous standby
  bool nofailover = false;  ///< by the tag of that name, or failover_priority 0
  bool paused = false;      ///< automatic failover is off for the cluster
  int timeline = 0;
  std::string start_time;  ///< of the postmaster
  std::string scope, name;
  std::int64_t location = 0;  ///< of a leader: written; of a replica: replayed
  std::int64_t received = 0;
  bool pending_restart = false;
  std::set<std::string> pending;  ///< names of the parameters that want it
  std::string settings;           ///< the cluster's, as GET /config gives them; empty where not known

  /// `state`, or how a running replica replicates: "streaming".
  const std::string& shown_state() const { return !leads && state == "running" && !replication.empty() ? replication : state; }
  /// The server runs; a replica whose Patroni does not tell how it replicates counts.
  bool runs() const { return state == "running" && (leads || replication.empty() || streams); }
  bool fine() const { return answers && state == "running" && (leads || streams); }
  /// Not fine, but in a state from which a member usually becomes fine.
  bool rising() const { return !fine() && (state == "running" || state == "starting" || state == "restarting" || state == "creating replica"); }
};
Member read_member(const Answer& answer);

/// Asks on this host for the names of Patroni's members, which are keys in the DCS. Needs only curl (and, with Consul, the host's agent).
Ask member_names_ask(const ClusterView& view, const TopologyHost& host);
/// Sorted; empty where the DCS does not say.
std::optional<std::vector<std::string>> read_member_names(const Answer& answer);

enum class Initialized { no, yes, unknown };
Initialized read_initialized(const Answer& answer);
/// The cluster's system identifier; empty while it is not known.
std::string read_system_id(const ClusterView& view, const Answer& answer);

/// All members as they are now.
struct Members {
  std::vector<std::pair<const TopologyHost*, Member>> all;  ///< in the topology's order
  std::optional<std::set<std::string>> synchronous{};       ///< the DCS's list of synchronous standbys, where it was asked and answers
  const Member& of(const TopologyHost& host) const;
  /// Empty where none leads, or several.
  const TopologyHost* leader() const;
  /// Why Patroni would not let this replica take over from the leader; empty where it would. The one rule for who may lead.
  std::string unfit(const ClusterView& view, const TopologyHost& host) const;
  /// Whether a commit waits for it.
  bool is_synchronous(const TopologyHost& host) const;
  /// How many replicas may be synchronous standbys: by their tags, and not left out.
  std::size_t able_standbys(const ClusterView& view) const;
  /// Each replica that is not fit, and why: "pg2: it is starting, not streaming; pg3: …".
  std::string why_none(const ClusterView& view) const;
  /// All of them in words, for who waits: "pg1 leads, pg2 is streaming, Patroni on pg3 does not answer".
  std::string words() const;
  /// The fit replica that is least behind; null where there is none.
  const TopologyHost* successor(const ClusterView& view, const TopologyHost& from) const;
  /// How far it is behind the leader in bytes.
  std::int64_t lag(const TopologyHost& host) const;
};
Members read_members(const ClusterView& view, const Answers& answers);

/// The HTTP status of a path of the host's own REST API, as text: "200".
Exec rest_code(const ClusterView& view, const TopologyHost& host, const std::string& path);
/// A request to the host's own REST API, with its password, through curl's standard input.
Run rest_call(const ClusterView& view, const TopologyHost& host, const std::string& method, const std::string& path, const std::string& body,
              int seconds);
/// Copies a replica's data anew without Patroni's help: for a data directory that is a link, which Patroni would replace.
Run copy_again(const ClusterView& view, const TopologyHost& host);

// --- the cluster's settings against those in the DCS ---

struct SettingsDiff {
  bool known = false;                ///< the settings in the DCS could be read
  std::string patch;                 ///< JSON; empty where nothing differs
  std::string before, after;         ///< for people
  bool parameters = false;           ///< some of postgresql.parameters differs
  std::vector<std::string> removed;  ///< postgresql.parameters that nobody describes any more
};
SettingsDiff compare_settings(const ClusterView& view, const std::string& settings);

// --- steps ---

using View = std::shared_ptr<const ClusterView>;

/// Refuses a host that has somebody else's server on it.
StepPtr foreign_step(const View& view, const TopologyHost& host);
StepPtr config_step(const View& view, const TopologyHost& host);
/// A throw-away server starts with the settings that only PostgreSQL can judge.
StepPtr trial_step(const View& view, const TopologyHost& host);
/// Waits until the leader knows changed passwords, so that no member tries them too soon.
StepPtr passwords_gate(const View& view, const TopologyHost& host);
/// Reloads Patroni at once after a change of its file, without waiting for the host's turn to restart.
StepPtr reload_step(const View& view, const TopologyHost& host);
/// The server shows the mark of the file: Patroni has read it.
StepPtr loaded_gate(const View& view, const TopologyHost& host);
/// The database host that begins a new cluster, and leads it.
const TopologyHost& first_host(const ClusterView& view);
/// The DCS answers, and on all but the first host the cluster is initialised: the first leads.
StepPtr dcs_gate(const View& view, const TopologyHost& host);
/// Patroni has brought up a server, however long the copy takes.
StepPtr created_gate(const View& view, const TopologyHost& host);
/// The member runs, and streams if it is a replica; after a turn in the lane so do all others.
StepPtr member_gate(const View& view, const TopologyHost& host, const StepRef& step);
StepPtr leader_gate(const View& view);
/// Allows the removal of a host that left the spec, with its data, only while a host of the spec leads.
StepPtr departure_gate(const View& view, const TopologyHost& left);
/// A new replica's slot is made by the leader at once, and not on its next round only.
StepPtr slot_step(const View& view, const TopologyHost& host);
/// A new replica that has its slot now asks for WAL at once.
StepPtr stream_step(const View& view, const TopologyHost& host);
/// Whether the leader will make a slot for the host, because of this plan: it is new, and streams from the leader.
bool makes_slot(const ClusterView& view, const std::string& host);
/// The slot that Patroni keeps for a member, as its slot_name_from_member_name() has it.
std::string slot_name(const std::string& member);

/// As many synchronous standbys stand as the spec asks for, or as there are replicas that may be one.
StepPtr synchronous_gate(const View& view);

/// The repositories know the cluster before it is told to archive to them. A cluster that archives already waits for none; no step without backups.
Steps archivable_gate(const View& view);
StepPtr settings_step(const View& view);
/// Where a cluster goes over to TLS: PostgreSQL answers with TLS, too, before members and clients ask for it; and the gate that has seen it.
StepPtr encryption_step(const View& view);
StepPtr encrypted_gate(const View& view);
/// Patroni's file on the host.
inline StepRef config(const std::string& host) { return {host, "patroni", "config"}; }
inline StepRef encryption() { return {"", "patroni", "encryption"}; }
inline StepRef encrypted() { return {"", "patroni", "encrypted"}; }
/// What needs no restart is live.
StepPtr live_gate(const View& view, const TopologyHost& host);
StepPtr switchover_step(const View& view, const TopologyHost& host);
/// Restarts the leader in place, before all replicas, if the spec lowers a parameter of which a replica must not have less than the leader.
StepPtr lower_step(const View& view, const TopologyHost& host);
/// Members of the rolling group that a host has beside the one of its own name, in which Patroni itself is started. What waits for another
/// host's turn must not be in the same turn as that.
std::string lower_turn(const TopologyHost& host);
std::string switchover_turn(const TopologyHost& host);
std::string restart_turn(const TopologyHost& host);
StepPtr restart_step(const View& view, const TopologyHost& host);
Order restart_order(const View& view);

}  // namespace pgcluster::patroni
