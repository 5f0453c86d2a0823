#include "cloud/vendors/aws_query.hpp"

#include <algorithm>
#include <cctype>
#include <ctime>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/digest.hpp"
#include "base/joined.hpp"
#include "base/strings.hpp"
#include "base/url.hpp"

namespace pgcluster::executor {
namespace {

std::string unescaped(std::string text) {
  for (const auto& [from, to] : {std::pair<const char*, const char*>{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}})
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; ++at) text.replace(at, std::string_view(from).size(), to);
  return text;
}

// What begins at `at`: an element with all in it. False at the end of the one around it, or where it makes no sense.
bool element(const std::string& text, std::size_t& at, Xml& out, int depth) {
  while (at < text.size() && depth < 64) {
    const auto open = text.find('<', at);
    if (open == std::string::npos) return false;
    const auto close = text.find('>', open);
    if (close == std::string::npos) return false;
    if (text[open + 1] == '?' || text[open + 1] == '!') {
      at = close + 1;
      continue;
    }
    if (text[open + 1] == '/') return false;
    out.name = text.substr(open + 1, text.find_first_of(" \t\r\n/>", open + 1) - open - 1);
    at = close + 1;
    if (text[close - 1] == '/') return true;
    for (Xml child; element(text, at, child, depth + 1); child = {}) out.in.push_back(std::move(child));
    const auto end = text.find("</", at);
    if (end == std::string::npos) return true;
    if (out.in.empty()) out.text = unescaped(text.substr(at, end - at));
    const auto last = text.find('>', end);
    at = last == std::string::npos ? text.size() : last + 1;
    return true;
  }
  return false;
}

}  // namespace

const Xml& Xml::operator[](const std::string& child) const {
  static const Xml none{};
  const auto found = std::find_if(in.begin(), in.end(), [&](const Xml& one) { return one.name == child; });
  return found == in.end() ? none : *found;
}

Xml parse_xml(const std::string& text) {
  Xml root;
  std::size_t at = 0;
  element(text, at, root, 0);
  return root;
}

void sign_v4(HttpRequest& request, const AwsKey& key, const std::string& region, const std::string& service, std::int64_t now) {
  const auto seconds = static_cast<std::time_t>(now);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char stamp[32];
  std::strftime(&stamp[0], sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
  const std::string when(&stamp[0]), day = when.substr(0, 8);
  const auto scheme = request.url.find("://") + 3;
  const auto path_at = request.url.find('/', scheme);
  const std::string host = request.url.substr(scheme, path_at - scheme), path = path_at == std::string::npos ? "/" : request.url.substr(path_at);
  request.headers.emplace_back("X-Amz-Date", when);
  if (!key.token.empty()) request.headers.emplace_back("X-Amz-Security-Token", key.token);
  std::vector<std::pair<std::string, std::string>> signed_headers{{"host", host}};
  for (const auto& [name, value] : request.headers) {
    signed_headers.emplace_back(strings::lower(name), value);
  }
  std::sort(signed_headers.begin(), signed_headers.end());
  std::string canonical = request.method + "\n" + path + "\n\n", names;
  for (const auto& [name, value] : signed_headers) {
    canonical += name + ":" + value + "\n";
    append(names, name, ";");
  }
  canonical += "\n" + names + "\n" + sha256_hex(request.body);
  const std::string scope = day + "/" + region + "/" + service + "/aws4_request";
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + when + "\n" + scope + "\n" + sha256_hex(canonical);
  const std::string signing = hmac_sha256(hmac_sha256(hmac_sha256(hmac_sha256("AWS4" + key.secret, day), region), service), "aws4_request");
  request.headers.emplace_back("Authorization", "AWS4-HMAC-SHA256 Credential=" + key.id + "/" + scope + ", SignedHeaders=" + names +
                                                    ", Signature=" + hex(hmac_sha256(signing, to_sign)));
}

AwsQuery::AwsQuery(CloudSession& session, const std::string& service, const std::string& version, std::string region, AwsKey key)
    : session_(session), service_(service), version_(version), region_(std::move(region)), key_(std::move(key)) {
  const std::string suffix = region_.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com";
  url_ = session.endpoint("https://" + service + "." + region_ + suffix, "AWS_ENDPOINT_URL") + "/";
}

HttpRequest AwsQuery::request(const std::string& action, const Form& form) const {
  std::string body = "Action=" + action + "&Version=" + version_;
  for (const auto& [name, value] : form) body += "&" + net::url_encoded(name) + "=" + net::url_encoded(value);
  return {.method = "POST", .url = url_, .headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}, .body = body};
}

void AwsQuery::authorize() {
  session_.authorize_by([this](HttpRequest& request) { sign_v4(request, key_, region_, service_, std::time(nullptr)); });
}

Xml AwsQuery::call(const std::string& action, const Form& form, const std::string& absent) {
  authorize();
  const HttpRequest asked = request(action, form);
  const HttpResponse response = session_.call(asked, absent.empty() ? std::vector<int>{} : std::vector<int>{400, 404});
  if (response.status >= 300) {
    if (response.body.find("<Code>" + absent) != std::string::npos) return {};
    throw session_.refusal(asked, response);
  }
  Xml root = parse_xml(response.body);
  const Xml& result = root[action + "Result"];
  return result.name.empty() ? root : result;
}

bool AwsQuery::create(const std::string& action, const Form& form, const std::function<bool()>& found, const std::string& busy) {
  authorize();
  const HttpRequest asked = request(action, form);
  const auto there = [&] {
    const bool is = found();
    authorize();
    return is;
  };
  const auto response = session_.create(asked, there, busy.empty() ? std::vector<int>{} : std::vector<int>{400});
  if (!response || response->status < 300) return true;
  if (response->body.find("<Code>" + busy) == std::string::npos) throw session_.refusal(asked, *response);
  return false;
}

}  // namespace pgcluster::executor
