#pragma once

namespace pgcluster {

/// A visitor made of lambdas, one for each alternative of a variant.
template <class... T>
struct Overloaded : T... {
  using T::operator()...;
};
template <class... T>
Overloaded(T...) -> Overloaded<T...>;

}  // namespace pgcluster
