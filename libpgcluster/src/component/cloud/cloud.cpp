#include "component/cloud/cloud.hpp"

#include <algorithm>
#include <tuple>

#include "base/network.hpp"
#include "component/registry.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

// How often a target is looked at; what a vendor has no setting for is 0. A lost leader should have no more traffic soon, a new one have it soon.
void check_times(Balancer& wish, const std::string& provider) {
  wish.interval = 5;
  if (provider == "aws") wish.timeout = 2, wish.down = 2, wish.up = 2;
  if (provider == "gcp") wish.interval = 3, wish.timeout = 2, wish.down = 2, wish.up = 2;
  if (provider == "azure") wish.down = 2;
  if (provider == "digitalocean") wish.timeout = 3, wish.down = 2, wish.up = 2;
  if (provider == "hetzner") wish.timeout = 2, wish.down = 3;
  if (provider == "aws" || provider == "gcp") wish.sessions = "cut";  // the others have no word for it
}

// What a vendor cannot change of a balancer that is there.
bool made_anew(const Balancer& is, const Balancer& wish, const std::string& provider) {
  if (provider == "hetzner") return false;
  if (is.is_public != wish.is_public) return true;
  if (provider == "aws") return false;
  return is.network != wish.network || (provider == "gcp" && is.port != wish.port);
}

Decision decide_wanted(const std::string& at, const Balancer& wish, const std::string& provider, const Answer& answer) {
  if (std::holds_alternative<Absent>(answer))
    return Change{.todo = {balancer_change(at, wish, Absent{})},
                  .action = Action::create,
                  .diff = unified_diff(at + "/" + wish.name, "", text(wish)),
                  .reason = "there is none"};
  const auto* output = std::get_if<Output>(&answer);
  if (!output) return Later{.until = at + " says whether there is a load balancer " + wish.name, .action = Action::update};
  const Balancer is = read_balancer(output->out);
  if (is.owner != wish.owner) return Refused{not_ours(at, wish)};
  if (text(is) == text(wish)) return Done{};
  const bool anew = made_anew(is, wish, provider);
  return Change{.todo = {balancer_change(at, wish, answer)},
                .action = Action::update,
                .impact = anew ? Impact::outage : Impact::none,
                .diff = unified_diff(at + "/" + wish.name, text(is), text(wish)),
                .reason = anew ? "it has to be made anew, with another address" : "its settings differ"};
}

Decision decide_unwanted(const std::string& at, const Balancer& wish, const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  if (!output) return Done{};
  const Balancer is = read_balancer(output->out);
  if (is.owner != wish.owner) return Done{};
  return Change{.todo = {balancer_removal(at, wish, answer)},
                .action = Action::remove,
                .impact = Impact::outage,
                .diff = unified_diff(at + "/" + wish.name, text(is), std::string()),
                .reason = "it is not wished any more"};
}

StepPtr balancer_step(const std::string& at, const std::string& provider, const CloudBalancer& one, bool checked, const std::string& name = "") {
  const Ask ask = balancer_ask(at, one.wish, checked && one.wanted);
  auto decide = [=, wish = one.wish, wanted = one.wanted](const Answers& answers) -> Decision {
    return wanted ? decide_wanted(at, wish, provider, answers[ask]) : decide_unwanted(at, wish, answers[ask]);
  };
  return make_step("cluster/cloud/" + (name.empty() ? one.role : name),
                   {.asks = {ask}, .decide = decide, .settle = std::chrono::seconds(20), .keeps = resources(ask)});
}

Steps steps_of(const Topology& topology, const std::vector<CloudBalancer>& balancers, bool checked = false) {
  std::vector<Steps> all;
  all.reserve(balancers.size());
  for (const CloudBalancer& one : balancers) all.emplace_back(balancer_step(topology.cloud->name, topology.cloud->cloud->provider, one, checked));
  return parallel(std::move(all));
}

class Cloud final : public Component {
 public:
  std::string name() const override { return "cloud"; }
  Steps steps(const NodeView&) const override { return {}; }
  Steps cluster_steps(const ClusterView& view) const override {
    const auto balancers = cloud_balancers(view.spec, view.topology);
    // The server of a host that is left out may be no more.
    const auto& hosts = view.topology.hosts;
    const bool all = std::none_of(hosts.begin(), hosts.end(), [&](const TopologyHost& host) { return view.leaves_out(host.name); });
    return balancers.empty() ? Steps() : steps_of(view.topology, balancers, all);
  }
};

}  // namespace

Diagnostic not_ours(const std::string& cloud, const Balancer& wish) {
  return {.message = "there is a load balancer " + wish.name + " at " + cloud + ", and it is not this cluster's",
          .hint = "remove or rename it, or give the cluster another patroni_cluster_name",
          .path = cloud};
}

std::vector<CloudBalancer> cloud_balancers(const Spec& spec, const Topology& topology) {
  if (!topology.cloud) return {};
  const std::string& provider = spec.cloud_provider;
  Balancer wish{.owner = spec.patroni_cluster_name, .network = spec.server_network, .is_public = spec.database_public_access};
  if (wish.is_public) wish.allowed = spec.database_public_allowed_ips;
  // But for Hetzner's they are made with an IPv4 address only, and Azure and Google take no rule of both families.
  if (provider != "hetzner") std::erase_if(wish.allowed, net::is_ipv6);
  wish.port = wish.target_port = spec.pgbouncer_install ? spec.pgbouncer_listen_port : spec.postgresql_port;
  wish.check_port = spec.patroni_restapi_port;
  if (provider == "hetzner") wish.size = spec.hetzner_load_balancer_type;
  if (provider == "digitalocean") wish.size = std::to_string(spec.digital_ocean_load_balancer_size_unit);
  check_times(wish, provider);
  for (const TopologyHost* host : topology.with(Role::postgres)) {
    const HostSpec* written = spec.host(host->name);
    wish.targets.push_back({.name = host->name, .address = host->address, .id = written ? written->cloud_id : ""});
  }
  const bool on = with_cloud_balancer(spec), several = topology.database.size() > 1;
  std::vector<CloudBalancer> all;
  for (const auto& [role, kind, path, wanted] : {std::tuple{"primary", "read-write", "/primary", on},
                                                 {"replica", "read-only", "/replica", on && several},
                                                 {"sync", "read-only-sync", "/sync", on && several && spec.synchronous_mode}}) {
    wish.name = spec.patroni_cluster_name + "-" + role;
    wish.path = path;
    all.push_back({role, kind, wish, wanted});
  }
  return all;
}

Steps cloud_removal(const Spec& spec, const Topology& topology) {
  auto balancers = cloud_balancers(spec, topology);
  for (CloudBalancer& one : balancers) one.wanted = false;
  return balancers.empty() ? Steps() : steps_of(topology, balancers);
}

Steps cloud_farewell(const std::string& cluster, const std::string& at, const KnownCloud& cloud) {
  std::vector<Steps> all;
  for (const char* role : {"primary", "replica", "sync"}) {
    CloudBalancer one{.role = role, .kind = "", .wish = {.name = cluster + "-" + role, .owner = cluster}, .wanted = false};
    all.emplace_back(balancer_step(at, cloud.provider, one, false, "remove:" + at + ":" + role));
  }
  return parallel(std::move(all));
}

ComponentPtr cloud_component() { return std::make_shared<Cloud>(); }

}  // namespace pgcluster
