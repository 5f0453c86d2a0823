#pragma once

#include <pgcluster/component/component.hpp>

namespace pgcluster {

ComponentPtr system_component();
ComponentPtr etcd_component();
ComponentPtr consul_component();
ComponentPtr patroni_component();
ComponentPtr pgbouncer_component();
ComponentPtr pgbackrest_component();
ComponentPtr vip_manager_component();
ComponentPtr haproxy_component();
ComponentPtr confd_component();
ComponentPtr keepalived_component();
ComponentPtr cloud_component();
ComponentPtr firewall_component();

}  // namespace pgcluster
