#include "component/cloud/cloud.hpp"
#include <pgcluster/component/patroni.hpp>

#include "component/certificates.hpp"

#include <algorithm>

#include "base/choice.hpp"
#include "base/network.hpp"
#include "component/registry.hpp"
#include "spec/roles.hpp"

namespace pgcluster {
namespace {

// What the balancers of a provider can be told, and what of one cannot be changed in place. A lost leader should lose its traffic soon, a new one
// should get it soon.
struct Abilities {
  int interval, timeout, down, up;  // of the health check, see Balancer; 0: the provider has no such setting
  bool cuts_sessions;               // to a target that fails its check
  bool ipv6;                        // has an IPv6 address
  // Changes that take a new balancer, with another address.
  bool public_anew, network_anew, port_anew;
};

Abilities abilities_of(CloudProvider provider) {
  switch (provider) {
    case CloudProvider::aws:
      return {.interval = 5, .timeout = 2, .down = 2, .up = 2, .cuts_sessions = true, .public_anew = true};
    case CloudProvider::gcp:
      return {.interval = 3, .timeout = 2, .down = 2, .up = 2, .cuts_sessions = true, .public_anew = true, .network_anew = true, .port_anew = true};
    case CloudProvider::azure:
      return {.interval = 5, .down = 2, .public_anew = true, .network_anew = true};
    case CloudProvider::digitalocean:
      return {.interval = 5, .timeout = 3, .down = 2, .up = 2, .public_anew = true, .network_anew = true};
    case CloudProvider::hetzner:
      return {.interval = 5, .timeout = 2, .down = 3, .ipv6 = true};
  }
  return {};
}

// Whether the provider cannot make the wish of the balancer that is there.
bool made_anew(const Balancer& is, const Balancer& wish, const Abilities& can) {
  return (can.public_anew && is.is_public != wish.is_public) || (can.network_anew && is.network != wish.network) ||
         (can.port_anew && is.port != wish.port);
}

struct RoleTraits {
  EndpointKind kind;
  const char* path;  // of the health check, in Patroni's REST API
};

RoleTraits traits_of(BalancerRole role) {
  switch (role) {
    case BalancerRole::primary:
      return {EndpointKind::read_write, "/primary"};
    case BalancerRole::replica:
      return {EndpointKind::read_only, "/replica"};
    case BalancerRole::sync:
      return {EndpointKind::read_only_sync, "/sync"};
  }
  return {};
}

std::string name_of(const std::string& cluster, BalancerRole role) { return cluster + "-" + std::string(to_string(role)); }

Decision decide_wanted(const std::string& at, const Balancer& wish, CloudProvider provider, const Answer& answer) {
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
  const bool anew = made_anew(is, wish, abilities_of(provider));
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

StepPtr balancer_step(const std::string& at, CloudProvider provider, const CloudBalancer& one, bool checked, const std::string& name = "") {
  const Ask ask = balancer_ask(at, one.wish, checked && one.wanted);
  auto decide = [=, wish = one.wish, wanted = one.wanted](const Answers& answers) -> Decision {
    return wanted ? decide_wanted(at, wish, provider, answers[ask]) : decide_unwanted(at, wish, answers[ask]);
  };
  return make_step("cluster/cloud/" + (name.empty() ? std::string(to_string(one.role)) : name),
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
    if (balancers.empty()) return {};
    // While the cluster goes over from plain to TLS, or back, their health checks change when Patroni has.
    std::vector<StepRef> gone_over;
    if (certificates::goes_over(view))
      for (const std::string& name : view.topology.database) gone_over.push_back(patroni::loaded(name));
    return after_where_planned(gone_over, steps_of(view.topology, balancers, all));
  }
};

}  // namespace

std::string_view to_string(BalancerRole role) noexcept {
  switch (role) {
    case BalancerRole::primary:
      return "primary";
    case BalancerRole::replica:
      return "replica";
    case BalancerRole::sync:
      return "sync";
  }
  return {};
}

Diagnostic not_ours(const std::string& cloud, const Balancer& wish) {
  return {.message = "there is a load balancer " + wish.name + " at " + cloud + ", and it is not this cluster's",
          .hint = "remove or rename it, or give the cluster another patroni_cluster_name",
          .path = cloud};
}

std::vector<CloudBalancer> cloud_balancers(const Spec& spec, const Topology& topology) {
  if (!topology.cloud) return {};
  const CloudProvider provider = topology.cloud->cloud->provider;
  const Abilities can = abilities_of(provider);
  Balancer wish{.owner = spec.patroni_cluster_name, .network = spec.server_network, .is_public = spec.database_public_access};
  if (wish.is_public) wish.allowed = spec.database_public_allowed_ips;
  // But for Hetzner's they are made with an IPv4 address only, and Azure and Google take no rule of both families.
  if (!can.ipv6) std::erase_if(wish.allowed, net::is_ipv6);
  wish.port = wish.target_port = spec.pgbouncer_install ? spec.pgbouncer_listen_port : spec.postgresql_port;
  wish.check_port = spec.patroni_restapi_port;
  wish.check_tls = certificates::wanted(spec);  // Patroni's
  if (provider == CloudProvider::hetzner) wish.size = spec.hetzner_load_balancer_type;
  if (provider == CloudProvider::digitalocean) wish.size = std::to_string(spec.digital_ocean_load_balancer_size_unit);
  wish.interval = can.interval, wish.timeout = can.timeout, wish.down = can.down, wish.up = can.up;
  if (can.cuts_sessions) wish.sessions = "cut";
  for (const TopologyHost* host : topology.with(Role::postgres)) {
    const HostSpec* written = spec.host(host->name);
    wish.targets.push_back({.name = host->name, .address = host->address, .id = written ? written->cloud_id : ""});
  }
  const bool on = with_cloud_balancer(spec), several = topology.database.size() > 1;
  std::vector<CloudBalancer> all;
  for (const BalancerRole role : all_values<BalancerRole>()) {
    const RoleTraits traits = traits_of(role);
    wish.name = name_of(spec.patroni_cluster_name, role);
    wish.path = traits.path;
    const bool has_members = role == BalancerRole::primary || (several && (role == BalancerRole::replica || spec.synchronous_mode));
    all.push_back({role, traits.kind, wish, on && has_members});
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
  for (const BalancerRole role : all_values<BalancerRole>()) {
    const CloudBalancer one{.role = role, .kind = traits_of(role).kind, .wish = {.name = name_of(cluster, role), .owner = cluster}, .wanted = false};
    all.emplace_back(balancer_step(at, cloud.provider, one, false, "remove:" + at + ":" + std::string(to_string(role))));
  }
  return parallel(std::move(all));
}

ComponentPtr cloud_component() { return std::make_shared<Cloud>(); }

}  // namespace pgcluster
