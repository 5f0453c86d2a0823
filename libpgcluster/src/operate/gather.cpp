// Facts of hosts, and what is said when some cannot be asked.
#include <algorithm>

#include "operate/view.hpp"
#include "plan/data.hpp"
#include "platform/platform.hpp"

namespace pgcluster {
namespace {

// `options` are those of the command that leave the hosts out.
std::string leave_out(const std::string& options) { return "where it stays down, " + options + " plans as if it were not there"; }

// Of errors that a host's being down may be behind: how to do without it, said with the first of them.
void suggest_without(std::map<std::string, Error>& errors, std::size_t hosts, WayOut way) {
  std::string options;
  std::vector<std::string> down;
  for (const auto& [name, error] : errors)
    if (error.code() == Code::host_unreachable || error.code() == Code::timed_out || error.code() == Code::connection_lost) {
      options += (options.empty() ? "--without " : " --without ") + name;
      down.push_back(name);
    }
  if (down.empty() || (way == WayOut::leave_out && down.size() == hosts)) return;
  Failure failure = errors.at(down.front()).failure();
  failure.hint += (failure.hint.empty() ? "" : "; ") +
                  (way == WayOut::leave_out ? leave_out(options) : "where it is gone for good, --prune " + options + " forgets it");
  errors.insert_or_assign(down.front(), Error(std::move(failure)));
}

}  // namespace

std::string without_hint(const std::string& host) { return leave_out("--without " + host); }

std::map<std::string, Facts> reachable_facts(const Hosts& hosts, Executor& executor, const OperateOptions& options,
                                             std::map<std::string, Error>& errors, const std::map<std::string, std::vector<AskPtr>>& also,
                                             Known* known) {
  std::map<std::string, std::vector<Ask>> asks;
  for (const auto& [name, access] : hosts) {
    asks[name] = facts_asks(name);
    if (const auto more = also.find(name); more != also.end())
      for (const AskPtr& ask : more->second) asks[name].push_back(*ask);
  }
  Observed observed = observe(hosts, asks, executor, plan_options(options));
  std::map<std::string, Facts> facts;
  errors = observed.errors;
  for (auto& [name, answers] : observed.answers) {
    const std::size_t own = facts_asks(name).size();
    if (const auto more = also.find(name); known && more != also.end())
      for (std::size_t i = own; i < answers.size() && i - own < more->second.size(); ++i)
        known->emplace_back(more->second[i - own], std::move(answers[i]));
    for (std::size_t i = 0; known && i < own && i < answers.size(); ++i)  // the list of what is owned is no step's question
      if (const Ask& ask = asks.at(name)[i]; std::holds_alternative<FileOf>(ask.what))
        known->emplace_back(std::make_shared<const Ask>(ask), answers[i]);
    if (answers.size() > own) answers.erase(answers.begin() + static_cast<std::ptrdiff_t>(own), answers.end());
    try {
      Facts read = read_facts(name, answers);
      if (!find_platform(read)) throw unsupported_platform(name, read);
      facts.emplace(name, std::move(read));
    } catch (const Error& error) {
      errors.emplace(name, error.with(name));
    }
  }
  for (const auto& [name, access] : hosts)
    if (!facts.contains(name) && !errors.contains(name))
      errors.emplace(name, Error({.code = Code::timed_out,
                                  .message = name + " did not answer in time",
                                  .hint = "see whether the host is overloaded",
                                  .host = name,
                                  .retryable = true}));
  return facts;
}

std::map<std::string, Facts> gather_facts(const Hosts& hosts, Executor& executor, const OperateOptions& options, WayOut way,
                                          const std::map<std::string, std::vector<AskPtr>>& also, Known* known) {
  std::map<std::string, Error> errors;
  auto facts = reachable_facts(hosts, executor, options, errors, also, known);
  if (errors.empty()) return facts;
  if (way != WayOut::none) suggest_without(errors, hosts.size(), way);
  Failure failure = errors.begin()->second.failure();
  for (const auto& [name, error] : errors)
    if (name != errors.begin()->first) failure.diagnostics.push_back({.message = error.message(), .hint = error.hint(), .path = name});
  throw Error(std::move(failure));
}

}  // namespace pgcluster
