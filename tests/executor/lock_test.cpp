#include "executor/program/lock.hpp"

#include <doctest/doctest.h>

using namespace pgcluster::executor;
using Said = LockAnswer::What;

TEST_CASE("the answer to a lock is read once it is complete, after whatever a login script prints") {
  CHECK_FALSE(read_lock_answer(""));
  CHECK_FALSE(read_lock_answer("Welcome to pg1\nours"));
  CHECK(read_lock_answer("\nours\n")->what == Said::ours);
  CHECK(read_lock_answer("Welcome to pg1\nno newline\nours\n")->what == Said::ours);
  CHECK(read_lock_answer("\nbroken\n")->what == Said::broken);
  CHECK_FALSE(read_lock_answer("\nheld\nroot@controller pid 4711\n1700000000\n"));
  const auto held = read_lock_answer("Welcome\n\nheld\nroot@controller pid 4711\n1700000000\n00112233\n");
  REQUIRE(held);
  CHECK(held->what == Said::held);
  CHECK(held->holder == pgcluster::LockHolder{"root@controller pid 4711", 1700000000, "00112233"});
}

TEST_CASE("a holder whose file is empty is a holder without a name") {
  const auto held = read_lock_answer("\nheld\n\n0\n\n");
  REQUIRE(held);
  CHECK(held->holder == pgcluster::LockHolder{});
}
