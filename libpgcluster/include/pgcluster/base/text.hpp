#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <pgcluster/base/export.hpp>

namespace PGCLUSTER_API pgcluster {

/// A password or key with the name that people see in its place.
struct Secret {
  std::string name;  ///< "patroni_superuser_password"
  std::string value;
  friend bool operator==(const Secret&, const Secret&) = default;
};

/// A string in which some spans are secret; cheap to copy. Whoever prints uses masked(); only executors call reveal().
class Text {
 public:
  /// A secret part: bytes [begin, end), and its secret's name.
  struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string name;
    friend bool operator==(const Span&, const Span&) = default;
  };

  Text() = default;
  /// Without secrets.
  Text(std::string plain) { own().bytes = std::move(plain); }  // NOLINT: a plain string is a Text
  /// Without secrets.
  Text(std::string_view plain) { own().bytes = plain; }  // NOLINT
  /// Without secrets; up to the first NUL.
  Text(const char* plain) { own().bytes = plain; }  // NOLINT
  /// All of it secret.
  Text(const Secret& secret) { *this += secret; }  // NOLINT

  /// Appends what is not secret.
  Text& operator+=(std::string_view plain);
  /// Appends what is not secret.
  Text& operator+=(const std::string& plain) { return *this += std::string_view(plain); }
  /// Appends what is not secret.
  Text& operator+=(const char* plain) { return *this += std::string_view(plain); }
  /// Appends what is not secret.
  Text& operator+=(char c) { return *this += std::string_view(&c, 1); }
  /// Appends a secret span; an empty value appends nothing.
  Text& operator+=(const Secret& secret);
  /// Appends, secret spans included.
  Text& operator+=(const Text& other);
  /// Both, one after the other, secret spans included.
  friend Text operator+(Text a, const Text& b) { return a += b; }

  /// Whether it has no bytes at all.
  bool empty() const noexcept { return its().bytes.empty(); }
  /// Whether masked() and reveal() differ.
  bool has_secret() const noexcept { return !its().spans.empty(); }
  /// The secret parts in order; they do not overlap.
  const std::vector<Span>& spans() const noexcept { return its().spans; }

  /// Each secret span as "<secret NAME>".
  std::string masked() const;
  /// The bytes as they are. For executors, and for comparing with what a host has.
  const std::string& reveal() const noexcept { return its().bytes; }

  friend bool operator==(const Text& a, const Text& b) { return a.content_ == b.content_ || a.its() == b.its(); }

 private:
  struct Content {
    std::string bytes{};
    std::vector<Span> spans{};
    friend bool operator==(const Content&, const Content&) = default;
  };
  const Content& its() const noexcept;
  Content& own();
  std::shared_ptr<Content> content_{};  // shared by copies, until one is changed; none: empty
};

/// Unified text of what changes from `before` (bytes of a host) to `after`, "" where nothing does.
/// Secret spans of `after` are masked, and so is what stands in their places in `before`.
Text unified_diff(std::string_view path, std::string_view before, const Text& after);

}  // namespace pgcluster
