#include "step/made.hpp"
#include "step/unit_state.hpp"

namespace pgcluster {

namespace {

// The command with which the host records the digests of a unit's files. The answer to UnitOf compares them with the output of the same command.
std::string note(const std::string& unit, const std::string& kind, const std::vector<std::string>& files) {
  std::string command = "sha256sum --";
  for (const std::string& path : files) command += " " + path;
  return command + " >/run/pgcluster/units/" + unit + "." + kind + " 2>&1";
}

// Recorded before the process is reloaded: a file that changes in between counts as not loaded, although it may be.
std::string reload_lines(const ServiceWish& wish, const std::vector<std::string>& exec_reload) {
  std::string text = "ExecReload=\nExecReload=+/bin/sh -c 'mkdir -p /run/pgcluster/units; " + note(wish.unit, "load", wish.load_files) + "; :'\n";
  for (const std::string& command : exec_reload) text += "ExecReload=" + command + "\n";
  return text;
}

}  // namespace

WriteFile unit_notes(const ServiceWish& wish, const std::vector<std::string>& exec_reload, const std::string& more_service_lines) {
  std::string at_start = "mkdir -p /run/pgcluster/units";
  if (!wish.start_files.empty()) at_start += "; " + note(wish.unit, "start", wish.start_files);
  if (!wish.load_files.empty()) at_start += "; " + note(wish.unit, "load", wish.load_files);
  std::string text = "[Service]\nExecStartPre=+/bin/sh -c '" + at_start + "; :'\n";
  if (wish.reloadable) text += reload_lines(wish, exec_reload);
  return {.path = "/etc/systemd/system/" + wish.unit + ".d/50-pgcluster.conf", .content = text + more_service_lines};
}

WriteFile load_notes(const ServiceWish& wish, const std::vector<std::string>& exec_reload) {
  return {.path = "/etc/systemd/system/" + wish.unit + ".d/60-pgcluster-load.conf",
          .content = "[Service]\nExecStartPre=+/bin/sh -c 'mkdir -p /run/pgcluster/units; " + note(wish.unit, "load", wish.load_files) + "; :'\n" +
                     reload_lines(wish, exec_reload)};
}

Ask journal_ask(const std::string& host, const std::string& unit) {
  return {host, Exec{.argv = {"journalctl", "-u", unit, "-n", "200", "-o", "cat", "--no-pager"}, .tail = true}};
}

StepPtr service(std::string name, std::string host, ServiceWish wish) {
  const Ask ask{host, UnitOf{wish.unit, wish.start_files, wish.load_files}};
  auto decide = [host, ask, wish](const Answers& answers) -> Decision {
    const Answer& answer = answers[ask];
    auto change = [&](SetUnit::Go go, Action action, Impact impact, std::string reason) {
      return Change{.todo = {Do{.at = host, .what = SetUnit{wish.unit, go, true}}}, .action = action, .impact = impact, .reason = std::move(reason)};
    };
    if (std::holds_alternative<Absent>(answer)) return change(SetUnit::Go::start, Action::start, Impact::none, "the unit is not there yet");
    const auto* unit = std::get_if<Unit>(&answer);
    if (!unit) {
      const auto* why = std::get_if<Unreadable>(&answer);
      return Refused{{.message = "cannot read the state of " + wish.unit + (why ? ": " + why->why : "")}, Code::command_failed};
    }
    if (unit->sub == "auto-restart" && unit->restarts >= 2 && !unit->masked) {
      // The user may have fixed the cause before this plan: the count of restarts begins anew.
      const std::string why = wish.unit + " fails repeatedly (result: " + unit->result + ")";
      Change again = change(SetUnit::Go::restart, Action::restart, Impact::none, why);
      again.failed = why;
      again.until = [ask, name = wish.unit](const Answers& now) {
        const auto* found = now.get<Unit>(ask);
        return found && found->young ? name + " stays up" : std::string();
      };
      return again;
    }
    if (unit->sub != "auto-restart" && dies_again(*unit) && !unit->masked)
      return Later{.until = wish.unit + " stays up",
                   .action = Action::restart,
                   .wrong = wish.unit + " was restarted " + std::to_string(unit->restarts) + " times, and has not stayed up since",
                   .patience = std::chrono::seconds(10)};
    if (unit->active == "activating" && unit->enabled && !unit->masked)
      return Later{.until = wish.unit + " is active", .action = unit->sub == "auto-restart" ? Action::restart : Action::wait};
    if (unit->active != "active" && unit->active != "reloading") {
      Change start = change(SetUnit::Go::start, Action::start, Impact::none, wish.unit + " is " + unit->active);
      if (unit->active == "failed") start.failed = wish.unit + " has died (result: " + unit->result + ")";
      return start;
    }
    if (!unit->start_files_current) {
      Change restart = change(SetUnit::Go::restart, Action::restart, wish.restart_impact, "runs on an older configuration");
      restart.todo[0].was = *unit;
      return restart;
    }
    if (!unit->load_files_current) {
      Change reload = change(wish.reloadable ? SetUnit::Go::reload : SetUnit::Go::restart, wish.reloadable ? Action::reload : Action::restart,
                             wish.reloadable ? wish.reload_impact : wish.restart_impact, "runs on an older configuration");
      if (!wish.reloadable) reload.todo[0].was = *unit;
      return reload;
    }
    if (!unit->enabled || unit->masked) return change(SetUnit::Go::nothing, Action::update, Impact::none, "does not start at boot");
    return Done{};
  };
  const Ask journal = journal_ask(host, wish.unit);
  return waiting_step(std::move(name),
                      {.asks = {ask}, .decide = decide, .settle = wish.settle, .keeps = {"unit:" + wish.unit}, .evidence = {journal}},
                      wish.brought_by);
}

}  // namespace pgcluster
