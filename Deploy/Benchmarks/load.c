// Times requests and programs, and prints one line of JSON.
//
//   load closed PORT PATH BODY CONNECTIONS SECONDS [WARM-UP [REQUESTS]]   each connection sends its next request when it has
//                                                                         its answer
//   load open   PORT PATH BODY RATE SECONDS [WARM-UP]                     requests leave at fixed times whatever the answers
//                                                                         do; a time counts from when the request was due
//   load spawn  COUNT PROGRAM ARGUMENT...                                 posix_spawn until reaped; a %d in an argument is
//                                                                         the number
//
// Requests that were sent in the first WARM-UP of the SECONDS are answered and checked, but not timed. All times in the
// answer are in microseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536, MOST_CONNECTIONS = 4096 };

struct connection {
    int fd;
    int busy;
    uint64_t due;
    size_t used;
    char buffer[BUFFER];
};

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t *samples;
static size_t count, capacity, failures;
// Requests that are due before it are not timed.
static uint64_t warm;

static void sample(uint64_t nanoseconds) {
    if (count == capacity) {
        capacity = capacity ? capacity * 2 : 1 << 16;
        samples = realloc(samples, capacity * sizeof *samples);
        if (!samples) die("realloc");
    }
    samples[count++] = nanoseconds;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile(double share) {
    if (!count) return 0;
    size_t index = (size_t)(share * (double)(count - 1) + 0.5);
    return (double)samples[index] / 1000;
}

static void report(uint64_t start, uint64_t end) {
    uint64_t elapsed = end - (warm > start ? warm : start);
    if (count) qsort(samples, count, sizeof *samples, ascending);
    printf("{\"count\":%zu,\"failures\":%zu,\"seconds\":%.3f,\"rate\":%.1f,\"min\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n",
           count, failures, (double)elapsed / 1e9, (double)count * 1e9 / (double)elapsed, percentile(0), percentile(0.5),
           percentile(0.9), percentile(0.99), percentile(1));
}

static int port;
static char request[BUFFER];
static size_t request_length;
static int poller;

static void make_request(const char *path, const char *body) {
    int n = snprintf(request, sizeof request,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", path, port,
                     strlen(body), body);
    if (n < 0 || (size_t)n >= sizeof request) die("request too long");
    request_length = (size_t)n;
}

static void open_connection(struct connection *c) {
    if (c->fd > 0) close(c->fd);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0) die("epoll_ctl");
    c->busy = 0;
    c->used = 0;
}

static void send_request(struct connection *c, uint64_t due) {
    c->busy = 1;
    c->due = due;
    c->used = 0;
    if (write(c->fd, request, request_length) != (ssize_t)request_length) die("write");
}

// True once the whole answer is there.
static int receive(struct connection *c) {
    for (;;) {
        ssize_t n = read(c->fd, c->buffer + c->used, sizeof c->buffer - 1 - c->used);
        if (n < 0 && errno == EAGAIN) return 0;
        if (n <= 0) {
            // A server may close a connection that has rested; one that waits for its answer it may not.
            if (c->busy) failures++;
            open_connection(c);
            return 1;
        }
        c->used += (size_t)n;
        c->buffer[c->used] = 0;
        char *end = strstr(c->buffer, "\r\n\r\n");
        if (!end) continue;
        char *length = strcasestr(c->buffer, "\r\ncontent-length:");
        if (!length || length > end) {
            fprintf(stderr, "load: an answer without Content-Length\n");
            exit(1);
        }
        size_t whole = (size_t)(end + 4 - c->buffer) + strtoul(length + 17, NULL, 10);
        if (c->used < whole) continue;
        if ((strncmp(c->buffer, "HTTP/1.1 200", 12) != 0 && strncmp(c->buffer, "HTTP/1.1 202", 12) != 0) || strcasestr(c->buffer, "\r\nx-amz-function-error:")) failures++;
        else if (c->due >= warm) sample(now() - c->due);
        c->busy = 0;
        return 1;
    }
}

static struct connection *connections[MOST_CONNECTIONS];

static struct connection *new_connection(size_t index) {
    struct connection *c = calloc(1, sizeof *c);
    if (!c || index >= MOST_CONNECTIONS) die("too many connections");
    connections[index] = c;
    open_connection(c);
    return c;
}

static int closed_loop(size_t wanted, double seconds, double warm_up, size_t most) {
    struct epoll_event events[64];
    uint64_t start, end;
    size_t sent = 0;
    for (size_t i = 0; i < wanted; i++) new_connection(i);
    start = now();
    end = start + (uint64_t)(seconds * 1e9);
    warm = start + (uint64_t)(warm_up * 1e9);
    for (size_t i = 0; i < wanted && (!most || sent < most); i++, sent++) send_request(connections[i], now());
    size_t running = sent;
    while (running) {
        int n = epoll_wait(poller, events, 64, 30000);
        if (n == 0) {
            fprintf(stderr, "load: no answer within 30 s\n");
            return 1;
        }
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            int waited = c->busy;
            if (!receive(c) || !waited) continue;
            uint64_t time = now();
            if (time < end && (!most || sent < most)) {
                send_request(c, time);
                sent++;
            } else {
                running--;
            }
        }
    }
    report(start, now());
    return 0;
}

static int open_loop(double rate, double seconds, double warm_up) {
    struct epoll_event events[64];
    size_t open = 0, running = 0, total = (size_t)(rate * seconds), sent = 0;
    for (; open < 4; open++) new_connection(open);
    prctl(PR_SET_TIMERSLACK, 1);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
    uint64_t start = now() + 1000000, next = start;
    warm = start + (uint64_t)(warm_up * 1e9);
    while (sent < total || running) {
        if (sent < total) {
            struct itimerspec at = {.it_value = {.tv_sec = (time_t)(next / 1000000000ull), .tv_nsec = (long)(next % 1000000000ull)}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        }
        int n = epoll_wait(poller, events, 64, 30000);
        if (n == 0) {
            fprintf(stderr, "load: no answer within 30 s\n");
            return 1;
        }
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c) {
                int waited = c->busy;
                if (receive(c) && waited) running--;
                continue;
            }
            uint64_t expirations;
            if (read(timer, &expirations, sizeof expirations) < 0) continue;
            while (sent < total && now() >= next) {
                size_t free = 0;
                while (free < open && connections[free]->busy) free++;
                if (free == open) new_connection(open++);
                send_request(connections[free], next);
                running++;
                sent++;
                next = start + (uint64_t)((double)sent * 1e9 / rate);
            }
        }
    }
    report(start, now());
    return 0;
}

extern char **environ;

static int spawn_loop(size_t wanted, char **arguments) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    uint64_t start = now();
    for (size_t i = 0; i < wanted; i++) {
        char *copy[256] = {0};
        for (size_t a = 0; arguments[a] && a < 255; a++) {
            char *mark = strstr(arguments[a], "%d");
            if (!mark || asprintf(&copy[a], "%.*s%zu%s", (int)(mark - arguments[a]), arguments[a], i, mark + 2) < 0) copy[a] = arguments[a];
        }
        pid_t pid;
        int status;
        uint64_t before = now();
        if ((errno = posix_spawn(&pid, copy[0], &actions, NULL, copy, environ)) != 0) die(copy[0]);
        if (waitpid(pid, &status, 0) != pid) die("waitpid");
        if (status == 0) sample(now() - before);
        else failures++;
    }
    report(start, now());
    return 0;
}

int main(int argc, char **argv) {
    if (argc >= 4 && strcmp(argv[1], "spawn") == 0) return spawn_loop(strtoul(argv[2], NULL, 10), argv + 3);
    if (argc < 7) {
        fprintf(stderr, "usage: load closed|open PORT PATH BODY CONNECTIONS|RATE SECONDS [WARM-UP [REQUESTS]] | load spawn COUNT PROGRAM ARGUMENT...\n");
        return 2;
    }
    port = atoi(argv[2]);
    make_request(argv[3], argv[4]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    double warm_up = argc > 7 ? atof(argv[7]) : 0;
    if (strcmp(argv[1], "open") == 0) return open_loop(atof(argv[5]), atof(argv[6]), warm_up);
    return closed_loop(strtoul(argv[5], NULL, 10), atof(argv[6]), warm_up, argc > 8 ? strtoul(argv[8], NULL, 10) : 0);
}
