#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

// One HTTP request by libcurl; TLS is verified, redirects are not followed.
namespace pgcluster::executor {

struct HttpRequest {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
};

struct HttpResponse {
  int status = 0;                                ///< 0: there was no answer
  std::map<std::string, std::string> headers{};  ///< names in lower case
  std::string body{};
  std::string why{};  ///< no answer: what happened
  bool sent = true;   ///< no answer: whether the server may have got the request
  bool timed_out = false;
  bool certificate = false;  ///< no answer: the server is not who it should be
};

HttpResponse http(const HttpRequest& request, std::chrono::milliseconds timeout, const std::atomic<bool>& cancelled);

}  // namespace pgcluster::executor
