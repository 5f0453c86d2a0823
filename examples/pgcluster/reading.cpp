// Sub-commands that change nothing.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>

#include "commands.hpp"
#include "out_file.hpp"
#include "pager.hpp"
#include "terminal.hpp"

namespace command {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

// The warnings of the spec and of its topology, without duplicates.
std::vector<pgcluster::Diagnostic> warnings_of(const pgcluster::Spec& spec, const pgcluster::Topology& topology, const std::string& file) {
  std::vector<pgcluster::Diagnostic> all = pgcluster::validate(spec);
  all.insert(all.end(), topology.warnings.begin(), topology.warnings.end());
  std::vector<pgcluster::Diagnostic> once;
  for (pgcluster::Diagnostic& one : all) {
    if (one.file.empty()) one.file = file;
    if (std::none_of(once.begin(), once.end(), [&](const auto& other) { return other.path == one.path && other.message == one.message; }))
      once.push_back(std::move(one));
  }
  return once;
}

std::string validated_json(const std::string& file, const pgcluster::Topology& topology, const std::vector<pgcluster::Diagnostic>& warnings) {
  std::string members, endpoints;
  for (const std::string& name : topology.dcs_members) members += (members.empty() ? "" : ", ") + json_string(name);
  for (const pgcluster::Endpoint& one : topology.endpoints)
    endpoints += (endpoints.empty() ? "" : ", ") + ("{\"kind\": " + json_string(to_string(one.kind))) + ", \"address\": " + json_string(one.address) +
                 ", \"port\": " + std::to_string(one.port) + ", \"uri\": " + json_string(one.uri) + "}";
  return "{\"format\": 1, \"file\": " + json_string(file) + ", \"ok\": true, \"cluster\": " + json_string(topology.cluster) +
         ", \"dcs\": {\"type\": " + json_string(to_string(topology.dcs_type)) + ", \"members\": [" + members +
         "], \"quorum\": " + std::to_string(topology.quorum()) + ", \"tolerates\": " + std::to_string(topology.tolerates()) + "}, \"endpoints\": [" +
         endpoints + "], \"warnings\": " + json(warnings) + "}";
}

// The file of --log; it is an apply's, or the command line is wrong. Without a path it is empty.
std::string log_of(const std::string& path) {
  if (path.empty()) return {};
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) throw Usage("--log: " + path + " cannot be read");
  try {
    pgcluster::read_log(text);
  } catch (const pgcluster::Error& error) {
    throw Usage("--log: " + path + ": " + error.failure().message + "; " + error.failure().hint);
  }
  return text;
}

}  // namespace

void asking(Session& session, const pgcluster::Spec& spec, const std::function<void(const pgcluster::OperateOptions&)>& ask) {
  const std::size_t hosts = spec.hosts.size();
  Waiting waiting(session.console, session.executor, "asking " + (hosts == 1 ? spec.hosts[0].name : std::to_string(hosts) + " hosts"));
  pgcluster::OperateOptions options;
  options.stop = session.interrupt.token();
  options.poll = [&] {
    session.interrupt.poll();
    if (!session.arguments.watch) waiting.poll();
  };
  ask(options);
  session.interrupt.check();
}

std::vector<std::string> without(const Arguments& arguments, const pgcluster::Spec& spec) {
  for (const std::string& name : arguments.without)
    if (!spec.host(name) && !arguments.prune) {
      std::vector<std::string> hosts;
      for (const pgcluster::HostSpec& host : spec.hosts) hosts.push_back(host.name);
      throw Usage("--without " + name + ": the spec has no such host; its hosts are " + joined(hosts));
    }
  return arguments.without;
}

int validate(Session& session) {
  const std::string& file = session.arguments.spec;
  const pgcluster::Spec spec = pgcluster::load_spec(file);
  const pgcluster::Topology topology = pgcluster::resolve(spec);
  const auto warnings = warnings_of(spec, topology, file);
  if (session.console.json()) {
    session.console.answer(validated_json(file, topology, warnings));
    return status::ok;
  }
  std::string text = file + ": ok\n";
  text += "  " + topology.cluster + ": PostgreSQL " + std::to_string(spec.postgresql_version) + " on " + joined(topology.database) + "\n";
  text += "  " + std::string(to_string(topology.dcs_type)) + " on " + joined(topology.dcs_members) + ": quorum " + std::to_string(topology.quorum()) +
          ", tolerates the loss of " + std::to_string(topology.tolerates()) + "\n";
  std::size_t width = 0;
  for (const pgcluster::Endpoint& one : topology.endpoints) width = std::max(width, to_string(one.kind).size());
  for (const pgcluster::Endpoint& one : topology.endpoints) text += "  " + padded(std::string(to_string(one.kind)), width + 2) + one.uri + "\n";
  for (const pgcluster::Diagnostic& one : warnings) text += one.text() + "\n";
  session.console.answer(text);
  return status::ok;
}

int check(Session& session) {
  const pgcluster::Spec spec = pgcluster::load_spec(session.arguments.spec);
  pgcluster::CheckReport report;
  asking(session, spec, [&](const auto& options) { report = pgcluster::check_hosts(spec, session.executor, options); });
  session.console.answer(session.console.json() ? report.json() : report.text(session.console.color_out()));
  if (report.ok()) return status::ok;
  // Exit status 3 only if every error is a refusal.
  return std::all_of(report.findings.begin(), report.findings.end(),
                     [](const auto& one) { return one.what.severity != pgcluster::Severity::error || status_of(one.code) == status::refused; })
             ? status::refused
             : status::failed;
}

int plan(Session& session) {
  const Arguments& arguments = session.arguments;
  const pgcluster::Spec spec = pgcluster::load_spec(arguments.spec);
  OutFile out(arguments.out);
  std::optional<pgcluster::Plan> plan;
  const std::vector<std::string> left_out = without(arguments, spec);
  asking(session, spec, [&](const auto& options) {
    auto deploy = options_from<pgcluster::DeployOptions>(options);
    deploy.without = left_out;
    plan = pgcluster::plan_deploy(spec, session.executor, deploy);
  });
  if (!arguments.out.empty()) out.write(plan->document());  // the document is as large as the plan
  if (session.console.json())
    session.console.answer(plan->json());
  else
    page(session.console, plan->text(arguments.diff, session.console.color_out()));
  if (!arguments.out.empty()) session.console.tell("To apply this plan: pgcluster apply " + arguments.out + " -f " + arguments.spec);
  return arguments.detailed_exitcode && !plan->empty() ? status::pending : status::ok;
}

int show_status(Session& session) {
  const pgcluster::Spec spec = pgcluster::load_spec(session.arguments.spec);
  if (session.arguments.watch) return watch(session, spec);
  try {
    std::optional<pgcluster::Status> now;
    asking(session, spec, [&](const auto& options) { now = pgcluster::read_status(spec, session.executor, options); });
    session.console.answer(session.console.json() ? now->json() : now->text(session.console.color_out()));
    return now->healthy ? status::ok : status::failed;
  } catch (const pgcluster::Error& error) {
    if (error.code() == pgcluster::Code::cancelled) throw;
    session.console.error(error.failure());
    return error.code() == pgcluster::Code::spec_invalid ? status::spec : status::failed;  // a status that cannot be read is a failure, not a refusal
  }
}

int backups(Session& session) {
  const pgcluster::Spec spec = pgcluster::load_spec(session.arguments.spec);
  std::optional<pgcluster::Backups> found;
  asking(session, spec, [&](const auto& options) { found = pgcluster::read_backups(spec, session.executor, options); });
  session.console.answer(session.console.json() ? found->json() : found->text(session.console.color_out()));
  return std::all_of(found->repos.begin(), found->repos.end(), [](const auto& repo) { return repo.ok; }) ? status::ok : status::failed;
}

int history(Session& session) {
  const pgcluster::Spec spec = pgcluster::load_spec(session.arguments.spec);
  std::optional<pgcluster::History> found;
  asking(session, spec, [&](const auto& options) { found = pgcluster::read_history(spec, session.executor, options); });
  if (session.console.json())
    session.console.answer(found->json());
  else
    page(session.console, found->text(session.console.color_out()));
  return status::ok;
}

int report(Session& session) {
  const Arguments& arguments = session.arguments;
  const pgcluster::Spec spec = pgcluster::load_spec(arguments.spec);
  const OutFile out(arguments.out);
  const std::string log = log_of(arguments.log);
  std::string page;
  asking(session, spec, [&](const auto& options) {
    auto wanted = options_from<pgcluster::ReportOptions>(options);
    wanted.log = log;
    page = pgcluster::html_report(spec, session.executor, wanted);
  });
  if (arguments.out.empty())
    session.console.answer(page);
  else
    out.write(page);
  return status::ok;
}

int password(Session& session) {
  const pgcluster::Spec spec = pgcluster::load_spec(session.arguments.spec);
  std::string password;
  asking(session, spec, [&](const auto& options) { password = pgcluster::read_password(spec, session.executor, session.arguments.role, options); });
  session.console.answer(password);
  return status::ok;
}

int graph(Session& session) {
  const pgcluster::Spec spec = pgcluster::load_spec(session.arguments.spec);
  session.console.answer(pgcluster::graph(pgcluster::resolve(spec), spec, session.arguments.format));
  return status::ok;
}

int schema(Session& session) {
  session.console.answer(pgcluster::schema(session.arguments.document));
  return status::ok;
}

}  // namespace command
