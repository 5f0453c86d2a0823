#include <pgcluster/step/step.hpp>

#include <algorithm>

namespace pgcluster {

const Answers::Entry* Answers::find(const Ask& ask) const {
  const auto [begin, end] = entries_.equal_range(hash(ask));
  const auto it = std::find_if(begin, end, [&](const auto& one) { return *one.second.ask == ask; });
  return it == end ? nullptr : &it->second;
}

const Answers::Entry& Answers::found(const Ask& ask) const {
  thread_local const Entry nobody_asked{nullptr, std::make_shared<const Given>(Given{Unreadable{"this was not asked"}}), false};
  const Entry* entry = find(ask);
  return entry ? *entry : nobody_asked;
}

const Answer& Answers::operator[](const Ask& ask) const { return found(ask).given->answer; }

bool Answers::pending(const Ask& ask) const { return found(ask).pending; }

const std::string* Answers::out(const Ask& ask) const {
  const auto* output = get<Output>(ask);
  return output && output->status == 0 ? &output->out : nullptr;
}

void Answers::set(const Ask& ask, Answer answer, bool pending) {
  set(std::make_shared<const Ask>(ask), std::make_shared<const Given>(Given{std::move(answer)}), pending);
}

void Answers::set(AskPtr ask, GivenPtr given, bool pending) {
  const std::size_t at = hash(*ask);
  const auto [begin, end] = entries_.equal_range(at);
  const auto it = std::find_if(begin, end, [&](const auto& one) { return *one.second.ask == *ask; });
  Entry entry{std::move(ask), std::move(given), pending};
  if (it == end)
    entries_.emplace(at, std::move(entry));
  else
    it->second = std::move(entry);
}

bool Answers::take(const AskPtr& ask, const Answers& others) {
  const Entry* entry = others.find(*ask);
  if (entry) set(ask, entry->given, entry->pending);
  return entry != nullptr;
}

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
