#include <algorithm>
#include <cstdio>
#include <utility>

#include "plan/data.hpp"

namespace pgcluster {

std::string_view to_string(Event::Kind kind) noexcept {
  switch (kind) {
    case Event::Kind::apply_started:
      return "apply_started";
    case Event::Kind::lock_taken:
      return "lock_taken";
    case Event::Kind::step_started:
      return "step_started";
    case Event::Kind::step_progress:
      return "step_progress";
    case Event::Kind::step_waiting:
      return "step_waiting";
    case Event::Kind::step_done:
      return "step_done";
    case Event::Kind::step_failed:
      return "step_failed";
    case Event::Kind::step_blocked:
      return "step_blocked";
    case Event::Kind::step_taken_back:
      return "step_taken_back";
    case Event::Kind::host_waiting:
      return "host_waiting";
    case Event::Kind::host_lost:
      return "host_lost";
    case Event::Kind::host_back:
      return "host_back";
    case Event::Kind::apply_done:
      return "apply_done";
  }
  return "apply_done";
}

Failure cancelled_failure() {
  return {.code = Code::cancelled,
          .message = "cancelled: the running steps were finished, the others were not started",
          .hint = "apply again to continue"};
}

const Report& Report::check() const {
  if (!failures.empty()) {
    Failure failure = failures.front();
    for (std::size_t i = 1; i < failures.size(); ++i)
      failure.diagnostics.push_back({.message = failures[i].message, .hint = failures[i].hint, .path = failures[i].step});
    throw Error(std::move(failure));
  }
  if (cancelled) throw Error(cancelled_failure());
  return *this;
}

std::string Report::text() const {
  std::string text;
  for (const Failure& failure : failures) text += pgcluster::text(failure) + "\n";
  const auto count = [&](StepReport::State state) {
    return std::count_if(steps.begin(), steps.end(), [state](const StepReport& step) { return step.state == state; });
  };
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", static_cast<double>(took.count()) / 1000);
  if (steps.empty() && ok()) return "No changes.\n";
  text += ok() ? "Applied " : cancelled ? "Cancelled after " : "Failed after ";
  text += std::to_string(changed) + (changed == 1 ? " change in " : " changes in ") + seconds;
  // The counts add up to the plan's number of steps.
  const std::pair<StepReport::State, const char*> others[] = {{StepReport::State::unchanged, " waited for or held already"},
                                                              {StepReport::State::failed, " failed"},
                                                              {StepReport::State::blocked, " blocked"},
                                                              {StepReport::State::taken_back, " taken back"},
                                                              {StepReport::State::not_reached, " not reached"}};
  for (const auto& [state, words] : others)
    if (const auto number = count(state); !ok() && number > 0) text += ", " + std::to_string(number) + words;
  if (ok() && steps.size() > changed)
    text += "; the other " + std::to_string(steps.size() - changed) + " of the plan's " + std::to_string(steps.size()) +
            " were only waited for, or held already";
  text += ".\n";
  // Once, and not with each error.
  if (!failures.empty()) text += "Run the same command again, once the cause is fixed.\n";
  return text;
}

}  // namespace pgcluster
