// Certificates: each key is made on its host and stays there. A request comes out, and the certificate that the cluster's authority signs goes back.
// Steps compare what a certificate says, never its bytes.
#include "operate/certificates.hpp"

#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>

#include "base/certificate.hpp"
#include "base/joined.hpp"
#include "base/network.hpp"
#include "base/url.hpp"
#include "component/certificates.hpp"
#include "component/shell.hpp"
#include "op/facts.hpp"

namespace pgcluster {
namespace {

using std::chrono::seconds;

constexpr std::int64_t hour = 60 * 60, day = 24 * hour;

std::string base_of(const CertificateNeed& need) {
  const std::string file = certificates::key_file(need.name);
  return file.substr(0, file.size() - 4);
}

// What most clocks say: a certificate counts for all hosts, and one of them may have a wrong clock.
std::int64_t now_of(const ClusterView& view) {
  std::vector<std::int64_t> clocks;
  for (const auto& [host, facts] : view.facts)
    if (facts.clock > 0) clocks.push_back(facts.clock);
  if (clocks.empty()) return std::time(nullptr);
  std::sort(clocks.begin(), clocks.end());
  return clocks[clocks.size() / 2];
}

// The cluster's authority, read once for all certificates of a plan.
struct Authority {
  std::string key_and_chain, signer, trusted;
  std::string trusts;  // a first line of each certificate's file: for which authorities of the host it was signed
  x509::Certificate certificate;
};

Authority authority_of(const ClusterView& view) {
  const std::string& text = view.secret(certificates::authority).value;
  auto certificate = x509::read(text);
  if (!certificate) throw Error(Code::internal, "the cluster's authority has no certificate");
  std::string trusted = x509::authority_certificates(text);
  std::string signer = x509::blocks(trusted).front();
  std::string trusts = "# The authorities that its host trusts: " + x509::digest_of_all(trusted).substr(0, 16) + "\n";
  return {text, std::move(signer), std::move(trusted), std::move(trusts), *std::move(certificate)};
}

// A request as new_key.sh writes it: the digest of its private key's file, and of its public key. Empty where it is none.
struct Request {
  std::string file_digest, public_key;
};

Request read_request(const Answer& answer) {
  const auto* file = std::get_if<File>(&answer);
  if (!file || !file->content.starts_with("key ")) return {};
  return {file->content.substr(4, 64), x509::request_key(file->content)};
}

std::optional<x509::Certificate> read_certificate(const Answer& answer) {
  const auto* file = std::get_if<File>(&answer);
  return file ? x509::read(file->content) : std::nullopt;
}

// A name as it stands in a certificate.
std::string alternative(const std::string& name) { return net::is_ip(name) ? "IP:" + net::canonical(name) : "DNS:" + name; }

x509::Wish wish_of(const NodeView& node, const CertificateNeed& need, std::int64_t authority_end) {
  const std::int64_t now = *node.cluster.derived(now_of);
  x509::Wish wish{.name = need.user.empty() ? node.name() : need.user, .nameless = need.nameless, .serves = need.serves, .asks = need.asks};
  wish.not_before = now - hour;
  wish.not_after = std::min(now + node.spec().tls_cert_valid_days * day, authority_end);
  std::vector<std::string> names{node.name(), node.host.address};
  if (need.serves) names.insert(names.end(), {"localhost", "127.0.0.1", "::1"});
  if (!node.facts.hostname.empty()) names.push_back(node.facts.hostname);
  names.insert(names.end(), need.names.begin(), need.names.end());
  for (const std::string& name : names) wish.names.insert(alternative(name));
  return wish;
}

// In words, a line each: what a certificate says, without what differs in each one (its serial number, its key, the second of its end).
std::string words(const std::string& subject, const std::string& issuer, const std::set<std::string>& names, bool serves, bool asks) {
  std::string text = "subject: " + subject + "\nissuer: " + issuer + "\nusage: " +
                     (serves && asks ? "server, client"
                      : serves       ? "server"
                                     : "client") +
                     "\n";
  for (const std::string& name : names) text += name + "\n";
  return text;
}

// The same on each day: a plan that was kept as a document must not become another one with time.
std::string ends(std::int64_t end) { return "less than a third of its time is left: it ends on " + x509::iso_time(end).substr(0, 10); }

// What is wrong with a certificate; empty: nothing.
std::string wrong(const x509::Certificate& is, const std::string& pem, const x509::Wish& wish, const Authority& authority, std::int64_t now,
                  std::int64_t valid_days) {
  if (!x509::is_issued_by(pem, authority.signer)) return "another authority has signed it (" + is.issuer + ")";
  if (is.subject != x509::subject(wish) || is.names != wish.names) return "its names differ";
  if (is.serves != wish.serves || is.asks != wish.asks) return "its usage differs";
  if (is.not_before > now) return "it is not valid yet";
  // An authority that ends soon cannot give more than it has left.
  const bool gains = wish.not_after > is.not_after + day || is.not_after <= now;
  if (gains && is.not_after - now < valid_days * day / 3) return ends(is.not_after);
  if (is.not_after > wish.not_after + day) return "it is valid for longer than tls_cert_valid_days";
  return {};
}

struct Files {
  Ask key, next, request, certificate;
};

Files files_of(const std::string& host, const CertificateNeed& need) {
  const std::string base = base_of(need);
  return {
      {host, FileOf{base + ".key", false}}, {host, FileOf{base + ".key.next", false}}, {host, FileOf{base + ".csr"}}, {host, FileOf{base + ".crt"}}};
}

// Which key the request is of.
enum class KeyOf { none, present, next };

KeyOf key_of(const Answers& answers, const Files& files, const std::string& account) {
  const Request& request = answers.read(files.request, read_request);
  if (request.public_key.empty()) return KeyOf::none;
  const auto is = [&](const Ask& ask) {
    const auto* key = answers.get<File>(ask);
    return key && key->sha256 == request.file_digest && key->owner == account && key->mode == 0600;
  };
  return is(files.next) ? KeyOf::next : is(files.key) ? KeyOf::present : KeyOf::none;
}

StepPtr key_step(const NodeView& node, const CertificateNeed& need) {
  const Files files = files_of(node.name(), need);
  const bool rotates = node.cluster.rotated.contains(certificates::rotated);
  const std::int64_t begins = *node.cluster.derived(now_of) - hour;
  auto decide = [=, host = node.name()](const Answers& answers) -> Decision {
    const KeyOf made = key_of(answers, files, need.account);
    const std::optional<x509::Certificate>& is = answers.read(files.certificate, read_certificate);
    const bool old = rotates && made == KeyOf::present && is && is->not_before < begins;
    if (made != KeyOf::none && !old) return Done{};
    const std::string base = base_of(need);
    Run run{.argv = {"sh", "-c", shell::new_key, "sh", base, need.account, host.substr(0, 64)},
            .touches = {"file:" + base + ".key.next", "file:" + base + ".csr"},
            .name = "make a key for " + need.name};
    const bool there = answers.get<File>(files.key);
    return Change{.todo = {Do{.at = host, .what = std::move(run)}},
                  .action = there ? Action::update : Action::create,
                  .reason = old     ? "the key is replaced"
                            : there ? "the key is not the one that its request is of, or others may read it"
                                    : "the key is not there"};
  };
  return make_step(
      node.step("certificates", need.name + "-key"),
      {.asks = {files.key, files.next, files.request, files.certificate}, .decide = decide, .keeps = {"file:" + base_of(need) + ".csr"}});
}

StepPtr certificate_step(const NodeView& node, const CertificateNeed& need) {
  const Files files = files_of(node.name(), need);
  const auto authority = node.cluster.derived(authority_of);
  const x509::Wish wish = wish_of(node, need, authority->certificate.not_after);
  // One certificate for each request, however often the step is asked.
  auto issued = std::make_shared<std::map<std::string, std::string>>();
  auto decide = [=, host = node.name(), now = *node.cluster.derived(now_of),
                 valid_days = node.spec().tls_cert_valid_days](const Answers& answers) -> Decision {
    const Answer& present = answers[files.certificate];
    const auto* found = std::get_if<File>(&present);
    if (!found && !std::holds_alternative<Absent>(present)) {
      const auto* why = std::get_if<Unreadable>(&present);
      return Refused{{.message = "cannot read " + certificates::certificate_file(need.name) + (why ? ": " + why->why : "")}, Code::command_failed};
    }
    const KeyOf key = key_of(answers, files, need.account);
    if (key == KeyOf::none || answers.pending(files.request))
      return Later{.until = host + " has made the key", .action = found ? Action::update : Action::create};
    const std::string& request = answers.get<File>(files.request)->content;
    const std::optional<x509::Certificate>& is = answers.read(files.certificate, read_certificate);
    std::string reason = !found ? "the certificate is not there"
                         : !is  ? "the file has no certificate"
                                : wrong(*is, found->content, wish, *authority, now, valid_days);
    if (reason.empty() && (key == KeyOf::next || is->key != answers.read(files.request, read_request).public_key)) reason = "it is of another key";
    // Patroni takes other authorities only together with another certificate of its own.
    if (reason.empty() && !found->content.starts_with(authority->trusts)) reason = "the host trusts other authorities now";
    const std::string file = certificates::certificate_file(need.name);
    if (reason.empty() && found->mode == 0644 && found->owner == "root") return Done{};
    std::string& made = (*issued)[request];
    if (made.empty()) made = authority->trusts + x509::issue(authority->key_and_chain, request, wish);
    Change change{.todo = {}, .action = found ? Action::update : Action::create, .reason = reason.empty() ? "owner or mode differ" : reason};
    const std::string base = base_of(need);
    if (key == KeyOf::next)
      change.todo.push_back({.at = host,
                             .what = Run{.argv = {"sh", "-c", shell::take_certificate, "sh", base},
                                         .input = made,
                                         .touches = {"file:" + base + ".key", "file:" + base + ".key.next", "file:" + file},
                                         .name = "put the new key and certificate of " + need.name + " in place"}});
    else
      change.todo.push_back({.at = host, .what = WriteFile{.path = file, .content = made}});
    change.diff = unified_diff(file, is ? words(is->subject, is->issuer, is->names, is->serves, is->asks) : "",
                               words(x509::subject(wish), authority->certificate.subject, wish.names, wish.serves, wish.asks));
    return change;
  };
  return make_step(certificates::ready(node.name(), need.name),
                   {.asks = {files.key, files.next, files.request, files.certificate},
                    .decide = decide,
                    .keeps = {"file:" + certificates::certificate_file(need.name), "file:" + certificates::key_file(need.name)}});
}

// A new connection is shown the certificate that stands in the file.
StepPtr served_gate(const NodeView& node, const CertificateNeed& need) {
  const Ask file = files_of(node.name(), need).certificate;
  const Ask seen{node.name(), Exec{.argv = {"sh", "-c", shell::served_certificate, "sh", net::host_port(node.host.address, need.port), need.starttls},
                                   .limit = seconds(10)}};
  auto decide = [=, host = node.name()](const Answers& answers) -> Decision {
    if (answers.pending(file)) return Later{host + " has its new certificate"};
    const std::optional<x509::Certificate>& is = answers.read(file, read_certificate);
    const std::string* shown = answers.out(seen);
    const std::optional<x509::Certificate> served = shown ? x509::read(*shown) : std::nullopt;
    if (is && served && served->serial == is->serial) return Done{};
    return Later{.until = "port " + std::to_string(need.port) + " of " + host + " shows its new certificate",
                 .seen = served ? "it still shows the certificate of " + x509::iso_time(served->not_before) : "it shows no certificate"};
  };
  return gate(node.step("certificates", need.name + "-served"), {.asks = {file, seen}, .decide = decide, .settle = seconds(90)});
}

StepPtr settled_step(const NodeView& node) {
  return file(node.step("certificates", "settled"), node.name(),
              WriteFile{.path = certificates::settled_file, .content = "# Written by pgcluster: nothing here speaks plainly over a network.\n"});
}

// How a running cluster gets another authority: one of the user's own takes the place of another in three applies.
std::string way_to_another(const ClusterView& cluster) {
  const bool made =
      std::any_of(cluster.facts.begin(), cluster.facts.end(), [](const auto& one) { return one.second.secrets.contains(certificates::authority); });
  if (!made && cluster.spec.tls_ca.given())
    return "write tls_ca as it was, and add the new root to the file of its certificate, below the old one; apply. Then write the new key and "
           "certificate, the old root below it; apply. Then remove the old root, and apply";
  return "write tls_ca as it was. Or apply once with tls_cert_generate: false, and then with the other authority and without that line";
}

// The certificates that the host trusts. Services that run cannot take another authority one by one: who has changed would not trust who has not.
// `certificate`: one of the host's, which shows who has signed those that are there.
StepPtr authority_step(const NodeView& node, const std::string& certificate) {
  // Public, but new in each plan until the first apply, as the key is.
  const Text trusted(Secret{"certificate of tls_ca", node.cluster.derived(authority_of)->trusted});
  const StepPtr wished =
      file(node.step("certificates", "authority"), node.name(), WriteFile{.path = certificates::authority_file, .content = trusted});
  const Ask present{node.name(), FileOf{certificates::certificate_file(certificate)}}, there = wished->asks().front();
  std::vector<Ask> asks = wished->asks();
  asks.push_back(present);
  const bool runs = std::any_of(node.cluster.facts.begin(), node.cluster.facts.end(), [](const auto& one) { return !one.second.begun.empty(); });
  auto decide = [wished, present, there, runs, way = way_to_another(node.cluster), authority = node.cluster.derived(authority_of),
                 host = node.name()](const Answers& answers) -> Decision {
    Decision decision = wished->decide(answers);
    const auto* found = answers.get<File>(present);
    const auto* change = std::get_if<Change>(&decision);
    // Their order does not matter.
    if (const auto* now = answers.get<File>(there);
        now && change && now->mode == 0644 && now->owner == "root" && x509::digest_of_all(now->content) == x509::digest_of_all(authority->trusted))
      return Done{};
    if (!runs || !change || change->action != Action::update || !found) return decision;
    const std::optional<x509::Certificate>& signed_by = answers.read(present, read_certificate);
    if (!signed_by || x509::is_issued_by(found->content, authority->trusted)) return decision;
    return Refused{{.message = "the certificates of " + host + " are signed by " + signed_by->issuer + ", and the cluster's authority is now " +
                               authority->certificate.subject + ": services that trust the new one would not trust those that still show the old one",
                    .hint = way,
                    .path = "tls_ca"}};
  };
  return make_step(wished->name(), {.asks = std::move(asks), .decide = decide, .keeps = wished->keeps()});
}

}  // namespace

Steps certificate_steps(const NodeView& node, const std::vector<Declaration>& declared) {
  if (!certificates::wanted(node.spec())) return {};
  std::vector<Steps> all;
  std::string first;
  for (const Declaration& one : declared)
    for (const CertificateNeed& need : one.needs.certificates) {
      if (first.empty()) first = need.name;
      all.push_back(
          sequence(after_where_planned({node.step(one.component->name(), need.after)}, key_step(node, need)), certificate_step(node, need)));
    }
  if (all.empty()) return {};
  const Steps settled = certificates::wire(node.cluster) == certificates::Wire::opening ? Steps() : Steps(settled_step(node));
  return sequence(settled, authority_step(node, first), parallel(std::move(all)));
}

Steps served_steps(const NodeView& node, const std::vector<Declaration>& declared) {
  const std::set<std::string>& rotated = node.cluster.rotated;
  if (!certificates::wanted(node.spec()) || !(rotated.contains(certificates::rotated) || rotated.contains(certificates::authority))) return {};
  std::vector<Steps> all;
  for (const Declaration& one : declared)
    for (const CertificateNeed& need : one.needs.certificates)
      if (need.port != 0) all.push_back(served_gate(node, need));
  return parallel(std::move(all));
}

Steps settle_steps(const NodeView& node) {
  if (!certificates::goes_over(node.cluster)) return {};
  const std::vector<StepRef> closed = certificates::closings(node.topology());
  const bool opening = certificates::wire(node.cluster) == certificates::Wire::opening;
  if (opening) return after_where_planned(closed, settled_step(node));
  std::vector<Steps> files;
  for (const Owned& one : node.facts.owned) {
    if (one.resource.starts_with(certificates::files))
      files.push_back(absent(removal(node.name(), "certificates", one.resource), node.name(), one.resource));
  }
  const std::string note = std::string("file:") + certificates::settled_file;
  const Steps unsettled = owns(node.facts, note) ? Steps(absent(certificates::unsettled(node.name()), node.name(), note)) : Steps();
  return parallel(after_where_planned(certificates::before_unsettled(node.topology()), unsettled),
                  after_where_planned(closed, parallel(std::move(files))));
}

}  // namespace pgcluster
