#pragma once

/// Shell files, embedded by the build: shell::NAME is NAME.sh, which says what it takes.
namespace pgcluster::shell {

extern const char* const data_directory;
extern const char* const download;
extern const char* const new_key;
extern const char* const older_units;
extern const char* const served_certificate;
extern const char* const take_certificate;

}  // namespace pgcluster::shell
