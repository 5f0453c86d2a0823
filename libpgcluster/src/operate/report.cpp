// Gathers what the page about a cluster shows.
#include "component/backup.hpp"
#include "operate/deployment.hpp"
#include "operate/page.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

std::string now_utc() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%F %R UTC", &parts)};
}

// One part that cannot be read leaves the others as they are.
template <class Value, class Read>
void read_part(std::optional<Value>& value, Failure& why, const Read& read) {
  try {
    value = read();
  } catch (const Error& error) {
    if (error.code() == Code::cancelled) throw;
    why = error.failure();
  }
}

}  // namespace

std::string html_report(const Spec& spec, Executor& executor, const ReportOptions& options) {
  check_spec(spec, options.components);
  Page page{.made = now_utc(), .topology = resolve(spec)};
  if (!options.log.empty()) page.events = read_log(options.log);
  page.picture = graph(page.topology, spec, "svg");
  page.backed_up = backup::wanted(spec);
  const OperateOptions common = options;
  read_part(page.status, page.no_status, [&] { return read_status(spec, executor, common); });
  if (page.backed_up) read_part(page.backups, page.no_backups, [&] { return read_backups(spec, executor, common); });
  read_part(page.plan, page.no_plan, [&] {
    return plan_deploy(
        spec, executor,
        {.stop = common.stop, .deadline = common.deadline, .parallel = common.parallel, .poll = common.poll, .components = common.components});
  });
  read_part(page.history, page.no_history, [&] { return read_history(spec, executor, common); });
  return html(page);
}

}  // namespace pgcluster
