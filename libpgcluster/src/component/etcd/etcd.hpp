#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/component/component.hpp>
#include <pgcluster/component/etcd.hpp>

namespace pgcluster {

/// How long a step waits for etcd. A member tells that it has started only when there is a quorum, and the other hosts may still be busy with apt.
constexpr std::chrono::seconds etcd_patience{300};

/// The members of etcd as a quorum of it knows them (etcd 3.4: as the member itself does), asked on this host: of its own member, else of any that
/// answers.
Ask etcd_members_ask(const ClusterView& cluster, const TopologyHost& host);
/// What the host's member says of itself; also answered without a quorum.
Ask etcd_status_ask(const ClusterView& cluster, const TopologyHost& host);

/// A command that asks a host's own member by etcdctl.
std::vector<std::string> etcdctl(const ClusterView& cluster, const TopologyHost& host, const std::vector<std::string>& words);
/// The alarms of the cluster, asked of the host's own member.
Ask etcd_alarms_ask(const ClusterView& cluster, const TopologyHost& host);
/// Whether the database of a member has reached its quota: etcd refuses to write then.
bool read_etcd_full(const Answer& answer);

struct EtcdMember {
  std::string id;  ///< hexadecimal, as `etcdctl member remove` takes it
  std::string name{};
  std::vector<std::string> peer_urls{};
  bool started = false;  ///< it has run at least once
  bool learner = false;  ///< it receives all data, and has no vote
};
/// Empty where the answer is none: no curl, no member that answers, no quorum.
std::vector<EtcdMember> read_etcd_members(const Answer& answer);
/// Why there are none, in words; empty where nothing is known.
std::string etcd_silence(const Answer& answer);

/// Whether a member of ours was started there.
bool owns_etcd(const ClusterView& cluster, const std::string& host);
// --- membership: how the members become those of the spec ---

/// A member that the spec does not place on its host any more.
struct EtcdLeaver {
  TopologyHost host;
  bool asked = true;  ///< whether the plan can ask its host
};
/// The changes of the members of a running cluster, derived from what its hosts own and remember.
struct EtcdMembership {
  std::vector<std::string> joining{};  ///< hosts of the spec that get a member, in the order in which they join
  std::vector<EtcdLeaver> leaving{};   ///< also such as have left already, while something of theirs may be there
  bool changes() const { return !joining.empty() || !leaving.empty(); }
  bool joins(const std::string& host) const;
  const EtcdLeaver* leaver(const std::string& host) const;  ///< null where it is none
};
/// Must not be asked for while needs() is called.
EtcdMembership etcd_membership(const ClusterView& cluster);
/// Hosts of members that may answer now: those of the spec that run, then those that leave, then those that join.
std::vector<TopologyHost> etcd_hosts(const ClusterView& cluster);

/// The members as they are while they change, and what is wrong with them.
class EtcdScene {
 public:
  explicit EtcdScene(const ClusterView& cluster);
  const std::vector<Ask>& asks() const { return asks_; }

  struct Member {
    EtcdMember etcd;
    std::string host{};  ///< empty: at no host that anybody knows
    bool answers = false;
    int age = 0;  ///< s since its process started
  };
  struct Now {
    bool known = false;             ///< a quorum has told its members
    std::vector<Member> members{};  ///< without the dead
    std::vector<Member>
        dead{};            ///< removed before anything else: those that leave or were made anew, and do not answer, and what an aborted change left
    std::string leader{};  ///< host
    const Member* at(const std::string& host) const;
    /// Hosts of members that should answer, and do not.
    std::vector<std::string> silent() const;
  };
  Now look(const Answers& answers) const;
  /// The host on which a change of the members is made.
  const TopologyHost* asker(const Now& now, const std::string& but = {}) const;
  /// Those that join, up to this one, that are no members yet.
  std::vector<std::string> missing(const Now& now, const std::string& last) const;

 private:
  struct Host {
    TopologyHost host;
    Ask members, status, age;
  };
  std::vector<Host> hosts_;
  std::map<std::string, Ask> data_;            // of those that join
  std::map<std::string, std::string> places_;  // address for peers: host
  std::vector<std::string> joining_;
  std::map<std::string, bool> leaving_;  // host: whether it is asked
  std::vector<Ask> asks_;
};

namespace etcd {
/// The host's member has left the list of members. Planned where it leaves, after all clients know those that stay.
inline StepRef left(const std::string& host) { return {"", "etcd", "left-" + host}; }
}  // namespace etcd
/// The member of a host that joins is in etcd's list, which comes before it starts.
StepPtr etcd_added(const NodeView& node);
/// The cluster's own steps: dead members are removed first, those that leave last.
Steps etcd_membership_steps(const ClusterView& cluster);

/// Where its members serve clients: "https://10.77.0.11:2379" of each.
std::vector<std::string> etcd_client_urls(const ClusterView& cluster);
std::string etcd_peer_url(const ClusterView& cluster, const std::string& member);
std::string etcd_token(const Spec& spec);
inline constexpr const char* etcd_unit = "etcd.service";
/// The order in which members may be disturbed without losing the quorum.
Order etcd_restart_order(const ClusterView& cluster);
/// Closes the way that the cluster leaves: a last change of the environment file, of the member's URL for its peers, and a restart.
StepPtr etcd_close(const NodeView& node);
/// A peer's URL without its scheme: as members are told apart also while they go over from one to another.
std::string etcd_peer_address(const std::string& url);
/// The environment file; refuses where a member must not be made.
StepPtr etcd_config(const NodeView& node);

// --- users: whom etcd lets in, and to what ---

/// Whether etcd has users: in a cluster with TLS that began so, or has got them by `rotate etcd`. It takes programs that speak gRPC by the common
/// name of their certificate, and Patroni, which uses the JSON gateway, by a password. The gateway refuses certificates with a common name.
bool etcd_has_users(const ClusterView& cluster);
/// Whether it has, or gets, users in a cluster that runs: Patroni and confd learn to log in first, then etcd lets in nobody else.
bool etcd_gets_users(const ClusterView& cluster);
/// A certificate of each member's host by which its programs are etcd's root.
inline constexpr const char* etcd_root_certificate = "etcd-root";
/// Whether a host has, or had, that certificate.
bool owns_etcd_root(const Facts& facts);
/// A file on each member's host tells that etcd has users, or gets them. It is there before all else; where the cluster gives up TLS it goes first.
Steps etcd_users_mark(const NodeView& node);
/// The user, by common name, that may read Patroni's keys.
std::string etcd_reader(const Spec& spec);
inline constexpr const char* etcd_password_secret = "patroni_etcd_password";
/// Patroni's user whose password that secret is. Each new password belongs to the other one of two users, so that both count while Patroni changes
/// over.
std::string etcd_patroni_user(const ClusterView& cluster);
/// Makes the users, and then has etcd let in nobody else. Where the cluster gives up TLS: etcd lets in everybody again.
Steps etcd_user_steps(const ClusterView& cluster);
/// Why a cluster without users has none, for people.
std::vector<Diagnostic> without_etcd_users(const NodeView& node);

struct EtcdStatus {
  bool answers = false;
  bool has_leader = false;
  bool leads = false;
};
EtcdStatus read_etcd_status(const Answer& answer);

}  // namespace pgcluster
