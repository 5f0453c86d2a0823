#include <algorithm>
#include <string>

#include <pgcluster/plan/plan.hpp>
#include "plan/workers.hpp"

namespace pgcluster {
namespace {

Error late(const std::string& host, std::chrono::seconds limit) {
  return Error({.code = Code::timed_out,
                .message = host + " did not answer within " + std::to_string(limit.count()) + " s",
                .hint = "see whether the host is overloaded, and give it more time",
                .host = host,
                .retryable = true});
}

}  // namespace

Observed observe(const Hosts& hosts, const std::map<std::string, std::vector<Ask>>& asks, Executor& executor, const PlanOptions& options) {
  Observed observed;
  std::size_t open = 0;
  bool timed_out = false;
  const auto deadline = executor.now() + options.deadline;
  {
    Workers workers(executor, std::min(options.parallel, asks.size()));
    for (const auto& [name, questions] : asks) {
      const auto host = hosts.find(name);
      if (host == hosts.end()) {
        observed.errors.emplace(name, Error(Code::internal, "a step asks " + name + ", which is not a host of the plan"));
        continue;
      }
      ++open;
      workers.post(
          [&, name = name, host = host->second, &questions = questions] {  // which outlive the workers
            if (options.stop.stop_requested()) throw Error(Code::cancelled, "cancelled before " + name + " was asked");
            ProgramResult result = executor.run(host, Program{.asks = questions});
            workers.tell([&, name, answers = std::move(result.answers)]() mutable {
              observed.answers[name] = std::move(answers);
              --open;
            });
          },
          [&, name = name](const Error& error) {
            observed.errors.emplace(name, timed_out && error.code() == Code::cancelled ? late(name, options.deadline) : error.with(name));
            --open;
          });
    }
    while (open > 0) {
      workers.serve(executor.now() + std::chrono::milliseconds(100));
      if (options.poll) options.poll();
      if (open > 0 && (options.stop.stop_requested() || executor.now() > deadline)) {
        timed_out = !options.stop.stop_requested();
        executor.cancel();
        while (open > 0) workers.serve(executor.now() + std::chrono::milliseconds(100));
        executor.resume();
        if (options.stop.stop_requested()) throw Error(Code::cancelled, "cancelled while the hosts were being asked");
        break;
      }
    }
  }
  return observed;
}

}  // namespace pgcluster
