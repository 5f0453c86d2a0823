#include <random>

#include <pgcluster/base/error.hpp>

#include "executor/ssh/openssh_connection.hpp"
#include "executor/ssh/libssh2_connection.hpp"

namespace pgcluster::executor {
namespace {

std::chrono::milliseconds jittered(std::chrono::milliseconds time) {
  thread_local std::minstd_rand random(std::random_device{}());
  return time + std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, time.count() / 2)(random));
}

}  // namespace

std::unique_ptr<Connection> connect(const HostAccess& host, const std::vector<HostAccess>& way, Sockets& sockets,
                                    const std::vector<std::chrono::milliseconds>& pauses) {
  for (std::size_t attempt = 0;; ++attempt) {
    try {
      if (host.transport == Transport::openssh) return std::make_unique<OpensshConnection>(host, way.back(), sockets);
      return std::make_unique<SshConnection>(way, sockets);
    } catch (const Refusal& refusal) {
      sockets.check();
      if (attempt == pauses.size())
        throw Error(Failure{
            .code = Code::host_unreachable,
            .message = "cannot reach " + refusal.who + ": " + refusal.why + (attempt == 0 ? "" : ", " + std::to_string(attempt + 1) + " times"),
            .hint = "sshd does so to a source with failed logins (PerSourcePenalties) or with too many logins at once (MaxStartups): "
                    "wait a minute, see `journalctl -u ssh` on the host, and check that the private key is right",
            .host = host.name,
            .retryable = true});
    }
    sockets.sleep(jittered(pauses[attempt]));
  }
}

}  // namespace pgcluster::executor
