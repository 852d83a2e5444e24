// Programs of the host's that the helper runs: with a text as input, and nothing of the helper's own open.
#include "csandbox.h"
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int csb_run(char *const *words, const char *input, char *output, size_t room) {
  static char *environment[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  int in = memfd_create("input", MFD_CLOEXEC), out = memfd_create("output", MFD_CLOEXEC), status = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, out, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  size_t length = strlen(input);
  pid_t pid = 0;
  int error = in < 0 || out < 0 || pwrite(in, input, length, 0) != (ssize_t)length ? errno : posix_spawn(&pid, words[0], &actions, NULL, words, environment);
  posix_spawn_file_actions_destroy(&actions);
  if (!error) while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  ssize_t n = error ? 0 : pread(out, output, room - 1, 0);
  output[n > 0 ? n : 0] = 0;
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return error ? -error : WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
