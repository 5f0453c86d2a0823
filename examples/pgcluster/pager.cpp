#include "pager.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "terminal.hpp"

namespace command {
namespace {

bool fits(const std::string& text) {
  const Screen size = screen(stdout);
  std::size_t rows = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t width = columns_of(text.substr(at, end - at));
    rows += width == 0 ? 1 : (width + size.columns - 1) / size.columns;
    at = end + 1;
  }
  return rows < size.lines;  // the prompt needs one line
}

// False if the pager does not exist.
bool shown_by(const std::string& pager, const std::string& text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  const std::string command = "export LESS=\"${LESS-R}\"; " + pager;
  // While the pager runs, Ctrl-C goes to it.
  struct sigaction before {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGINT, &ignore, &before);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    dup2(ends[0], STDIN_FILENO);
    execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  ::close(ends[0]);
  for (std::size_t at = 0; child > 0 && at < text.size();) {
    const ssize_t count = ::write(ends[1], text.data() + at, text.size() - at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;  // the reader has quit the pager
    at += static_cast<std::size_t>(count);
  }
  ::close(ends[1]);
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  sigaction(SIGINT, &before, nullptr);
  return child > 0 && !(WIFEXITED(status) && (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127));
}

}  // namespace

void page(const Console& console, const std::string& text) {
  const char* set = std::getenv("PAGER");
  const std::string pager = set && *set ? set : "less -R";
  if (!console.live_out() || fits(text) || !shown_by(pager, text)) console.answer(text);
}

}  // namespace command
