#pragma once

#include <map>
#include <memory>

#include <pgcluster/base/export.hpp>

namespace PGCLUSTER_API pgcluster {

/// What pure functions have made of a value that does not change any more: each is called once. Used on one thread, as its owner is.
/// A copy begins empty, as the copied value may be changed.
class Memo {
 public:
  /// Nothing made yet.
  Memo() = default;
  /// Begins empty.
  Memo(const Memo&) noexcept {}
  /// Forgets what was made of the old value.
  Memo& operator=(const Memo&) noexcept {
    made_.clear();
    return *this;
  }

  /// What `make` makes of the subject, called at the first time only. The subject must be the same each time.
  template <class T, class Subject>
  std::shared_ptr<const T> get(const Subject& subject, T (*make)(const Subject&)) const {
    auto& made = made_[reinterpret_cast<void (*)()>(make)];
    if (!made) made = std::make_shared<const T>(make(subject));
    return std::static_pointer_cast<const T>(made);
  }

 private:
  mutable std::map<void (*)(), std::shared_ptr<const void>> made_{};
};

}  // namespace pgcluster
