#pragma once

#include <string>

namespace pgcluster::net {

/// The address as it stands in a URL: IPv6 in brackets.
std::string in_url(const std::string& address);
/// "10.77.0.11:5432", "[fd00::1]:5432"
std::string host_port(const std::string& address, int port);
/// "http://10.77.0.11:2379", "http://[fd00::1]:2379/version". A path begins with "/".
std::string http_url(const std::string& address, int port, const std::string& path = {});
/// RFC 3986: every byte but the unreserved ones as "%2F".
std::string url_encoded(const std::string& text);
/// The inverse of url_encoded(). A "%" that is not followed by two hexadecimal digits is kept.
std::string url_decoded(const std::string& text);

}  // namespace pgcluster::net
