#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <pgcluster/base/error.hpp>
#include <pgcluster/base/text.hpp>

namespace PGCLUSTER_API pgcluster {

// Asks: what a step wants to know. Asking changes nothing.

/// A file or directory, by its absolute path: File or Absent.
struct FileOf {
  std::string path;
  bool content = true;  ///< false: only its digest and access
  friend bool operator==(const FileOf&, const FileOf&) = default;
};
/// A Debian package: Package where it is installed, else Absent.
struct PackageOf {
  std::string name;
  friend bool operator==(const PackageOf&, const PackageOf&) = default;
};
/// A systemd unit, and whether it runs on its present files.
struct UnitOf {
  std::string name;                        ///< "etcd.service"
  std::vector<std::string> start_files{};  ///< files that the running process read when it started
  std::vector<std::string> load_files{};   ///< files that it reads when started or reloaded
  friend bool operator==(const UnitOf&, const UnitOf&) = default;
};
/// A user of the system: Account or Absent.
struct AccountOf {
  std::string name;
  friend bool operator==(const AccountOf&, const AccountOf&) = default;
};
/// A command that only reads, with LC_ALL=C. argv[0] that is not there is Output with status 127, one that takes too long has status 124.
struct Exec {
  std::vector<std::string> argv;
  Text input{};                      ///< its standard input; the only place for a secret
  std::vector<std::string> about{};  ///< resource keys that the answer depends on: "unit:patroni.service", "dcs:config"
  std::chrono::milliseconds limit{10'000};
  friend bool operator==(const Exec&, const Exec&) = default;
};
/// A request that only reads, to an API that the controller reaches.
struct Http {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, Text>> headers{};
  Text body{};
  std::vector<std::string> about{};
  friend bool operator==(const Http&, const Http&) = default;
};

/// One question, and to whom it is put.
struct Ask {
  std::string at;  ///< a host of the fleet, or an API (a cloud)
  std::variant<FileOf, PackageOf, UnitOf, AccountOf, Exec, Http> what;
  friend bool operator==(const Ask&, const Ask&) = default;
};

/// The same text for equal asks, another for others. Not for people.
std::string key(const Ask& ask);
/// The same for equal asks; quick, and so not always another for others.
std::size_t hash(const Ask& ask);

// Answers.

/// It is not there.
struct Absent {
  friend bool operator==(const Absent&, const Absent&) = default;
};
/// A file as it stands. Links are followed.
struct File {
  /// What the path leads to.
  enum class Kind { regular, directory, other };
  Kind kind = Kind::regular;
  std::string content{};  ///< empty where only the digest was asked for
  std::string sha256{};   ///< lower-case hex; of a regular file
  unsigned mode = 0644;   ///< permission bits
  std::string owner = "root";
  std::string group = "root";
  friend bool operator==(const File&, const File&) = default;
};
/// An installed package.
struct Package {
  std::string version;
  friend bool operator==(const Package&, const Package&) = default;
};
/// A systemd unit as it stands. One that systemd does not know is Absent.
struct Unit {
  std::string active = "inactive";  ///< systemd's ActiveState: active, activating, inactive, failed, …
  std::string sub{};                ///< SubState
  bool enabled = false;
  bool masked = false;
  std::int64_t pid = 0;
  std::uint64_t started = 0;        ///< ActiveEnterTimestampMonotonic, µs; 0: never
  bool start_files_current = true;  ///< it runs on its start_files as they are now, or has failed on them
  bool load_files_current = true;
  std::string result{};           ///< systemd's Result: success, exit-code, timeout, …
  int restarts = 0;               ///< NRestarts: by systemd itself since the last start
  std::uint64_t files_limit = 0;  ///< LimitNOFILE, hard: how many files it may open; 0: not told
  friend bool operator==(const Unit&, const Unit&) = default;
};
/// A user of the system.
struct Account {
  unsigned uid = 0;
  std::string home{};
  std::string shell{};
  friend bool operator==(const Account&, const Account&) = default;
};
/// How a command ended.
struct Output {
  int status = 0;  ///< exit status; 124 timed out, 127 no such program, 128 + n killed by signal n
  std::string out{};
  std::string err{};
  friend bool operator==(const Output&, const Output&) = default;
};
/// It may be there or not: permission, a broken answer, a host that does not answer.
struct Unreadable {
  std::string why;
  friend bool operator==(const Unreadable&, const Unreadable&) = default;
};

/// What an Ask is answered: its own kind, Absent, or Unreadable.
using Answer = std::variant<Absent, File, Package, Unit, Account, Output, Unreadable>;

// Dos: what changes a host.

/// Written beside and renamed; parents are made (0755, root).
struct WriteFile {
  std::string path;
  Text content;
  unsigned mode = 0644;
  std::string owner = "root";
  std::string group = "root";
  friend bool operator==(const WriteFile&, const WriteFile&) = default;
};
/// A block between marker lines in a file that is not ours ("# BEGIN pgcluster MARKER" … "# END pgcluster MARKER").
struct WriteBlock {
  std::string path;
  std::string marker;
  std::string content;
  friend bool operator==(const WriteBlock&, const WriteBlock&) = default;
};
/// A file of the controller, whole.
struct Upload {
  std::string path;
  std::string source;  ///< on the controller
  std::string sha256;
  unsigned mode = 0755;
  friend bool operator==(const Upload&, const Upload&) = default;
};
/// Packages by apt. Units that they would start are masked at run time until a SetUnit starts them.
struct Install {
  std::vector<std::string> packages;
  std::vector<std::string> mask{};
  friend bool operator==(const Install&, const Install&) = default;
};
/// Starts, stops, restarts or reloads a systemd unit, and has it started at boot or not.
struct SetUnit {
  /// What becomes of it now.
  enum class Go { nothing, start, stop, restart, reload };
  std::string name;
  Go go = Go::nothing;
  std::optional<bool> enabled{};  ///< empty: left as it is
  friend bool operator==(const SetUnit&, const SetUnit&) = default;
};
/// A system account with a group of its own name.
struct SetAccount {
  std::string name;
  std::string home;
  std::string shell = "/usr/sbin/nologin";
  friend bool operator==(const SetAccount&, const SetAccount&) = default;
};
/// A command that changes something.
struct Run {
  std::vector<std::string> argv;
  Text input{};
  std::vector<std::string> touches{};  ///< resource keys that it may change
  std::optional<Exec> look{};          ///< asked on the host just before; its Output must equal the Do's `was` (status and out)
  bool slow = false;                   ///< ends a program
  friend bool operator==(const Run&, const Run&) = default;
};
/// A request to an API that the controller reaches, which changes something.
struct Send {
  Http request;
  friend bool operator==(const Send&, const Send&) = default;
};
/// Something is taken away; what is not there is done.
struct Remove {
  /// What `name` names; a unit is stopped and disabled.
  enum class Kind { file, tree, block, package, unit };
  Kind kind = Kind::file;
  std::string name;      ///< path, package or unit
  std::string marker{};  ///< of a block
  friend bool operator==(const Remove&, const Remove&) = default;
};

/// One change of one host.
struct Do {
  std::string at;
  std::variant<WriteFile, WriteBlock, Upload, Install, SetUnit, SetAccount, Run, Send, Remove> what;
  /// Compare-and-set: the host acts where it still finds this, skips where it finds what is wished, else stops as drifted.
  /// Empty where an earlier step of the plan may touch it: then only "as wished: skip" is looked at.
  /// WriteFile, Remove: File (sha256, mode, owner, group) or Absent. SetUnit restart and reload: Unit (`started`); Run: Output of `look`.
  std::optional<Answer> was{};
  std::chrono::milliseconds limit{60'000};
  friend bool operator==(const Do&, const Do&) = default;
};

/// Resource keys: "file:/etc/default/etcd", "block:/etc/hosts#NAME", "package:etcd-server", "unit:etcd.service", "account:postgres", or a
/// step's own ("dcs:config").
std::vector<std::string> resources(const Do& d);
/// What the answer depends on, by the same keys.
std::vector<std::string> resources(const Ask& ask);
/// Short and without secrets: "write /etc/default/etcd", "apt install etcd-server".
std::string describe(const Do& d);
/// Short and without secrets: "read /etc/default/etcd".
std::string describe(const Ask& ask);
/// Whether it ends a program: installs, uploads, slow runs.
bool is_slow(const Do& d);

// Programs: what travels to one host.

/// A line of /var/lib/pgcluster/owned.
struct Owned {
  std::string resource;  ///< as in resources()
  std::string step;
  friend bool operator==(const Owned&, const Owned&) = default;
  friend auto operator<=>(const Owned&, const Owned&) = default;
};

/// What is sent to a host as one: Dos in order, then asks.
struct Program {
  std::vector<Do> dos{};
  std::vector<Ask> asks{};
  std::vector<Owned> own{};                  ///< noted before the first Do acts
  std::vector<std::string> disown{};         ///< resources struck from the list after the last Do
  std::function<void(std::size_t)> on_do{};  ///< a Do begins; called on the thread that runs the program
};

/// What has become of a Do.
struct DoResult {
  /// skipped: it was as wished already; not_run: an earlier one failed or had drifted.
  enum class What { done, skipped, drifted, failed, not_run };
  What what = What::not_run;
  Output output{};                   ///< of the command behind it; for a failed SetUnit `err` ends with the unit's journal
  std::string found{};               ///< drifted: what stands there instead, without secrets
  std::optional<Failure> failure{};  ///< failed: what to say of it, where the executor knows more than an exit status
};

/// What has become of a program.
struct ProgramResult {
  std::vector<DoResult> dos{};    ///< as many as Program::dos; after the first failed or drifted one, not_run
  std::vector<Answer> answers{};  ///< as many as Program::asks
};

// Hosts.

/// What carries the work to a host.
enum class Transport {
  libssh2,  ///< ssh, in this process
  openssh,  ///< the system's ssh client: for what libssh2 lacks (FIDO keys, certificates, GSSAPI)
  local,    ///< no ssh: the host is the machine that this process runs on
  cloud,    ///< no host: a cloud's API, which the controller itself talks to
};
/// As the spec writes it: "openssh".
std::string_view to_string(Transport transport) noexcept;

/// A host that ssh goes through on its way to another one.
struct Hop {
  std::string address;  ///< or a name
  int port = 0;         ///< 0: as ssh_config says, else 22
  std::string user{};   ///< empty: as ssh_config says, else as on the host itself
  friend bool operator==(const Hop&, const Hop&) = default;
};
/// "admin@bastion:2222", "[fd00::1]:22"; empty where it is none.
std::optional<Hop> parse_hop(const std::string& text);
/// As parse_hop() reads it.
std::string to_string(const Hop& hop);

/// ssh_config for a host whose address is a name (never for an IP address), and what of HostAccess it decides where it says something.
struct SshConfig {
  std::string path{};  ///< empty: ~/.ssh/config, where there is one
  bool user = false;
  bool port = false;
  bool private_keys = false;
  bool known_hosts = false;
  bool jump = false;
  friend bool operator==(const SshConfig&, const SshConfig&) = default;
};

/// How a cloud's API is reached. What is empty in it comes from the variables that the vendor's own tools read.
struct CloudAccess {
  std::string provider;                                         ///< aws, gcp, azure, digitalocean, hetzner
  std::string endpoint{};                                       ///< instead of the vendor's own address; https, or http on loopback
  std::vector<std::pair<std::string, Text>> credentials{};      ///< by the spec's keys
  std::vector<std::pair<std::string, std::string>> settings{};  ///< what else the API needs to know: location, network
  friend bool operator==(const CloudAccess&, const CloudAccess&) = default;
};

/// How ssh reaches a host.
struct HostAccess {
  std::string name;     ///< as in the spec
  std::string address;  ///< of ssh
  int port = 22;
  std::string user = "root";                ///< others use sudo
  std::vector<std::string> private_keys{};  ///< paths; empty: the agent's and the usual ones, unless there is a password
  bool agent = true;
  std::vector<std::string> known_hosts{};  ///< paths
  bool accept_new_host_key = false;
  std::chrono::seconds connect_timeout{15};
  Transport transport = Transport::libssh2;
  Text passphrase{};        ///< of private_keys that are encrypted and not in the agent
  Text password{};          ///< of the user, at the host itself only, never at a hop; after the keys
  Text sudo_password{};     ///< empty: sudo must ask for none
  std::vector<Hop> jump{};  ///< the way to the host; logged in to with the same keys, checked by the same known_hosts
  std::optional<SshConfig> config{};
  std::string host_key_alias{};        ///< known_hosts has it by this name; empty: by its address
  std::optional<CloudAccess> cloud{};  ///< where transport is cloud
  friend bool operator==(const HostAccess&, const HostAccess&) = default;
};

/// What a host is, read once at the beginning.
struct Facts {
  std::string hostname{};
  std::string os_id{};        ///< "debian"
  std::string os_version{};   ///< "13"
  std::string os_codename{};  ///< "trixie"
  std::string arch{};         ///< "x86_64"
  std::uint64_t memory_bytes = 0;
  unsigned cpus = 1;
  std::uint64_t nofile_limit = 1024;  ///< hard limit of open files that a service can get
  std::string container{};            ///< "systemd-nspawn"; empty on a machine of its own
  std::int64_t clock = 0;             ///< the host's clock, Unix time
  /// A network interface's address; an interface may have several.
  struct Interface {
    std::string name;
    std::string cidr;  ///< "10.77.0.11/24"
    friend bool operator==(const Interface&, const Interface&) = default;
  };
  std::vector<Interface> interfaces{};
  std::string default_interface{};
  std::vector<Owned> owned{};
  std::string cluster{};                         ///< /var/lib/pgcluster/cluster as it stands; empty: none
  std::map<std::string, std::string> secrets{};  ///< /var/lib/pgcluster/secrets by name
  friend bool operator==(const Facts&, const Facts&) = default;
};

/// What to ask a host for its facts: one exec.
std::vector<Ask> facts_asks(const std::string& host);
/// Throws Error (host_unsupported) where the answers make no sense.
Facts read_facts(const std::string& host, const std::vector<Answer>& answers);

}  // namespace pgcluster
