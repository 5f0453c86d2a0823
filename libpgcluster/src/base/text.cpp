#include <pgcluster/base/text.hpp>

namespace pgcluster {

Text& Text::operator+=(std::string_view plain) {
  bytes_ += plain;
  return *this;
}

Text& Text::operator+=(const Secret& secret) {
  const std::size_t begin = bytes_.size();
  bytes_ += secret.value;
  if (!secret.value.empty()) spans_.push_back({begin, bytes_.size(), secret.name});
  return *this;
}

Text& Text::operator+=(const Text& other) {
  const std::size_t offset = bytes_.size();
  const std::vector<Span> spans = other.spans_;  // other may be *this
  bytes_ += std::string(other.bytes_);
  for (const Span& span : spans) spans_.push_back({span.begin + offset, span.end + offset, span.name});
  return *this;
}

std::string Text::masked() const {
  std::string out;
  std::size_t at = 0;
  for (const Span& span : spans_) {
    out += bytes_.substr(at, span.begin - at) + "<secret " + span.name + ">";
    at = span.end;
  }
  return out + bytes_.substr(at);
}

}  // namespace pgcluster
