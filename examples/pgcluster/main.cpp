// The command pgcluster: a thin client of the library.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>

#include <pgcluster/executor/ssh.hpp>

#include "command_line.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace {

using namespace command;

int run(int argc, char** argv) {
  Arguments arguments;
  CommandLine line(arguments);
  try {
    if (!line.parse(argc, argv)) return Console(false, true).close() ? status::ok : status::failed;
  } catch (const Usage& error) {
    const bool json = std::any_of(argv + 1, argv + argc, [](const char* one) { return std::strcmp(one, "--json") == 0; });
    if (argc == 1) std::fputs(line.app().help().c_str(), stderr);
    Console(json, true).usage(error.what(), line.sub_command());
    return status::usage;
  }

  const Console console(arguments.json, arguments.no_color);
  int status = status::failed;
  try {
    pgcluster::SshExecutor executor;
    Interrupt interrupt(executor);
    Session session{arguments, console, executor, interrupt};
    status = line.chosen()(session);
  } catch (const Usage& error) {
    console.usage(error.what(), line.sub_command());
    status = status::usage;
  } catch (const pgcluster::Error& error) {
    console.error(error.failure());
    status = status_of(error.code());
  } catch (const std::exception& error) {
    console.error({.code = pgcluster::Code::internal, .message = error.what(), .hint = "this is a mistake in pgcluster; please report it"});
  }
  return console.close() || status != status::ok ? status : status::failed;
}

}  // namespace

int main(int argc, char** argv) {
#ifdef __GLIBC__
  // The threads of connections mostly wait. A heap for each would take a sixth of the memory, and is no faster.
  mallopt(M_ARENA_MAX, 1);
#endif
  return run(argc, argv);
}
