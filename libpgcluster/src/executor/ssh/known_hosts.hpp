#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgcluster::executor {

/// What known_hosts files say about one host's key.
enum class Verdict {
  known,
  unknown,  ///< they say nothing about the host
  changed,  ///< they know other keys of it
  revoked,
  authority,  ///< they know only an authority that would sign its key, which libssh2 cannot check
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
  /// A file that is not there has no entries; a line that cannot be read is passed over.
  explicit KnownHosts(const std::vector<std::string>& paths);
  /// Of a text; for tests.
  static KnownHosts parse(std::string_view text, const std::string& path);

  struct Answer {
    Verdict verdict = Verdict::unknown;
    std::string where{};  ///< the line that decided
  };
  Answer check(std::string_view address, int port, std::string_view type, std::string_view blob) const;
  /// Types of keys by which the host is known, first mention first: what to ask the host for.
  std::vector<std::string> types(std::string_view address, int port) const;

  /// Appends a line, in one write; makes the file (0600) and its directory (0700) where they are not there. Throws Error.
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

/// "SHA256:…", as ssh shows a key.
std::string fingerprint(std::string_view blob);

}  // namespace pgcluster::executor
