#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "executor/program/merge.hpp"
#include "op/ask.hpp"
#include "shell.hpp"

using namespace pgcluster;
using executor::merged;

namespace {

// Answers each request with its method and path; a path that begins with /no with status 500.
class Server {
 public:
  Server() {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket_, 8) == 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port) + path; }
  int port = 0;
  std::atomic<int> requests{0};

 private:
  void serve() {
    for (int one = 0; (one = ::accept(socket_, nullptr, nullptr)) >= 0; ::close(one)) {
      std::string request(4096, '\0');
      const auto got = ::recv(one, request.data(), request.size(), 0);
      request.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
      ++requests;
      const std::string line = request.substr(0, request.find(" HTTP"));
      const std::string body = line + (line.find("/lines") == std::string::npos ? "" : "\nmore\n\n");
      const std::string answer = std::string("HTTP/1.1 ") + (line.find("/no") == std::string::npos ? "200 OK" : "500 No") +
                                 "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      [[maybe_unused]] const auto sent = ::send(one, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }
  int socket_ = -1;
  std::thread thread_;
};

Ask exec(std::vector<std::string> argv) { return {"h", Exec{.argv = std::move(argv)}}; }

std::vector<std::size_t> positions(const Program& program, std::size_t call) { return merged(program).at(call).asks; }

bool have_curl() { return std::system("command -v curl >/dev/null 2>&1") == 0; }

}  // namespace

TEST_CASE("merged asks: only commands whose parts can be told apart") {
  const Program program{.asks = {exec({"curl", "-s", "-m", "3", "http://a/1", "http://a/2"}),
                                 exec({"curl", "-sS", "http://a/3"}),                    // it has a standard error of its own
                                 exec({"curl", "-s", "-o", "/dev/null", "http://a/4"}),  // an option that is not known
                                 exec({"curl", "-sf", "-d", "{\"k\":1}", "http://[fd00::1]:1/v3"}),
                                 exec({"curl", "-sf", "-d", "@/etc/passwd", "http://a/5"}),
                                 exec({"curl", "-s", "http://a/{6,7}"}),
                                 {"h", Exec{.argv = {"curl", "-s", "http://a/8"}, .input = "a body"}},
                                 exec(first_answer({{"-sf", "http://a/9", "--next", "-sf", "http://a/10"}, {"-sf", "http://b/9"}})),
                                 exec({"ss", "-Hltnp", "sport = :1"}),
                                 exec({"ss", "-Hltnp", "sport = :2 or sport = :3"}),
                                 exec({"ss", "-Hltnp", "sport = :2 and dport = :3"}),
                                 exec({"ss", "-Hlnup", "sport = :53"}),
                                 exec({"ss", "-Hltnp"}),
                                 exec({"curl", "-s", "--cacert", "/a.crt", "--cert", "/b.crt", "--key", "/b.key", "https://[fd00::1]:8008/patroni"}),
                                 exec({"curl", "-s", "--insecure", "https://a/11"}),
                                 exec({"curl", "-s", "https://a/[1-3]"})}};
  REQUIRE(merged(program).size() == 2);
  CHECK(positions(program, 0) == std::vector<std::size_t>{0, 3, 7, 13});
  CHECK(positions(program, 1) == std::vector<std::size_t>{8, 9});
  const Program without{
      .asks = {exec({"curl", "-q", "-s", "http://a/1"}), exec({"curl", "-s", "http://a/2"}), exec({"curl", "-q", "-s", "http://a/3"})}};
  REQUIRE(merged(without).size() == 1);
  CHECK(positions(without, 0) == std::vector<std::size_t>{0, 2});
  CHECK(executor::merged_command(without, merged(without)[0]).starts_with(" curl -q '-s'"));
  CHECK(merged({.asks = {exec({"curl", "-s", "http://a/1"}), exec({"ss", "-Hltnp", "sport = :1"})}}).empty());
}

TEST_CASE("merged asks: each has the answer that it would have alone") {
  if (!have_curl()) return;
  Server server;
  const std::string nobody = "http://127.0.0.1:1/";
  const std::string encrypted = "https" + server.url("/x").substr(4);
  const std::vector<Ask> asks{exec({"curl", "-s", "-m", "3", server.url("/a"), server.url("/lines")}),
                              exec({"curl", "-sf", "-m", "3", server.url("/no")}),
                              exec({"curl", "-s", "-m", "3", server.url("/no/body")}),
                              exec({"curl", "-s", "-m", "3", "-w", "\n%{http_code}", server.url("/status")}),
                              exec({"curl", "-sf", "-m", "3", nobody}),
                              exec({"curl", "-sf", "-m", "3", nobody, server.url("/last")}),
                              exec({"curl", "-sf", "-m", "3", "-d", "it's \"a\" body", server.url("/post")}),
                              exec({"curl", "-sf", "-m", "3", "--cacert", "/not/there", encrypted}),
                              exec({"curl", "-sf", "-m", "3", "--cert", "/not/there", "--key", "/not/there", encrypted}),
                              exec({"curl", "-sf", "-m", "3", encrypted}),
                              exec({"echo", "no curl"})};
  REQUIRE(merged({.asks = asks}).at(0).asks.size() == 10);
  Scratch scratch;
  const auto together = scratch.run({.asks = asks}).answers;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    CAPTURE(i);
    CHECK(std::get<Output>(together[i]) == std::get<Output>(scratch.ask(asks[i])));
  }
  CHECK(std::get<Output>(together[0]).out == "GET /aGET /lines\nmore\n\n");
  CHECK(std::get<Output>(together[1]) == Output{.status = 22});
  CHECK(std::get<Output>(together[3]).out == "GET /status\n200");
  CHECK(std::get<Output>(together[4]).status == 7);
  CHECK(std::get<Output>(together[6]).out == "POST /post");
  CHECK(std::get<Output>(together[7]).status == 77);
  CHECK(std::get<Output>(together[8]).status == 58);
  CHECK(std::get<Output>(together[9]).status == 35);  // the server speaks no TLS
}

TEST_CASE("merged asks: a call that fails is followed by the ask's others, and the first that succeeds as a whole is the answer") {
  if (!have_curl()) return;
  Server server;
  const std::string nobody = "http://127.0.0.1:1/";
  const auto answer = [&](const std::vector<std::vector<std::string>>& calls) {
    const Ask ask = exec(first_answer(calls));
    Scratch scratch;
    const Answer alone = scratch.ask(ask);
    const auto together = scratch.run({.asks = {exec({"curl", "-s", server.url("/other")}), ask, exec({"echo", "last"})}}).answers;
    CHECK(std::get<Output>(together[0]).out == "GET /other");
    CHECK(std::get<Output>(together[1]) == std::get<Output>(alone));
    return std::get<Output>(together[1]);
  };
  CHECK(answer({{"-sf", server.url("/1")}, {"-sf", server.url("/2")}}).out == "GET /1");
  CHECK(answer({{"-sf", nobody}, {"-sf", server.url("/no")}, {"-sf", server.url("/3")}}).out == "GET /3");
  CHECK(answer({{"-sf", nobody, "--next", "-sf", server.url("/1")}, {"-sf", server.url("/2"), "--next", "-sf", server.url("/3")}}).out ==
        "GET /2GET /3");
  CHECK(answer({{"-sf", server.url("/1"), "--next", "-sf", server.url("/no")}}) == Output{.status = 1});
  CHECK(answer({{"-sf", nobody}}) == Output{.status = 1});
}

TEST_CASE("merged asks: who listens on a port is told to those that asked for it") {
  Server server;
  const std::string port = std::to_string(server.port), part = port.substr(0, 4);
  Scratch scratch;
  const auto answers = scratch
                           .run({.asks = {exec({"ss", "-Hltn", "sport = :" + port}), exec({"ss", "-Hltn", "sport = :" + part}),
                                          exec({"ss", "-Hltn", "sport = :1 or sport = :" + port})}})
                           .answers;
  for (const std::size_t i : {0u, 2u}) CHECK(std::get<Output>(answers[i]).out.find(":" + port + " ") != std::string::npos);
  CHECK(std::get<Output>(answers[1]) == Output{});
}

TEST_CASE("merged asks: where the program is not there, or is out of time, each is told so") {
  const Program program{.asks = {exec({"curl", "-s", "http://a/1"}), exec({"curl", "-s", "http://a/2"})}};
  const executor::Merged call = merged(program).at(0);
  for (const int status : {127, 124})
    for (const std::size_t i : {0u, 1u}) CHECK(std::get<Output>(part_of(program, call, {.status = status}, i, "N")).status == status);
  // The first had answered by then.
  const Output half{.status = 124, .out = "one\nN 0 0\ntw"};
  CHECK(std::get<Output>(part_of(program, call, half, 0, "N")) == Output{.out = "one"});
  CHECK(std::get<Output>(part_of(program, call, half, 1, "N")).status == 124);
  CHECK(std::holds_alternative<Unreadable>(part_of(program, call, {.out = "its mark is lost"}, 0, "N")));
}
