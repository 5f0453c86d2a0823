#include "cloud/http.hpp"

#include <algorithm>
#include <cctype>
#include <memory>
#include <mutex>

#include <curl/curl.h>

#include "base/strings.hpp"

namespace pgcluster::executor {
namespace {

constexpr std::size_t most = std::size_t{64} << 20;

std::size_t take_body(char* data, std::size_t, std::size_t n, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + n > most) return 0;
  body.append(data, n);
  return n;
}

std::size_t take_header(char* data, std::size_t, std::size_t n, void* to) {
  const std::string line(data, n);
  const auto colon = line.find(':');
  auto& headers = *static_cast<std::map<std::string, std::string>*>(to);
  if (colon == std::string::npos) {
    if (line.starts_with("HTTP/")) headers.clear();  // what came before was a 100 Continue
    return n;
  }
  const std::string name = strings::lower(line.substr(0, colon));
  std::string value = line.substr(colon + 1);
  value.erase(0, value.find_first_not_of(" \t"));
  value.erase(value.find_last_not_of(" \t\r\n") + 1);
  headers[name] = value;
  return n;
}

int go_on(void* cancelled, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(cancelled)->load() ? 1 : 0;
}

}  // namespace

HttpResponse http(const HttpRequest& request, std::chrono::milliseconds timeout, const std::atomic<bool>& cancelled) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  HttpResponse response;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return {.why = "libcurl does not start", .sent = false};
  curl_slist* list = nullptr;
  for (const auto& [name, value] : request.headers) list = curl_slist_append(list, (name + ": " + value).c_str());
  list = curl_slist_append(list, "Expect:");
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, curl_slist_free_all);
  char why[CURL_ERROR_SIZE] = {};
  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(curl.get(), option, value); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(CURLOPT_HTTPHEADER, headers.get());
  if (request.method != "GET" && request.method != "DELETE") set(CURLOPT_POST, 1L);
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.c_str());
  }
  set(CURLOPT_PROTOCOLS_STR, "https,http");
  set(CURLOPT_USERAGENT, "pgcluster");
  set(CURLOPT_ERRORBUFFER, &why[0]);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min<std::chrono::milliseconds>(timeout, std::chrono::seconds(10)).count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_WRITEFUNCTION, take_body);
  set(CURLOPT_WRITEDATA, &response.body);
  set(CURLOPT_HEADERFUNCTION, take_header);
  set(CURLOPT_HEADERDATA, &response.headers);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, go_on);
  set(CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(&cancelled));
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    response.status = static_cast<int>(status);
    return response;
  }
  curl_off_t connected = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_PRETRANSFER_TIME_T, &connected);
  HttpResponse none;
  none.why = why[0] ? why : curl_easy_strerror(code);
  none.sent = connected > 0;
  none.timed_out = code == CURLE_OPERATION_TIMEDOUT;
  none.certificate = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR;
  return none;
}

}  // namespace pgcluster::executor
