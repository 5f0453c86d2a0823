#include "operate/authority.hpp"

#include <ctime>
#include <vector>

#include "base/certificate.hpp"

namespace pgcluster {
namespace {

struct Parts {
  std::vector<std::string> keys, certificates;
};

Parts parts_of(const std::string& text) {
  Parts parts;
  for (std::string& block : x509::blocks(text))
    (block.find("PRIVATE KEY") == block.npos ? parts.certificates : parts.keys).push_back(std::move(block));
  return parts;
}

}  // namespace

std::string new_authority(const std::string& cluster) {
  const std::int64_t now = std::time(nullptr), one_day = 24 * 60 * 60;
  return x509::make_authority(("authority of " + cluster).substr(0, 64), now - one_day, now + 7300 * one_day);
}

AuthorityStage authority_stage(const std::string& text) {
  const Parts parts = parts_of(text);
  if (parts.keys.size() > 1) return AuthorityStage::both;
  return parts.certificates.size() > 1 ? AuthorityStage::signs : AuthorityStage::one;
}

std::string next_authority(const std::string& text, const std::string& cluster) {
  const Parts parts = parts_of(text);
  switch (authority_stage(text)) {
    case AuthorityStage::one: {
      const Parts next = parts_of(new_authority(cluster));
      return text + next.certificates.front() + next.keys.front();
    }
    case AuthorityStage::both:
      return parts.keys.back() + parts.certificates.back() + parts.certificates.front();
    case AuthorityStage::signs:
      return parts.keys.front() + parts.certificates.front();
  }
  return text;
}

}  // namespace pgcluster
