#pragma once

#include <string>

#include <pgcluster/op/facts.hpp>

namespace pgcluster {

/// What a service needs beyond the network and its own files. The rest is taken from it by systemd; a user's own drop-in that sorts after
/// 50-pgcluster.conf (`systemctl edit` writes override.conf) gives it back.
struct Sandbox {
  std::string capabilities{};  ///< "CAP_NET_RAW": all that it, and what it starts, may ever have
  std::string families{};      ///< of sockets, beside IPv4, IPv6 and Unix: "AF_NETLINK"
  std::string writes{};        ///< "/run/postgresql": all else but its own /tmp, /dev, and a StateDirectory is read-only
  std::string calls{};         ///< of the system, beside those that every service needs: "chroot"
  bool privileged = false;     ///< it sets users or owners, as root does
  bool compiles = false;       ///< it makes code while it runs, as PCRE does for regular expressions
  bool tunes_kernel = false;   ///< it writes to /proc/sys, or to /sys
  bool reads_home = false;     ///< a user's configuration may name files in /home or /root
};
/// The lines of the unit's [Service] section. What runs with the prefix + in it (the notes of unit_notes()) stays outside of the sandbox.
std::string sandbox_lines(const Facts& facts, const Sandbox& needs);

/// Whether systemd can give a unit file systems of its own there. LXC refuses the mounts unless the container may nest, and the unit would not start.
bool has_private_mounts(const Facts& facts);

}  // namespace pgcluster
