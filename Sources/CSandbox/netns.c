// Network namespaces of a sandbox. Making one costs half a millisecond, with a way out another half; joining one costs a
// microsecond: they are pooled. One goes back to the pool only if its IP counters are byte for byte those it was born
// with: not a packet was sent or refused in it, and no route was cached. What stays behind without either is denied by
// the child's filter.
//
// The way out, a virtual Ethernet pair, is the helper's to make: init sends it the namespace and goes on. Answers come in
// the order of the questions.
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_NETNS = MC_MAX_SLOTS + 8, SPARE_NETNS = 2, PATIENCE = 5000 /* ms, for the helper */ };
static struct netns idle[MAX_NETNS];
static int idle_count;
static struct netns base = {.ns = -1}; // init's own, which the template runs in
static uint32_t last_number, last_question;
static int has_way_out;   // namespaces get one
static int base_error, last_error; // 0 or an errno
static int is_discouraged; // the helper refused: nothing is made ahead until somebody needs it

static int loopback_up(void) {
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int e = s < 0 ? -1 : ioctl(s, SIOCSIFFLAGS, &r);
  if (s >= 0) close(s);
  return e;
}

static uint64_t hash_file(int fd, uint64_t h) {
  char buffer[8192];
  off_t at = 0;
  for (ssize_t n; fd >= 0 && (n = pread(fd, buffer, sizeof buffer, at)) > 0; at += n)
    for (ssize_t i = 0; i < n; i++) h = (h ^ (unsigned char)buffer[i]) * 0x100000001b3ull;
  return h;
}
static uint64_t state_of(const struct netns *n) { return hash_file(n->routes6, hash_file(n->snmp6, hash_file(n->snmp, 0xcbf29ce484222325ull))); }

static int listen_here(int port) {
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (s < 0 || (bind(s, (struct sockaddr *)&at, sizeof at) == 0 && listen(s, 32) == 0)) return s;
  int error = errno;
  close(s);
  errno = error;
  return -1;
}

static void leave(void) {
  int error = errno;
  if (setns(base.ns, CLONE_NEWNET)) _exit(71); // init must not go on in a function's network
  errno = error;
}

int netns_listener(const struct netns *n, int port) {
  if (setns(n->ns, CLONE_NEWNET)) return -1;
  int s = listen_here(port);
  leave();
  return s;
}

int netns_socket(const struct netns *n) {
  if (setns(n->ns, CLONE_NEWNET)) return -1;
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  leave();
  return s;
}

// Where processes of the present network namespace find the server: a socket of this namespace's own, which the server
// holds. It is made together with the namespace, so nobody who waits for a request pays for it. Returns the namespace's
// number, 0 where there is none.
static uint32_t announce_callback(void) {
  int s = listen_here(MC_CALLBACK_PORT);
  struct mc_message m = {.op = MC_CALLBACK, .slot = last_number + 1};
  int sent = s >= 0 && mc_send(descriptor_fd, &m, NULL, &s, 1) == 0;
  if (s >= 0) close(s);
  if (!sent) return 0;
  to_server(MC_CALLBACK, ++last_number, 0, 0, 0, 0, NULL);
  return last_number;
}

// The template's Runtime API: nobody answers there. A function that asks for it while it is initialised registers an
// extension, and is not to be copied.
static void announce_runtime_api(void) {
  int s = listen_here(MC_RUNTIME_API_PORT);
  struct mc_message m = {.op = MC_LISTENER, .slot = MC_TEMPLATE_SLOT};
  if (s >= 0 && mc_send(descriptor_fd, &m, NULL, &s, 1) == 0) to_server(MC_LISTENER, MC_TEMPLATE_SLOT, 0, 0, 0, 0, NULL);
  if (s >= 0) close(s);
}

// --- the way out -------------------------------------------------------------------------------------------------------

static void ask(struct netns *n) {
  struct mc_message m = {.op = MC_CONNECT, .slot = ++last_question};
  if (mc_send(helper_fd, &m, NULL, &n->ns, 1)) _exit(0); // the helper is gone, and so are we
  n->asked = last_question;
}

static void discard(struct netns *n) {
  close(n->ns), close(n->snmp);
  if (n->snmp6 >= 0) close(n->snmp6);
  if (n->routes6 >= 0) close(n->routes6);
  // The server's socket would keep the namespace alive.
  if (n->number) to_server(MC_CALLBACK_OVER, n->number, 0, 0, 0, 0, NULL);
}

void netns_connect(void) {
  has_way_out = 1;
  ask(&base);
  for (int i = 0; i < idle_count; i++) ask(&idle[i]);
}

void netns_connected(uint32_t question, int error) {
  last_error = error, is_discouraged = error != 0;
  if (base.asked == question) base.asked = 0, base_error = error;
  for (int i = 0; i < idle_count; i++) {
    if (idle[i].asked != question) continue;
    idle[i].asked = 0;
    if (error) {
      discard(&idle[i]);
      idle[i] = idle[--idle_count];
    } else idle[i].born = state_of(&idle[i]);
    return;
  }
}

// One message of the helper, whichever it is.
static int await_helper(void) {
  struct pollfd p = {helper_fd, POLLIN, 0};
  int n = poll(&p, 1, PATIENCE);
  if (n < 0 && errno == EINTR) return 0;
  if (n == 0) errno = ETIMEDOUT;
  if (n <= 0) return -1;
  from_helper();
  return 0;
}

int netns_await_template(void) {
  while (base.asked) if (await_helper()) return -1;
  errno = base_error;
  return base_error ? -1 : 0;
}

// --- the pool ----------------------------------------------------------------------------------------------------------

int netns_begin(void) {
  if (loopback_up() || (base.ns = openat(proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) return -1;
  base.number = announce_callback();
  announce_runtime_api();
  return 0;
}

uint32_t netns_of_template(void) { return base.number; }

static int make(struct netns *n) {
  if (unshare(CLONE_NEWNET)) return -1;
  *n = (struct netns){-1, -1, -1, -1, 0, 0, 0};
  if (loopback_up() == 0 && (n->ns = openat(proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC)) >= 0 &&
      (n->snmp = openat(proc_fd, "self/net/snmp", O_RDONLY | O_CLOEXEC)) >= 0) {
    n->snmp6 = openat(proc_fd, "self/net/snmp6", O_RDONLY | O_CLOEXEC); // absent where IPv6 is off
    n->routes6 = openat(proc_fd, "self/net/rt6_stats", O_RDONLY | O_CLOEXEC);
    n->number = announce_callback();
    n->born = state_of(n);
  }
  int failed = n->snmp < 0, error = errno;
  if (failed && n->ns >= 0) close(n->ns);
  errno = error;
  leave();
  return failed ? -1 : 0;
}

static int add(void) {
  if (idle_count == MAX_NETNS) { errno = EAGAIN; return -1; }
  if (make(&idle[idle_count])) return -1;
  if (has_way_out) ask(&idle[idle_count]);
  idle_count++;
  return 0;
}

int netns_take(struct netns *n) {
  for (;;) {
    for (int i = idle_count - 1; i >= 0; i--) {
      if (idle[i].asked) continue;
      *n = idle[i], idle[i] = idle[--idle_count];
      is_discouraged = 0;
      return 0;
    }
    if (!idle_count && add()) return -1;
    last_error = 0;
    if (has_way_out && await_helper()) return -1;
    if (last_error) { errno = last_error; return -1; }
  }
}

void netns_give_back(struct netns *n) {
  if (idle_count < MAX_NETNS && state_of(n) == n->born) idle[idle_count++] = *n;
  else discard(n);
}

int netns_wants_more(void) { return idle_count < SPARE_NETNS && !is_discouraged; }

void netns_make_ahead(void) {
  if (add()) is_discouraged = 1;
}
