#include "component/sandbox.hpp"

namespace pgcluster {

bool has_private_mounts(const Facts& facts) { return facts.container != "lxc"; }

// Uses only directives that systemd 252 supports. Omits ProcSubset=pid, because Go reads /proc/sys/net/core/somaxconn for the backlog of its
// listeners, and PrivateUsers, because the unit would not start on hosts that forbid user namespaces.
std::string sandbox_lines(const Facts& facts, const Sandbox& needs) {
  std::string text = "NoNewPrivileges=yes\nCapabilityBoundingSet=" + needs.capabilities + "\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX" +
                     (needs.families.empty() ? "" : " " + needs.families) +
                     "\nRestrictNamespaces=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\nLockPersonality=yes\nSystemCallArchitectures=native\n"
                     "SystemCallFilter=@system-service" +
                     (needs.calls.empty() ? "" : " " + needs.calls) + "\n";
  if (!needs.privileged) text += "SystemCallFilter=~@privileged\n";
  text += "SystemCallErrorNumber=EPERM\n";  // a program that has another way takes it, instead of being killed
  if (!needs.compiles) text += "MemoryDenyWriteExecute=yes\n";
  text += "UMask=0027\n";
  if (!has_private_mounts(facts)) return text;
  text += "ProtectSystem=strict\n";
  if (!needs.writes.empty()) text += "ReadWritePaths=" + needs.writes + "\n";
  text += std::string("ProtectHome=") + (needs.reads_home ? "read-only" : "yes") + "\n";
  text +=
      "PrivateTmp=yes\nPrivateDevices=yes\nProtectProc=invisible\nProtectKernelModules=yes\nProtectKernelLogs=yes\n"
      "ProtectControlGroups=yes\nProtectClock=yes\nProtectHostname=yes\n";
  if (!needs.tunes_kernel) text += "ProtectKernelTunables=yes\n";
  return text;
}

}  // namespace pgcluster
