// What Patroni, etcd, PostgreSQL and pgBackRest answer, and the list of the cluster's hosts: any bytes are an answer. The first byte chooses who
// reads.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <pgcluster/topology/topology.hpp>
#include "component/backup.hpp"
#include "component/etcd/etcd.hpp"
#include "component/patroni/patroni.hpp"
#include "component/postgresql/sql.hpp"

using namespace pgcluster;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Answer answer = Output{.out = text};
  static const ClusterView view = [] {
    ClusterView made;
    made.spec = parse_spec(
        "patroni_cluster_name: c\npgbackrest_install: true\npgbackrest_repos: [{}]\n"
        "hosts: {pg1: {address: 10.77.0.11}, keeper: {address: 10.77.0.12, roles: [backup]}}\n");
    made.topology = resolve(made.spec);
    return made;
  }();
  switch (data[0] % 16) {
    case 0:
      patroni::read_member(answer);
      break;
    case 1:
      patroni::read_initialized(answer);
      patroni::read_system_id(view, answer);
      break;
    case 2:
      patroni::compare_settings(view, text);
      break;
    case 3:
      patroni::read_member_names(answer);
      break;
    case 4:
      read_etcd_members(answer);
      break;
    case 5:
      read_etcd_status(answer);
      break;
    case 6: {
      const Server server = read_server(answer);
      if (!server.answers && server.writable()) std::abort();
      break;
    }
    case 8:
      if (backup::read_repositories(view, "keeper", answer).size() != 1) std::abort();
      break;
    case 9:
      backup::read_archiver(answer);
      break;
    default:
      read_cluster_file(text);
  }
  return 0;
}
