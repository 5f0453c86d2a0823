// The page of html_report(): text and pictures, without scripts, and without anything from elsewhere.
#include "operate/page.hpp"

#include <sstream>

#include "base/joined.hpp"
#include "base/strings.hpp"
#include "operate/shell.hpp"
#include "operate/table.hpp"

namespace pgcluster {
namespace {

using strings::markup;

std::string section(const std::string& id, const std::string& heading, const std::string& content) {
  return "<section aria-labelledby=\"" + id + "\">\n<h2 id=\"" + id + "\">" + heading + "</h2>\n" + content + "</section>\n";
}

std::string in(const char* look, const std::string& words) { return "<span class=\"" + std::string(look) + "\">" + markup(words) + "</span>"; }

// Cells are markup already; the first one names the row.
struct Table {
  std::string caption;
  std::vector<std::string> heads;
  std::vector<std::vector<std::string>> rows{};

  std::string text() const {
    std::string out = "<div class=\"wide\"><table><caption>" + caption + "</caption>\n<thead><tr>";
    for (const std::string& head : heads) out += "<th scope=\"col\">" + head + "</th>";
    out += "</tr></thead>\n<tbody>\n";
    for (const auto& row : rows) {
      out += "<tr><th scope=\"row\">" + row.front() + "</th>";
      for (std::size_t i = 1; i < row.size(); ++i) out += "<td>" + row[i] + "</td>";
      out += "</tr>\n";
    }
    return out + "</tbody></table></div>\n";
  }
};

std::string finding(const char* look, const std::string& where, const std::string& message, const std::string& remedy,
                    const std::vector<std::string>& evidence = {}) {
  std::string text = "<div class=\"finding " + std::string(look) + "\"><strong>" + markup(where) + "</strong>: " + markup(message);
  if (!remedy.empty()) text += "<p>What to do: " + markup(remedy) + "</p>";
  if (!evidence.empty()) {
    text += "<pre>";
    for (const std::string& line : evidence) text += markup(line) + "\n";
    text += "</pre>";
  }
  return text + "</div>\n";
}

std::string unread(const Failure& why) { return finding("doubt", "Not known", why.message, why.hint, why.causes); }

std::string lag(const Status::Member& member) { return member.lag_bytes ? table::bytes(*member.lag_bytes) : ""; }

std::string members(const Status& status) {
  Table table{"Members", {"Name", "Address", "Role", "State", "Timeline", "Lag", ""}};
  for (const Status::Member& one : status.members)
    table.rows.push_back({markup(one.name), markup(one.address), markup(one.role.empty() ? "unknown" : one.role),
                          one.state == "running" || one.state == "streaming" ? in("good", one.state) : in("bad", one.state),
                          one.timeline ? std::to_string(one.timeline) : "", lag(one), one.pending_restart ? in("doubt", "restart pending") : ""});
  return table.text();
}

std::string rest(const Status& status) {
  Table table{"Cluster", {"What", "State"}};
  const auto& dcs = status.dcs;
  table.rows.push_back({std::string(to_string(dcs.type)), std::to_string(dcs.healthy_members.size()) + " of " + std::to_string(dcs.members.size()) +
                                                              " members healthy, quorum " + std::to_string(dcs.quorum) + ", " +
                                                              std::to_string(dcs.tolerates) + " more may fail"});
  if (status.vip)
    table.rows.push_back({"VIP", markup(status.vip->address + (status.vip->unknown           ? ": its holder is unknown"
                                                               : status.vip->holders.empty() ? ", held by nobody"
                                                                                             : ", on " + joined(status.vip->holders)))});
  if (status.certificates)
    table.rows.push_back({"Certificates", "the first ends in " + std::to_string(status.certificates->days_left) + " days, on " +
                                              markup(status.certificates->first_end.substr(0, 10))});
  for (const Endpoint& one : status.endpoints) table.rows.push_back({markup(to_string(one.kind)), "<code>" + markup(one.uri) + "</code>"});
  return table.text();
}

std::string health(const Page& page) {
  if (!page.status) return unread(page.no_status);
  const Status& status = *page.status;
  std::string text = "<p>The cluster is " + (status.healthy ? in("good", "healthy") : in("bad", "not healthy")) +
                     (status.paused ? ". Automatic failover is " + in("doubt", "paused") : "") + ".</p>\n";
  for (const auto& [look, all] : {std::pair{"bad", &status.problems}, std::pair{"doubt", &status.warnings}})
    for (const Status::Finding& one : *all)
      text += finding(look, one.host.empty() ? status.cluster : one.host, one.what.message, one.what.remedy, one.what.evidence);
  return text + members(status) + rest(status);
}

std::string verdict(const Backups::Backup& one) {
  if (one.error) return in("bad", "damaged pages");
  if (!one.unproven.empty()) return in("bad", "cannot be restored: " + one.unproven);
  return one.proven ? in("good", "proven") : "not tried";
}

std::string backups(const Page& page) {
  if (!page.backed_up) return "<p>" + in("doubt", "The cluster is not backed up.") + "</p>\n";
  if (!page.backups) return unread(page.no_backups);
  const Backups& found = *page.backups;
  std::string text;
  for (const Backups::Repo& one : found.repos)
    if (!one.ok) text += finding("bad", one.name + " on " + one.host, one.problem, "");
  text +=
      "<p>It can be restored " + (found.window ? "to any moment from " + markup(found.window->from) + " to " + markup(found.window->to) + ".</p>\n"
                                               : in("bad", "to no moment") + ".</p>\n");
  if (found.archived.age_s)
    text += "<p>WAL was archived " + std::to_string(*found.archived.age_s) + " s before this page was made" +
            (found.archived.failed ? "; " + std::to_string(found.archived.failed) + " attempts have failed so far" : "") + ".</p>\n";
  text += found.proven ? "<p>The newest proof is of " + markup(found.proven->label) + ", at " + markup(found.proven->at) + "; it took " +
                             std::to_string(found.proven->seconds) + " s.</p>\n"
                       : "<p>" + in("doubt", "No backup has been proven.") + "</p>\n";
  Table table{"Backups", {"Label", "Type", "Repository", "Ended", "Size", "Proof"}};
  for (const Backups::Backup& one : found.backups)
    table.rows.push_back({markup(one.label), markup(one.type), markup(one.repo), markup(one.stop), table::bytes(one.size_bytes), verdict(one)});
  return text + (found.backups.empty() ? "" : table.text());
}

// A unified diff. Added and removed lines keep their signs, so that nothing depends on colors.
std::string diff(const std::string& unified) {
  std::string out = "<pre>";
  std::istringstream lines(unified);
  for (std::string line; std::getline(lines, line);)
    out += (line.starts_with('+')   ? "<ins>" + markup(line) + "</ins>"
            : line.starts_with('-') ? "<del>" + markup(line) + "</del>"
                                    : markup(line)) +
           "\n";
  return out + "</pre>";
}

std::string pending(const Page& page) {
  if (!page.plan) return unread(page.no_plan);
  const Plan& plan = *page.plan;
  std::string text;
  for (const Diagnostic& one : plan.warnings()) text += finding("doubt", one.path.empty() ? "Warning" : one.path, one.message, one.hint);
  if (plan.empty()) return text + "<p>Nothing has to change: the hosts are as the spec describes them.</p>\n";
  Table table{"Changes, in the order of apply", {"Step", "Action", "Impact", "Why"}};
  for (const PlannedChange& one : plan.changes())
    table.rows.push_back(
        {markup(one.id), markup(to_string(one.action)),
         one.impact == Impact::none ? "none" : in(one.impact == Impact::reload ? "soft" : "doubt", std::string(to_string(one.impact))),
         markup(one.reason) + (one.diff ? "<details><summary>Differences</summary>" + diff(one.diff->masked()) + "</details>" : "")});
  return text + table.text();
}

std::string told(const History::Apply& last) {
  std::string text = "<p>" + markup(last.planner) + " by " + markup(last.who) + ", begun at " + markup(last.began) + ": " +
                     (last.result == "done" ? in("good", "done")
                      : last.result.empty() ? in("doubt", "no end recorded: it still runs, or it was interrupted")
                                            : in("bad", last.result)) +
                     (last.ended.empty() ? "" : " after " + std::to_string(last.took_s) + " s, " + std::to_string(last.changed) + " changed") +
                     ".</p>\n";
  for (const std::string& failure : last.failures) text += finding("bad", "Failure", failure, "");
  return text;
}

std::string last_apply(const Page& page) {
  std::string text;
  const History::Apply* last = page.history && !page.history->applies.empty() ? &page.history->applies.back() : nullptr;
  if (!page.events.empty())
    return timeline(page.events, [&] {
      std::vector<std::string> names;
      for (const TopologyHost& host : page.topology.hosts) names.push_back(host.name);
      return names;
    }());
  if (last) {
    text += told(*last);
    Table table{"Its changes", {"Step", "Action", "Result", "Why"}};
    for (const History::Change& one : last->changes)
      table.rows.push_back({markup(one.id), markup(one.action),
                            one.state.empty()       ? ""
                            : one.state == "failed" ? in("bad", one.state)
                                                    : markup(one.state),
                            markup(one.reason)});
    if (!last->changes.empty()) text += table.text();
  } else if (page.history) {
    text += "<p>The hosts remember no apply.</p>\n";
  } else {
    text += unread(page.no_history);
  }
  return text +
         "<p class=\"soft\">A picture of when each step ran needs the log of the apply: pgcluster apply --log FILE, then pgcluster report --log "
         "FILE.</p>\n";
}

std::string earlier(const History& history) {
  Table table{"Applies, the newest first", {"Begun", "By", "What", "Result"}};
  for (auto one = history.applies.rbegin(); one != history.applies.rend() && table.rows.size() < 20; ++one)
    table.rows.push_back({markup(one->began), markup(one->who), markup(one->planner),
                          (one->result == "done" ? in("good", "done")
                           : one->result.empty() ? in("doubt", "no end recorded")
                                                 : in("bad", one->result)) +
                              ", " + std::to_string(one->changed) + " changed"});
  return table.rows.empty() ? "" : table.text();
}

}  // namespace

std::string html(const Page& page) {
  const std::string cluster = markup(page.topology.cluster);
  std::string text =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>" +
      cluster + ": report</title>\n<style>\n" + shell::page + "\n</style>\n</head>\n<body>\n<header>\n<h1>" + cluster +
      "</h1>\n<p class=\"soft\">Made by pgcluster " PGCLUSTER_VERSION " at " + markup(page.made) + "</p>\n<nav aria-label=\"Sections\">";
  std::string sections;
  const auto add = [&](const char* id, const char* heading, const std::string& content) {
    text += "<a href=\"#" + std::string(id) + "\">" + heading + "</a>";
    sections += section(id, heading, content);
  };
  add("health", "Health", health(page));
  add("topology", "Topology", "<div class=\"wide\">\n" + page.picture + "</div>\n");
  add("backups", "Backups", backups(page));
  add("pending", "Pending changes", pending(page));
  add("last", "Last apply", last_apply(page) + (page.history ? earlier(*page.history) : ""));
  return text + "</nav>\n</header>\n<main>\n" + sections + "</main>\n</body>\n</html>\n";
}

}  // namespace pgcluster
