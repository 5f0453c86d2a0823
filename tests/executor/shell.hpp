#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

#include "base/digest.hpp"
#include "executor/program/script.hpp"
#include "executor/program/shell.hpp"

// A scratch root for programs, and the local shell to run them.
struct Scratch {
  std::filesystem::path root = std::filesystem::temp_directory_path() / ("pgcluster-test-" + pgcluster::random_hex(6));
  bool piped = true;  // standard input of the shell is a pipe, as under sshd, instead of a file
  pgcluster::executor::Places places{(root / "run").string(), (root / "state").string(), false};

  Scratch() { std::filesystem::create_directories(root); }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string path(const std::string& name) const { return (root / name).string(); }
  void put(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((root / name).parent_path());
    std::ofstream(root / name, std::ios::binary) << content;
  }
  std::string get(const std::string& name) const {
    std::ifstream file(root / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool has(const std::string& name) const { return std::filesystem::exists(root / name); }
  unsigned mode(const std::string& name) const { return static_cast<unsigned>(std::filesystem::status(root / name).permissions()); }

  // What the script says when it is given `input` whole, by the same boot line as on a host.
  std::string say(const std::string& input, const std::string& before = "") const {
    put("stdin", input);
    const std::string command = before + (piped ? "cat " + path("stdin") + " | " : "") + "sh -c " + pgcluster::shell_word(pgcluster::shell::boot) +
                                (piped ? "" : " <" + path("stdin")) + " 2>" + path("stderr");
    FILE* pipe = popen(command.c_str(), "r");
    REQUIRE(pipe);
    std::string said;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
    pclose(pipe);
    return said;
  }

  pgcluster::ProgramResult run(const pgcluster::Program& program, const std::string& before = "") const {
    const std::string nonce = "n0nce";
    const auto script = pgcluster::executor::render(program, nonce, places);
    std::string input = script.stdin_head();
    for (const auto& blob : script.blobs) {
      std::ifstream file(blob.path, std::ios::binary);
      input.append(std::istreambuf_iterator<char>(file), {});
    }
    pgcluster::executor::Reader reader(program, nonce);
    const std::string said = say(input, before);
    reader.feed(said);
    INFO("said: " << said << "\nstderr: " << get("stderr"));
    REQUIRE(reader.ended());
    REQUIRE(reader.refusal().empty());
    return reader.result();
  }

  // One Do.
  pgcluster::DoResult act(pgcluster::Do d) const {
    pgcluster::Program program;
    program.dos.push_back(std::move(d));
    return run(program).dos.at(0);
  }
  pgcluster::Answer ask(pgcluster::Ask ask) const {
    pgcluster::Program program;
    program.asks.push_back(std::move(ask));
    return run(program).answers.at(0);
  }
};
