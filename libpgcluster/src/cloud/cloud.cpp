#include <pgcluster/cloud/cloud.hpp>

#include <atomic>

#include "cloud/session.hpp"

namespace pgcluster {

class CloudExecutor::Impl {
 public:
  explicit Impl(CloudOptions options) : options_(std::move(options)) {}

  ProgramResult run(const HostAccess& access, const Program& program) {
    if (!access.cloud) throw Error(Code::internal, access.name + " is no cloud");
    executor::CloudSession session(access, options_, cancelled, tokens_);
    const auto api = executor::cloud_api(access.cloud->provider, session);
    ProgramResult result;
    result.dos.resize(program.dos.size());
    for (std::size_t i = 0; i < program.dos.size(); ++i) {
      if (program.on_do) program.on_do(i);
      result.dos[i] = carry_out(*api, program.dos[i]);
      if (result.dos[i].what == DoResult::What::failed || result.dos[i].what == DoResult::What::drifted) break;
    }
    for (const Ask& ask : program.asks) {
      const auto* request = std::get_if<Http>(&ask.what);
      if (!request) {
        result.answers.emplace_back(Unreadable{"a cloud's API has no files, packages or units"});
        continue;
      }
      const Balancer wish = read_balancer(request->body.reveal());
      if (is_checked(*request)) api->check(wish);
      result.answers.push_back(answer(api->find(wish)));
    }
    return result;
  }

  std::atomic<bool> cancelled = false;

 private:
  static Answer answer(const std::optional<Balancer>& found) { return found ? Answer(Output{.out = text(*found, true)}) : Answer(Absent{}); }

  static DoResult carry_out(executor::CloudApi& api, const Do& d) {
    const auto* send = std::get_if<Send>(&d.what);
    if (!send) throw Error(Code::internal, "a cloud's API has no files, packages or units");
    const Balancer wish = read_balancer(send->request.body.reveal());
    const bool removal = send->request.method == "DELETE";
    try {
      const auto is = api.find(wish);
      if (removal ? !is : is && text(*is) == text(wish)) {
        if (removal && d.was && !std::holds_alternative<Absent>(*d.was)) api.remove(wish);  // what belongs to it may still be there
        return {.what = DoResult::What::skipped};
      }
      if (is && is->owner != wish.owner) return {.what = DoResult::What::drifted, .found = "one that is not this cluster's"};
      if (d.was && !same(*d.was, is)) return {.what = DoResult::What::drifted, .found = is ? "its settings are others" : "it is gone"};
      if (removal)
        api.remove(wish);
      else if (is)
        api.change(wish, *is);
      else
        api.create(wish);
      return {.what = DoResult::What::done};
    } catch (const Error& error) {
      if (error.code() == Code::cancelled) throw;
      return {.what = DoResult::What::failed, .output = {.status = 1, .err = error.message()}, .failure = error.failure()};
    }
  }

  // Whether two balancers are the same, apart from the address, which the cloud assigns.
  static bool same(const Answer& was, const std::optional<Balancer>& is) {
    if (const auto* output = std::get_if<Output>(&was)) return is && text(read_balancer(output->out)) == text(*is);
    return !is;
  }

  CloudOptions options_;
  executor::CloudTokens tokens_;
};

CloudExecutor::CloudExecutor(CloudOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
CloudExecutor::~CloudExecutor() = default;

ProgramResult CloudExecutor::run(const HostAccess& cloud, const Program& program) {
  try {
    return impl_->run(cloud, program);
  } catch (const Error& error) {
    throw error.with(cloud.name);
  }
}

void CloudExecutor::cancel() noexcept { impl_->cancelled = true; }
void CloudExecutor::resume() noexcept { impl_->cancelled = false; }

}  // namespace pgcluster
