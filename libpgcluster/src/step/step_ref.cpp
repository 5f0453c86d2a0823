#include <pgcluster/step/step_ref.hpp>

namespace pgcluster {

std::string StepRef::name() const { return (host.empty() ? "cluster" : host) + "/" + component + "/" + what; }

std::optional<StepRef> parse_step_name(std::string_view name) {
  const auto first = name.find('/');
  const auto second = first == std::string_view::npos ? first : name.find('/', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  StepRef ref{std::string(name.substr(0, first)), std::string(name.substr(first + 1, second - first - 1)), std::string(name.substr(second + 1))};
  if (ref.host.empty() || ref.component.empty() || ref.what.empty()) return std::nullopt;
  if (ref.host == "cluster") ref.host.clear();
  return ref;
}

}  // namespace pgcluster
