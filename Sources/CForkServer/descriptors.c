// A copy shares every open file description with the template and its siblings: offsets, and what pipes, eventfds and epoll
// descriptors hold. Before it runs anything of the function it has its own of each, under the same numbers.
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { READ_ONLY_FILE, PIPE, EVENT, POLLER };
struct held {
  enum kind kind;
  int fd, flags, cloexec, semaphore;
  off_t offset;
  uint64_t identity; // of a pipe its inode, of an eventfd its ID
  uint64_t count;    // of an eventfd
};
static struct held held[256];
static int held_count;
struct watched { int poller, fd; struct epoll_event event; };
static struct watched watched[1024];
static int watched_count;
// What a pipe holds: libuv, for one, keeps a byte in one as a lock.
struct content { uint64_t identity; int length; char bytes[512]; };
static struct content contents[16];
static int content_count;

static int read_text(const char *path, char *to, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t have = 0;
  for (ssize_t n; fd >= 0 && have + 1 < size && (n = read(fd, to + have, size - 1 - have)) > 0;) have += (size_t)n;
  if (fd >= 0) close(fd);
  to[have] = 0;
  return have + 1 < size;
}

static uint64_t field(const char *text, const char *name, int base) {
  const char *at = strstr(text, name);
  return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

static const char *note_pipe(struct held *h) {
  for (int i = 0; i < content_count; i++) if (contents[i].identity == h->identity) return NULL;
  int waiting = 0;
  if ((h->flags & O_ACCMODE) != O_RDONLY || ioctl(h->fd, FIONREAD, &waiting) || waiting == 0) return NULL;
  struct content *c = &contents[content_count];
  if (content_count == 16 || waiting > (int)sizeof c->bytes) return "a pipe holds much that was not read";
  if (read(h->fd, c->bytes, (size_t)waiting) != waiting) return "a pipe cannot be read";
  c->identity = h->identity, c->length = waiting, content_count++;
  return NULL;
}

static const char *note_anonymous(struct held *h, const char *target) {
  static char text[16384];
  char path[48];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", h->fd);
  if (!read_text(path, text, sizeof text)) return "an epoll descriptor watches very many others";
  if (!strcmp(target, "anon_inode:[eventfd]")) {
    h->kind = EVENT, h->identity = field(text, "eventfd-id:", 10), h->count = field(text, "eventfd-count:", 16);
    h->semaphore = (int)field(text, "eventfd-semaphore:", 10);
  } else {
    h->kind = POLLER;
    for (char *line = text; (line = strstr(line, "tfd:")); line++) {
      if (watched_count == 1024) return "its epoll descriptors watch very many others";
      struct watched *w = &watched[watched_count++];
      w->poller = h->fd, w->fd = (int)field(line, "tfd:", 10);
      w->event.events = (uint32_t)field(line, "events:", 16), w->event.data.u64 = field(line, "data:", 16);
    }
  }
  return NULL;
}

static const char *note(int fd, int whole) {
  struct stat st;
  if (fstat(fd, &st)) return NULL;
  if (held_count == 256) return "it has very many open files";
  struct held *h = &held[held_count];
  *h = (struct held){.kind = READ_ONLY_FILE, .fd = fd, .flags = fcntl(fd, F_GETFL), .cloexec = fcntl(fd, F_GETFD) & FD_CLOEXEC};
  h->offset = lseek(fd, 0, SEEK_CUR);
  if (whole && S_ISFIFO(st.st_mode)) h->kind = PIPE, h->identity = st.st_ino ^ (uint64_t)st.st_dev << 40;
  else if (whole && !(st.st_mode & S_IFMT)) {
    char path[48], target[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    if (!strcmp(target, "anon_inode:[eventfd]") || !strcmp(target, "anon_inode:[eventpoll]")) {
      const char *problem = note_anonymous(h, target);
      if (problem) return problem;
    }
  }
  held_count++;
  return h->kind == PIPE ? note_pipe(h) : NULL;
}

const char *cf_note_descriptors(int control, int whole) {
  char buffer[4096];
  const char *problem = NULL;
  int d = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d < 0) return "its descriptors cannot be listed";
  for (long n; !problem && (n = syscall(SYS_getdents64, d, buffer, sizeof buffer)) > 0;) {
    struct entry { uint64_t inode; int64_t next; uint16_t size; uint8_t type; char name[]; } *e;
    for (long at = 0; at < n && !problem; at += e->size) {
      e = (struct entry *)(void *)(buffer + at);
      int fd = atoi(e->name);
      // 1 to 3 are given to each copy.
      if (e->name[0] != '.' && (fd > 3 || (whole && fd == 0)) && fd != control && fd != d) problem = note(fd, whole);
    }
  }
  close(d);
  // Back into the template's own: its pages hold what the copies' do.
  for (int i = 0; i < content_count; i++)
    for (int k = 0; k < held_count; k++)
      if (held[k].kind == PIPE && held[k].identity == contents[i].identity && (held[k].flags & O_ACCMODE) != O_RDONLY) {
        if (write(held[k].fd, contents[i].bytes, (size_t)contents[i].length) < 0) problem = "a pipe cannot be written";
        break;
      }
  return problem;
}

static int put(int fresh, const struct held *h) {
  if (fresh < 0 || dup3(fresh, h->fd, h->cloexec ? O_CLOEXEC : 0) < 0) return -1;
  close(fresh);
  return 0;
}

static int renew_pipe(int first) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return -1;
  for (int i = 0; i < content_count; i++)
    if (contents[i].identity == held[first].identity && write(ends[1], contents[i].bytes, (size_t)contents[i].length) != contents[i].length) return -1;
  for (int i = first; i < held_count; i++) {
    struct held *h = &held[i];
    if (h->kind != PIPE || h->identity != held[first].identity) continue;
    int end = ends[(h->flags & O_ACCMODE) == O_RDONLY ? 0 : 1];
    if (fcntl(end, F_SETFL, h->flags & (O_NONBLOCK | O_ASYNC)) || dup3(end, h->fd, h->cloexec ? O_CLOEXEC : 0) < 0) return -1;
  }
  close(ends[0]), close(ends[1]);
  return 0;
}

static int renew_file(const struct held *h) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", h->fd);
  // Of a device it may be for writing.
  int fresh = open(path, (h->flags & (O_ACCMODE | O_NONBLOCK | O_APPEND)) | O_CLOEXEC);
  if (fresh < 0) return close(h->fd);
  if (h->offset > 0) lseek(fresh, h->offset, SEEK_SET);
  return put(fresh, h);
}

int cf_renew_descriptors(void) {
  for (int i = 0; i < held_count; i++) {
    const struct held *h = &held[i];
    int earlier = 0;
    while (earlier < i && !(held[earlier].kind == h->kind && held[earlier].identity == h->identity && h->identity)) earlier++;
    int failed = 0;
    switch (h->kind) {
    case READ_ONLY_FILE: failed = renew_file(h); break;
    case PIPE: failed = earlier == i && renew_pipe(i); break;
    case EVENT:
      failed = earlier < i ? dup3(held[earlier].fd, h->fd, h->cloexec ? O_CLOEXEC : 0) < 0
                           : put(eventfd((unsigned)h->count, EFD_CLOEXEC | (h->flags & O_NONBLOCK ? EFD_NONBLOCK : 0) | (h->semaphore ? EFD_SEMAPHORE : 0)), h);
      break;
    case POLLER: failed = put(epoll_create1(EPOLL_CLOEXEC), h); break;
    }
    if (failed) return -1;
  }
  for (int i = 0; i < watched_count; i++) {
    struct epoll_event event = watched[i].event;
    // One that was closed meanwhile, but whose file something else keeps open, cannot be watched again.
    if (epoll_ctl(watched[i].poller, EPOLL_CTL_ADD, watched[i].fd, &event) && errno != EBADF && errno != EEXIST) return -1;
  }
  return 0;
}
