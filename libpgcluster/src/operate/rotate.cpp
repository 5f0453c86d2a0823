// Planner of rotate: which secrets are replaced, and in which order that is safe.
#include <algorithm>

#include "base/joined.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "operate/declared.hpp"
#include "operate/deployment.hpp"
#include "operate/view.hpp"

namespace pgcluster {
namespace {

using SecretNeeds = std::map<std::string, SecretNeed>;

bool is_called(const SecretNeed& need, const std::string& what) {
  return need.word == what || std::find(need.roles.begin(), need.roles.end(), what) != need.roles.end();
}

// The words that rotate takes for this cluster.
std::set<std::string> words_for(const Spec& spec, const SecretNeeds& needs) {
  std::set<std::string> words;
  if (certificates::wanted(spec)) words.insert(certificates::rotated);
  for (const auto& [name, need] : needs) {
    if (!need.word.empty()) words.insert(need.word);
    if (!need.roles.empty()) words.insert(need.roles.front());
  }
  return words;
}

// Each of them is proven by new connections before anything else changes. And Patroni overlooks a new certificate of its REST API where its settings
// have changed, too, at the same reload.
void refuse_company(const std::vector<std::string>& all) {
  if (all.size() < 2) return;
  for (const char* lonely : {certificates::rotated, "ca"})
    if (std::find(all.begin(), all.end(), lonely) != all.end())
      throw Error(Code::refused, std::string(lonely) + " is replaced by a command of its own",
                  "run rotate " + std::string(lonely) + " first, and then the others");
}

void refuse_given(const std::string& what, const std::string& name, const SecretNeed& need) {
  if (need.given.given())
    throw Error(Code::refused, "the password of " + what + " stands in the spec (" + name + ")", "write another one there, and apply");
  if (need.files.given())
    throw Error(
        Code::refused, "the authority is your own (tls_ca), so pgcluster cannot replace it",
        "in three applies: add the new root to the file of tls_ca.certificate, below the old one; then write the new key and certificate, the "
        "old root below it; then remove the old root");
}

// The secrets that a rotation replaces, and warnings for the people whose clients use them.
Replacing replacing(const Spec& spec, const RotateOptions& options) {
  const SecretNeeds needs = secret_needs(*outline(spec, resolve(spec)), with_builtin(options.components));
  const std::string known = joined(words_for(spec, needs));
  if (options.what.empty()) throw Error(Code::refused, "rotate needs to know what to replace", "name one or more of " + known);
  refuse_company(options.what);
  Replacing all{.what = joined(options.what, ",", net::url_encoded)};
  for (const std::string& what : options.what) {
    const auto called = [&](const auto& need) { return is_called(need.second, what); };
    const auto found = std::find_if(needs.begin(), needs.end(), called);
    if (std::count_if(needs.begin(), needs.end(), called) + (what == certificates::rotated ? 1 : 0) > 1)
      throw Error(Code::refused, what + " is ambiguous: a user of the spec is called so, too", "give that user its password in the spec");
    if ((what == certificates::rotated || what == "ca") && !certificates::wanted(spec))
      throw Error(Code::refused, "this cluster has no certificates: its spec has tls_cert_generate: false", "take that line out, and apply");
    if (what == certificates::rotated) {
      all.secrets.insert(what);
      continue;
    }
    if (found == needs.end()) throw Error(Code::refused, "there is no role " + what, "name one or more of " + known);
    refuse_given(what, found->first, found->second);
    all.secrets.insert(found->first);
    if (std::any_of(spec.postgresql_users.begin(), spec.postgresql_users.end(), [&](const UserSpec& user) { return user.name == what; }))
      all.warnings.push_back({.severity = Severity::warning,
                              .message = "from then on, clients can log in as " + what + " with the new password only",
                              .hint = "pgcluster password " + what + " prints it",
                              .path = "postgresql_users." + what});
  }
  return all;
}

}  // namespace

Plan plan_rotate(const Spec& spec, Executor& executor, const RotateOptions& options) {
  check_spec(spec, options.components);
  Replacing all = replacing(spec, options);
  const DeployOptions deploy{
      .stop = options.stop, .deadline = options.deadline, .parallel = options.parallel, .poll = options.poll, .components = options.components};
  if (const Plan first = plan_deployment(spec, executor, deploy); !first.empty())
    throw Error(Code::refused,
                "the hosts are not as the spec describes them: " + std::to_string(first.changes().size()) +
                    (first.changes().size() == 1 ? " change is pending" : " changes are pending"),
                "plan shows them. Apply them first, so that this plan has nothing but what is replaced");
  const bool renews = all.secrets.contains(certificates::rotated);
  Plan plan = plan_deployment(spec, executor, deploy, std::move(all));
  if (plan.empty() && !renews)
    throw Error(Code::refused, "nothing would be replaced: no host of this cluster has " + joined(options.what),
                "a cluster that began without it, such as one without tokens of its DCS, goes on without it");
  if (plan.empty())
    throw Error(Code::refused, "nothing would be replaced: the certificates are of a later time than the hosts' clocks show",
                "set the clocks of the hosts");
  return plan;
}

}  // namespace pgcluster
