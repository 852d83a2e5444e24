// The pages of the template: which ones copies may have at all, and which are given to a copy before its request arrives.
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct mapping { unsigned long start, end; int is_private, protection, is_file; };

// Past the C library's streams, which allocate.
static void each_mapping(void (*take)(const struct mapping *, void *), void *context) {
  static char buffer[32768];
  int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  size_t have = 0;
  for (ssize_t n; fd >= 0 && (n = read(fd, buffer + have, sizeof buffer - 1 - have)) > 0;) {
    have += (size_t)n;
    buffer[have] = 0;
    char *line = buffer;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
      *end = 0;
      char *rest;
      struct mapping m = {.start = strtoul(line, &rest, 16)};
      if (*rest == '-') m.end = strtoul(rest + 1, &rest, 16);
      if (*rest != ' ' || strstr(line, " [v")) continue;
      m.protection = (rest[1] == 'r' ? PROT_READ : 0) | (rest[2] == 'w' ? PROT_WRITE : 0) | (rest[3] == 'x' ? PROT_EXEC : 0);
      m.is_private = rest[4] == 'p';
      // Permissions, offset, device, inode.
      for (int field = 0; field < 3 && (rest = strchr(rest + 1, ' ')); field++) {}
      m.is_file = rest && strtoul(rest, NULL, 10) != 0;
      take(&m, context);
    }
    have -= (size_t)(line - buffer);
    memmove(buffer, line, have);
  }
  if (fd >= 0) close(fd);
}

static void mark(const struct mapping *m, void *context) {
  (void)context;
  madvise((void *)m->start, m->end - m->start, MADV_DOFORK);
}

// V8 keeps its heap from being copied (MADV_DONTFORK): its own threads would be missing. Here they come along.
void cf_mark_for_fork(void) { each_mapping(mark, NULL); }

// --- prefault ----------------------------------------------------------------------------------------------------------
// The pages one pass of the runtime's own code dirties, learned in a copy that never sees a request. Each later copy
// breaks copy-on-write on them before its request arrives.
struct range { uintptr_t start; uint32_t pages; };
struct learned { uint32_t count, read_count; struct range ranges[1020], read[1020]; };
static struct learned *learned;
static int populate_works = 1;

struct learning { struct learned *out; int pagemap; };

static void learn_mapping(const struct mapping *m, void *context) {
  static uint64_t entries[4096];
  struct learning *learning = context;
  struct learned *out = learning->out;
  if (!m->is_private) return;
  int writable = m->protection & PROT_WRITE;
  uint32_t *count = writable ? &out->count : &out->read_count;
  struct range *ranges = writable ? out->ranges : out->read;
  for (unsigned long at = m->start; at < m->end;) {
    size_t pages = (m->end - at) / 4096;
    if (pages > 4096) pages = 4096;
    if (pread(learning->pagemap, entries, pages * 8, (off_t)(at / 4096 * 8)) != (ssize_t)(pages * 8)) return;
    for (size_t i = 0; i < pages; i++) {
      if (!(entries[i] >> 63) || (writable && !(entries[i] >> 56 & 1))) continue; // present; if written, by this process alone
      struct range *last = *count ? &ranges[*count - 1] : NULL;
      if (last && last->start + last->pages * 4096ul == at + i * 4096) last->pages++;
      else if (*count < 1020) ranges[(*count)++] = (struct range){at + i * 4096, 1};
    }
    at += pages * 4096;
  }
}

// fork() leaves out the page tables of file mappings, so that each copy would fault in the runtime's code again; it copies
// them where a mapping holds a page of the process's own. So one page of each is written with what it holds.
static void keep_file_pages(const struct mapping *m, void *context) {
  (void)context;
  if (!m->is_file || !m->is_private || !(m->protection & PROT_READ) || m->protection & PROT_WRITE || m->end - m->start < 8 * 4096) return;
  volatile char *page = (volatile char *)(m->end - 4096);
  // The whole of it, or the kernel would keep the written page as a mapping apart; executable all the while, since it may be
  // the code that runs.
  if (mprotect((void *)m->start, m->end - m->start, m->protection | PROT_WRITE)) return;
  *page = *page;
  mprotect((void *)m->start, m->end - m->start, m->protection);
}

// Of a large executable start-up runs much that copies do not. What is mapped of it would be copied into each, and be taken
// apart at the end of each: it is forgotten, and what a copy runs is mapped again. Only where nothing was ever written.
static void forget_file_pages(const struct mapping *m, void *context) {
  static uint64_t entries[4096];
  int *pagemap = context;
  if (!m->is_file || !m->is_private || !(m->protection & PROT_READ) || m->protection & PROT_WRITE || m->end - m->start < 8 * 4096) return;
  for (unsigned long at = m->start; at < m->end;) {
    size_t pages = (m->end - at) / 4096;
    if (pages > 4096) pages = 4096;
    if (pread(*pagemap, entries, pages * 8, (off_t)(at / 4096 * 8)) != (ssize_t)(pages * 8)) return;
    // Swapped, or present and not the file's own: relocated data, for one.
    for (size_t i = 0; i < pages; i++) if (entries[i] >> 62 & 1 || (entries[i] >> 63 && !(entries[i] >> 61 & 1))) return;
    at += pages * 4096;
  }
  madvise((void *)m->start, m->end - m->start, MADV_DONTNEED);
}

void cf_prefault(void) {
  for (uint32_t i = 0; learned && i < learned->count; i++) {
    char *start = (char *)learned->ranges[i].start;
    if (populate_works && madvise(start, learned->ranges[i].pages * 4096ul, 23 /* MADV_POPULATE_WRITE */) == 0) continue;
    if (errno == EINVAL || errno == ENOSYS) populate_works = 0;
    if (populate_works) continue;
    for (uint32_t p = 0; p < learned->ranges[i].pages; p++) {
      volatile char *page = start + p * 4096ul;
      *page = *page;
    }
  }
}

// What the rehearsal mapped for itself is not there in other copies, and what it made writable may not be.
static void keep_writable(const struct mapping *m, void *context) {
  const struct learned *all = context;
  if (!m->is_private || !(m->protection & PROT_WRITE)) return;
  for (uint32_t i = 0; i < all->count; i++) {
    uintptr_t start = all->ranges[i].start, end = start + all->ranges[i].pages * 4096ul;
    if (start < m->start) start = m->start;
    if (end > m->end) end = m->end;
    if (start < end && learned->count < 1020) learned->ranges[learned->count++] = (struct range){start, (uint32_t)((end - start) / 4096)};
  }
}

void cf_learn(const struct cf_runtime *runtime, int (*copy)(void)) {
  if (!runtime->is_large) each_mapping(keep_file_pages, NULL);
  struct learned *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return;
  pid_t pid = copy();
  if (pid == 0) {
    struct learning learning = {shared, open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)};
    runtime->rehearse();
    each_mapping(learn_mapping, &learning);
    _exit(0);
  }
  int status;
  if (pid > 0) while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (pid > 0 && shared->count > 0 && shared->count <= 1020) {
    // A private copy: a mapping shared with request copies would be a channel between them.
    learned = mmap(NULL, sizeof *learned, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (learned == MAP_FAILED) learned = NULL;
    else each_mapping(keep_writable, shared), mprotect(learned, sizeof *learned, PROT_READ);
    if (runtime->is_large) {
      int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
      if (pagemap >= 0) each_mapping(forget_file_pages, &pagemap), close(pagemap);
      each_mapping(keep_file_pages, NULL);
    }
    // What only copies run is mapped here, too.
    for (uint32_t i = 0; i < shared->read_count && i < 1020; i++)
      madvise((void *)shared->read[i].start, shared->read[i].pages * 4096ul, 22 /* MADV_POPULATE_READ */);
  }
  munmap(shared, sizeof *shared);
}
