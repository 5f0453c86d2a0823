#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/component/component.hpp>

namespace pgcluster {

/// "http://10.77.0.11:2379", with brackets around an IPv6 address.
std::string http_url(const std::string& address, int port);

/// The members of etcd as a quorum of it knows them, asked on this host: of its own member, else of any that answers.
Ask etcd_members_ask(const ClusterView& cluster, const TopologyHost& host);
/// What a member says of itself; also answered without a quorum.
Ask etcd_status_ask(const ClusterView& cluster, const TopologyHost& host);

struct EtcdMember {
  std::string id;  ///< hexadecimal, as `etcdctl member remove` takes it
  std::string name;
  std::vector<std::string> peer_urls;
  bool started = false;  ///< it has run at least once
};
/// Empty where the answer is none: no etcdctl, no member that answers, no quorum.
std::vector<EtcdMember> read_etcd_members(const Answer& answer);

/// "pg1/COMPONENT/dcs": waits until the DCS has a quorum that this host can reach. For every component that needs the DCS.
StepPtr dcs_gate(const NodeView& node, std::string_view component);

}  // namespace pgcluster
