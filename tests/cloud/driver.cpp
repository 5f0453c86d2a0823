// The load balancers of a spec alone, without its hosts: driver plan|apply|destroy|farewell SPEC. The real executor with the real waits, which take
// no time: each is told on stderr instead. PGCLUSTER_CLOUD_TIMEOUT is the limit of a request in ms.
#include <cstdlib>
#include <iostream>

#include <pgcluster/pgcluster.hpp>

#include "component/registry.hpp"
#include "component/cloud/cloud.hpp"

int main(int argc, char** argv) {
  using namespace pgcluster;
  if (argc != 3) return 64;
  const std::string what = argv[1];
  try {
    const Spec spec = load_spec(argv[2]);
    ClusterView view;
    view.spec = spec;
    view.topology = resolve(spec);
    const char* limit = std::getenv("PGCLUSTER_CLOUD_TIMEOUT");
    CloudExecutor executor({.timeout = std::chrono::milliseconds(limit ? std::atoi(limit) : 30'000),
                            .wait = [](std::chrono::milliseconds time) { std::cerr << "wait " << time.count() << "\n"; }});
    const Hosts hosts{{view.topology.cloud->name, *view.topology.cloud}};
    const CloudAccess& cloud = *view.topology.cloud->cloud;
    const KnownCloud known{.provider = cloud.provider, .endpoint = cloud.endpoint, .settings = cloud.settings};
    const Steps steps = what == "destroy"    ? cloud_removal(spec, view.topology)
                        : what == "farewell" ? cloud_farewell(spec.patroni_cluster_name, view.topology.cloud->name, known)
                                             : cloud_component()->cluster_steps(view);
    const Plan plan = make_plan(hosts, steps, executor);
    std::cout << plan.json() << "\n";
    if (what == "plan") return 0;
    const Report report = apply(plan, executor);
    std::cout << report.json() << "\n";
    return report.ok() ? 0 : 1;
  } catch (const Error& error) {
    std::cout << json(error.failure()) << "\n";
    return error.code() == Code::spec_invalid ? 65 : 1;
  }
}
