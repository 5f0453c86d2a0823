#include <pgcluster/simulation/simulated.hpp>

#include <algorithm>

#include "simulation/fleet.hpp"

namespace pgcluster {
namespace {

constexpr std::chrono::seconds lock_life{30};

}  // namespace

const std::string* SimulatedHost::read(const std::string& path) const {
  const auto it = files.find(path);
  return it == files.end() || it->second.kind != File::Kind::regular ? nullptr : &it->second.content;
}

void SimulatedHost::write(const std::string& path, std::string content, unsigned mode) {
  files[path] = File{.content = std::move(content), .mode = mode};
}

bool SimulatedHost::active(const std::string& unit) const {
  const auto it = units.find(unit);
  return it != units.end() && (it->second.state.active == "active" || it->second.state.active == "reloading");
}

SimulatedHost& SimulatedExecutor::Impl::host(const std::string& name) {
  const auto [it, made] = hosts_.try_emplace(name);
  SimulatedHost& host = it->second;
  if (!made) return host;
  host.name = name;
  host.facts = options_.facts;
  if (host.facts.hostname.empty()) host.facts.hostname = name;
  host.accounts["root"] = Account{0, "/root", "/bin/bash"};
  host.write("/etc/hosts", "127.0.0.1 localhost\n");
  host.write("/proc/sys/kernel/random/boot_id", name + " 1\n", 0444);
  return host;
}

SimulatedHost& SimulatedExecutor::Impl::reach(const HostAccess& access) {
  SimulatedHost& here = host(access.name);
  here.cloud = access.transport == Transport::cloud;
  if (cancelled_) throw Error({.code = Code::cancelled, .message = "cancelled", .host = access.name});
  if (here.down)
    throw Error({.code = Code::host_unreachable,
                 .message = access.name + " cannot be reached: no route to host",
                 .hint = "see that it is up",
                 .host = access.name,
                 .retryable = true});
  if (here.frozen)
    throw Error(
        {.code = Code::timed_out, .message = access.name + " does not answer", .host = access.name, .retryable = true, .state_unknown = true});
  return here;
}

bool SimulatedExecutor::Impl::lock_alive(const SimulatedHost& host) const { return host.lock && now_ - host.beaten < lock_life; }

void SimulatedExecutor::Impl::perform_all(SimulatedHost& host, const Program& program, ProgramResult& result) {
  bool stopped = false;
  for (std::size_t k = 0; k < program.dos.size() && !stopped; ++k) {
    const Do& d = program.dos[k];
    std::optional<Lost> lost;
    if (const auto it = breaks_.find(host.name); it != breaks_.end() && --it->second.left == 0) {
      lost = it->second.how;
      breaks_.erase(it);
    }
    const Error broken({.code = Code::connection_lost,
                        .message = "the connection to " + host.name + " broke",
                        .host = host.name,
                        .retryable = true,
                        .state_unknown = true});
    if (program.on_do && !lost) program.on_do(k);
    if (meanwhile_) meanwhile_(host, d);
    if (lost == Lost::before) throw broken;
    const bool interrupted = interrupt_in_ > 0 && --interrupt_in_ == 0;
    if (interrupted && !interrupt_after_) thrower_();
    result.dos[k] = perform(host, d);
    if (interrupted && interrupt_after_) thrower_();
    if (lost == Lost::after) throw broken;
    if (lost == Lost::orphan) {
      Program rest = program;
      rest.on_do = nullptr;
      rest.dos.erase(rest.dos.begin(), rest.dos.begin() + static_cast<std::ptrdiff_t>(k) + 1);
      ProgramResult unseen;
      unseen.dos.resize(rest.dos.size());
      const bool fine = result.dos[k].what == DoResult::What::done || result.dos[k].what == DoResult::What::skipped;
      if (fine) perform_all(host, rest, unseen);
      throw broken;
    }
    stopped = result.dos[k].what == DoResult::What::failed || result.dos[k].what == DoResult::What::drifted;
  }
  if (!stopped) strike_owned(host, program.disown);
}

ProgramResult SimulatedExecutor::Impl::run(const HostAccess& access, const Program& program) {
  SimulatedHost& here = reach(access);
  if (here.busy_until > now_) {
    // A controller that waits for one host goes on beating the others.
    for (auto& [name, other] : hosts_)
      if (lock_alive(other) && tokens_.contains(other.lock->token)) other.beaten = std::max(other.beaten, here.busy_until);
    self_.sleep_until(here.busy_until);
  }
  ProgramResult result;
  result.dos.resize(program.dos.size());
  note_owned(here, program.own);
  perform_all(here, program, result);
  if (here.lock && tokens_.contains(here.lock->token) && lock_alive(here)) here.beaten = local(here);
  ripen(here);
  for (const Ask& ask : program.asks) result.answers.push_back(answer(here, ask));
  return result;
}

SimulatedExecutor::SimulatedExecutor(SimulatedOptions options) : impl_(std::make_unique<Impl>(*this, std::move(options))) {}
SimulatedExecutor::~SimulatedExecutor() = default;

ProgramResult SimulatedExecutor::run(const HostAccess& host, const Program& program) { return impl_->run(host, program); }

std::optional<LockHolder> SimulatedExecutor::lock(const HostAccess& access, const LockHolder& us) {
  SimulatedHost& here = impl_->reach(access);
  if (impl_->lock_alive(here) && here.lock->token != us.token) return here.lock;
  here.lock = us;
  here.beaten = now();
  impl_->tokens_.insert(us.token);
  return std::nullopt;
}

void SimulatedExecutor::beat(const HostAccess& access) {
  SimulatedHost& here = impl_->reach(access);
  if (!impl_->lock_alive(here) || !impl_->tokens_.contains(here.lock->token))
    throw Error({.code = Code::connection_lost, .message = "the lock of " + access.name + " is gone", .host = access.name, .retryable = true});
  here.beaten = std::max(here.beaten, now());
}

void SimulatedExecutor::unlock(const HostAccess& access) noexcept {
  const auto it = impl_->hosts_.find(access.name);
  if (it == impl_->hosts_.end() || it->second.down || it->second.frozen) return;
  if (it->second.lock && impl_->tokens_.contains(it->second.lock->token)) it->second.lock.reset();
}

void SimulatedExecutor::cancel() noexcept { impl_->cancelled_ = true; }
void SimulatedExecutor::resume() noexcept { impl_->cancelled_ = false; }
SimulatedTime SimulatedExecutor::now() const { return impl_->now_; }

void SimulatedExecutor::sleep_until(SimulatedTime until) {
  if (until <= impl_->now_) return;
  impl_->now_ = until;
  for (auto& [name, host] : impl_->hosts_)
    if (!host.down && !host.frozen) impl_->ripen(host);
  for (const auto& model : impl_->models_) model->passed(until);
}

SimulatedTime SimulatedExecutor::finished() const {
  SimulatedTime last = now();
  for (const auto& [name, host] : impl_->hosts_) last = std::max(last, host.busy_until);
  return last;
}

const SimulatedOptions& SimulatedExecutor::options() const noexcept { return impl_->options_; }

void SimulatedExecutor::add(std::shared_ptr<ServiceModel> model) {
  impl_->models_.push_back(std::move(model));
  impl_->models_.back()->added(*this);
}

SimulatedHost& SimulatedExecutor::host(const std::string& name) { return impl_->host(name); }
SimulatedHost& SimulatedExecutor::host(const HostAccess& access) { return impl_->host(access.name); }

std::vector<std::string> SimulatedExecutor::hosts() const {
  std::vector<std::string> names;
  for (const auto& [name, host] : impl_->hosts_) names.push_back(name);
  return names;
}

const std::vector<SimulatedAct>& SimulatedExecutor::trace() const noexcept { return impl_->trace_; }
void SimulatedExecutor::clear_trace() { impl_->trace_.clear(); }

void SimulatedExecutor::start_unit(SimulatedHost& host, const std::string& unit) { impl_->start(host, unit); }
void SimulatedExecutor::stop_unit(SimulatedHost& host, const std::string& unit) { impl_->stop(host, unit); }
void SimulatedExecutor::reload_unit(SimulatedHost& host, const std::string& unit) { impl_->reload(host, unit); }

void SimulatedExecutor::fail_unit(SimulatedHost& host, const std::string& unit, const std::string& journal) {
  impl_->stop(host, unit);
  Unit& state = host.units[unit].state;
  state.active = "failed";
  state.sub = "failed";
  state.result = "exit-code";
  impl_->journals_[host.name + " " + unit] += journal;
}

void SimulatedExecutor::install(SimulatedHost& host, const std::string& package) {
  if (const std::string why = impl_->install(host, package); !why.empty()) throw Error(Code::command_failed, why);
}

void SimulatedExecutor::reboot(SimulatedHost& host) { impl_->reboot(host); }

void SimulatedExecutor::lose_connection(const std::string& host, std::size_t nth, Lost how) {
  if (nth > 0) impl_->breaks_.insert_or_assign(host, Impl::Break{nth, how});
}

void SimulatedExecutor::fail(std::function<std::optional<Output>(const Do&)> which) { impl_->fails_ = std::move(which); }

void SimulatedExecutor::interrupt(std::size_t nth, bool after, std::function<void()> thrower) {
  impl_->interrupt_in_ = nth;
  impl_->interrupt_after_ = after;
  impl_->thrower_ = std::move(thrower);
}

void SimulatedExecutor::meanwhile(std::function<void(SimulatedHost&, const Do&)> what) { impl_->meanwhile_ = std::move(what); }

}  // namespace pgcluster
