#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const gossip_key;
extern const char* const keyring;
extern const char* const known_tokens;
extern const char* const tokens;

}  // namespace pgcluster::shell
