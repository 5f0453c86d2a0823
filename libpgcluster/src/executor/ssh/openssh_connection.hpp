#pragma once

#include <memory>
#include <string>

#include "executor/child.hpp"
#include "executor/ssh/connection.hpp"

namespace pgcluster::executor {

/// A connection with the system's ssh client: one process logs in and shares its connection (ControlMaster) through a socket in a private folder, and
/// one more process runs for each command. All of them end when this process ends.
class OpensshConnection final : public Connection {
 public:
  /// `host` is the description of the user, `resolved` the same completed by ssh_config. Throws Error, Refusal.
  OpensshConnection(const HostAccess& host, const HostAccess& resolved, Sockets& sockets);
  ~OpensshConnection() override;
  OpensshConnection(const OpensshConnection&) = delete;
  OpensshConnection& operator=(const OpensshConnection&) = delete;

  std::unique_ptr<Channel> exec(const std::string& command) override;
  bool is_shut() const noexcept override;
  void shut() noexcept override { control_.shut(); }

 private:
  class OpensshChannel;
  /// A private folder, removed at the end.
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
  std::string word_;  // the prefix of ssh's own questions, unknown to servers
  Folder folder_;
  Socket control_;                    // the keeper ends the master when this is shut down
  std::unique_ptr<SocketPair> talk_;  // the master's stderr: its messages, its questions, and our answers
  std::unique_ptr<Child> master_;
};

/// The text of the ssh_config for one host, under the name `target`.
std::string openssh_config(const HostAccess& host, std::string& target);
/// The Error for the messages of a client that could not log in; nullopt if sshd refuses connections for the moment.
std::optional<Error> openssh_failure(const HostAccess& host, const std::string& said);

}  // namespace pgcluster::executor
