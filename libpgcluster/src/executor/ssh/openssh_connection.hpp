#pragma once

#include <memory>
#include <string>

#include "executor/child.hpp"
#include "executor/ssh/connection.hpp"

namespace pgcluster::executor {

/// A connection by the system's ssh client: one process that logs in and shares its connection (ControlMaster) by a socket in a folder that only
/// we can enter, and one more for each command. It ends with us, however we end.
class OpensshConnection final : public Connection {
 public:
  /// `host` as the user described it, `resolved` with what ssh_config says of it. Throws Error, Refusal.
  OpensshConnection(const HostAccess& host, const HostAccess& resolved, Sockets& sockets);
  ~OpensshConnection() override;
  OpensshConnection(const OpensshConnection&) = delete;
  OpensshConnection& operator=(const OpensshConnection&) = delete;

  std::unique_ptr<Channel> exec(const std::string& command) override;
  bool is_shut() const noexcept override;
  void shut() noexcept override { control_.shut(); }

 private:
  class OpensshChannel;
  /// Made by us, and removed in the end.
  struct Folder {
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    void write(const std::string& name, const std::string& text, unsigned mode) const;
    std::string path;
  };
  void log_in(const HostAccess& host, const HostAccess& resolved);
  void end() noexcept;

  Sockets& sockets_;
  std::string word_;  // what only ssh's own questions begin with
  Folder folder_;
  Socket control_;                    // the master's keeper ends it when this is shut
  std::unique_ptr<SocketPair> talk_;  // the master's stderr: what it says, what it asks for, our answers
  std::unique_ptr<Child> master_;
};

/// Text of the ssh_config for one host, with `target` as the name that it has there.
std::string openssh_config(const HostAccess& host, std::string& target);
/// What the client has said when it could not log in, as the Error to throw; empty: sshd has refused us for now.
std::optional<Error> openssh_failure(const HostAccess& host, const std::string& said);

}  // namespace pgcluster::executor
