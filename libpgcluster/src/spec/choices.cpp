#include <pgcluster/spec/choices.hpp>

#include "base/choice.hpp"

namespace pgcluster {

std::string_view to_string(DcsType type) noexcept {
  switch (type) {
    case DcsType::etcd:
      return "etcd";
    case DcsType::consul:
      return "consul";
  }
  return {};
}

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::postgres:
      return "postgres";
    case Role::etcd:
      return "etcd";
    case Role::consul:
      return "consul";
    case Role::consul_client:
      return "consul_client";
    case Role::balancer:
      return "balancer";
    case Role::backup:
      return "backup";
  }
  return {};
}

std::optional<Role> role_from(std::string_view name) noexcept { return value_of<Role>(name); }

std::string_view to_string(RepoType type) noexcept {
  switch (type) {
    case RepoType::posix:
      return "posix";
  }
  return {};
}

std::string_view to_string(ObjectState state) noexcept {
  switch (state) {
    case ObjectState::present:
      return "present";
    case ObjectState::absent:
      return "absent";
  }
  return {};
}

std::string_view to_string(PrivilegeType type) noexcept {
  switch (type) {
    case PrivilegeType::table:
      return "table";
    case PrivilegeType::sequence:
      return "sequence";
    case PrivilegeType::function:
      return "function";
    case PrivilegeType::procedure:
      return "procedure";
    case PrivilegeType::type:
      return "type";
    case PrivilegeType::schema:
      return "schema";
    case PrivilegeType::database:
      return "database";
    case PrivilegeType::language:
      return "language";
    case PrivilegeType::tablespace:
      return "tablespace";
    case PrivilegeType::foreign_data_wrapper:
      return "foreign_data_wrapper";
    case PrivilegeType::foreign_server:
      return "foreign_server";
    case PrivilegeType::default_privs:
      return "default_privs";
  }
  return {};
}

std::string_view to_string(BackupType type) noexcept {
  switch (type) {
    case BackupType::full:
      return "full";
    case BackupType::diff:
      return "diff";
    case BackupType::incr:
      return "incr";
  }
  return {};
}

std::string_view to_string(PoolMode mode) noexcept {
  switch (mode) {
    case PoolMode::session:
      return "session";
    case PoolMode::transaction:
      return "transaction";
    case PoolMode::statement:
      return "statement";
  }
  return {};
}

std::string_view to_string(WatchdogMode mode) noexcept {
  switch (mode) {
    case WatchdogMode::off:
      return "off";
    case WatchdogMode::automatic:
      return "automatic";
    case WatchdogMode::required:
      return "required";
  }
  return {};
}

std::string_view to_string(ConsulLayout layout) noexcept {
  switch (layout) {
    case ConsulLayout::stretched:
      return "stretched";
    case ConsulLayout::federated:
      return "federated";
  }
  return {};
}

std::string_view to_string(ConsulDns resolver) noexcept {
  switch (resolver) {
    case ConsulDns::automatic:
      return "auto";
    case ConsulDns::systemd_resolved:
      return "systemd-resolved";
    case ConsulDns::dnsmasq:
      return "dnsmasq";
    case ConsulDns::none:
      return "none";
  }
  return {};
}

std::string_view to_string(HostKeyPolicy policy) noexcept {
  switch (policy) {
    case HostKeyPolicy::strict:
      return "strict";
    case HostKeyPolicy::accept_new:
      return "accept-new";
  }
  return {};
}

}  // namespace pgcluster
