#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cloud/session.hpp"

// AWS's Query API: forms in, XML out, each request signed (Signature Version 4).
namespace pgcluster::executor {

/// An element of XML: text, or nested elements. Attributes are ignored.
struct Xml {
  std::string name;
  std::string text{};
  std::vector<Xml> in{};

  /// The first element of that name within; an empty one where there is none.
  const Xml& operator[](const std::string& child) const;
  /// The text of such an element.
  const std::string& word(const std::string& child) const { return (*this)[child].text; }
};
/// The outermost element; an empty one if the text is not XML.
Xml parse_xml(const std::string& text);

using Form = std::vector<std::pair<std::string, std::string>>;

struct AwsKey {
  std::string id;
  std::string secret;
  std::string token{};  ///< of a temporary key
};

/// Adds the headers of Signature Version 4. `now` is Unix time.
void sign_v4(HttpRequest& request, const AwsKey& key, const std::string& region, const std::string& service, std::int64_t now);

class AwsQuery {
 public:
  AwsQuery(CloudSession& session, const std::string& service, const std::string& version, std::string region, AwsKey key);
  HttpRequest request(const std::string& action, const Form& form) const;
  /// The content of <ActionResult>, or of <ActionResponse> if the answer has no <ActionResult>. The error code `absent` means that the object does
  /// not exist: the result is an empty element.
  Xml call(const std::string& action, const Form& form, const std::string& absent = {});
  /// Returns false on the error code `busy`: the object cannot be created yet.
  bool create(const std::string& action, const Form& form, const std::function<bool()>& found, const std::string& busy = {});

 private:
  void authorize();

  CloudSession& session_;
  std::string service_, version_, region_, url_;
  AwsKey key_;
};

}  // namespace pgcluster::executor
