#include "operate/reach.hpp"

#include <algorithm>
#include <sstream>

#include "base/joined.hpp"
#include "operate/shell.hpp"

namespace pgcluster {
namespace {

std::string target(const Peer& peer) { return peer.address + "/" + std::to_string(peer.port); }

}  // namespace

std::vector<Peer> peers_of(const TopologyHost& host, const Topology& topology, const std::map<std::string, std::vector<Declaration>>& declared) {
  std::set<std::string> own;  // purposes
  for (const Declaration& one : declared.at(host.name))
    for (const PortNeed& port : one.needs.ports) own.insert(port.purpose);
  std::vector<Peer> peers;
  for (const TopologyHost& other : topology.hosts) {
    if (other.name == host.name) continue;
    for (const Declaration& one : declared.at(other.name))
      for (const PortNeed& port : one.needs.ports)
        if (port.reach != Reach::host && (port.from.empty() || std::find(port.from.begin(), port.from.end(), host.name) != port.from.end()))
          peers.push_back(
              {other.name, other.address, port.purpose, port.number, (port.reach == Reach::cluster || port.peers) && own.contains(port.purpose)});
  }
  return peers;
}

Ask reach_ask(const std::string& host, const std::vector<Peer>& peers) {
  Exec exec{.argv = {"bash", "-c", shell::reach, "reach", "2"}};
  for (const Peer& peer : peers) exec.argv.push_back(target(peer));
  return {host, std::move(exec)};
}

std::vector<Barrier> read_barriers(const std::string& host, const std::vector<Peer>& peers, const Answer& answer) {
  const auto* output = std::get_if<Output>(&answer);
  if (!output || output->status != 0) return {};
  std::map<std::string, std::string> said;
  std::istringstream lines(output->out);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("open ")) said[line.substr(5)] = "open";
    constexpr std::string_view device = "/dev/tcp/";
    const auto at = line.find(device);
    const auto end = line.rfind(": ");
    if (at != std::string::npos && end != std::string::npos && end > at)
      said[line.substr(at + device.size(), end - at - device.size())] = line.substr(end + 2);
  }
  std::vector<Barrier> all;
  for (auto peer = peers.begin(); peer != peers.end();) {
    const auto last = std::find_if(peer, peers.end(), [&](const Peer& one) { return one.host != peer->host; });
    std::vector<std::string> ports;
    std::string why;
    bool mutual = false;
    for (auto one = peer; one != last; ++one) {
      const auto answered = said.find(target(*one));
      const std::string words = answered == said.end() ? "no answer within 2 s" : answered->second;
      if (words == "open" || words == "Connection refused") continue;
      ports.push_back(std::to_string(one->port) + " (" + one->purpose + ")");
      mutual = mutual || one->mutual;
      if (why.empty()) why = words;
    }
    if (!ports.empty())
      all.push_back(
          {peer->host, host + " cannot reach " + peer->host + " at port " + joined(ports) + ": " + why,
           "let " + host + " connect to " + peer->address + " there: see the firewalls and routes of both hosts, and of the network between",
           mutual});
    peer = last;
  }
  return all;
}

}  // namespace pgcluster
