#include <pgcluster/step/step.hpp>

namespace pgcluster {

const Answer& Answers::operator[](const Ask& ask) const {
  static const Answer nobody_asked = Unreadable{"this was not asked"};
  const auto it = entries_.find(key(ask));
  return it == entries_.end() ? nobody_asked : it->second.answer;
}

bool Answers::pending(const Ask& ask) const {
  const auto it = entries_.find(key(ask));
  return it != entries_.end() && it->second.pending;
}

const std::string* Answers::out(const Ask& ask) const {
  const auto* output = get<Output>(ask);
  return output && output->status == 0 ? &output->out : nullptr;
}

void Answers::set(const Ask& ask, Answer answer, bool pending) { entries_[key(ask)] = {std::move(answer), pending}; }

std::string_view to_string(Action action) noexcept {
  switch (action) {
    case Action::create:
      return "create";
    case Action::update:
      return "update";
    case Action::start:
      return "start";
    case Action::stop:
      return "stop";
    case Action::restart:
      return "restart";
    case Action::reload:
      return "reload";
    case Action::remove:
      return "remove";
    case Action::run:
      return "run";
    case Action::wait:
      return "wait";
    case Action::switchover:
      return "switchover";
  }
  return "run";
}

std::string_view to_string(Impact impact) noexcept {
  switch (impact) {
    case Impact::none:
      return "none";
    case Impact::reload:
      return "reload";
    case Impact::restart:
      return "restart";
    case Impact::switchover:
      return "switchover";
    case Impact::outage:
      return "outage";
    case Impact::data:
      return "data";
  }
  return "none";
}

}  // namespace pgcluster
