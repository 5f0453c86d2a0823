#include <doctest/doctest.h>

#include <pgcluster/op/ask.hpp>
#include <pgcluster/op/change.hpp>

using namespace pgcluster;

TEST_CASE("equal asks have the same key, others have another") {
  const std::vector<Ask> asks{
      {"pg1", FileOf{"/a"}},
      {"pg1", FileOf{"/a", false}},
      {"pg2", FileOf{"/a"}},
      {"pg1", PackageOf{"/a"}},
      {"pg1", AccountOf{"/a"}},
      {"pg1", UnitOf{"a", {"b", "c"}, {}}},
      {"pg1", UnitOf{"a", {"b"}, {"c"}}},
      {"pg1", UnitOf{"a", {}, {"b", "c"}}},
      {"pg1", Exec{{"a", "b"}}},
      {"pg1", Exec{{"a b"}}},
      {"pg1", Exec{{"a"}, "b"}},
      {"pg1", Exec{{"a"}, Secret{"x", "b"}}},
      {"pg1", Exec{{"a", "b"}, {}, {}, std::chrono::milliseconds(1)}},
      {"pg1", Http{"GET", "u"}},
      {"pg1", Http{"GET", "u", {{"a", "b"}}}},
      {"pg1", Http{"GET", "u", {}, "b"}},
  };
  for (std::size_t i = 0; i < asks.size(); ++i)
    for (std::size_t j = 0; j < asks.size(); ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK((key(asks[i]) == key(asks[j])) == (i == j));
      const Ask copy = asks[i];
      CHECK(key(copy) == key(asks[i]));
    }
}

TEST_CASE("resources say what is touched and what an answer depends on") {
  using List = std::vector<std::string>;
  CHECK(resources(Do{"h", WriteFile{"/etc/x", "y"}}) == List{"file:/etc/x"});
  CHECK(resources(Do{"h", WriteBlock{"/etc/hosts", "c", "y"}}) == List{"block:/etc/hosts#c"});
  CHECK(resources(Do{"h", Upload{"/usr/bin/x", "x", ""}}) == List{"file:/usr/bin/x"});
  CHECK(resources(Do{"h", Install{{"a", "b=1.2"}}}) == List{"package:a", "package:b"});
  CHECK(resources(Do{"h", SetUnit{"a.service"}}) == List{"unit:a.service"});
  CHECK(resources(Do{"h", SetAccount{"a", "/a"}}) == List{"account:a"});
  CHECK(resources(Do{"h", Run{{"true"}, {}, {"dcs:config"}}}) == List{"dcs:config"});
  CHECK(resources(Do{"h", Remove{Remove::Kind::block, "/etc/hosts", "c"}}) == List{"block:/etc/hosts#c"});
  CHECK(resources(Do{"h", Remove{Remove::Kind::tree, "/var/lib/x"}}) == List{"tree:/var/lib/x"});
  CHECK(resources(Ask{"h", UnitOf{"a.service", {"/s"}, {"/l"}}}) == List{"unit:a.service", "file:/s", "file:/l"});
  CHECK(resources(Ask{"h", Exec{{"true"}, {}, {"unit:a"}}}) == List{"unit:a"});
}

TEST_CASE("descriptions are short and tell no secret") {
  CHECK(describe(Do{"h", WriteFile{"/etc/x", Secret{"pw", "hush"}}}) == "write /etc/x");
  CHECK(describe(Do{"h", Install{{"etcd-server", "etcd-client"}}}) == "apt install etcd-server etcd-client");
  CHECK(describe(Do{"h", SetUnit{"etcd.service", SetUnit::Go::restart, true}}) == "restart etcd.service");
  CHECK(describe(Do{"h", SetUnit{"etcd.service", SetUnit::Go::nothing, false}}) == "disable etcd.service");
  CHECK(describe(Do{"h", Run{{"psql", "-c", "select\n1"}, Secret{"pw", "hush"}}}) == "run psql -c select 1");
  CHECK(describe(Ask{"h", Exec{{std::string(300, 'x')}}}).size() < 120);
}

TEST_CASE("installs, uploads and slow runs end a program") {
  CHECK(is_slow(Do{"h", Install{{"a"}}}));
  CHECK(is_slow(Do{"h", Upload{"/a", "a", ""}}));
  Run run{{"true"}};
  CHECK_FALSE(is_slow(Do{"h", run}));
  run.slow = true;
  CHECK(is_slow(Do{"h", run}));
  CHECK_FALSE(is_slow(Do{"h", WriteFile{"/a", "a"}}));
}
