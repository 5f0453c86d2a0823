#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgcluster::executor {

/// The result of a look-up of a host's key in the known_hosts files.
enum class Verdict {
  known,
  unknown,  ///< the files do not contain the host
  changed,  ///< the files contain other keys of the host
  revoked,
  authority,  ///< the files contain only a certificate authority for the host, which libssh2 cannot check
};

struct KnownHost {
  enum class Mark { none, revoked, authority };
  Mark mark = Mark::none;
  std::string type;   ///< "ssh-ed25519"
  std::string blob;   ///< raw
  std::string where;  ///< "/root/.ssh/known_hosts:3"
};

class KnownHosts {
 public:
  /// A missing file has no entries; a line that cannot be parsed is ignored.
  explicit KnownHosts(const std::vector<std::string>& paths);
  /// Entries from a text; for tests.
  static KnownHosts parse(std::string_view text, const std::string& path);

  struct Answer {
    Verdict verdict = Verdict::unknown;
    std::string where{};  ///< the line that gave the result
  };
  Answer check(std::string_view address, int port, std::string_view type, std::string_view blob) const;
  /// The types of the known keys of the host, in the order of the files: the types to request from the host.
  std::vector<std::string> types(std::string_view address, int port) const;

  /// Appends a line in one write. Creates the file (0600) and its directory (0700) if necessary. Throws Error.
  static void append(const std::string& path, std::string_view address, int port, std::string_view type, std::string_view blob);

 private:
  KnownHosts() = default;
  struct Line {
    std::string patterns;
    KnownHost host;
  };
  void read(std::string_view text, const std::string& path);
  std::vector<const KnownHost*> about(std::string_view name) const;
  std::vector<const KnownHost*> about(std::string_view address, int port) const;
  std::vector<Line> lines_;
};

/// The fingerprint of a key as ssh prints it: "SHA256:…".
std::string fingerprint(std::string_view blob);

}  // namespace pgcluster::executor
