// The command pgcluster: a thin client of the library.
#include <algorithm>
#include <cstring>
#include <exception>

#include <CLI/CLI.hpp>
#include <pgcluster/executor/ssh.hpp>

#include "commands.hpp"

namespace {

using namespace command;
using pgcluster::MemberOptions;
using pgcluster::OperateOptions;
using Run = std::function<int(Session&)>;

/// The sub-commands, their options, and what each does.
class Tree {
 public:
  explicit Tree(Arguments& arguments) : a_(arguments) {
    app_.set_version_flag("--version", "pgcluster " PGCLUSTER_VERSION, "Show the version");
    app_.add_flag("--no-color", a_.no_color, "No colours (NO_COLOR in the environment says the same)");
    app_.require_subcommand(1);
    app_.fallthrough();
    reading();
    changing();
    members();
    app_.footer(
        "The usual way:\n"
        "  pgcluster validate -f cluster.yaml     is the description right?\n"
        "  pgcluster check    -f cluster.yaml     are the hosts fit for it?\n"
        "  pgcluster plan     -f cluster.yaml     what would be done?\n"
        "  pgcluster apply    -f cluster.yaml     do it\n"
        "  pgcluster status   -f cluster.yaml     how is it?\n\n"
        "Exit status: 0 done or nothing to do, 1 failed or unhealthy, 2 changes pending (plan --detailed-exitcode), 3 refused,\n"
        "64 wrong usage, 65 the description is wrong, 130 cancelled.");
  }

  CLI::App& app() { return app_; }
  const Run& chosen() const { return runs_.at(app_.get_subcommands().front()); }
  /// The sub-command's name where there is one of it, for hints.
  std::string name(const std::string& word) const { return names(word) ? word : ""; }
  bool names(const std::string& word) const {
    return std::any_of(runs_.begin(), runs_.end(), [&](const auto& one) { return one.first->get_name() == word; });
  }
  std::string list() const {
    std::string all;
    for (const CLI::App* sub : app_.get_subcommands([](const CLI::App*) { return true; })) all += (all.empty() ? "" : ", ") + sub->get_name();
    return all;
  }

 private:
  CLI::App& add(const std::string& name, const std::string& what, const std::string& examples, Run run, bool spec = true) {
    CLI::App* sub = app_.add_subcommand(name, what);
    sub->footer("Examples:\n" + examples);
    if (spec) sub->add_option("-f,--file", a_.spec, "The cluster's description")->required()->type_name("cluster.yaml");
    runs_[sub] = std::move(run);
    return *sub;
  }
  void json(CLI::App& sub, const std::string& what = "One JSON document on stdout") { sub.add_flag("--json", a_.json, what); }
  void yes(CLI::App& sub) { sub.add_flag("--yes", a_.yes, "Do not ask"); }

  void reading() {
    json(add("validate", "Check the description; reaches no host", "  pgcluster validate -f cluster.yaml", validate));
    json(add("check", "Check whether the hosts are fit for it; changes nothing", "  pgcluster check -f cluster.yaml", check));
    CLI::App& planned = add("plan", "Show what apply would do; changes nothing",
                            "  pgcluster plan -f cluster.yaml --diff              with the files' differences\n"
                            "  pgcluster plan -f cluster.yaml --out change.plan   to be applied later, as shown\n"
                            "  pgcluster plan -f cluster.yaml --detailed-exitcode exit status 2 where something would change",
                            command::plan);
    planned.add_flag("--diff", a_.diff, "Show how files would change");
    json(planned);
    planned.add_flag("--detailed-exitcode", a_.detailed_exitcode, "Exit with 2 where there are changes");
    planned.add_option("--out", a_.out, "Write the plan for apply")->type_name("FILE");
    CLI::App& shown = add("status", "Show how the cluster is; exit status 1 where it is not healthy",
                          "  pgcluster status -f cluster.yaml\n"
                          "  pgcluster status -f cluster.yaml --watch\n"
                          "  pgcluster status -f cluster.yaml --json | jq -r .leader",
                          show_status);
    json(shown);
    shown.add_flag("--watch", a_.watch, "Again every 2 s, until Ctrl-C")->excludes("--json");
    add("password", "Print the password of a role",
        "  PGPASSWORD=$(pgcluster password -f cluster.yaml) psql -h 10.77.0.100 -U postgres\n"
        "  pgcluster password -f cluster.yaml app",
        password)
        .add_option("ROLE", a_.role, "superuser, replication, restapi, pgbouncer, or a user of the description")
        ->capture_default_str();
    add("graph", "Print the cluster as a picture's text", "  pgcluster graph -f cluster.yaml | dot -Tsvg >cluster.svg", graph)
        .add_option("--format", a_.format, "dot (Graphviz) or mermaid")
        ->check(CLI::IsMember({"dot", "mermaid"}))
        ->capture_default_str();
    add("schema", "Print the JSON Schema of descriptions, for editors", "  pgcluster schema >cluster.schema.json", schema, false);
  }

  void changing() {
    CLI::App& applied = add("apply", "Make the hosts as described; asks first",
                            "  pgcluster apply -f cluster.yaml\n"
                            "  pgcluster apply change.plan -f cluster.yaml        what plan --out has written, or nothing\n"
                            "  pgcluster apply -f cluster.yaml --prune            also remove what stands on hosts no longer described\n"
                            "  pgcluster apply -f cluster.yaml --yes --json       for programs: one event a line, the report last\n\n"
                            "Ctrl-C ends it in order; the next apply goes on from there.",
                            command::apply);
    CLI::Option* document = applied.add_option("FILE", a_.plan, "A plan that plan --out has written");
    yes(applied);
    json(applied, "One event a line on stdout, the report last");
    applied.add_flag("--prune", a_.prune, "Also remove what stands on hosts that are no longer described")->excludes(document);
    applied.add_option("--log", a_.log, "Append the events to a file, as lines of JSON")->type_name("FILE");
    yes(add("destroy", "Remove the cluster from its hosts, data included; needs --yes", "  pgcluster destroy -f cluster.yaml --yes",
            command::destroy));
  }

  void members() {
    const auto with_target = [&](const std::string& name, const std::string& what, const std::string& example, auto planner) {
      CLI::App& sub = add(name, what, example, [this, planner](Session& session) {
        return operate(session, [&](const auto& spec, auto& executor, const OperateOptions& options) {
          MemberOptions member{options};
          member.to = a_.to;
          member.host = a_.host;
          return planner(spec, executor, member);
        });
      });
      yes(sub);
      return &sub;
    };
    const auto plain = [&](const std::string& name, const std::string& what, auto planner) {
      yes(add(name, what, "  pgcluster " + name + " -f cluster.yaml", [planner](Session& session) { return operate(session, planner); }));
    };
    with_target("switchover", "Hand leadership over to a healthy replica", "  pgcluster switchover -f cluster.yaml --to pg2",
                pgcluster::plan_switchover)
        ->add_option("--to", a_.to, "The new leader; without it the replica that is nearest")
        ->type_name("HOST");
    with_target("failover", "Promote a replica where no healthy leader is left; may lose data", "  pgcluster failover -f cluster.yaml --to pg2",
                pgcluster::plan_failover)
        ->add_option("--to", a_.to, "The replica to promote; needed")
        ->type_name("HOST");
    const auto of_member = [&](CLI::App* sub, const std::string& what) { sub->add_option("HOST,--to,--host", a_.host, what); };
    of_member(with_target("restart", "Restart PostgreSQL, one member at a time, the leader last",
                          "  pgcluster restart -f cluster.yaml        all members\n  pgcluster restart -f cluster.yaml pg2", pgcluster::plan_restart),
              "Only this member");
    of_member(with_target("reload", "Have PostgreSQL read its configuration again", "  pgcluster reload -f cluster.yaml", pgcluster::plan_reload),
              "Only this member");
    of_member(with_target("reinit", "Copy a replica's data anew from the leader", "  pgcluster reinit -f cluster.yaml pg2", pgcluster::plan_reinit),
              "The replica; needed");
    plain("pause", "No automatic failover until resume", pgcluster::plan_pause);
    plain("resume", "Automatic failover again", pgcluster::plan_resume);
  }

  Arguments& a_;
  CLI::App app_{"Deploys and operates highly available PostgreSQL clusters over SSH", "pgcluster"};
  std::map<const CLI::App*, Run> runs_;
};

// The first word that is no option: global options take no values.
std::string first_word(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (argv[i][0] != '-') return argv[i];
  return "";
}

int run(int argc, char** argv) {
  Arguments arguments;
  Tree tree(arguments);
  const std::string word = first_word(argc, argv);
  const bool json = std::any_of(argv + 1, argv + argc, [](const char* one) { return std::strcmp(one, "--json") == 0; });
  try {
    if (!word.empty() && !tree.names(word)) throw Usage("unknown sub-command " + word + "; there are " + tree.list());
    tree.app().parse(argc, argv);
  } catch (const CLI::Success& help) {
    return tree.app().exit(help) == 0 ? status::ok : status::failed;
  } catch (const CLI::ParseError& error) {
    if (word.empty() && argc == 1) std::fputs(tree.app().help().c_str(), stderr);
    Console(json, true).usage(error.what(), tree.name(word));
    return status::usage;
  } catch (const Usage& error) {
    Console(json, true).usage(error.what(), "");
    return status::usage;
  }

  const Console console(arguments.json, arguments.no_color);
  int status = status::failed;
  try {
    pgcluster::SshExecutor executor;
    Interrupt interrupt(executor);
    Session session{arguments, console, executor, interrupt};
    status = tree.chosen()(session);
  } catch (const Usage& error) {
    console.usage(error.what(), word);
    status = status::usage;
  } catch (const pgcluster::Error& error) {
    console.error(error.failure());
    status = status_of(error.code());
  } catch (const std::exception& error) {
    console.error({.code = pgcluster::Code::internal, .message = error.what(), .hint = "this is a mistake in pgcluster; please report it"});
  }
  return console.close() || status != status::ok ? status : status::failed;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
