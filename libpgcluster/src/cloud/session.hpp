#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <pgcluster/cloud/cloud.hpp>

#include "base/joined.hpp"
#include "base/json.hpp"
#include "cloud/http.hpp"
#include "op/balancer.hpp"

// What all providers share: requests that are tried again where that is safe, errors in words, waiting for what the cloud has begun.
namespace pgcluster::executor {

/// Tokens that were fetched once, by what they are for.
struct CloudTokens {
  struct Token {
    std::string value;
    std::chrono::steady_clock::time_point until;
  };
  std::mutex mutex;
  std::map<std::string, Token> known;
};

/// The request may have been carried out or not.
struct LostAnswer {
  Failure why;
};

class CloudSession {
 public:
  CloudSession(const HostAccess& access, const CloudOptions& options, const std::atomic<bool>& cancelled, CloudTokens& tokens);

  /// The spec's value, else the first of the variables that is set. Throws Error (auth_failed) where there is none and it is needed.
  std::string credential(const std::string& key, const std::vector<const char*>& variables, bool needed = true) const;
  /// "" where the spec says nothing.
  std::string setting(const std::string& key) const;
  /// The vendor's address, or what the spec, PGCLUSTER_CLOUD_ENDPOINT or a variable of the vendor's own put in its place. No slash at the end.
  std::string endpoint(const std::string& vendors, const char* variable = nullptr) const;

  /// Called just before each attempt; adds the credentials to the request.
  void authorize_by(std::function<void(HttpRequest&)> authorize) { authorize_ = std::move(authorize); }

  /// Returns the response if its status is below 300 or one of `also`. Retries after a failure if the request may be repeated. Throws Error.
  HttpResponse call(HttpRequest request, const std::vector<int>& also = {});
  /// The same with JSON; without a request body if `body` is null. Returns null for an empty response. Throws Error if the response is not JSON.
  nlohmann::json json(const std::string& method, const std::string& url, const nlohmann::json& body = nullptr, const std::vector<int>& also = {});
  /// Sends a request that creates something and must not be repeated blindly. If the response is lost, `found` checks whether the request was carried
  /// out. Returns nullopt if it was.
  std::optional<HttpResponse> create(const HttpRequest& request, const std::function<bool()>& found, const std::vector<int>& also = {});

  /// Waits until `done` returns true. Throws Error (timed_out) with `what` in its message.
  void wait_for(const std::string& what, const std::function<bool()>& done);
  void wait(std::chrono::milliseconds time) const;

  /// The cached token of `key`. If there is none, or it has expired, `get` fetches a new one (value, and seconds until it expires).
  std::string token(const std::string& key, const std::function<std::pair<std::string, long>()>& get);

  const std::string& name() const noexcept { return access_.name; }
  /// The response of the API as an Error.
  Error refusal(const HttpRequest& request, const HttpResponse& response) const;

 private:
  HttpResponse attempt(HttpRequest request, bool repeatable);

  const HostAccess& access_;
  const CloudOptions& options_;
  const std::atomic<bool>& cancelled_;
  CloudTokens& tokens_;
  std::function<void(HttpRequest&)> authorize_{};
};

/// Something about a balancer that is not as we make it.
inline void note(Balancer& is, const std::string& what) { append(is.other, what); }

/// The load balancers of one vendor. Each call throws Error where the API does not do what it should.
class CloudApi {
 public:
  virtual ~CloudApi() = default;
  /// The balancer of the wish's name as it stands, its targets in the wish's words where they are the same hosts; empty where there is none.
  virtual std::optional<Balancer> find(const Balancer& wish) = 0;
  /// Throws Error (spec_invalid) where the wish's network or hosts are not there. Only asks.
  virtual void check(const Balancer& wish) = 0;
  virtual void create(const Balancer& wish) = 0;
  virtual void change(const Balancer& wish, const Balancer& is) = 0;
  /// Also of what a create that was cut short has left.
  virtual void remove(const Balancer& wish) = 0;
};

std::unique_ptr<CloudApi> cloud_api(CloudProvider provider, CloudSession& session);
std::unique_ptr<CloudApi> aws_api(CloudSession& session);
std::unique_ptr<CloudApi> azure_api(CloudSession& session);
std::unique_ptr<CloudApi> digitalocean_api(CloudSession& session);
std::unique_ptr<CloudApi> gcp_api(CloudSession& session);
std::unique_ptr<CloudApi> hetzner_api(CloudSession& session);

/// Throws Error (spec_invalid): hosts of the wish are none of the cloud's `what`. Nothing where there are none such.
void no_such_servers(const std::vector<BalancerTarget>& targets, const std::string& what);
/// Throws Error (spec_invalid): the network of the wish is not there.
[[noreturn]] void no_such_network(const std::string& network, const std::string& where);
/// " of NETWORK", or nothing.
std::string within(const std::string& network);
/// Throws Error (spec_invalid): the provider needs the key.
[[noreturn]] void needs_setting(CloudProvider provider, const std::string& key, const std::string& example);

}  // namespace pgcluster::executor
