#pragma once

#include <string>
#include <vector>

#include <pgcluster/topology/topology.hpp>

// What every format of a graph shows, before any format decides how.
namespace pgcluster::graphs {

/// A program on a host and the ports it listens on.
struct Service {
  enum class Kind { front, data, dcs };  ///< leads clients to a database; serves the database; keeps the cluster's state
  std::string name;                      ///< "PostgreSQL 17"
  std::vector<int> ports{};
  Kind kind = Kind::data;
};

struct Host {
  std::string name;
  std::string address;
  std::string role;  ///< for people: "database", "balancer"
  std::vector<Service> services;
  std::vector<std::string> tags;  ///< "nofailover: true"
  bool database = false;
  bool balancer_only = false;  ///< a balancer without a database of its own
  bool first_leader = false;   ///< preferred as leader when the cluster is created
  bool member = false;         ///< of the DCS
};

/// A datacenter.
struct Site {
  std::string name;
  std::vector<Host> hosts;
};

/// What a connection is for.
enum class Traffic { writes, reads, balanced };  ///< balanced: any balancer takes it and leads on

/// One port or name that clients connect to.
struct Line {
  std::string kind;   ///< "read-write"
  std::string where;  ///< "VIP 10.77.0.100", "any balancer", a name in DNS
  int port = 0;
  std::string goes;       ///< "the leader"
  std::string condition;  ///< of each arrow: "if leader"
  Traffic traffic = Traffic::writes;
  std::vector<std::string> hosts{};  ///< that may answer it
};

/// A way of clients to the cluster: an address, a list of hosts, names in DNS, or a cloud's load balancers.
struct Way {
  std::string title;
  std::string note;
  std::string prefix{};  ///< of its lines' identifiers; not empty: its lines are told apart by name rather than by kind
  std::vector<Line> lines{};
};

struct Scene {
  std::string cluster;
  std::string subtitle;
  std::vector<Way> ways;
  std::vector<Site> sites;
  std::string dcs_type;                  ///< as in the spec
  std::string dcs_title;                 ///< for people
  std::string dcs_text;                  ///< members, quorum, and what it survives
  std::vector<std::string> dcs_members;  ///< names of hosts
  std::vector<std::string> databases;    ///< names of hosts; the first is preferred as leader
  std::vector<std::string> readable;     ///< databases that take reads
};

Scene scene_of(const Topology& topology, const Spec& spec);

/// "a, b, c"; with more than `most` names "a, b, … (7 hosts)".
std::string listed(const std::vector<std::string>& names, std::size_t most);
/// "5000–5003 7000"
std::string ports_text(const std::vector<int>& ports);

std::string dot(const Scene& scene);
std::string mermaid(const Scene& scene);
std::string svg(const Scene& scene);

}  // namespace pgcluster::graphs
