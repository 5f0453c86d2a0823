#include "component/postgresql/scram.hpp"

#include <doctest/doctest.h>

using namespace pgcluster;

TEST_CASE("a verifier made elsewhere is recognised by its own salt") {
  const ScramVerifier made = make_scram("pencil", "saltsaltsaltsalt", 4096);
  CHECK(scram_matches(made.text(), "pencil"));
  CHECK_FALSE(scram_matches(made.text(), "Pencil"));
  CHECK_FALSE(scram_matches(made.text(), ""));
}

TEST_CASE("RFC 7677's example gives its keys") {
  // user "user", password "pencil", salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 rounds: the proof's key, as the RFC's server has it.
  const auto salt = parse_scram("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$a:b");
  REQUIRE(salt);
  const ScramVerifier verifier = make_scram("pencil", salt->salt, salt->iterations);
  CHECK(verifier.text() ==
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

TEST_CASE("what is no verifier is none, and matches no password") {
  for (const char* text : {"", "md5d41d8cd98f00b204e9800998ecf8427e", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:$:", "SCRAM-SHA-256$x:YWJj$a:b",
                           "SCRAM-SHA-256$99999999:YWJj$a:b", "SCRAM-SHA-256$4096:!!!!$a:b", "SCRAM-SHA-256$4096:YWJj"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_scram(text));
    CHECK_FALSE(scram_matches(text, "x"));
  }
}

TEST_CASE("the same wish gives the same verifier, another role another salt") {
  CHECK(scram_verifier("app", "secret") == scram_verifier("app", "secret"));
  CHECK(scram_verifier("app", "secret") != scram_verifier("web", "secret"));
  CHECK(scram_matches(scram_verifier("app", "secret"), "secret"));
}
