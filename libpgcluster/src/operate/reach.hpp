#pragma once

#include <map>
#include <string>
#include <vector>

#include "operate/declared.hpp"

// Whether the hosts of a cluster reach each other's ports.
namespace pgcluster {

/// A port of another host.
struct Peer {
  std::string host, address, purpose;
  int port = 0;
  bool mutual = false;  ///< the asking host runs the same service, whose hosts need each other
};
/// The ports of other hosts that the host may need to connect to.
std::vector<Peer> peers_of(const TopologyHost& host, const Topology& topology, const std::map<std::string, std::vector<Declaration>>& declared);
/// Asks a host which of these ports it reaches. Takes two seconds where one of them is silent.
Ask reach_ask(const std::string& host, const std::vector<Peer>& peers);

/// What keeps one host from another.
struct Barrier {
  std::string peer;     ///< the host that is not reached
  std::string message;  ///< "pg2 cannot reach pg1 at port 8008 (Patroni's REST API): No route to host"
  std::string remedy;
  bool mutual = false;  ///< of one of its ports at least
};
/// By peer, the ports that the host does not reach. A refused connection is none of these: the port is reached, and nobody listens there yet.
std::vector<Barrier> read_barriers(const std::string& host, const std::vector<Peer>& peers, const Answer& answer);

}  // namespace pgcluster
