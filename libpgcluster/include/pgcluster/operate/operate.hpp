#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/component/component.hpp>
#include <pgcluster/plan/plan.hpp>
#include <pgcluster/spec/spec.hpp>
#include <pgcluster/topology/topology.hpp>

namespace PGCLUSTER_API pgcluster {

/// What every planner and reader takes.
struct OperateOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};      ///< for asking the hosts
  std::size_t parallel = 32;               ///< hosts at once
  std::function<void()> poll{};            ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};  ///< the user's own, beside ours
};

/// The options of another planner as those that all have in common.
template <class Options>
OperateOptions common_options(const Options& options) {
  return {.stop = options.stop, .deadline = options.deadline, .parallel = options.parallel, .poll = options.poll, .components = options.components};
}

// Each planner has just the options that it heeds. They have no base class: {.prune = true} would be warned of then (-Wextra).

/// What plan_deploy takes.
struct DeployOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};      ///< for asking the hosts
  std::size_t parallel = 32;               ///< hosts at once
  std::function<void()> poll{};            ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};  ///< the user's own, beside ours
  bool prune = false;                      ///< also clean hosts that left the spec, data included; refused if one of them leads
  /// Hosts of the spec to treat as down. They are neither connected to nor locked. A warning lists their steps, which stay pending. The DCS counts
  /// them as lost: the plan is refused if the DCS would have no quorum, or would lose it by a restart. With prune, also hosts that left the spec and
  /// no longer exist: they are removed from the cluster's records.
  std::vector<std::string> without{};
  /// Leave out what would restart something or move leadership, and what comes after it; a warning names these steps. What is only read at a start
  /// stands in the files, and stays pending until a plan without this. Refused while a cluster goes over to TLS or back.
  bool no_restart = false;
  operator OperateOptions() const { return common_options(*this); }  ///< what it has in common with other planners
};

/// Plans the changes that make the hosts match the spec; the plan is empty if they match already. Reads from the hosts, and changes nothing.
/// Throws Error: spec_invalid, refused, or a host's own (host_unreachable, auth_failed, …).
Plan plan_deploy(const Spec& spec, Executor& executor, const DeployOptions& options = {});

/// What plan_rotate takes.
struct RotateOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};      ///< for asking the hosts
  std::size_t parallel = 32;               ///< hosts at once
  std::function<void()> poll{};            ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};  ///< the user's own, beside ours
  /// Names of roles, as read_password has them (superuser, replication, restapi, pgbouncer, a user of the spec); or alone "certificates" or "ca", the
  /// authority that signs them. At least one.
  std::vector<std::string> what{};
  operator OperateOptions() const { return common_options(*this); }  ///< what it has in common with other planners
};

/// Replaces passwords that were generated, or all keys and certificates, on a cluster that is otherwise as the spec describes it. A rotation of
/// passwords that was interrupted is finished by any apply. The authority takes three plans: each but the last continues(), and one more call makes
/// the next. Throws as plan_deploy does; refused also where a password stands in the spec, or changes
/// are pending.
Plan plan_rotate(const Spec& spec, Executor& executor, const RotateOptions& options);

/// What the planners take that change who leads.
struct LeaderOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};      ///< for asking the hosts
  std::size_t parallel = 32;               ///< hosts at once
  std::function<void()> poll{};            ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};  ///< the user's own, beside ours
  std::string to{};                        ///< the new leader; empty: the fit replica that is least behind (failover needs a name)
  operator OperateOptions() const { return common_options(*this); }  ///< what it has in common with other planners
};
/// What the planners for single members take.
struct MemberOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};                                ///< for asking the hosts
  std::size_t parallel = 32;                                         ///< hosts at once
  std::function<void()> poll{};                                      ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};                            ///< the user's own, beside ours
  std::string host{};                                                ///< this member; empty: all (reinit needs one)
  operator OperateOptions() const { return common_options(*this); }  ///< what it has in common with other planners
};
/// Hands leadership over to a replica that Patroni lets lead; another one is refused with the reason. Throws as plan_deploy does.
Plan plan_switchover(const Spec& spec, Executor& executor, const LeaderOptions& options = {});
/// Promotes `to` (needed) where there is no healthy leader any more. What it had not received is lost. Throws as plan_deploy does.
Plan plan_failover(const Spec& spec, Executor& executor, const LeaderOptions& options = {});
/// Restarts PostgreSQL, replicas first and one member at a time, the leader last. Throws as plan_deploy does.
Plan plan_restart(const Spec& spec, Executor& executor, const MemberOptions& options = {});
/// Has PostgreSQL read its configuration again. Throws as plan_deploy does.
Plan plan_reload(const Spec& spec, Executor& executor, const MemberOptions& options = {});
/// Copies a replica's data anew from the leader; the leader itself is refused. Throws as plan_deploy does.
Plan plan_reinit(const Spec& spec, Executor& executor, const MemberOptions& options = {});
/// Patroni fails over to nobody until plan_resume. Throws as plan_deploy does.
Plan plan_pause(const Spec& spec, Executor& executor, const OperateOptions& options = {});
/// Patroni fails over again. Throws as plan_deploy does.
Plan plan_resume(const Spec& spec, Executor& executor, const OperateOptions& options = {});
/// What plan_backup takes.
struct BackupOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};      ///< for asking the hosts
  std::size_t parallel = 32;               ///< hosts at once
  std::function<void()> poll{};            ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};  ///< the user's own, beside ours
  BackupType type = BackupType::incr;
  operator OperateOptions() const { return common_options(*this); }  ///< what it has in common with other planners
};
/// Makes a backup in each repository now. A backup of this type that already runs is waited for, and counts as the one. Throws as plan_deploy does;
/// refused also where nothing is backed up.
Plan plan_backup(const Spec& spec, Executor& executor, const BackupOptions& options = {});

/// Options of plan_restore(). At most one of time, lsn, xid, name and backup; none: to the end of the archive.
struct RestoreOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{900};      ///< for asking the hosts; a restore point or a transaction is looked for in all WAL
  std::size_t parallel = 32;               ///< hosts at once
  std::function<void()> poll{};            ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};  ///< the user's own, beside ours
  std::string time{};                      ///< "2026-11-30 09:00:00+01": with its zone
  std::string lsn{};                       ///< "0/5000028"
  std::string xid{};                       ///< a transaction, which is the last one
  std::string name{};                      ///< of pg_create_restore_point()
  std::string backup{};                    ///< a label: to the end of that backup
  int timeline = 0;                        ///< 0: the present one, or the only one with such a place
  bool keep_data = false;                  ///< the former data directories are renamed, not removed
  operator OperateOptions() const { return common_options(*this); }  ///< what it has in common with other planners
};
/// Replaces the data of a running cluster by that of its backups, up to the target. Everything after the target is lost, but stays in the archive. It
/// takes two plans: the first continues(), and one more call with the same options makes the second. A restore that was interrupted is finished by
/// the same call. If all hosts except those with repositories were lost, it deploys the cluster on new hosts, with that data. Throws as plan_deploy
/// does; refused also where the target cannot be reached.
Plan plan_restore(const Spec& spec, Executor& executor, const RestoreOptions& options = {});

/// Options of plan_prove().
struct ProveOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};                                ///< for asking the hosts
  std::size_t parallel = 32;                                         ///< hosts at once
  std::function<void()> poll{};                                      ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};                            ///< the user's own, beside ours
  std::string backup{};                                              ///< a label; empty: the newest one
  operator OperateOptions() const { return common_options(*this); }  ///< what it has in common with other planners
};
/// Restores a backup into a server of its own on a replica's host, without network or archive, looks it through, and removes it. What was found is
/// kept with the repository; the apply fails (not_converged) if something is wrong. Throws as plan_deploy does; refused also where there is no such
/// backup, or no room for it.
Plan plan_prove(const Spec& spec, Executor& executor, const ProveOptions& options = {});

/// Removes all that is owned on all hosts, data included. Throws as plan_deploy does.
Plan plan_destroy(const Spec& spec, Executor& executor, const OperateOptions& options = {});

/// A plan's document (Plan::document) as a plan again: planned anew with the same planner, spec and options.
/// `spec` gives the secrets that the document only names. Throws Error (drifted) where the promised changes are others now.
Plan plan_from_document(const std::string& document, const Spec& spec, Executor& executor, const OperateOptions& options = {});

/// How a cluster is. Reads only; a host that does not answer is a finding, not an error.
struct Status {
  /// A member of the cluster, as Patroni sees it.
  struct Member {
    std::string name;
    std::string address;
    std::string role;   ///< leader, standby_leader, replica, sync_standby, quorum_standby; "" where unknown
    std::string state;  ///< running, streaming, starting, stopped, …; "unreachable"
    int timeline = 0;
    std::optional<std::int64_t> lag_bytes;
    bool pending_restart = false;
  };
  /// The distributed configuration store: etcd, or Consul.
  struct Dcs {
    DcsType type = DcsType::etcd;
    std::vector<std::string> members;  ///< described
    std::vector<std::string> healthy_members;
    bool healthy = false;  ///< every described member is
    std::size_t quorum = 0;
    std::size_t tolerates = 0;  ///< how many more may be lost now
  };
  /// The virtual address, and the hosts that have it now: one where all is well.
  struct Vip {
    std::string address;
    std::vector<std::string> holders;
    bool unknown = false;  ///< no host that answers has it, and some cannot be asked
  };
  /// The certificate whose end comes first.
  struct Certificates {
    std::string first_end;  ///< ISO 8601, UTC: "2029-11-28T20:11:24Z"
    int days_left = 0;      ///< negative: it has expired
  };
  /// How old what could be restored is.
  struct Backup {
    std::string last;                            ///< when the newest backup ended, as above; empty: there is none, or it is unknown
    std::optional<std::int64_t> archived_age_s;  ///< since WAL was archived last
    bool unknown = false;                        ///< a repository could not be read
    std::optional<std::int64_t> proven_age_s{};  ///< since a backup was proven last; empty: never
  };
  /// A host, and what is wrong with it.
  struct Host {
    std::string name;
    bool reachable = false;
    std::vector<std::string> problems;
  };
  /// A problem and where it is.
  struct Finding {
    std::string host{};       ///< empty: of the cluster as a whole
    std::string component{};  ///< the component that saw it; empty: none in particular
    Problem what;
  };
  std::string cluster;
  bool healthy = false;  ///< there is no problem
  bool paused = false;
  std::string leader;  ///< empty: none
  std::vector<Member> members;
  Dcs dcs;
  std::optional<Vip> vip;
  std::optional<Certificates> certificates{};  ///< none where nothing is encrypted, or no certificate could be read
  std::optional<Backup> backup{};              ///< none where nothing is backed up
  std::vector<Host> hosts;
  std::vector<Endpoint> endpoints;
  std::vector<Finding> problems;  ///< what makes it unhealthy
  std::vector<Finding> warnings;  ///< what is not broken yet

  /// For people; `color` adds ANSI colours.
  std::string text(bool color = false) const;
  std::string json() const;  ///< the contract's document
};
/// Asks all hosts at once; what cannot be asked is in the status. The spec must be valid.
Status read_status(const Spec& spec, Executor& executor, const OperateOptions& options = {});

/// Which backups there are.
struct Backups {
  /// A repository of the spec.
  struct Repo {
    std::string name;  ///< "repo1"
    RepoType type = RepoType::posix;
    std::string host;
    bool ok = false;
    std::string problem{};  ///< why it cannot be used; empty where it is ok
  };
  /// A backup in one of them. Times are ISO 8601, UTC: "2029-11-28T20:11:24Z".
  struct Backup {
    std::string label;
    std::string type;  ///< full, diff, incr
    std::string repo;  ///< name of the repository
    std::string start;
    std::string stop;
    std::int64_t size_bytes = 0;  ///< what it takes in the repository
    bool error = false;           ///< pages with a wrong checksum were found when it was made
    bool proven = false;          ///< it was restored to try it, and nothing was wrong
    std::string unproven{};       ///< what was wrong then; empty: nothing, or it was not tried
  };
  /// The times to which the cluster can be restored.
  struct Window {
    std::string from;
    std::string to;
  };
  /// The archiving of WAL, as the leader sees it.
  struct Archived {
    std::string last{};                   ///< when WAL was archived last; empty: never, or unknown
    std::optional<std::int64_t> age_s{};  ///< how long ago that is
    std::int64_t failed = 0;              ///< attempts that failed
    bool unknown = false;                 ///< no leader answers
  };
  /// The newest proof of a backup that found nothing wrong.
  struct Proven {
    std::string label;
    std::string at;            ///< when it began
    std::int64_t seconds = 0;  ///< how long the restore and all checks took
  };
  std::vector<Repo> repos;
  std::vector<Backup> backups;
  std::optional<Window> window;
  Archived archived;
  std::optional<Proven> proven{};

  /// For people; `color` adds ANSI colours.
  std::string text(bool color = false) const;
  std::string json() const;  ///< the contract's document
};
/// Asks the hosts with repositories, and the database hosts; one that does not answer is a problem in the result. Throws Error (refused) where
/// nothing is backed up.
Backups read_backups(const Spec& spec, Executor& executor, const OperateOptions& options = {});

/// The applies that the hosts remember, the oldest first.
struct History {
  /// One change of a plan.
  struct Change {
    std::string id;      ///< name of the step
    std::string action;  ///< as in the plan's JSON: "restart"
    std::string impact;  ///< as there: "switchover"
    std::string reason;
    std::string state{};                ///< as in the report's JSON: "done"; empty while the apply has not ended
    std::optional<std::string> diff{};  ///< without secrets; none where there is none, or where the plan had more diffs than are kept
  };
  /// One plan that was applied. Times are ISO 8601, UTC.
  struct Apply {
    std::string id;
    std::string began;
    std::string ended{};    ///< empty: it still runs, or it was interrupted
    std::string who;        ///< "root@controller pid 4711"
    std::string version{};  ///< of pgcluster
    std::string planner;    ///< "deploy", "switchover"
    std::map<std::string, std::string> options{};
    std::string result{};  ///< done, failed or cancelled; empty while it has no end
    std::int64_t changed = 0;
    std::int64_t took_s = 0;
    std::vector<std::string> failures{};
    std::vector<Change> changes{};
  };
  std::vector<Apply> applies;
  std::vector<std::string> unread{};  ///< hosts that could not be asked, and why: "pg3: …"

  /// For people; `color` adds ANSI colours.
  std::string text(bool color = false) const;
  std::string json() const;  ///< format 1
};
/// Asks all hosts of the spec for the applies that they remember: the last 200. Throws the hosts' error where none of them can be asked.
History read_history(const Spec& spec, Executor& executor, const OperateOptions& options = {});

/// Options of html_report().
struct ReportOptions {
  std::stop_token stop{};
  std::chrono::seconds deadline{120};                                ///< for asking the hosts
  std::size_t parallel = 32;                                         ///< hosts at once
  std::function<void()> poll{};                                      ///< called on the calling thread at least every 100 ms
  std::vector<ComponentPtr> components{};                            ///< the user's own, beside ours
  std::string log{};                                                 ///< of an apply, as read_log() takes it; empty: none
  operator OperateOptions() const { return common_options(*this); }  ///< what it has in common with other planners
};
/// A page about the cluster for people, in HTML: its topology as a picture, health, backups, pending changes, and the last apply; as a picture, too,
/// if there is a log of it. It needs no script and nothing from elsewhere, and has no secrets. The page lists what could not be read. Throws Error:
/// spec_invalid; cancelled; refused where the log is none.
std::string html_report(const Spec& spec, Executor& executor, const ReportOptions& options = {});

/// JSON Schema (2020-12) of a document: "spec" is cluster.yaml; "plan", "status", "backups" and "history" are what these commands print with --json;
/// "event" is a line of apply --json, and "report" its last one. Throws Error (refused) for any other word.
std::string schema(std::string_view document);
/// The words that schema() takes.
std::vector<std::string> schema_names();

/// Whether the hosts are fit for the spec: reach, sudo, OS, ports, clock, disk, packages.
struct CheckReport {
  /// One finding about one host; `code` is what apply would fail with.
  struct Finding {
    std::string host;
    Diagnostic what;
    Code code = Code::refused;
    std::vector<std::string> causes{};  ///< evidence, where there is some: what ssh said, which keys were tried
  };
  std::vector<Finding> findings;
  std::vector<std::string> hosts;  ///< that were looked at
  bool ok() const;                 ///< no finding is an error
  /// For people; `color` adds ANSI colours.
  std::string text(bool color = false) const;
  /// The contract's document: format 1.
  std::string json() const;
};
/// Looks at all hosts at once; what is wrong with them, and that they cannot be reached, is in the report. The spec must be valid.
CheckReport check_hosts(const Spec& spec, Executor& executor, const OperateOptions& options = {});

/// The password of a role (superuser, replication, restapi, pgbouncer, or a user of the spec), as the spec or the hosts have it.
/// Throws Error (refused) where there is none.
std::string read_password(const Spec& spec, Executor& executor, const std::string& role, const OperateOptions& options = {});

}  // namespace pgcluster
