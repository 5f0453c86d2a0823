#include "cloud/session.hpp"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/json.hpp"

namespace pgcluster::executor {

using Json = nlohmann::json;
using std::chrono::milliseconds;

namespace {

bool loopback(const std::string& url) {
  for (const char* start : {"http://127.0.0.1", "http://localhost", "http://[::1]"})
    if (url.starts_with(start)) {
      const char next = url.size() > std::string_view(start).size() ? url[std::string_view(start).size()] : '/';
      if (next == ':' || next == '/') return true;
    }
  return false;
}

// Where it is, without what follows the path: a query may be long.
std::string shown(const HttpRequest& request) { return request.method + " " + request.url.substr(0, request.url.find('?')); }

std::string host_of(const std::string& url) {
  const auto from = url.find("://") + 3;
  return url.substr(from, url.find('/', from) - from);
}

// What the vendors put into the body of an error.
std::string message_of(const HttpResponse& response) {
  std::string said;
  if (const Json body = json_read::parse(response.body); body.is_object()) {
    const Json& inner = json_read::at(body, "error");
    const Json& error = inner.is_object() ? inner : body;
    for (const char* key : {"message", "error_description"})
      if (said.empty()) said = json_read::text(error, key);
    for (const Json& field : json_read::list(json_read::at(error, "details"), "fields"))
      if (field.contains("name")) said += " (" + json_read::text(field, "name") + ")";
  } else if (const auto begin = response.body.find("<Message>"); begin != std::string::npos) {
    said = response.body.substr(begin + 9, response.body.find("</Message>", begin) - begin - 9);
  }
  if (said.empty()) said = response.body.substr(0, 200);
  for (char& c : said)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return said.substr(0, 500);
}

std::optional<milliseconds> retry_after(const HttpResponse& response) {
  for (const char* name : {"retry-after", "ratelimit-reset", "x-ms-retry-after-ms"})
    if (const auto it = response.headers.find(name); it != response.headers.end()) {
      const long value = std::strtol(it->second.c_str(), nullptr, 10);
      if (std::string_view(name) == "x-ms-retry-after-ms") return milliseconds(value);
      // ratelimit-reset is a moment, not a duration.
      if (std::string_view(name) == "retry-after" && value > 0) return std::chrono::seconds(value);
    }
  return std::nullopt;
}

// What other vendors say by 429, and was not begun: AWS by a code, Google by a reason, Hetzner where another change came in between.
bool is_busy(const HttpResponse& response) {
  if (response.status == 400) return response.body.find("<Code>Throttling") != std::string::npos;
  if (response.status != 403 && response.status != 409) return false;
  const Json body = json_read::parse(response.body);
  const Json& error = json_read::at(body, "error");
  if (response.status == 409) return json_read::text(error, "code") == "conflict";
  const Json& all = json_read::list(error, "errors");
  return std::any_of(all.begin(), all.end(), [](const Json& one) {
    return json_read::text(one, "reason") == "rateLimitExceeded" || json_read::text(one, "reason") == "userRateLimitExceeded";
  });
}

std::string after(const HttpResponse& response) {
  return response.status == 0 ? response.why : "it answers with status " + std::to_string(response.status);
}

}  // namespace

CloudSession::CloudSession(const HostAccess& access, const CloudOptions& options, const std::atomic<bool>& cancelled, CloudTokens& tokens)
    : access_(access), options_(options), cancelled_(cancelled), tokens_(tokens) {}

std::string CloudSession::credential(const std::string& key, const std::vector<const char*>& variables, bool needed) const {
  for (const auto& [name, value] : access_.cloud->credentials)
    if (name == key && !value.empty()) return value.reveal();
  std::string names;
  for (const char* variable : variables) {
    if (const char* value = std::getenv(variable); value && *value) return value;
    names += (names.empty() ? "" : " or ") + std::string(variable);
  }
  if (!needed) return {};
  throw Error(Failure{.code = Code::auth_failed,
                      .message = "there are no credentials for " + access_.name,
                      .hint = "set " + names + ", or write " + key + ": !env NAME or !file PATH in the spec",
                      .host = access_.name});
}

std::string CloudSession::setting(const std::string& key) const {
  for (const auto& [name, value] : access_.cloud->settings)
    if (name == key) return value;
  return {};
}

std::string CloudSession::endpoint(const std::string& vendors, const char* variable) const {
  std::string url = access_.cloud->endpoint;
  for (const char* name : {"PGCLUSTER_CLOUD_ENDPOINT", variable})
    if (const char* value = name && url.empty() ? std::getenv(name) : nullptr; value) url = value;
  if (url.empty()) url = vendors;
  while (url.ends_with('/')) url.pop_back();
  if (!url.starts_with("https://") && !loopback(url))
    throw Error(Failure{.code = Code::spec_invalid,
                        .message = "the cloud's API must be reached by https, not at " + url,
                        .hint = "write cloud_api_endpoint: https://…",
                        .host = access_.name});
  return url;
}

void CloudSession::wait(milliseconds time) const {
  if (options_.wait) return options_.wait(time);
  const auto until = std::chrono::steady_clock::now() + time;
  while (!cancelled_ && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(milliseconds(50), until - std::chrono::steady_clock::now()));
}

Error CloudSession::refusal(const HttpRequest& request, const HttpResponse& response) const {
  Failure failure{.code = Code::command_failed, .host = access_.name, .causes = {shown(request) + ": status " + std::to_string(response.status)}};
  const std::string said = message_of(response);
  switch (response.status) {
    case 401:
      failure.code = Code::auth_failed;
      failure.message = access_.name + " does not accept the credentials: " + said;
      failure.hint = "are they of this account or project, and still valid?";
      break;
    case 403:
      failure.code = Code::auth_failed;
      failure.message = access_.name + " does not allow it: " + said;
      failure.hint = "the credentials need the right to read servers and networks and to change load balancers";
      break;
    case 404:
      failure.message = access_.name + " does not have the requested object: " + said;
      failure.hint = "are server_location, server_network and the hosts' cloud_id right, and the credentials of the right project?";
      break;
    case 409:
      failure.code = Code::refused;
      failure.message = access_.name + " refuses because of a conflict: " + said;
      failure.hint = "the name may be taken, or another change is going on; plan again";
      break;
    case 429:
      failure.code = Code::timed_out;
      failure.message = access_.name + " answers with its rate limit, still after " + std::to_string(options_.attempts) + " attempts: " + said;
      failure.hint = "wait until the limit is over, and apply again: it goes on from here";
      break;
    default:
      if (response.status >= 500) {
        failure.code = Code::host_unreachable;
        failure.message = access_.name + " fails: " + (said.empty() ? after(response) : said);
        failure.hint = "see the vendor's status page, and apply again: it goes on from here";
      } else {
        failure.message = access_.name + " rejects the request: " + said;
        failure.hint = "the message names what the vendor does not accept; correct the spec";
      }
  }
  return Error(std::move(failure));
}

// Always tries again if the request was not sent or not begun. If it may have been carried out, tries again only if it is repeatable.
HttpResponse CloudSession::attempt(HttpRequest request, bool repeatable) {
  static thread_local std::mt19937 random{std::random_device{}()};
  milliseconds pause = options_.pause;
  for (std::size_t n = 1;; ++n) {
    if (cancelled_) throw Error(Code::cancelled, "cancelled while talking to " + access_.name);
    HttpRequest signed_request = request;
    if (authorize_) authorize_(signed_request);
    HttpResponse response = http(signed_request, options_.timeout, cancelled_);
    if (cancelled_) throw Error(Code::cancelled, "cancelled while talking to " + access_.name);
    const int status = response.status;
    const bool limited = status == 429 || status == 423 || is_busy(response);
    if (status != 0 && !limited && status < 500 && status != 408) return response;
    Failure failure;
    if (status != 0) {
      failure = refusal(request, response).failure();
    } else {
      failure = {.code = response.timed_out ? Code::timed_out : Code::host_unreachable,
                 .message = access_.name + (response.timed_out ? " did not answer in time: " : " cannot be reached: ") + response.why,
                 .hint = "can this machine reach the vendor's API (proxy, firewall, DNS)? apply again: it goes on from here",
                 .host = access_.name,
                 .causes = {shown(request)}};
      if (response.certificate) {
        failure.message = access_.name + ": the certificate of " + host_of(request.url) + " is not trusted: " + response.why;
        failure.hint = "is that the vendor's address, or a proxy in between? An authority of your own is trusted after update-ca-certificates";
        throw Error(std::move(failure));
      }
    }
    if (status == 501 || status == 505) throw Error(std::move(failure));
    const auto told = retry_after(response);
    const bool begun = !limited && (status != 0 || response.sent) && !(status == 503 && told);
    if (begun && !repeatable) throw LostAnswer{std::move(failure)};
    if (n >= options_.attempts) throw Error(std::move(failure));
    const milliseconds by_chance(std::uniform_int_distribution<long>(0, std::max<long>(1, pause.count() / 2))(random));
    wait(told ? std::min(*told, 2 * options_.longest) : pause + by_chance);
    pause = std::min(2 * pause, options_.longest);
  }
}

HttpResponse CloudSession::call(HttpRequest request, const std::vector<int>& also) {
  HttpResponse response;
  try {
    response = attempt(request, true);
  } catch (LostAnswer& lost) {
    throw Error(std::move(lost.why));
  }
  if (response.status < 300 || std::find(also.begin(), also.end(), response.status) != also.end()) return response;
  throw refusal(request, response);
}

nlohmann::json CloudSession::json(const std::string& method, const std::string& url, const Json& body, const std::vector<int>& also) {
  HttpRequest request{.method = method, .url = url};
  if (!body.is_null()) {
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body.dump();
  }
  const HttpResponse response = call(request, also);
  if (response.body.empty() || response.status >= 300) return nullptr;
  Json parsed = json_read::parse(response.body);
  if (parsed.is_discarded())
    throw Error(Failure{.code = Code::host_unreachable,
                        .message = access_.name + " answers with something that is not JSON",
                        .hint = "is a proxy in between?",
                        .host = access_.name,
                        .causes = {shown(request), response.body.substr(0, 200)}});
  return parsed;
}

std::optional<HttpResponse> CloudSession::create(const HttpRequest& request, const std::function<bool()>& found, const std::vector<int>& also) {
  for (std::size_t n = 1;; ++n) {
    try {
      HttpResponse response = attempt(request, false);
      if (response.status < 300 || std::find(also.begin(), also.end(), response.status) != also.end()) return response;
      throw refusal(request, response);
    } catch (const LostAnswer& lost) {
      // What was made may show only after a moment.
      for (int look = 0; look < 3; ++look) {
        wait(options_.poll);
        if (found()) return std::nullopt;
      }
      if (n >= options_.attempts) {
        Failure failure = lost.why;
        failure.state_unknown = true;
        throw Error(std::move(failure));
      }
    }
  }
}

void CloudSession::wait_for(const std::string& what, const std::function<bool()>& done) {
  for (milliseconds waited{0}; !done(); waited += options_.poll) {
    if (cancelled_) throw Error(Code::cancelled, "cancelled while waiting for " + access_.name);
    if (waited >= options_.patience)
      throw Error(Failure{.code = Code::timed_out,
                          .message = "after " + std::to_string(options_.patience.count()) + " min " + access_.name + " has not yet " + what,
                          .hint = "see the vendor's console, and apply again: it goes on from here",
                          .host = access_.name});
    wait(options_.poll);
  }
}

std::string CloudSession::token(const std::string& key, const std::function<std::pair<std::string, long>()>& get) {
  const std::lock_guard guard(tokens_.mutex);
  const auto now = std::chrono::steady_clock::now();
  if (const auto it = tokens_.known.find(key); it != tokens_.known.end() && now < it->second.until) return it->second.value;
  auto [value, seconds] = get();
  tokens_.known[key] = {value, now + std::chrono::seconds(std::max(0L, seconds - 60))};
  return value;
}

void no_such_servers(const std::vector<BalancerTarget>& targets, const std::string& what) {
  std::string names;
  for (const BalancerTarget& one : targets) {
    const std::string known_by = one.id.empty() ? one.address : "cloud_id " + one.id;
    append(names, one.name + (known_by.empty() ? "" : " (" + known_by + ")"));
  }
  if (names.empty()) return;
  throw Error(Failure{.code = Code::spec_invalid,
                      .message = names + (targets.size() == 1 ? " is none of the " : " are none of the ") + what,
                      .hint = "correct server_network or the hosts' addresses, write cloud_id, or take credentials of the right project"});
}

void no_such_network(const std::string& network, const std::string& where) {
  throw Error(Failure{.code = Code::spec_invalid,
                      .message = "server_network: there is no " + network + " in " + where,
                      .hint = "correct it, or take credentials of the right account or project"});
}

std::string within(const std::string& network) { return network.empty() ? std::string() : " in the network " + network; }

void needs_setting(CloudProvider provider, const std::string& key, const std::string& example) {
  throw Error(Failure{.code = Code::spec_invalid,
                      .message = key + " is missing, which " + std::string(to_string(provider)) + " needs",
                      .hint = "write " + key + ": " + example});
}

std::unique_ptr<CloudApi> cloud_api(CloudProvider provider, CloudSession& session) {
  switch (provider) {
    case CloudProvider::aws:
      return aws_api(session);
    case CloudProvider::gcp:
      return gcp_api(session);
    case CloudProvider::azure:
      return azure_api(session);
    case CloudProvider::digitalocean:
      return digitalocean_api(session);
    case CloudProvider::hetzner:
      return hetzner_api(session);
  }
  throw Error(Code::internal, "this value is no cloud");
}

}  // namespace pgcluster::executor
