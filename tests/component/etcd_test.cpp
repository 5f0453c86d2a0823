#include "component/etcd/etcd.hpp"

#include <algorithm>

#include "component/certificates.hpp"
#include "parts.hpp"

using namespace pgcluster;
using namespace parts;

namespace {

struct Listed {
  std::string name;
  int last = 0;  // of the address
  bool started = true;
};

// As etcd 3.5's gateway says it.
Output member_list(const std::vector<Listed>& members) {
  std::string out = R"({"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","raft_term":"2"},"members":[)";
  bool first = true;
  for (const Listed& one : members) {
    const std::string url = "https://10.77.0." + std::to_string(one.last);
    out += std::string(first ? "" : ",") + R"({"ID":")" + std::to_string(10501334649042878790ull + static_cast<unsigned>(one.last)) + "\"" +
           (one.name.empty() ? "" : R"(,"name":")" + one.name + "\"") + R"(,"peerURLs":[")" + url + ":2380\"]" +
           (one.started ? R"(,"clientURLs":[")" + url + ":2379\"]" : "") + "}";
    first = false;
  }
  return {.out = out + "]}\n"};
}
Output three() { return member_list({{"pg1", 11}, {"pg2", 12}, {"pg3", 13}}); }

Output status(unsigned long long self, unsigned long long leader) {
  return {.out = R"([{"Endpoint":"https://10.77.0.11:2379","Status":{"header":{"cluster_id":14841639068965178418,"member_id":)" +
                 std::to_string(self) + R"(,"revision":3,"raft_term":2},"version":"3.5.16","dbSize":20480,"leader":)" + std::to_string(leader) +
                 R"(,"raftIndex":8,"raftTerm":2,"raftAppliedIndex":8,"dbSizeInUse":16384}}])"};
}

std::string env_file(const Steps& all, const std::string& host = "pg1", const std::vector<Bent>& bents = {}) {
  const Decision decision = decide(all, host + "/etcd/config", bents);
  REQUIRE_MESSAGE(is<Change>(decision), message(decision));
  return std::get<WriteFile>(std::get<Change>(decision).todo.at(0).what).content.reveal();
}
const Answer a_folder = File{.kind = File::Kind::directory};

}  // namespace

TEST_CASE("etcd: the files of a host") { golden_files(etcd_component(), "etcd"); }

TEST_CASE("etcd: every answer has a decision") {
  ClusterView view = cluster(spec(4));
  total(steps(etcd_component(), view, "pg1"));
  total(steps(etcd_component(), view, "pg4"));
  view.facts["pg2"].owned = view.facts["pg4"].owned = {{"unit:etcd.service", "x"}, encrypted};
  total(steps(etcd_component(), view, "pg1"));
  total(steps(etcd_component(), view, "pg4"));
}

TEST_CASE("etcd: what mattered only when the member was made stays as it was") {
  const std::string before = env_file(steps(etcd_component(), cluster(spec(3)), "pg1"));
  const ClusterView five = cluster(spec(7));
  REQUIRE(five.topology.dcs_members.size() == 5);
  const Steps all = steps(etcd_component(), five, "pg1");
  CHECK(env_file(all) != before);
  CHECK(is<Done>(decide(all, "pg1/etcd/config", {{"pg1", "/default/member", a_folder}, {"pg1", "/etc/default/etcd", File{.content = before}}})));
}

TEST_CASE("etcd: what still matters is written, and needs a restart") {
  const std::string before = env_file(steps(etcd_component(), cluster(spec()), "pg1"));
  std::string drifted = before;
  drifted.replace(drifted.find("ELECTION_TIMEOUT=\"1000\""), 23, "ELECTION_TIMEOUT=\"5000\"");
  const std::string now = env_file(steps(etcd_component(), cluster(spec()), "pg1"), "pg1",
                                   {{"pg1", "/default/member", a_folder}, {"pg1", "/etc/default/etcd", File{.content = drifted}}});
  CHECK(now == before);
  const Steps all = steps(etcd_component(), cluster(spec()), "pg1");
  const Decision service =
      decide(all, "pg1/etcd/service", {{"pg1", "etcd.service", Unit{.active = "active", .enabled = true, .start_files_current = false}}});
  CHECK(std::get<Change>(service).impact == Impact::restart);
}

TEST_CASE("etcd: a stranger's member, token or port is refused") {
  const ClusterView view = cluster(spec());
  const Steps all = steps(etcd_component(), view, "pg1");
  const auto config = [&](const std::vector<Bent>& bents) { return message(decide(all, "pg1/etcd/config", bents)); };
  CHECK(config({{"pg1", "/default/member", a_folder}}).find("has not made") != std::string::npos);
  CHECK(config({{"pg1", "/default/member", a_folder}, {"pg1", "/etc/default/etcd", File{.content = "ETCD_NAME=other\n"}}}).find("has not made") !=
        std::string::npos);
  std::string other = env_file(all);
  other.replace(other.find("etcd-postgres-cluster"), 21, "etcd-another-cluster!");
  CHECK(config({{"pg1", "/default/member", a_folder}, {"pg1", "/etc/default/etcd", File{.content = other}}}).find("another cluster") !=
        std::string::npos);
  const Output nginx{.out = R"(LISTEN 0 4096 10.77.0.11:2379 0.0.0.0:* users:(("nginx",pid=71,fd=7)))"};
  CHECK(config({{"pg1", "ss ", nginx}}).find("is taken by nginx") != std::string::npos);
  const Output etcd{.out = R"(LISTEN 0 4096 10.77.0.11:2379 0.0.0.0:* users:(("etcd",pid=71,fd=7)))"};
  CHECK(config({{"pg1", "ss ", etcd}}).find("is taken by etcd, which pgcluster has not set up") != std::string::npos);
  const Output nobody{.out = "LISTEN 0 4096 10.77.0.11:2379 0.0.0.0:*"};  // ss looked while it began to listen
  CHECK(config({{"pg1", "ss ", nobody}}).find("is taken by another process") != std::string::npos);
  CHECK(
      is<Done>(decide(all, "pg1/etcd/config",
                      {{"pg1", "ss ", nobody}, {"pg1", "/default/member", a_folder}, {"pg1", "/etc/default/etcd", File{.content = env_file(all)}}})));
  CHECK(is<Done>(decide(all, "pg1/etcd/config",
                        {{"pg1", "ss ", etcd}, {"pg1", "/default/member", a_folder}, {"pg1", "/etc/default/etcd", File{.content = env_file(all)}}})));
  CHECK(config({{"pg1", "/default/member", Unreadable{"denied"}}}).find("denied") != std::string::npos);
}

TEST_CASE("etcd: a member that has lost its data is refused until it was added again by hand") {
  ClusterView view = cluster(spec());
  view.facts["pg1"].owned = view.facts["pg2"].owned = {{"unit:etcd.service", "pg1/etcd/service"}, encrypted};
  const Steps all = steps(etcd_component(), view, "pg3");
  CHECK(message(decide(all, "pg3/etcd/config", {{"pg1", "member/list", three()}})).find("etcdctl member remove 91bc3c398fb3c153") !=
        std::string::npos);
  const Output added = member_list({{"pg1", 11}, {"pg2", 12}, {"", 13, false}});
  CHECK(env_file(all, "pg3", {{"pg1", "member/list", added}}).find("STATE=\"existing\"") != std::string::npos);
  const Output beginning = member_list({{"pg1", 11}, {"pg2", 12}, {"pg3", 13, false}});
  CHECK(env_file(all, "pg3", {{"pg1", "member/list", beginning}}).find("STATE=\"new\"") != std::string::npos);
  // A first deployment asks no other host.
  for (const Ask& ask : find(steps(etcd_component(), cluster(spec()), "pg3"), "pg3/etcd/config")->asks()) CHECK(ask.at == "pg3");
}

TEST_CASE("etcd: healthy is a quorum with just the described members") {
  const Steps all = steps(etcd_component(), cluster(spec()), "pg1");
  const auto healthy = [&](const Answer& answer) { return decide(all, "pg1/etcd/healthy", {{"pg1", "member/list", answer}}); };
  CHECK(is<Done>(healthy(three())));
  CHECK(is<Later>(healthy(Output{.status = 1})));
  CHECK(is<Later>(healthy(Output{.status = 127})));
  CHECK(is<Later>(healthy(Output{.out = "not JSON"})));
}

TEST_CASE("etcd: where the running members differ, the roles to name are printed") {
  const Steps all = steps(etcd_component(), cluster(spec(7)), "pg1");
  const std::string told = message(decide(all, "pg1/etcd/healthy", {{"pg1", "member/list", three()}}));
  CHECK(told.find("etcd runs on pg1, pg2, pg3, and the spec places it on pg1, pg2, pg3, pg4, pg5") != std::string::npos);
  CHECK(told.find("pg1: roles: [postgres, etcd]\n") != std::string::npos);
  CHECK(told.find("pg4: roles") == std::string::npos);

  ClusterView moved = cluster(spec(4));
  moved.facts["pg4"].owned = {{"unit:etcd.service", "pg4/etcd/service"}, encrypted};
  CHECK(message(decide(steps(etcd_component(), moved, "pg4"), "pg4/etcd/stays")).find("etcd runs on pg4") != std::string::npos);
}

TEST_CASE("etcd: members are restarted followers first, and never more than the quorum can spare") {
  const ClusterView view = cluster(spec());
  const Steps all = steps(etcd_component(), view, "pg1");
  const Order order = all.orders().at("etcd");
  const auto turn = [&](const std::vector<std::string>& up, const std::string& leader) {
    Answers answers;
    for (const Ask& ask : order.all_asks()) {
      const bool serves = std::find(up.begin(), up.end(), ask.at) != up.end();
      const bool list = matches(ask, {.host = "", .what = "member/list", .answer = {}});
      answers.set(ask, !serves ? Output{.status = 1} : list ? three() : status(ask.at == leader ? 7 : 8, 7));
    }
    return order.order(answers);
  };
  using Names = std::vector<std::string>;
  CHECK(turn({"pg1", "pg2", "pg3"}, "pg1") == Names{"pg2", "pg3", "pg1"});
  CHECK(turn({"pg1", "pg3"}, "pg1") == Names{"pg2"});  // what does not serve costs nothing; the others must wait for it
  CHECK(turn({}, "") == Names{"pg1", "pg2", "pg3"});
  for (const Steps::Node& node : all.nodes())
    if (node.step->name() == "pg1/etcd/service" || node.step->name() == "pg1/etcd/healthy") CHECK(node.group == "etcd");
}

TEST_CASE("etcd: what it says of itself is read as 64 bits without a sign") {
  CHECK(read_etcd_members(three()).at(0).id == "91bc3c398fb3c151");
  CHECK(read_etcd_status(status(10276657743932975437ull, 10276657743932975437ull)).leads);
  CHECK_FALSE(read_etcd_status(status(10276657743932975437ull, 0)).has_leader);
  CHECK_FALSE(read_etcd_status(Output{.status = 1}).answers);
}

TEST_CASE("etcd: an alarm of its quota is a problem, and a change that makes room; other alarms are neither") {
  const ClusterView view = cluster(spec());
  const Ask ask = etcd_alarms_ask(view, view.topology.host("pg1"));
  const auto alarm = [](const std::string& name) { return Output{.out = R"({"header":{},"alarms":[{"memberID":"1","alarm":")" + name + "\"}]}"}; };
  const auto decide = [&](const Answer& answer) {
    Answers answers;
    answers.set(ask, answer);
    for (const Steps::Node& one : steps(etcd_component(), view, "pg1").nodes())
      if (one.step->name() == "pg1/etcd/space") return one.step->decide(answers);
    return Decision(Refused{});
  };
  REQUIRE(is<Change>(decide(alarm("NOSPACE"))));
  CHECK(std::get<Change>(decide(alarm("NOSPACE"))).reason.find("alarm NOSPACE") != std::string::npos);
  for (const Answer& none :
       {Answer(alarm("CORRUPT")), Answer(Output{.out = R"({"header":{}})"}), Answer(Output{.status = 127}), Answer(Unreadable{"no"})})
    CHECK(is<Done>(decide(none)));
  std::size_t told = 0;
  for (const Probe& probe : etcd_component()->health(NodeView{view, view.topology.host("pg1"), view.facts.at("pg1")}.seen_by(*etcd_component())))
    if (probe.ask == ask) {
      CHECK(probe.read(alarm("NOSPACE"))->cause == "dcs_full");
      CHECK_FALSE(probe.read(alarm("CORRUPT")));
      ++told;
    }
  CHECK(told == 1);
  // One of the members does it.
  for (const Steps::Node& one : steps(etcd_component(), view, "pg2").nodes()) CHECK(one.step->name() != "pg2/etcd/space");
}

TEST_CASE("etcd: database hosts that are no members can ask it all the same") {
  Spec wished = spec(4);
  wished.hosts.push_back({.name = "web", .address = "10.77.0.30", .roles = {Role::balancer}});
  const ClusterView view = cluster(wished);
  const Decision client = decide(steps(etcd_component(), view, "pg4"), "pg4/etcd/packages");
  CHECK(std::get<Install>(std::get<Change>(client).todo.at(0).what).packages == std::vector<std::string>{"etcd-client", "curl"});
  CHECK(steps(etcd_component(), view, "web").empty());
  // It asks any member that answers.
  const Ask ask = etcd_members_ask(view, view.topology.host("pg4"));
  CHECK(ask.at == "pg4");
  for (const std::string& member : view.topology.dcs_members) {
    const std::vector<std::string>& words = std::get<Exec>(ask.what).argv;
    CHECK(std::find(words.begin(), words.end(), certificates::url(view.spec, view.topology.host(member).address, 2379, "/v3/cluster/member/list")) !=
          words.end());
  }
}

namespace {

// Members that run and have users, as pg1 keeps Patroni's password after so many rotations.
ClusterView with_users(int rotations = 0) {
  ClusterView view = cluster(spec());
  view.secrets[etcd_password_secret] = {etcd_password_secret, "a password"};
  if (rotations > 0) view.rotations[etcd_password_secret] = rotations;
  for (auto& [host, facts] : view.facts)
    facts.owned = {encrypted,
                   {"unit:etcd.service", host + "/etcd/service"},
                   {"file:/etc/pgcluster/tls/etcd-root.key", host + "/certificates/etcd-root"},
                   {"file:/var/lib/pgcluster/etcd-users", host + "/etcd/users-mark"}};
  return view;
}

// etcd 3.5.16 said so.
const Output closed{.out = R"({"code":3, "message":"etcdserver: user name is empty"})"};
const Output open{.out = R"({"header":{"cluster_id":"12101053776118486841", "revision":"3", "raft_term":"3"}})"};
Output users(const char* names) { return {.out = names}; }
constexpr const char* all_users = "patroni@postgres-cluster\nreader@postgres-cluster\nroot\n";

Decision decide_users(const ClusterView& view, const Answer& list, const Answer& range, std::vector<Bent> more = {}) {
  more.insert(more.end(), {{"pg1", "etcdctl", list}, {"pg1", "/v3/kv/range", range}});
  return decide(etcd_component()->cluster_steps(view), "cluster/etcd/users", more);
}

}  // namespace

TEST_CASE("etcd: its users are there, or one script makes all of them") {
  const ClusterView view = with_users();
  CHECK(is<Done>(decide_users(view, users(all_users), closed)));
  for (const char* some : {"root\n", "reader@postgres-cluster\nroot\n", "patroni@postgres-cluster\nroot\n", ""})
    CHECK(is<Change>(decide_users(view, users(some), closed)));
  CHECK(is<Done>(decide_users(view, users(all_users), open)));
  // The script ended early.
  CHECK(is<Change>(decide_users(view, users((std::string("making@postgres-cluster\n") + all_users).c_str()), closed)));
  CHECK(is<Later>(decide_users(view, Output{.status = 1}, Output{.status = 28})));
  const Decision made = decide_users(view, users(""), open);
  const auto& run = std::get<Run>(std::get<Change>(made).todo.at(0).what);
  CHECK(run.input.masked().find("a password") == std::string::npos);
  CHECK(run.input.reveal() == "a password\n");
  for (const std::string& word : run.argv) CHECK(word.find("a password") == std::string::npos);

  const auto auth = [&](const Answer& range) {
    return decide(etcd_component()->cluster_steps(view), "cluster/etcd/auth", {{"pg1", "/v3/kv/range", range}});
  };
  CHECK(is<Done>(auth(closed)));
  CHECK(is<Later>(auth(Output{.status = 28})));
  const Decision enabled = auth(open);
  CHECK(std::get<Change>(enabled).reason == "etcd lets in everybody who has a certificate of the cluster");
  CHECK(std::get<Run>(std::get<Change>(enabled).todo.at(0).what).argv.back() == "auth");
}

TEST_CASE("etcd: each new password of Patroni's belongs to the other one of two users, and the former one goes") {
  CHECK(etcd_patroni_user(with_users()) == "patroni@postgres-cluster");
  CHECK(etcd_patroni_user(with_users(1)) == "patroni2@postgres-cluster");
  CHECK(etcd_patroni_user(with_users(2)) == "patroni@postgres-cluster");
  const ClusterView view = with_users(1);
  CHECK(is<Change>(decide_users(view, users(all_users), closed)));
  const auto former = [&](const char* names) {
    return decide(etcd_component()->cluster_steps(view), "cluster/etcd/former-user", {{"pg1", "etcdctl", users(names)}});
  };
  CHECK(is<Done>(former("patroni2@postgres-cluster\nreader@postgres-cluster\nroot\n")));
  const Decision gone = former("patroni2@postgres-cluster\npatroni@postgres-cluster\nreader@postgres-cluster\nroot\n");
  CHECK(std::get<Run>(std::get<Change>(gone).todo.at(0).what).argv.back() == "patroni@postgres-cluster");
  // A Patroni that is left out may still need it.
  ClusterView without = view;
  without.without = {"pg3"};
  CHECK(etcd_component()->cluster_steps(without).nodes().size() == 2);
}

TEST_CASE("etcd: users are not made where Patroni could not ask for the members any more") {
  const ClusterView view = with_users();
  const auto versions = [&](const char* etcd, const char* patroni) {
    return decide_users(view, users(""), open, {{"pg2", "etcd-server", Package{etcd}}, {"pg3", "patroni", Package{patroni}}});
  };
  CHECK(is<Change>(versions("3.5.16-4", "4.0.7-1")));
  CHECK(is<Change>(versions("3.5.27-1", "4.0.7-1")));
  CHECK(is<Change>(versions("3.5.28-1", "4.0.8-1")));
  CHECK(is<Change>(versions("3.6.9-1", "4.1.1-1")));
  CHECK(is<Refused>(versions("3.5.28-1", "4.0.7-1")));
  CHECK(is<Refused>(versions("3.6.9-1", "4.1.0-1")));
  CHECK(is<Refused>(versions("3.4.42-1", "3.3.8-1")));
  const std::string told = message(versions("3.5.28-1", "4.0.7-1"));
  CHECK(told.find("etcd 3.5.28-1 on pg2") != std::string::npos);
  CHECK(told.find("Patroni 4.0.7-1 on pg3") != std::string::npos);
}

TEST_CASE("etcd: a cluster that gives up TLS lets in everybody first") {
  ClusterView plain = with_users();
  plain.spec.tls_cert_generate = false;
  const Steps steps = etcd_component()->cluster_steps(plain);
  CHECK(is<Done>(decide(steps, "cluster/etcd/users", {{"pg1", "/v3/kv/range", open}})));
  const Decision opened = decide(steps, "cluster/etcd/users", {{"pg1", "/v3/kv/range", closed}});
  CHECK(std::get<Run>(std::get<Change>(opened).todo.at(0).what).argv.back() == "disable");
}

TEST_CASE("etcd: a cluster that runs without users gets them by rotate") {
  ClusterView view = with_users();
  CHECK(etcd_has_users(view));
  const auto warned = [&](const char* host) { return without_etcd_users({view, view.topology.host(host), view.facts.at(host)}); };
  for (auto& [host, facts] : view.facts) facts.owned.pop_back();
  CHECK_FALSE(etcd_has_users(view));
  REQUIRE(warned("pg1").size() == 1);
  CHECK(warned("pg1").front().severity == Severity::warning);
  CHECK(warned("pg2").empty());
  view.rotated = {etcd_password_secret};
  CHECK(etcd_gets_users(view));
  view.rotated.clear();
  view.facts.at("pg2").owned.push_back({"file:/var/lib/pgcluster/etcd-users", "pg2/etcd/users-mark"});
  for (auto& [host, facts] : view.facts) facts.begun = "begun";
  CHECK(etcd_has_users(view));
  CHECK(etcd_gets_users(view));
  CHECK(warned("pg1").empty());
  CHECK(etcd_component()->cluster_steps(view).nodes().size() == 2);
  // Patroni on a host that is left out, or has left the spec, would not know the password.
  for (const bool left : {false, true}) {
    if (left)
      view.left = {view.topology.host("pg3")};
    else
      view.without = {"pg3"};
    CHECK(etcd_component()->cluster_steps(view).nodes().size() == 1);
    view.without.clear();
    view.left.clear();
  }
}
