#include <doctest/doctest.h>

#include "op/facts.hpp"

using namespace pgcluster;

TEST_CASE("facts are read as they were answered") {
  const Facts facts{.hostname = "db one",
                    .os_id = "debian",
                    .os_version = "13",
                    .os_codename = "trixie",
                    .arch = "x86_64",
                    .memory_bytes = 2048u * 1024,
                    .cpus = 4,
                    .nofile_limit = 524288,
                    .container = "systemd-nspawn",
                    .clock = 1'700'000'000,
                    .interfaces = {{"lo", "127.0.0.1/8"}, {"host0", "10.77.0.11/24"}, {"host0", "fe80::1/64"}},
                    .default_interface = "host0",
                    .devices = {"lo", "host0", "bond0.7"},
                    .no_watchdog = true,
                    .masked = {"etcd.service", "patroni.service"},
                    .read_only = {"/usr"},
                    .writable = {"/", "/usr/local"},
                    .huge_page_bytes = 2u << 20,
                    .free_huge_pages = 7,
                    .owned = {{"file:/etc/a b", "pg1/x/config"}, {"unit:x.service", "pg1/x/service"}},
                    .cluster = "name: a\n",
                    .secrets = {{"superuser", "a b\n\n+c\n\xff"}, {"one", "1"}, {"two", "-2\n"}, {"none", ""}}};
  CHECK(facts_asks("pg1").size() == facts_answers(facts).size());
  CHECK(read_facts("pg1", facts_answers(facts)) == facts);
}

TEST_CASE("a host that answers nonsense is not supported") {
  Facts facts{.hostname = "h", .os_id = "debian", .arch = "x86_64", .memory_bytes = 1024};
  auto code = [](std::vector<Answer> answers) {
    try {
      read_facts("pg1", answers);
    } catch (const Error& error) {
      CHECK(error.host() == "pg1");
      return error.code();
    }
    return Code::internal;
  };
  auto answers = facts_answers(facts);
  for (const Answer& bad : {Answer(Output{.out = "nonsense\n\n x \nclock zero\ncpus -1\n"}), Answer(Output{127, "", "sh: not found"}),
                            Answer(Absent{}), Answer(Unreadable{"no"})}) {
    answers[0] = bad;
    CHECK(code(answers) == Code::host_unsupported);
  }
  answers = facts_answers(facts);
  answers[1] = Unreadable{"permission"};
  CHECK(code(answers) == Code::command_failed);
}
