#include <pgcluster/spec/spec.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "golden.hpp"
#include "spec/keys.hpp"

namespace fs = std::filesystem;
using namespace pgcluster;

namespace {

std::string refused(const std::string& yaml, const Spec* secrets = nullptr) {
  try {
    parse_spec(yaml, "cluster.yaml", ".", secrets);
  } catch (const Error& e) {
    CHECK(e.code() == Code::spec_invalid);
    std::string out;
    for (const Diagnostic& d : e.diagnostics()) out += d.text() + '\n';
    return out;
  }
  return "(no error)\n";
}

// A folder of its own, removed in the end.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("pgcluster-spec-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  void write(const std::string& name, const std::string& content) const { std::ofstream(path / name, std::ios::binary) << content; }
};

constexpr const char* kHosts = "hosts: { pg1: { address: 10.77.0.11 }, pg2: { address: 10.77.0.12 }, pg3: { address: 10.77.0.13 } }\n";

Spec three() { return parse_spec(kHosts); }

// The findings of a spec that is fine but for what `change` does.
template <class Change>
std::string found(Change change) {
  Spec spec = three();
  change(spec);
  std::string out;
  for (const Diagnostic& d : validate(spec)) out += d.text() + '\n';
  return out;
}

}  // namespace

TEST_CASE("what is wrong with a spec, all at once and with its place") {
  setenv("PGCLUSTER_TEST_EMPTY", "", 1);
  unsetenv("PGCLUSTER_TEST_MISSING");
  for (const auto& folder : golden::cases("spec")) {
    if (!folder.filename().string().starts_with("bad-")) continue;
    CAPTURE(folder.string());
    golden::check(folder / "expected.txt", refused(golden::read(folder / "cluster.yaml")));
  }
}

TEST_CASE("good specs and their dumps, which load as the same") {
  setenv("PGCLUSTER_TEST_PASSWORD", "from the environment", 1);
  for (const auto& folder : golden::cases("spec")) {
    if (!folder.filename().string().starts_with("good-")) continue;
    CAPTURE(folder.string());
    const Spec spec = parse_spec(golden::read(folder / "cluster.yaml"), "cluster.yaml");
    const std::string dumped = dump(spec);
    golden::check(folder / "expected.yaml", dumped);
    const Spec again = parse_spec(dumped, "dump");
    CHECK(again == spec);
    CHECK(dump(again) == dumped);
    CHECK(parse_spec(dump(spec, Secrets::references), "references", ".", &spec) == spec);
  }
}

TEST_CASE("the examples are valid") {
  setenv("PGCLUSTER_LAB_KEY", "/keys/id", 1);
  setenv("PGCLUSTER_LAB_KNOWN_HOSTS", "/keys/known_hosts", 1);
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(PGCLUSTER_SOURCE) / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    CAPTURE(entry.path().string());
    const Spec spec = load_spec(entry.path().string());
    CHECK(parse_spec(dump(spec)) == spec);
    ++count;
  }
  CHECK(count >= 3);
}

TEST_CASE("the contract's example") {
  const Spec spec = parse_spec(R"(
patroni_cluster_name: postgres-cluster
postgresql_version: 17
postgresql_parameters: { max_connections: 200 }
dcs_type: etcd                        # or consul
cluster_vip: 10.77.0.100              # optional
pgbouncer_install: true
with_haproxy_load_balancing: false
ssh: { user: root, port: 22, private_key: ~/.ssh/id_ed25519, known_hosts: ~/.ssh/known_hosts }
hosts:
  pg1: { address: 10.77.0.11, datacenter: dc1 }
  pg2: { address: 10.77.0.12, datacenter: dc1, patroni_tags: { nofailover: false } }
  pg3: { address: 10.77.0.13, datacenter: dc2, ssh: { host: 203.0.113.4, port: 2222 } }   # ssh goes another way than the cluster
)");
  REQUIRE(spec.hosts.size() == 3);
  CHECK(spec.postgresql_parameters == Pairs{{"max_connections", "200"}});
  CHECK(spec.cluster_vip == "10.77.0.100");
  CHECK(spec.ssh.private_key == std::vector<std::string>{"~/.ssh/id_ed25519"});
  CHECK(spec.hosts[1].patroni_tags == Pairs{{"nofailover", "false"}});
  CHECK(spec.hosts[2].ssh.host == "203.0.113.4");
  CHECK(spec.hosts[2].ssh.port == 2222);
  CHECK(spec.host("pg2") == &spec.hosts[1]);
  CHECK(spec.host("pg4") == nullptr);
  CHECK(validate(spec).empty());
}
