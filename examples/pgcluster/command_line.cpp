#include "command_line.hpp"

#include <algorithm>
#include <iostream>
#include <numeric>
#include <utility>

namespace command {
namespace {

using pgcluster::LeaderOptions;
using pgcluster::MemberOptions;
using pgcluster::OperateOptions;

const std::string changes =
    "0 done, or nothing to do; 1 it failed: run it again to continue; 3 refused: locked, not confirmed, or unsafe;\n"
    "  64 wrong usage; 65 the spec is wrong; 130 cancelled";

// The list of sub-commands shows the first line of each description only.
class Formatter final : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* sub) const override {
    const std::string text = sub->get_description();
    std::string name = "  " + sub->get_name();
    if (name.size() < 30) name.resize(30, ' ');
    return name + text.substr(0, text.find('\n')) + "\n";
  }
  std::string make_usage(const CLI::App* app, std::string name) const override { return "\n" + CLI::Formatter::make_usage(app, std::move(name)); }
};

std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t(0));
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t k = 1; k <= b.size(); ++k)
      diagonal = std::exchange(row[k], std::min({row[k] + 1, row[k - 1] + 1, diagonal + (a[i - 1] == b[k - 1] ? 0u : 1u)}));
  }
  return row[b.size()];
}

// "; did you mean NAME?" if a known name is similar.
std::string near(const std::string& word, const std::vector<std::string>& names) {
  const std::string* best = nullptr;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const bool begins = word.size() >= 3 && name.starts_with(word);
    if (const std::size_t far = begins ? 1 : distance(word, name); far < least) least = far, best = &name;
  }
  return best ? "; did you mean " + *best + "?" : "";
}

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// The first word that is not an option. Global options have no values.
std::string first_word(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i)
    if (argv[i][0] != '-') return argv[i];
  return "";
}

}  // namespace

CommandLine::CommandLine(Arguments& arguments) : a_(arguments) {
  app_.formatter(std::make_shared<Formatter>());
  app_.set_version_flag("--version", "pgcluster " PGCLUSTER_VERSION, "Show the version");
  app_.add_flag("--no-color", a_.no_color, "No colours (like NO_COLOR in the environment)");
  app_.require_subcommand(1);
  app_.fallthrough();
  reading();
  changing();
  members();
  add({"help", "Show the help of a sub-command", "", "  pgcluster help apply", "0, or 64 if there is no such sub-command", false}, [](Session&) {
    return status::ok;
  }).add_option("SUBCOMMAND", help_of_, "The sub-command; without it, this list");
  app_.footer(
      "A deployment:\n"
      "  pgcluster validate -f cluster.yaml     is the spec right?\n"
      "  pgcluster check    -f cluster.yaml     are the hosts fit for it?\n"
      "  pgcluster plan     -f cluster.yaml     what would change?\n"
      "  pgcluster apply    -f cluster.yaml     change it\n"
      "  pgcluster status   -f cluster.yaml     is the cluster healthy?\n\n"
      "pgcluster help SUBCOMMAND explains each, with examples.\n\n"
      "Exit status: 0 done or nothing to do, 1 failed or unhealthy, 2 changes pending (plan --detailed-exitcode), 3 refused,\n"
      "64 wrong usage, 65 the spec is wrong, 130 cancelled.");
}

void CommandLine::check_name(const std::string& word) const {
  const std::vector<std::string> names = names_of(app_);
  if (std::find(names.begin(), names.end(), word) != names.end()) return;
  const std::string meant = near(word, names);
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  throw Usage("unknown sub-command " + word + (meant.empty() ? "; there are " + all : meant));
}

// Report an unknown option first: a missing one may only follow from it.
void CommandLine::explain(const CLI::ParseError& error) const {
  std::vector<std::string> options = options_of(app_), left = app_.remaining();
  if (!sub_command_.empty()) {
    const CLI::App& sub = *app_.get_subcommand(sub_command_);
    const std::vector<std::string> own = options_of(sub), of_sub = sub.remaining();
    options.insert(options.end(), own.begin(), own.end());
    left.insert(left.end(), of_sub.begin(), of_sub.end());
  }
  for (const std::string& one : left) {
    const std::string name = one.substr(0, one.find('='));
    if (name.size() > 1 && name[0] == '-')
      throw Usage("unknown option " + name + (sub_command_.empty() ? "" : " of " + sub_command_) + near(name, options));
  }
  throw Usage(error.what());
}

bool CommandLine::parse(int argc, const char* const* argv) {
  const std::string word = first_word(argc, argv);
  if (!word.empty()) check_name(word);
  sub_command_ = word;
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app_.exit(asked);
    return false;
  } catch (const CLI::ParseError& error) {
    explain(error);
  }
  if (word != "help") return true;
  sub_command_.clear();
  if (!help_of_.empty()) check_name(help_of_);
  const CLI::App& topic = help_of_.empty() ? app_ : *app_.get_subcommand(help_of_);
  std::cout << app_.get_formatter()->make_help(&topic, (help_of_.empty() ? "" : "pgcluster ") + topic.get_name(), CLI::AppFormatMode::Normal);
  return false;
}

CLI::App& CommandLine::add(const About& about, Run run) {
  CLI::App* sub = app_.add_subcommand(about.name, about.short_text + (about.purpose.empty() ? "" : "\n\n" + about.purpose));
  sub->footer("Examples:\n" + about.examples + "\n\nExit status:\n  " + about.statuses);
  if (about.spec) sub->add_option("-f,--file", a_.spec, "The spec of the cluster")->required()->type_name("cluster.yaml");
  runs_[sub] = std::move(run);
  return *sub;
}

void CommandLine::json(CLI::App& sub, const std::string& what) { sub.add_flag("--json", a_.json, what); }
void CommandLine::yes(CLI::App& sub) { sub.add_flag("--yes", a_.yes, "Do not ask for confirmation"); }

void CommandLine::reading() {
  json(add({"validate", "Check the spec; connects to no host",
            "Reads the spec and reports every mistake in it at once, with line, column and what to write instead. Then shows what it\n"
            "means: which hosts run the DCS, how many of them may be lost, and where clients connect.",
            "  pgcluster validate -f cluster.yaml", "0 the spec is right, 64 wrong usage, 65 the spec is wrong"},
           validate));
  json(add({"check", "Check whether the hosts are fit for a deployment; changes nothing",
            "Checks on every host what could prevent a deployment: ssh, sudo, operating system, ports that other programs use, clock,\n"
            "disk space, packages. Reports all findings of all hosts.",
            "  pgcluster check -f cluster.yaml\n"
            "  pgcluster check -f cluster.yaml --json | jq '.findings[]'",
            "0 all hosts are fit, 1 some are not, 3 the only obstacles are refusals, such as a port that another program uses,\n"
            "  64 wrong usage, 65 the spec is wrong, 130 cancelled"},
           check));

  CLI::App& planned = add({"plan", "Show what apply would do; changes nothing",
                           "Compares the hosts with the spec and shows what apply would do: first the restarts, in their order, then the changes.\n"
                           "Equal changes of several hosts are shown together. Output that does not fit on the terminal goes through $PAGER\n"
                           "(less -R). apply does exactly this.",
                           "  pgcluster plan -f cluster.yaml --diff              with the differences of files\n"
                           "  pgcluster plan -f cluster.yaml --out change.plan   write the plan, to apply it later\n"
                           "  pgcluster plan -f cluster.yaml --detailed-exitcode exit status 2 if something would change\n"
                           "  pgcluster plan -f cluster.yaml --without pg3       pg3 is down: what can be done without it?",
                           "0 done; 1 it failed; 2 there are changes (only with --detailed-exitcode); 3 refused: unsafe, or data that\n"
                           "  pgcluster did not make; 64 wrong usage; 65 the spec is wrong; 130 cancelled"},
                          plan);
  planned.add_flag("--diff", a_.diff, "Show the differences of files");
  json(planned);
  planned.add_flag("--detailed-exitcode", a_.detailed_exitcode, "Exit with 2 if there are changes");
  planned.add_option("--out", a_.out, "Write the plan to a file, for apply")->type_name("FILE");
  without(planned);

  CLI::App& shown = add({"status", "Show the state of the cluster; exit status 1 if it is not healthy",
                         "Asks every host and shows members, roles, lag, the DCS and its quorum, who holds the VIP, and the URIs for clients.\n"
                         "The cluster is healthy if it has one leader, every member of the spec runs, the DCS is complete and one host has the VIP.\n"
                         "--watch reads the state every 2 s until Ctrl-C. On a terminal it redraws the view; elsewhere it prints a block for\n"
                         "each change (with --json, a line).",
                         "  pgcluster status -f cluster.yaml\n"
                         "  pgcluster status -f cluster.yaml --watch\n"
                         "  pgcluster status -f cluster.yaml --json | jq -r .leader\n"
                         "  pgcluster status -f cluster.yaml --json --watch | jq -c --unbuffered '[.leader, .healthy]'",
                         "0 healthy, 1 unhealthy or unreadable, 64 wrong usage, 65 the spec is wrong, 130 --watch was ended"},
                        show_status);
  json(shown);
  shown.add_flag("--watch", a_.watch, "Read it every 2 s, until Ctrl-C");

  json(add({"backups", "Show the backups and the window that can be restored",
            "Asks the hosts with repositories which backups there are, and the leader when it archived WAL last. If all database hosts\n"
            "are lost, so are the commits after that time.",
            "  pgcluster backups -f cluster.yaml\n"
            "  pgcluster backups -f cluster.yaml --json | jq -r '.backups[-1].label'",
            "0 done, 1 it failed or a repository cannot be used, 3 the cluster is not backed up, 64 wrong usage, 65 the spec is wrong,\n"
            "  130 cancelled"},
           backups));

  json(add({"history", "Show who applied which plan, and when",
            "Asks all hosts which applies they remember: the last 200, each with its changes, their diffs without secrets, and how it\n"
            "ended. An apply that changed nothing is not recorded.",
            "  pgcluster history -f cluster.yaml\n"
            "  pgcluster history -f cluster.yaml --json | jq -r '.applies[-1].changes[] | select(.diff) | .diff'",
            "0 done, 1 no host can be asked, 64 wrong usage, 65 the spec is wrong, 130 cancelled"},
           history));

  CLI::App& page =
      add({"report", "Make a page about the cluster, in HTML",
           "Asks all hosts, and writes one page for people: the topology as a picture, health, lag, backups, pending changes with their\n"
           "differences, and the last apply; with its log, also as a picture of when each step ran. The page has no secrets, and needs\n"
           "nothing but a browser. The page lists what could not be read.",
           "  pgcluster report -f cluster.yaml -o cluster.html\n"
           "  pgcluster apply -f cluster.yaml --log apply.log && pgcluster report -f cluster.yaml --log apply.log -o cluster.html",
           "0 the page was made, whatever it says; 1 it failed; 64 wrong usage, such as a file that is no log of an apply;\n"
           "  65 the spec is wrong; 130 cancelled"},
          report);
  page.add_option("--log", a_.log, "The log of an apply (apply --log)")->type_name("FILE");
  page.add_option("-o,--out", a_.out, "Write the page to this file; without it, to standard output")->type_name("FILE.html");

  add({"password", "Print the password of a role",
       "The first apply generates the passwords that the spec does not give, and keeps them on the database hosts, readable by root\n"
       "only. This prints one of them, and nothing else.",
       "  PGPASSWORD=$(pgcluster password -f cluster.yaml app) psql -h 10.77.0.100 -p 6432 -U app -d app\n"
       "  pgcluster password -f cluster.yaml superuser",
       "0 done, 1 it failed, 3 there is no such password, 64 wrong usage, 65 the spec is wrong, 130 cancelled"},
      password)
      .add_option("ROLE", a_.role, "superuser, replication, restapi, pgbouncer, or a user of the spec")
      ->capture_default_str();
  add({"graph", "Print the topology as a graph (Graphviz DOT, Mermaid or SVG)",
       "Shows datacenters, hosts, what runs on them with its ports, and how clients reach the cluster. Reads the spec only;\n"
       "connects to no host. SVG is a finished picture; DOT and Mermaid need a program that draws them.",
       "  pgcluster graph -f cluster.yaml --format svg >cluster.svg\n"
       "  pgcluster graph -f cluster.yaml | dot -Tpdf >cluster.pdf\n"
       "  pgcluster graph -f cluster.yaml --format mermaid",
       "0 done, 64 wrong usage, 65 the spec is wrong"},
      graph)
      .add_option("--format", a_.format, "dot (Graphviz), mermaid or svg")
      ->check(CLI::IsMember({"dot", "mermaid", "svg"}))
      ->capture_default_str();
  add({"schema", "Print the JSON Schema of specs, or of what commands print",
       "Editors use the schema of specs to complete and check cluster.yaml. It is made from the same table of keys by which specs are\n"
       "read. The other documents are what plan, status, backups and history print with --json, a line of apply --json (event), and its\n"
       "last line (report).",
       "  pgcluster schema >cluster.schema.json\n"
       "  pgcluster schema status >status.schema.json",
       "0 done, 64 wrong usage", false},
      schema)
      .add_option("DOCUMENT", a_.document, "spec, plan, status, report, event, backups or history")
      ->check(CLI::IsMember(pgcluster::schema_names()))
      ->capture_default_str();
}

void CommandLine::changing() {
  CLI::App& applied =
      add({"apply", "Change the hosts to match the spec; asks first",
           "Makes a plan, shows it, asks, and applies it. Hosts work in parallel; restarts go one host at a time, replicas before the\n"
           "leader, with a check after each. Ctrl-C ends the apply after the running steps, a second Ctrl-C ends it at once; the next\n"
           "apply continues from there. With a FILE of plan --out it applies exactly that plan, or stops if the hosts have changed.",
           "  pgcluster apply -f cluster.yaml\n"
           "  pgcluster apply change.plan -f cluster.yaml        exactly the plan that plan --out wrote\n"
           "  pgcluster apply -f cluster.yaml --prune            also clean the hosts that left the spec\n"
           "  pgcluster apply -f cluster.yaml --without pg3      pg3 is down: change the others\n"
           "  pgcluster apply -f cluster.yaml --yes --json       for programs: one event a line, the report last",
           changes},
          apply);
  CLI::Option* document = applied.add_option("FILE", a_.plan, "A plan that plan --out wrote");
  yes(applied);
  json(applied, "Print one event a line on stdout, the report last");
  applied.add_flag("--prune", a_.prune, "Also clean hosts that left the spec, their data included; --without HOST forgets one instead")
      ->excludes(document);
  without(applied)->excludes(document);
  applied.add_flag("--no-restart", a_.no_restart, "Restart nothing: changes that need a restart stay pending, and status tells of them")
      ->excludes(document);
  applied.add_option("--log", a_.log, "Append the events to a file, as lines of JSON")->type_name("FILE");

  yes(add({"destroy", "Remove the cluster from its hosts, data included; needs --yes",
           "Removes everything that pgcluster put on the hosts, and the databases with all their data. Packages and files that it did\n"
           "not put there stay. Only a backup brings the data back.",
           "  pgcluster destroy -f cluster.yaml --yes", changes},
          destroy));
}

void CommandLine::members() {
  const auto target = [&](CLI::App& sub, const std::string& what) { sub.add_option("--to", a_.to, what)->type_name("HOST"); };
  const auto member = [&](CLI::App& sub, const std::string& what) { sub.add_option("HOST,--to,--host", a_.host, what); };
  const auto leading = [this](auto planner) -> Run {
    return [this, planner](Session& session) {
      return operate(session, [&](const auto& spec, auto& executor, const OperateOptions& options) {
        auto chosen = options_from<LeaderOptions>(options);
        chosen.to = a_.to;
        return planner(spec, executor, chosen);
      });
    };
  };
  const auto with = [this](auto planner) -> Run {
    return [this, planner](Session& session) {
      return operate(session, [&](const auto& spec, auto& executor, const OperateOptions& options) {
        auto chosen = options_from<MemberOptions>(options);
        chosen.host = a_.host;
        return planner(spec, executor, chosen);
      });
    };
  };
  const auto plain = [](auto planner) -> Run { return [planner](Session& session) { return operate(session, planner); }; };
  const auto asks = [&](const About& about, Run run) -> CLI::App& {
    CLI::App& sub = add(about, std::move(run));
    yes(sub);
    return sub;
  };

  target(asks({"switchover", "Hand leadership over to a healthy replica",
               "The leader stops cleanly and a replica takes over. Nothing is lost; clients are cut off for a few seconds. Without --to,\n"
               "the replica that has replayed most takes over; with synchronous_mode, only a synchronous one.",
               "  pgcluster switchover -f cluster.yaml\n  pgcluster switchover -f cluster.yaml --to pg2", changes},
              leading(pgcluster::plan_switchover)),
         "The new leader; without it, the best replica");
  target(asks({"failover", "Promote a replica if no healthy leader is left; may lose data",
               "For a cluster that does not recover by itself. What the replica had not received is lost; status shows the lag of each.\n"
               "If a leader runs, use switchover.",
               "  pgcluster failover -f cluster.yaml --to pg2", changes},
              leading(pgcluster::plan_failover)),
         "The replica to promote; required");
  member(asks({"restart", "Restart PostgreSQL, one member at a time, the leader last",
               "Restarts the server in place, member by member, with a check after each. Changed parameters do not need it: apply restarts\n"
               "what must be restarted, after a switchover.",
               "  pgcluster restart -f cluster.yaml        all members\n  pgcluster restart -f cluster.yaml pg2", changes},
              with(pgcluster::plan_restart)),
         "Only this member");
  member(asks({"reload", "Make PostgreSQL read its configuration again",
               "Interrupts no session. apply reloads where it is needed; use this after a change from outside, such as a certificate.",
               "  pgcluster reload -f cluster.yaml\n  pgcluster reload -f cluster.yaml pg2", changes},
              with(pgcluster::plan_reload)),
         "Only this member");
  member(asks({"reinit", "Copy a replica's data from the leader again",
               "Deletes the data of one replica and copies the leader's, for a replica that cannot follow any more. Refused on the leader.",
               "  pgcluster reinit -f cluster.yaml pg2", changes},
              with(pgcluster::plan_reinit)),
         "The replica; required");
  asks({"backup", "Make a backup now",
        "Makes a backup in each repository, from a replica where one streams. The first one is always full. Scheduled backups\n"
        "wait meanwhile.",
        "  pgcluster backup -f cluster.yaml\n  pgcluster backup -f cluster.yaml --type full --yes", changes},
       [this](Session& session) {
         return operate(session, [&](const auto& spec, auto& executor, const OperateOptions& options) {
           auto chosen = options_from<pgcluster::BackupOptions>(options);
           for (const auto type : {pgcluster::BackupType::full, pgcluster::BackupType::diff, pgcluster::BackupType::incr})
             if (to_string(type) == a_.type) chosen.type = type;
           return pgcluster::plan_backup(spec, executor, chosen);
         });
       })
      .add_option("--type", a_.type, "full: all files; diff: what has changed since the last full one; incr: since the last one")
      ->check(CLI::IsMember({"full", "diff", "incr"}))
      ->capture_default_str();
  CLI::App& restored = asks(
      {"restore", "Replace the cluster's data by that of a backup and its WAL; loses what came later",
       "Goes back to a moment: --time, --lsn, --xid, --name or --backup. Without one of these it replays all WAL that is archived. Archives what\n"
       "was written until now, stops PostgreSQL everywhere, restores on the leader's host, lets it lead again, copies the replicas from it, and\n"
       "makes a full backup. Refuses a target that cannot be reached before anything is stopped. If it is interrupted, run it again: it goes on.\n"
       "If all hosts except those with repositories were lost, it deploys the cluster on new hosts, with its data.",
       "  pgcluster restore -f cluster.yaml --time '2026-11-30 09:00:00+01'\n"
       "  pgcluster restore -f cluster.yaml --name before-import --keep-data\n"
       "  pgcluster restore -f cluster.yaml --backup 20261129-010003F",
       changes},
      [this](Session& session) {
        return operate_as_one(session, [&](const auto& spec, auto& executor, const OperateOptions& options) {
          auto chosen = options_from<pgcluster::RestoreOptions>(options);
          chosen.deadline = pgcluster::RestoreOptions().deadline;
          chosen.time = a_.time, chosen.lsn = a_.lsn, chosen.xid = a_.xid, chosen.name = a_.name, chosen.backup = a_.backup;
          chosen.timeline = a_.timeline, chosen.keep_data = a_.keep_data;
          return pgcluster::plan_restore(spec, executor, chosen);
        });
      });
  std::vector<CLI::Option*> targets{
      restored.add_option("--time", a_.time, "A time with its zone")->type_name("TIME"),
      restored.add_option("--lsn", a_.lsn, "A place in the WAL")->type_name("LSN"),
      restored.add_option("--xid", a_.xid, "A transaction, which is the last one")->type_name("XID"),
      restored.add_option("--name", a_.name, "A restore point that pg_create_restore_point() has made")->type_name("NAME"),
      restored.add_option("--backup", a_.backup, "The end of a backup; backups shows their labels")->type_name("LABEL")};
  for (CLI::Option* one : targets)
    for (CLI::Option* other : targets)
      if (one != other) one->excludes(other);
  restored.add_option("--timeline", a_.timeline, "The timeline to follow, if there are several with this target")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  restored.add_flag("--keep-data", a_.keep_data, "Rename the former data directories instead of replacing their content");
  CLI::App& proven =
      add({"prove", "Prove that a backup can be restored",
           "Restores the newest backup, or that of --backup, into a server of its own on a replica's host: without network, without archive,\n"
           "with data of its own, which go afterwards. Looks through its tables, indexes and page checksums, and through the WAL since then.\n"
           "Notes with the repository what was found and how long it took; backups and status show it.",
           "  pgcluster prove -f cluster.yaml\n"
           "  pgcluster prove -f cluster.yaml --backup 20261129-010003F",
           "0 the backup is good, 1 it is damaged or WAL is missing, or it failed; 3 refused: locked, no such backup, or no room;\n"
           "  64 wrong usage; 65 the spec is wrong; 130 cancelled"},
          [this](Session& session) {
            return operate_at_once(session, [&](const auto& spec, auto& executor, const OperateOptions& options) {
              auto chosen = options_from<pgcluster::ProveOptions>(options);
              chosen.backup = a_.backup;
              return pgcluster::plan_prove(spec, executor, chosen);
            });
          });
  proven.add_option("--backup", a_.backup, "Its label; backups shows them")->type_name("LABEL");
  json(proven, "Print one event a line on stdout, the report last");
  asks({"rotate", "Replace generated passwords, keys and certificates",
        "Makes new passwords for roles (superuser, replication, restapi, pgbouncer, or a user of the spec), or new keys and certificates on all\n"
        "hosts. Sessions go on; no database is restarted. A password that stands in the spec is changed there, and by apply. ca replaces the\n"
        "authority that signs the certificates, in three plans, each shown and confirmed by itself. gossip-key replaces\n"
        "the key that encrypts Consul's gossip, consul all tokens of Consul (its agents restart one at a time), and etcd the password by which\n"
        "Patroni logs in to etcd.",
        "  pgcluster rotate -f cluster.yaml certificates\n  pgcluster rotate -f cluster.yaml ca\n  pgcluster rotate -f cluster.yaml superuser "
        "replication --yes",
        changes},
       [this](Session& session) {
         return operate(session, [&](const auto& spec, auto& executor, const OperateOptions& options) {
           auto chosen = options_from<pgcluster::RotateOptions>(options);
           chosen.what = a_.what;
           return pgcluster::plan_rotate(spec, executor, chosen);
         });
       })
      .add_option("WHAT", a_.what, "Roles, or the words certificates, ca, gossip-key, consul, etcd")
      ->required();
  asks({"pause", "Stop automatic failover until resume",
        "For maintenance during which Patroni must not fail over. Until resume, a leader that dies is not replaced.",
        "  pgcluster pause -f cluster.yaml", changes},
       plain(pgcluster::plan_pause));
  asks({"resume", "Start automatic failover again", "Ends pause: from now on, a replica replaces a leader that dies.",
        "  pgcluster resume -f cluster.yaml", changes},
       plain(pgcluster::plan_resume));
}

CLI::Option* CommandLine::without(CLI::App& sub) {
  return sub.add_option("--without", a_.without, "Treat this host as down: do not connect to it, leave its changes pending; repeatable")
      ->type_name("HOST")
      ->allow_extra_args(false);
}

}  // namespace command
