#include "topology/graph/svg_text.hpp"

#include <algorithm>
#include <random>
#include <set>

#include <pgcluster/topology/topology.hpp>

#include "golden.hpp"
#include "topology/graph/svg_reader.hpp"

using namespace pgcluster;
using namespace pgcluster::graphs;
using svg::Group;
using svg::Rect;
using svg::Segment;
using svg::Words;

namespace {

constexpr TextStyle kStyles[] = {style::title, style::heading, style::name, style::plain, style::note, style::number, style::badge};

std::string unescaped(std::string text) {
  for (const auto& [from, to] : {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}})
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; ++at) text.replace(at, std::string(from).size(), to);
  return text;
}

const TextStyle& style_of(const Words& words) {
  const std::string name = words.classes.substr(0, words.classes.find(' '));
  const auto* found = std::find_if(std::begin(kStyles), std::end(kStyles), [&](const TextStyle& one) { return name == one.name; });
  REQUIRE_MESSAGE(found != std::end(kStyles), "no style " << words.classes);
  return *found;
}

Rect extent(const Words& words) {
  const TextStyle& style = style_of(words);
  const int width = text_width(unescaped(words.text), style);
  const int x = words.anchor == "end" ? words.x - width : words.anchor == "middle" ? words.x - width / 2 : words.x;
  return {words.text, x, words.y - style.size * 4 / 5, width, style.size};
}

bool overlap(const Rect& a, const Rect& b) { return a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom(); }
bool within(const Rect& inner, const Rect& outer) {
  return inner.x >= outer.x && inner.right() <= outer.right() && inner.y >= outer.y && inner.bottom() <= outer.bottom();
}
bool through(const Segment& line, const Rect& box) {
  return std::max(line.x1, line.x2) > box.x && std::min(line.x1, line.x2) < box.right() && std::max(line.y1, line.y2) > box.y &&
         std::min(line.y1, line.y2) < box.bottom();
}

void apart(const std::vector<Rect>& boxes) {
  for (std::size_t i = 0; i < boxes.size(); ++i)
    for (std::size_t j = i + 1; j < boxes.size(); ++j) CHECK_MESSAGE(!overlap(boxes[i], boxes[j]), boxes[i].classes << " and " << boxes[j].classes);
}

// A group has one box: its texts and inner boxes are in it, and do not overlap.
void check_group(const Group& group) {
  REQUIRE(group.rects.size() == 1);
  const Rect& box = group.rects.front();
  std::vector<Rect> inner;
  for (const Words& words : group.words) {
    inner.push_back(extent(words));
    CHECK_MESSAGE(within(inner.back(), box), words.text << " sticks out of its " << box.classes);
  }
  for (const Group& one : group.groups) {
    check_group(one);
    inner.push_back(one.rects.front());
    CHECK_MESSAGE(within(inner.back(), box), inner.back().classes << " sticks out of its " << box.classes);
  }
  apart(inner);
}

void check_picture(const std::string& text) {
  const Group picture = svg::Reader(text).read();
  REQUIRE(picture.rects.size() == 1);
  const Rect& page = picture.rects.front();
  std::vector<Rect> sites, hosts, others;
  std::vector<Segment> lines;
  std::vector<Rect> labels;
  for (const Group& group : picture.groups) {
    if (group.classes != "group") {
      lines.insert(lines.end(), group.segments.begin(), group.segments.end());
      continue;
    }
    check_group(group);
    const Rect& box = group.rects.front();
    (box.is("site") ? sites : box.is("host") ? hosts : others).push_back(box);
    CHECK(within(box, page));
    if (box.is("site")) labels.push_back(extent(group.words.front()));
  }
  apart(hosts);
  std::vector<Rect> top = others;
  top.insert(top.end(), sites.begin(), sites.end());
  for (const Words& words : picture.words) {
    top.push_back(extent(words));
    CHECK_MESSAGE(within(top.back(), page), words.text << " is not on the page");
  }
  apart(top);
  for (const Rect& host : hosts) {
    CHECK(std::count_if(sites.begin(), sites.end(), [&](const Rect& site) { return within(host, site); }) == 1);
    CHECK(std::none_of(labels.begin(), labels.end(), [&](const Rect& label) { return overlap(host, label); }));
  }
  for (const Segment& line : lines) {
    CAPTURE(line.classes);
    CHECK(within({"", std::min(line.x1, line.x2), std::min(line.y1, line.y2), 0, 0}, page));
    CHECK(within({"", std::max(line.x1, line.x2), std::max(line.y1, line.y2), 0, 0}, page));
    for (const auto* boxes : {&hosts, &others, &labels})
      for (const Rect& box : *boxes) CHECK_MESSAGE(!through(line, box), "a line runs through " << box.classes);
  }
}

std::string picture_of(const Spec& spec) { return graph(resolve(spec), spec, "svg"); }

const Group* host_in(const Group& picture, const std::string& name) {
  for (const Group& group : picture.groups)
    if (group.classes == "group" && group.rects.front().is("host") && group.words.front().text == name) return &group;
  return nullptr;
}

std::set<std::string> all_words(const Group& group) {
  std::set<std::string> found;
  for (const Words& words : group.words) found.insert(words.text);
  for (const Group& inner : group.groups) found.merge(all_words(inner));
  return found;
}

int pick(std::mt19937& random, int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); }

// A cluster of up to 12 hosts in up to 5 sites, with names of any length.
Spec random_spec(unsigned seed) {
  std::mt19937 random(seed);
  Spec spec;
  spec.patroni_cluster_name = std::string(static_cast<std::size_t>(pick(random, 1, 40)), 'w');
  spec.with_haproxy_load_balancing = pick(random, 0, 1) == 1;
  if (pick(random, 0, 1) == 1) spec.cluster_vip = pick(random, 0, 1) == 1 ? "10.77.0.100" : "2001:db8:1234:5678:9abc:def0:1234:5678";
  if (pick(random, 0, 2) == 0)
    spec.dcs_type = DcsType::consul, spec.consul_layout = pick(random, 0, 1) == 1 ? ConsulLayout::federated : ConsulLayout::stretched;
  spec.synchronous_mode = pick(random, 0, 1) == 1;
  spec.pgbouncer_install = pick(random, 0, 1) == 1;
  if (pick(random, 0, 3) == 0) spec.cloud_provider = CloudProvider::digitalocean;
  if (pick(random, 0, 1) == 1) spec.confd_binary.path = "/opt/confd";
  const int hosts = pick(random, 1, 12), sites = pick(random, 1, 5);
  const Role dcs = spec.dcs_type == DcsType::consul ? Role::consul : Role::etcd;
  const std::vector<std::vector<Role>> roles{{}, {}, {}, {Role::balancer}, {Role::postgres}, {dcs}, {Role::postgres, dcs}, {Role::balancer, dcs}};
  for (int i = 1; i <= hosts; ++i) {
    HostSpec host{.name = "pg" + std::to_string(i) + std::string(static_cast<std::size_t>(pick(random, 0, 9) == 0 ? 50 : 0), 'm'),
                  .address = pick(random, 0, 3) == 0 ? "2001:db8:1234:5678:9abc:def0:1234:" + std::to_string(i) : "10.77.0." + std::to_string(i)};
    host.datacenter = "dc" + std::to_string(pick(random, 1, sites)) + std::string(static_cast<std::size_t>(pick(random, 0, 9) == 0 ? 40 : 0), 'M');
    if (i > 1) host.roles = roles[static_cast<std::size_t>(pick(random, 0, static_cast<int>(roles.size()) - 1))];
    if (i > 1 && spec.dcs_type == DcsType::consul && pick(random, 0, 4) == 0) host.roles = {Role::consul_client};
    if (pick(random, 0, 4) == 0) host.patroni_tags = {{"nofailover", "true"}, {"noloadbalance", "true"}};
    spec.hosts.push_back(std::move(host));
  }
  return spec;
}

}  // namespace

TEST_CASE("nothing overlaps, and every text stays in its box") {
  for (const auto& folder : golden::cases("topology")) {
    CAPTURE(folder.string());
    check_picture(picture_of(parse_spec(golden::read(folder / "cluster.yaml"), "cluster.yaml")));
  }
}

TEST_CASE("nor with any number of hosts, sites and roles, and with long names") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    check_picture(picture_of(random_spec(seed)));
  }
}

TEST_CASE("the check of pictures finds an overlap") {
  const Rect box{"a", 0, 0, 10, 10};
  CHECK(overlap(box, {"b", 9, 9, 10, 10}));
  CHECK_FALSE(overlap(box, {"b", 10, 0, 10, 10}));
  CHECK(through({"", 5, -5, 5, 20}, box));
  CHECK_FALSE(through({"", 10, -5, 10, 20}, box));
  CHECK_FALSE(through({"", 5, -5, 5, 0}, box));
}

TEST_CASE("a host shows its name, address, programs and ports, and one is the preferred leader") {
  const Spec spec = parse_spec(R"(
with_haproxy_load_balancing: true
cluster_vip: 10.77.0.100
postgresql_port: 5433
hosts:
  pg1: { address: 10.77.0.11, patroni_tags: { clonefrom: true } }
  pg2: { address: 10.77.0.12 }
  pg3: { address: 10.77.0.13 }
)");
  const Group picture = svg::Reader(picture_of(spec)).read();
  const Group* leader = host_in(picture, "pg1");
  REQUIRE(leader);
  const std::set<std::string> words = all_words(*leader);
  for (const char* wanted : {"10.77.0.11", "preferred leader", "Keepalived", "HAProxy", "5000–5003 7000", "PgBouncer", "6432", "PostgreSQL 17",
                             "5433", "Patroni", "8008", "etcd", "2379 2380", "clonefrom: true"})
    CHECK_MESSAGE(words.contains(wanted), wanted);
  CHECK_FALSE(all_words(*host_in(picture, "pg2")).contains("preferred leader"));
}

TEST_CASE("names are escaped, and the picture has a title and a description") {
  Spec spec = parse_spec("hosts: { pg1: { address: 10.77.0.11 } }");
  spec.hosts[0].datacenter = "<a> & \"b\"";
  const std::string text = picture_of(spec);
  CHECK(text.find("datacenter &lt;a&gt; &amp; &quot;b&quot;</text>") != std::string::npos);
  CHECK(text.find("<a>") == std::string::npos);
  CHECK(text.find("<title>Cluster postgres-cluster</title>") != std::string::npos);
  CHECK(text.find("<desc>PostgreSQL 17 under Patroni, state in etcd. Host list in the libpq URI") != std::string::npos);
  CHECK(text.find("http", text.find("2000/svg")) == std::string::npos);
}

TEST_CASE("texts are estimated no narrower than fonts draw them") {
  // Measured in DejaVu Sans and, narrower, in Liberation Sans (as wide as Arial and Helvetica).
  CHECK(text_width("datacenter dc1", style::heading) >= 111);
  CHECK(text_width("PostgreSQL 17", style::plain) >= 83);
  CHECK(text_width("10.77.0.11", style::number) >= 72);
  CHECK(text_width("→ é", style::plain) == 12 + 4 + 12);
  CHECK(text_width("", style::plain) == 0);
}

TEST_CASE("lines of whole words") {
  CHECK(wrapped("one two three", style::plain, 60) == std::vector<std::string>{"one two", "three"});
  CHECK(wrapped("unbreakable x", style::plain, 10) == std::vector<std::string>{"unbreakable", "x"});
  CHECK(wrapped("", style::plain, 10).empty());
}
