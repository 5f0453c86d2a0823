#pragma once

#include <map>
#include <memory>

#include <pgcluster/base/export.hpp>

namespace PGCLUSTER_API pgcluster {

/// Caches the results of pure functions of one value: each function is called once. The value must not change. A Memo is for one thread at a time,
/// like its owner. A copy starts empty, because the copied value may change.
class Memo {
 public:
  /// An empty cache.
  Memo() = default;
  /// A copy starts empty.
  Memo(const Memo&) noexcept {}
  /// Forgets the results for the old value.
  Memo& operator=(const Memo&) noexcept {
    made_.clear();
    return *this;
  }

  /// The result of `make(subject)`, which is called only the first time. The subject must be the same each time.
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
