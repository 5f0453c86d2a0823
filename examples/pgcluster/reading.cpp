// Sub-commands that change nothing.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <thread>

#include "commands.hpp"
#include "terminal.hpp"

namespace command {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

// Warnings of the spec and of what it resolves to, each once.
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
  for (const std::string& name : topology.dcs_members) members += (members.empty() ? "" : ", ") + quoted(name);
  for (const pgcluster::Endpoint& one : topology.endpoints)
    endpoints += (endpoints.empty() ? "" : ", ") + ("{\"kind\": " + quoted(one.kind)) + ", \"address\": " + quoted(one.address) +
                 ", \"port\": " + std::to_string(one.port) + ", \"uri\": " + quoted(one.uri) + "}";
  return "{\"format\": 1, \"file\": " + quoted(file) + ", \"ok\": true, \"cluster\": " + quoted(topology.cluster) +
         ", \"dcs\": {\"type\": " + quoted(topology.dcs_type) + ", \"members\": [" + members + "], \"quorum\": " + std::to_string(topology.quorum()) +
         ", \"tolerates\": " + std::to_string(topology.tolerates()) + "}, \"endpoints\": [" + endpoints + "], \"warnings\": " + json(warnings) + "}";
}

// One reading of the status; empty where it could not be read, and that has been said.
std::optional<pgcluster::Status> read(Session& session, const pgcluster::Spec& spec, int& status) {
  try {
    std::optional<pgcluster::Status> read;
    asking(session, spec, [&](const auto& options) { read = pgcluster::read_status(spec, session.executor, options); });
    status = read->healthy ? status::ok : status::failed;
    return read;
  } catch (const pgcluster::Error& error) {
    if (error.code() == pgcluster::Code::cancelled) throw;
    session.console.error(error.failure());
    status = error.code() == pgcluster::Code::spec_invalid ? status::spec : status::failed;  // unreadable is not refused
    return {};
  }
}

// Until Ctrl-C, which is the usual end here and needs no error.
int watch(Session& session, const pgcluster::Spec& spec) try {
  const bool redraw = session.console.live_out();
  if (redraw) session.console.answer("\x1b[2J\x1b[H");
  for (int status = 0;;) {
    const auto now = read(session, spec, status);
    std::string text = now ? now->text(session.console.color_out()) : "";
    if (redraw) {
      for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 4) text.insert(at, "\x1b[K");
      text = "\x1b[H" + text + "\x1b[J";
    }
    if (now) session.console.answer(text);
    for (int tenths = 0; tenths < 20; ++tenths) {
      session.interrupt.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
} catch (const pgcluster::Error& error) {
  if (error.code() != pgcluster::Code::cancelled) throw;
  return status::cancelled;
}

}  // namespace

void asking(Session& session, const pgcluster::Spec& spec, const std::function<void(const pgcluster::OperateOptions&)>& ask) {
  const std::size_t hosts = spec.hosts.size();
  Waiting waiting(session.console, "asking " + (hosts == 1 ? spec.hosts[0].name : std::to_string(hosts) + " hosts"));
  pgcluster::OperateOptions options;
  options.stop = session.interrupt.token();
  options.poll = [&] {
    session.interrupt.poll();
    if (!session.arguments.watch) waiting.poll();
  };
  ask(options);
  session.interrupt.check();
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
  text += "  " + topology.dcs_type + " on " + joined(topology.dcs_members) + ": quorum " + std::to_string(topology.quorum()) +
          ", tolerates the loss of " + std::to_string(topology.tolerates()) + "\n";
  std::size_t width = 0;
  for (const pgcluster::Endpoint& one : topology.endpoints) width = std::max(width, one.kind.size());
  for (const pgcluster::Endpoint& one : topology.endpoints) text += "  " + padded(one.kind, width + 2) + one.uri + "\n";
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
  // Refused only where nothing else is in the way.
  return std::all_of(report.findings.begin(), report.findings.end(),
                     [](const auto& one) { return one.what.severity != pgcluster::Severity::error || status_of(one.code) == status::refused; })
             ? status::refused
             : status::failed;
}

int plan(Session& session) {
  const Arguments& arguments = session.arguments;
  const pgcluster::Spec spec = pgcluster::load_spec(arguments.spec);
  std::optional<pgcluster::Plan> plan;
  asking(session, spec, [&](const auto& options) { plan = pgcluster::plan_deploy(spec, session.executor, {options}); });
  if (!arguments.out.empty()) {
    std::ofstream file(arguments.out, std::ios::binary | std::ios::trunc);
    file << plan->document() << std::flush;
    if (!file) throw Usage("--out: " + arguments.out + " cannot be written");
  }
  session.console.answer(session.console.json() ? plan->json() : plan->text(arguments.diff, session.console.color_out()));
  if (!arguments.out.empty()) session.console.tell("To do this: pgcluster apply " + arguments.out + " -f " + arguments.spec);
  return arguments.detailed_exitcode && !plan->empty() ? status::pending : status::ok;
}

int show_status(Session& session) {
  const pgcluster::Spec spec = pgcluster::load_spec(session.arguments.spec);
  if (session.arguments.watch) return watch(session, spec);
  int status = status::failed;
  if (const auto now = read(session, spec, status))
    session.console.answer(session.console.json() ? now->json() : now->text(session.console.color_out()));
  return status;
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
  session.console.answer(pgcluster::spec_schema());
  return status::ok;
}

}  // namespace command
