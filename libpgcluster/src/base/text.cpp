#include <pgcluster/base/text.hpp>

namespace pgcluster {

const Text::Content& Text::its() const noexcept {
  static const Content nothing;
  return content_ ? *content_ : nothing;
}

Text::Content& Text::own() {
  if (!content_)
    content_ = std::make_shared<Content>();
  else if (content_.use_count() > 1)
    content_ = std::make_shared<Content>(*content_);
  return *content_;
}

Text& Text::operator+=(std::string_view plain) {
  own().bytes += plain;
  return *this;
}

Text& Text::operator+=(const Secret& secret) {
  Content& content = own();
  const std::size_t begin = content.bytes.size();
  content.bytes += secret.value;
  if (!secret.value.empty()) content.spans.push_back({begin, content.bytes.size(), secret.name});
  return *this;
}

Text& Text::operator+=(const Text& other) {
  const std::shared_ptr<Content> added = other.content_;  // other may be *this, which then is not its only owner
  if (!added) return *this;
  Content& content = own();
  const std::size_t offset = content.bytes.size();
  content.bytes += added->bytes;
  for (const Span& span : added->spans) content.spans.push_back({span.begin + offset, span.end + offset, span.name});
  return *this;
}

std::string Text::masked() const {
  std::string out;
  std::size_t at = 0;
  const auto& [bytes, spans] = its();
  for (const Span& span : spans) {
    out += bytes.substr(at, span.begin - at) + "<secret " + span.name + ">";
    at = span.end;
  }
  return out + bytes.substr(at);
}

}  // namespace pgcluster
