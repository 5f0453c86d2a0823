#pragma once

#include <string>

namespace pgcluster {

/// "10.77.0.11:2379" of "http://10.77.0.11:2379/version", "[fd00::1]:2379" of "http://[fd00::1]:2379"; empty where the text is no URL
/// that a program would take: an IPv6 address without brackets is none.
std::string authority_of(const std::string& url);
/// "https://10.77.0.11:2379" of "https://10.77.0.11:2379/version"; empty as above.
std::string origin_of(const std::string& url);
/// Whether a command line, a list or a configuration file has no URL that a program would refuse.
bool urls_are_valid(const std::string& text);

}  // namespace pgcluster
