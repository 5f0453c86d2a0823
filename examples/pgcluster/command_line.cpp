#include "command_line.hpp"

#include <algorithm>
#include <iostream>
#include <numeric>
#include <utility>

namespace command {
namespace {

using pgcluster::MemberOptions;
using pgcluster::OperateOptions;

const std::string changes =
    "0 done, or nothing to do; 1 it failed: apply again, it goes on from there; 3 refused: locked, not confirmed,\n"
    "  or unsafe; 64 wrong usage; 65 the description is wrong; 130 cancelled";

// In the list of sub-commands one line is enough of what a sub-command is for.
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

// "; did you mean NAME?" where one is near.
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

// The first word that is no option: global options take no values.
std::string first_word(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i)
    if (argv[i][0] != '-') return argv[i];
  return "";
}

}  // namespace

CommandLine::CommandLine(Arguments& arguments) : a_(arguments) {
  app_.formatter(std::make_shared<Formatter>());
  app_.set_version_flag("--version", "pgcluster " PGCLUSTER_VERSION, "Show the version");
  app_.add_flag("--no-color", a_.no_color, "No colours (NO_COLOR in the environment says the same)");
  app_.require_subcommand(1);
  app_.fallthrough();
  reading();
  changing();
  members();
  add({"help", "Show the help of a sub-command", "", "  pgcluster help apply", "0, or 64 where there is no such sub-command", false}, [](Session&) {
    return status::ok;
  }).add_option("SUBCOMMAND", help_of_, "The sub-command; none: this list");
  app_.footer(
      "The usual way:\n"
      "  pgcluster validate -f cluster.yaml     is the description right?\n"
      "  pgcluster check    -f cluster.yaml     are the hosts fit for it?\n"
      "  pgcluster plan     -f cluster.yaml     what would be done?\n"
      "  pgcluster apply    -f cluster.yaml     do it\n"
      "  pgcluster status   -f cluster.yaml     how is it?\n\n"
      "pgcluster help SUBCOMMAND tells what each is for, with examples.\n\n"
      "Exit status: 0 done or nothing to do, 1 failed or unhealthy, 2 changes pending (plan --detailed-exitcode), 3 refused,\n"
      "64 wrong usage, 65 the description is wrong, 130 cancelled.");
}

void CommandLine::check_name(const std::string& word) const {
  const std::vector<std::string> names = names_of(app_);
  if (std::find(names.begin(), names.end(), word) != names.end()) return;
  const std::string meant = near(word, names);
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  throw Usage("unknown sub-command " + word + (meant.empty() ? "; there are " + all : meant));
}

// What is unknown says more than what is missing because of it.
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
  if (about.spec) sub->add_option("-f,--file", a_.spec, "The cluster's description")->required()->type_name("cluster.yaml");
  runs_[sub] = std::move(run);
  return *sub;
}

void CommandLine::json(CLI::App& sub, const std::string& what) { sub.add_flag("--json", a_.json, what); }
void CommandLine::yes(CLI::App& sub) { sub.add_flag("--yes", a_.yes, "Do not ask"); }

void CommandLine::reading() {
  json(add({"validate", "Check the description; reaches no host",
            "Reads the description and reports every mistake in it at once, with line, column and what to write instead;\n"
            "then says what it resolves to: who is in the DCS and what it tolerates, where clients connect.",
            "  pgcluster validate -f cluster.yaml", "0 it is right, 64 wrong usage, 65 the description is wrong"},
           validate));
  json(add({"check", "Check whether the hosts are fit for it; changes nothing",
            "Asks every host what would be in the way of a deployment: reach, sudo, operating system, ports that others have\n"
            "taken, clock, disk space, packages. Reports all findings of all hosts.",
            "  pgcluster check -f cluster.yaml\n"
            "  pgcluster check -f cluster.yaml --json | jq '.findings[]'",
            "0 all hosts are fit, 1 some are not, 3 only a stranger's port or the like is in the way, 64 wrong usage,\n"
            "  65 the description is wrong, 130 cancelled"},
           check));

  CLI::App& planned = add({"plan", "Show what apply would do; changes nothing",
                           "Compares the hosts with the description and shows what would be done: first what is restarted, and in which order,\n"
                           "then the changes, equal ones of several hosts together. Where stdout is a terminal that it does not fit on, it is shown\n"
                           "by $PAGER (less -R). apply does this and nothing else.",
                           "  pgcluster plan -f cluster.yaml --diff              with the files' differences\n"
                           "  pgcluster plan -f cluster.yaml --out change.plan   to be applied later, as shown\n"
                           "  pgcluster plan -f cluster.yaml --detailed-exitcode exit status 2 where something would change\n"
                           "  pgcluster plan -f cluster.yaml --without pg3       pg3 is down; what can be done meanwhile?",
                           "0 done; 1 it failed; 2 there are changes (only with --detailed-exitcode); 3 refused: unsafe, or a stranger's data;\n"
                           "  64 wrong usage; 65 the description is wrong; 130 cancelled"},
                          plan);
  planned.add_flag("--diff", a_.diff, "Show how files would change");
  json(planned);
  planned.add_flag("--detailed-exitcode", a_.detailed_exitcode, "Exit with 2 where there are changes");
  planned.add_option("--out", a_.out, "Write the plan for apply")->type_name("FILE");
  without(planned);

  CLI::App& shown = add({"status", "Show how the cluster is; exit status 1 where it is not healthy",
                         "Asks every host and shows members, roles, lag, the DCS and its quorum, who holds the VIP, and the addresses for clients.\n"
                         "It is healthy when there is one leader, every described member runs, the DCS is complete and the VIP is on one host.\n"
                         "With --watch again every 2 s, until Ctrl-C: in place on a terminal, else a block (--json: a line) for each change.",
                         "  pgcluster status -f cluster.yaml\n"
                         "  pgcluster status -f cluster.yaml --watch\n"
                         "  pgcluster status -f cluster.yaml --json | jq -r .leader\n"
                         "  pgcluster status -f cluster.yaml --json --watch | jq -c --unbuffered '[.leader, .healthy]'",
                         "0 healthy, 1 unhealthy or unreadable, 64 wrong usage, 65 the description is wrong, 130 --watch has ended"},
                        show_status);
  json(shown);
  shown.add_flag("--watch", a_.watch, "Again every 2 s, until Ctrl-C");

  add({"password", "Print the password of a role",
       "Passwords that the description does not give are generated by the first apply and stand on the database hosts, for root\n"
       "only. This prints one of them, and nothing else.",
       "  PGPASSWORD=$(pgcluster password -f cluster.yaml) psql -h 10.77.0.100 -U postgres\n"
       "  pgcluster password -f cluster.yaml app",
       "0 done, 1 it failed, 3 there is no such password, 64 wrong usage, 65 the description is wrong, 130 cancelled"},
      password)
      .add_option("ROLE", a_.role, "superuser, replication, restapi, pgbouncer, or a user of the description")
      ->capture_default_str();
  add({"graph", "Print the topology as a graph (Graphviz DOT, Mermaid or SVG)",
       "Shows datacenters, hosts, what runs on them with its ports, and how clients reach the cluster. Reads the spec only;\n"
       "connects to no host. SVG is a picture as it is; DOT and Mermaid are for programs that lay them out.",
       "  pgcluster graph -f cluster.yaml --format svg >cluster.svg\n"
       "  pgcluster graph -f cluster.yaml | dot -Tpdf >cluster.pdf\n"
       "  pgcluster graph -f cluster.yaml --format mermaid",
       "0 done, 64 wrong usage, 65 the spec is wrong"},
      graph)
      .add_option("--format", a_.format, "dot (Graphviz), mermaid or svg")
      ->check(CLI::IsMember({"dot", "mermaid", "svg"}))
      ->capture_default_str();
  add({"schema", "Print the JSON Schema of descriptions, for editors",
       "Editors complete and check cluster.yaml by it, from the same table of keys that validate reads by.",
       "  pgcluster schema >cluster.schema.json", "0 done, 64 wrong usage", false},
      schema);
}

void CommandLine::changing() {
  CLI::App& applied =
      add({"apply", "Make the hosts as described; asks first",
           "Plans, shows the plan, asks, and does it: hosts in parallel, what disturbs one host at a time, replicas before the leader,\n"
           "with a check after each. Ctrl-C ends it in order, twice at once; whatever ended it, the next apply goes on from there.\n"
           "With a plan that plan --out has written it does exactly that one, or stops where it does not fit any more.",
           "  pgcluster apply -f cluster.yaml\n"
           "  pgcluster apply change.plan -f cluster.yaml        what plan --out has written, or nothing\n"
           "  pgcluster apply -f cluster.yaml --prune            also remove what stands on hosts no longer described\n"
           "  pgcluster apply -f cluster.yaml --without pg3      pg3 is down: do what can be done without it\n"
           "  pgcluster apply -f cluster.yaml --yes --json       for programs: one event a line, the report last",
           changes},
          apply);
  CLI::Option* document = applied.add_option("FILE", a_.plan, "A plan that plan --out has written");
  yes(applied);
  json(applied, "One event a line on stdout, the report last");
  applied.add_flag("--prune", a_.prune, "Also clean hosts that are no longer described, data included; --without forgets one")->excludes(document);
  without(applied)->excludes(document);
  applied.add_option("--log", a_.log, "Append the events to a file, as lines of JSON")->type_name("FILE");

  yes(add({"destroy", "Remove the cluster from its hosts, data included; needs --yes",
           "Removes everything that pgcluster has put on the hosts, and the databases with all their data. Packages and files that\n"
           "it has not put there stay. There is no way back but a backup.",
           "  pgcluster destroy -f cluster.yaml --yes", changes},
          destroy));
}

void CommandLine::members() {
  const auto target = [&](CLI::App& sub, const std::string& what) { sub.add_option("--to", a_.to, what)->type_name("HOST"); };
  const auto member = [&](CLI::App& sub, const std::string& what) { sub.add_option("HOST,--to,--host", a_.host, what); };
  const auto with = [this](auto planner) -> Run {
    return [this, planner](Session& session) {
      return operate(session, [&](const auto& spec, auto& executor, const OperateOptions& options) {
        auto chosen = options_from<MemberOptions>(options);
        chosen.to = a_.to;
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
               "The leader ends its work in order and a replica takes over, without loss; clients are cut off for a few seconds. Without\n"
               "--to the replica that is nearest takes over, a synchronous one before others.",
               "  pgcluster switchover -f cluster.yaml\n  pgcluster switchover -f cluster.yaml --to pg2", changes},
              with(pgcluster::plan_switchover)),
         "The new leader; without it the replica that is nearest");
  target(asks({"failover", "Promote a replica where no healthy leader is left; may lose data",
               "For when the cluster does not help itself. What the replica had not received is lost; status shows the lag of each.\n"
               "Where a leader lives, switchover is the way.",
               "  pgcluster failover -f cluster.yaml --to pg2", changes},
              with(pgcluster::plan_failover)),
         "The replica to promote; needed");
  member(asks({"restart", "Restart PostgreSQL, one member at a time, the leader last",
               "Restarts the server in place, member by member, with a check after each. Changed parameters need none of this: apply\n"
               "restarts what must be restarted, after a switchover.",
               "  pgcluster restart -f cluster.yaml        all members\n  pgcluster restart -f cluster.yaml pg2", changes},
              with(pgcluster::plan_restart)),
         "Only this member");
  member(asks({"reload", "Have PostgreSQL read its configuration again",
               "Disturbs nobody. apply does it where it is needed; this is for what others have changed, certificates for example.",
               "  pgcluster reload -f cluster.yaml\n  pgcluster reload -f cluster.yaml pg2", changes},
              with(pgcluster::plan_reload)),
         "Only this member");
  member(asks({"reinit", "Copy a replica's data anew from the leader",
               "Throws away the data of one replica and copies the leader's: for a replica that cannot follow any more. The leader's\n"
               "data is never touched.",
               "  pgcluster reinit -f cluster.yaml pg2", changes},
              with(pgcluster::plan_reinit)),
         "The replica; needed");
  asks({"pause", "No automatic failover until resume",
        "For work on the cluster that Patroni must not answer by a failover. While it holds, a leader that dies is not replaced.",
        "  pgcluster pause -f cluster.yaml", changes},
       plain(pgcluster::plan_pause));
  asks({"resume", "Automatic failover again", "Ends what pause has begun: a leader that dies from now on is replaced by a replica again.",
        "  pgcluster resume -f cluster.yaml", changes},
       plain(pgcluster::plan_resume));
}

CLI::Option* CommandLine::without(CLI::App& sub) {
  return sub.add_option("--without", a_.without, "As if this host were down: nothing connects to it, what it needs stays pending; repeatable")
      ->type_name("HOST")
      ->allow_extra_args(false);
}

}  // namespace command
