// Writes what a plan asks of each host as a plain shell script, for the floor of the same questions: bench_questions cluster.yaml FOLDER makes
// FOLDER/HOST.sh. The script does the least possible work: one program for all questions of a kind, no time limits, no marks between the answers.
#include <algorithm>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <pgcluster/pgcluster.hpp>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "executor/program/merge.hpp"
#include "executor/program/script.hpp"
#include "op/ask.hpp"

namespace {

using namespace pgcluster;

using Words = std::vector<std::string>;

std::string line(const std::string& command, const Words& words) {
  if (words.empty()) return {};
  std::string text = command;
  for (const std::string& word : words) text += " " + shell_word(word);
  return text + "\n";
}

std::string command(const Exec& exec) {
  if (is_shell_look(exec.argv)) return line("set --", {exec.argv.begin() + 4, exec.argv.end()}) + "set +f\n" + exec.argv[2] + "\n";
  const std::string input = exec.input.empty() ? "" : "printf %s " + to_base64(exec.input.reveal()) + " | base64 -d | ";
  return line(input + shell_word(exec.argv.front()), {exec.argv.begin() + 1, exec.argv.end()});
}

std::string script(const Program& program) {
  Words contents, stats, sums, packages, accounts, notes;
  const auto add = [](Words& list, const std::string& word) {
    if (std::find(list.begin(), list.end(), word) == list.end()) list.push_back(word);
  };
  std::string text = "questions() {\nexport LC_ALL=C HOME=/root\nN=n\n";
  std::vector<bool> asked(program.asks.size(), false);
  for (const executor::Merged& call : executor::merged(program)) {
    text += executor::merged_command(program, call).substr(1) + "\n";
    for (const std::size_t i : call.asks) asked[i] = true;
  }
  for (std::size_t i = 0; i < program.asks.size(); ++i) {
    const auto& what = program.asks[i].what;
    if (const auto* file = std::get_if<FileOf>(&what)) {
      add(stats, file->path);
      add(file->content ? contents : sums, file->path);
    } else if (const auto* package = std::get_if<PackageOf>(&what)) {
      add(packages, package->name);
    } else if (const auto* account = std::get_if<AccountOf>(&what)) {
      add(accounts, account->name);
    } else if (const auto* unit = std::get_if<UnitOf>(&what)) {
      for (const auto* files : {&unit->start_files, &unit->load_files})
        for (const std::string& path : *files) add(stats, path), add(contents, path);
      if (!unit->start_files.empty()) add(contents, "/run/pgcluster/units/" + unit->name + ".start");
      if (!unit->load_files.empty()) add(contents, "/run/pgcluster/units/" + unit->name + ".load");
    } else if (const auto* exec = std::get_if<Exec>(&what); exec && !asked[i] && !exec->argv.empty()) {
      text += command(*exec);
    }
  }
  return text +
         line(
             "systemctl show -p LoadState,ActiveState,SubState,UnitFileState,MainPID,ActiveEnterTimestampMonotonic,Result,NRestarts,LimitNOFILE,Job "
             "--",
             executor::asked_units(program)) +
         line("stat -L --printf '%s %f %U %u %G %g %n\\n' --", stats) + line("cat --", contents) + line("sha256sum --", sums) +
         line("dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}\\n' --", packages) + line("getent passwd", accounts) +
         "}\nquestions 2>/dev/null </dev/null\nexit 0\n";
}

class Recording final : public Executor {
 public:
  explicit Recording(std::string folder) : folder_(std::move(folder)) {}
  ProgramResult run(const HostAccess& host, const Program& program) override {
    {
      const std::lock_guard guard(mutex_);
      std::ofstream(folder_ + "/" + host.name + ".sh", std::ios::app) << script(program);
    }
    return ssh_.run(host, program);
  }
  std::optional<LockHolder> lock(const HostAccess& host, const LockHolder& us) override { return ssh_.lock(host, us); }
  void beat(const HostAccess& host) override { ssh_.beat(host); }
  void unlock(const HostAccess& host) noexcept override { ssh_.unlock(host); }

 private:
  SshExecutor ssh_;
  std::mutex mutex_;
  std::string folder_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("bench_questions cluster.yaml FOLDER");
  Recording executor(argv[2]);
  if (!plan_deploy(load_spec(argv[1]), executor).empty()) throw std::runtime_error("the plan is not empty");
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
