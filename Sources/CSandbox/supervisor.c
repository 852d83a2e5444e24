// The first process of an environment that has extensions: PID 1 of its namespace, so that neither the runtime's end nor an
// extension's is that of the others. It is a copy of init under everything that restricts a function, runs none of its
// code, and cannot be looked into or signalled by it. It allocates nothing.
#include "csandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct { pid_t pid; int error; } programs[MC_MAX_EXTENSIONS + 1]; // the runtime, then the extensions

static void report(uint32_t index, int status, const struct rusage *usage) {
  struct mc_message m = {.op = MC_ENDED, .slot = index, .value = status, .a = (uint64_t)programs[index].error,
                         .b = usage ? (uint64_t)usage->ru_maxrss : 0};
  if (mc_send(CSB_SUPERVISOR_FD, &m, NULL, NULL, 0)) _exit(0); // nobody is left who would want to know
}

static void start(uint32_t index, char *const *argv, char *const *envp, int worker, int log) {
  int gate[2];
  if (pipe2(gate, O_CLOEXEC)) { programs[index].error = errno; return report(index, 127 << 8, NULL); }
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    if (log >= 0) dup2(log, 1), dup2(log, 2);
    if (worker >= 0) fcntl(worker, F_SETFD, 0);
    setsid();
    int error = index && chdir("/") ? errno : 0;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!error) execve(argv[0], argv, envp), error = errno;
    if (write(gate[1], &error, sizeof error) < 0) {}
    _exit(127);
  }
  int error = pid < 0 ? errno : 0;
  close(gate[1]);
  // Until its exec the new process runs only what is above.
  if (pid > 0 && read(gate[0], &error, sizeof error) != sizeof error) error = 0;
  close(gate[0]);
  programs[index].pid = pid > 0 ? pid : 0, programs[index].error = error;
  if (pid < 0) report(index, 127 << 8, NULL);
}

static void reap(void) {
  int status;
  struct rusage usage;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;)
    for (uint32_t i = 0; i <= MC_MAX_EXTENSIONS; i++)
      if (programs[i].pid == pid) programs[i].pid = 0, report(i, status, &usage);
}

void csb_supervise(const struct csb_programs *p) {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_NAME, "martlet-extend", 0, 0, 0);
  int worker = fcntl(CSB_WORKER_FD, F_GETFD) < 0 ? -1 : CSB_WORKER_FD;
  for (int fd = CSB_WORKER_FD; fd <= CSB_EXTENSION_LOG_FD; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  sigset_t all, child;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  int ends = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), is_started = 0;
  if (ends < 0) _exit(126);
  for (uint32_t i = 0; p->extensions[i]; i++) {
    char *argv[] = {p->extensions[i], NULL};
    start(i + 1, argv, p->extension_envp, -1, CSB_EXTENSION_LOG_FD);
  }
  for (;;) {
    struct pollfd polled[2] = {{CSB_SUPERVISOR_FD, POLLIN, 0}, {ends, POLLIN, 0}};
    if (poll(polled, 2, -1) < 0) continue;
    if (polled[1].revents) {
      struct signalfd_siginfo info[8];
      if (read(ends, info, sizeof info) < 0 && errno != EAGAIN) _exit(126);
      reap();
    }
    if (!polled[0].revents) continue;
    struct mc_message m;
    if (mc_receive(CSB_SUPERVISOR_FD, &m, NULL, 0, NULL, NULL, 0) <= 0) _exit(0);
    if (m.op == MC_RUN && !is_started) {
      is_started = 1;
      start(0, p->argv, p->envp, worker, -1);
      if (worker >= 0) close(worker); // its far end sees when the runtime has closed it
    } else if (m.op == MC_SIGNAL && m.slot <= MC_MAX_EXTENSIONS && programs[m.slot].pid > 0) kill(programs[m.slot].pid, m.value);
  }
}
