#include "component/cloud/cloud.hpp"

#include <doctest/doctest.h>

#include "base/choice.hpp"
#include "parts.hpp"
#include "topology/cloud.hpp"

using namespace pgcluster;

namespace {

ClusterView view_of(CloudProvider provider) {
  Spec spec = parts::spec();
  spec.cloud_provider = provider;
  spec.server_location = provider == CloudProvider::gcp ? "europe-west3-a" : "fsn1";
  spec.server_network = "net";
  return parts::cluster(spec);
}

std::map<std::string, StepPtr> steps_of(const ClusterView& view) {
  std::map<std::string, StepPtr> found;
  const Steps steps = cloud_component()->cluster_steps(view);
  for (const Steps::Node& one : steps.nodes()) found.emplace(one.step->name(), one.step);
  return found;
}

bool checked(const StepPtr& step) { return is_checked(std::get<Http>(step->asks().at(0).what)); }

// Of the primary's balancer, found as wished but for what `bend` does.
template <typename Bend>
Decision decision(CloudProvider provider, Bend bend) {
  const ClusterView view = view_of(provider);
  const StepPtr step = steps_of(view).at("cluster/cloud/primary");
  Balancer is = cloud_balancers(view.spec, view.topology).at(0).wish;
  bend(is);
  Answers answers;
  answers.set(step->asks().at(0), Output{.out = text(is, true)});
  return step->decide(answers);
}

Impact impact(const Decision& decision) {
  REQUIRE(parts::is<Change>(decision));
  return std::get<Change>(decision).impact;
}

}  // namespace

TEST_CASE("network and hosts are checked where balancers are wished, but for a host that is left out: its server may be no more") {
  ClusterView view = view_of(CloudProvider::hetzner);
  CHECK(checked(steps_of(view).at("cluster/cloud/primary")));
  CHECK_FALSE(checked(steps_of(view).at("cluster/cloud/sync")));
  view.without = {"pg3"};
  CHECK_FALSE(checked(steps_of(view).at("cluster/cloud/primary")));
  view = view_of(CloudProvider::hetzner);
  view.spec.cloud_load_balancer = false;
  for (const auto& [name, step] : steps_of(view)) CHECK_FALSE(checked(step));
}

TEST_CASE("what is announced of a cloud's balancer") {
  for (const CloudProvider provider : all_values<CloudProvider>()) {
    CAPTURE(to_string(provider));
    CHECK(parts::is<Done>(decision(provider, [](Balancer& is) { is.address = "10.0.0.9"; })));
    CHECK(parts::is<Refused>(decision(provider, [](Balancer& is) { is.owner = "another"; })));
    CHECK(parts::is<Refused>(decision(provider, [](Balancer& is) { is.owner.clear(); })));
    CHECK(impact(decision(provider, [](Balancer& is) { is.path = "/"; })) == Impact::none);
    CHECK(impact(decision(provider, [](Balancer& is) { is.is_public = true; })) ==
          (provider == CloudProvider::hetzner ? Impact::none : Impact::outage));
    CHECK(impact(decision(provider, [](Balancer& is) { is.port = 1; })) == (provider == CloudProvider::gcp ? Impact::outage : Impact::none));
  }
}

TEST_CASE("only Hetzner's balancers have an IPv6 address, so that only they let such networks in") {
  Spec spec = parts::spec();
  spec.database_public_access = true;
  spec.database_public_allowed_ips = {"0.0.0.0/0", "::/0"};
  for (const CloudProvider provider : all_values<CloudProvider>()) {
    CAPTURE(to_string(provider));
    spec.cloud_provider = provider;
    CHECK(cloud_balancers(spec, resolve(spec)).at(0).wish.allowed.size() == (provider == CloudProvider::hetzner ? 2 : 1));
  }
}

TEST_CASE("the cluster file keeps a cloud without its credentials") {
  Spec spec = parts::spec();
  spec.hcloud_api_token.value = "token-of-the-tests";
  const KnownCloud cloud{.provider = CloudProvider::hetzner, .endpoint = "https://cloud.example.org", .settings = {{"server_location", "fsn1"}}};
  const std::string file = cluster_file(resolve(spec), {}, {cloud});
  CHECK(file.find("token-of-the-tests") == std::string::npos);
  CHECK(read_cluster_file(file)->clouds == std::vector<KnownCloud>{cloud});
  CHECK(read_cluster_file(cluster_file(resolve(spec)))->clouds.empty());
  const HostAccess access = cloud_access(spec, cloud);
  CHECK(access.cloud->endpoint == cloud.endpoint);
  REQUIRE(access.cloud->credentials.size() == 1);
  CHECK(access.cloud->credentials[0].second.reveal() == "token-of-the-tests");
}
