#pragma once

#include <string>

// The authority that apply makes for a cluster: its private key and its certificate, in one text that all database hosts keep. It is exchanged in three
// plans, so that at no moment a program shows a certificate which another one does not trust.
namespace pgcluster {

/// How far an exchange has come.
enum class AuthorityStage {
  one,    ///< there is one authority
  both,   ///< hosts trust the next one, too, which signs nothing yet: its certificate and its key follow
  signs,  ///< the next one signs; the certificate of the former one follows
};

/// A new authority. Valid for 20 years; it is not renewed by itself.
std::string new_authority(const std::string& cluster);
AuthorityStage authority_stage(const std::string& text);
/// The text of the next stage.
std::string next_authority(const std::string& text, const std::string& cluster);

}  // namespace pgcluster
