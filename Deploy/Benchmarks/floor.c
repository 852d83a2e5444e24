// The least that a platform can do: an HTTP gateway on one epoll loop that hands each request over a socketpair to a worker.
//
//   floor PORT echo COUNT                             COUNT small C workers, forked at the start and used again and again
//   floor PORT fork READY                             a new one for each request; READY of them are forked ahead, 0: none
//   floor PORT clone READY                            the same, each in PID, mount and IPC namespaces of its own (needs root)
//   floor PORT frames COUNT INIT PROGRAM ARGUMENT...  COUNT processes that speak Martlet's frames on descriptor 3 (see
//                                                     Runtimes/Python/README.md); INIT is the first frame's payload
//   floor PORT runtime-api COUNT PROGRAM ARGUMENT...  COUNT processes that fetch events over Lambda's Runtime API
//
// It listens on loopback, trusts its clients, takes requests of up to 64 kB with a Content-Length, and ends with SIGTERM;
// its workers end with it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BUFFER = 65536, MOST = 4096, HEADER = 8 };
enum { INIT = 1, INVOKE = 2, READY = 16, END = 19 };
enum kind { ECHO, FORK, CLONE, FRAMES, RUNTIME_API };
static const char *const kinds[] = {"echo", "fork", "clone", "frames", "runtime-api", NULL};

struct peer {
    enum { CLIENTS, API, CLIENT, WORKER, API_WORKER } role;
    int fd;
    struct peer *client; // whose request this worker has
    size_t used;
    char buffer[BUFFER];
};

static enum kind kind;
static int poller;
static size_t ahead;
static char **program;
static struct peer *idle[MOST], *waiting[MOST], *by_fd[MOST];
static size_t idle_count, waiting_first, waiting_count;

static _Noreturn void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct peer *add(int role, int fd) {
    struct peer *p = malloc(sizeof *p);
    if (!p || fd >= MOST) die("too many connections");
    p->role = role;
    p->fd = fd;
    p->client = NULL;
    p->used = 0;
    by_fd[fd] = p;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
    return p;
}

static void drop(struct peer *p) {
    // A worker that is just being forked still has the socket open, so closing it here would not end its events.
    epoll_ctl(poller, EPOLL_CTL_DEL, p->fd, NULL);
    close(p->fd);
    by_fd[p->fd] = NULL;
    free(p);
}

static void put_all(int fd, struct iovec *parts, int count) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    if (writev(fd, parts, count) != (ssize_t)length && errno != EPIPE && errno != ECONNRESET) die("writev");
}

static struct iovec part(const void *bytes, size_t length) {
    return (struct iovec){.iov_base = (void *)bytes, .iov_len = length};
}

// -- workers

static void frame_header(unsigned char *header, size_t length, int type) {
    uint32_t size = (uint32_t)length;
    memset(header, 0, HEADER);
    memcpy(header, &size, 4);
    header[4] = (unsigned char)type;
}

// The small C worker: answers with the event.
static _Noreturn void echo(int fd, int once) {
    static unsigned char frame[BUFFER];
    for (;;) {
        size_t used = 0, whole = HEADER;
        while (used < whole) {
            ssize_t n = read(fd, frame + used, sizeof frame - used);
            if (n <= 0) _exit(0);
            used += (size_t)n;
            uint32_t length;
            memcpy(&length, frame, 4);
            if (used >= HEADER) whole = HEADER + length;
        }
        uint32_t skip;
        memcpy(&skip, frame + HEADER, 4);
        size_t event = HEADER + 4 + skip;
        unsigned char header[HEADER];
        frame_header(header, whole - event, END);
        struct iovec answer[] = {part(header, HEADER), part(frame + event, whole - event)};
        if (writev(fd, answer, 2) < 0 || once) _exit(0);
    }
}

static _Noreturn void be_worker(int fd) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd >= 0) {
        if (fd == 3) fcntl(3, F_SETFD, 0);
        else dup2(fd, 3);
        syscall(SYS_close_range, 4, ~0U, 0);
    }
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    if (!program) echo(3, kind != ECHO);
    execv(program[0], program);
    die(program[0]);
}

static pid_t make_process(void) {
    if (kind != CLONE) return fork();
    return (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD, NULL, NULL, NULL, NULL);
}

static struct peer *make_worker(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) die("socketpair");
    pid_t pid = make_process();
    if (pid < 0) die("fork");
    if (pid == 0) be_worker(pair[1]);
    close(pair[1]);
    return add(WORKER, pair[0]);
}

static void make_api_worker(void) {
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) be_worker(-1);
}

// -- requests

static void hand_over(struct peer *worker, struct peer *client) {
    char *body = strstr(client->buffer, "\r\n\r\n") + 4;
    size_t length = client->used - (size_t)(body - client->buffer);
    char text[512];
    worker->client = client;
    if (worker->role == API_WORKER) {
        int n = snprintf(text, sizeof text,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: %d\r\n"
                         "Lambda-Runtime-Deadline-Ms: 9999999999999\r\nContent-Length: %zu\r\n"
                         "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:floor\r\n\r\n",
                         client->fd, length);
        struct iovec event[] = {part(text, (size_t)n), part(body, length)};
        put_all(worker->fd, event, 2);
        return;
    }
    uint32_t n = (uint32_t)snprintf(text, sizeof text, "{\"requestId\":\"%08d-0000-0000-0000-000000000000\",\"deadlineMs\":9999999999999,\"arn\":\"\"}", client->fd);
    unsigned char header[HEADER];
    frame_header(header, 4 + n + length, INVOKE);
    struct iovec frame[] = {part(header, HEADER), part(&n, 4), part(text, n), part(body, length)};
    put_all(worker->fd, frame, 4);
}

static void worker_is_free(struct peer *worker) {
    worker->client = NULL;
    if (waiting_count) {
        struct peer *client = waiting[waiting_first++ % MOST];
        waiting_count--;
        hand_over(worker, client);
    } else {
        idle[idle_count++] = worker;
    }
}

static void request_is_there(struct peer *client) {
    if (idle_count) hand_over(idle[--idle_count], client);
    else if (kind == FORK || kind == CLONE) hand_over(make_worker(), client);
    else if (waiting_count == MOST) die("too many requests wait");
    else waiting[(waiting_first + waiting_count++) % MOST] = client;
}

static void answer(struct peer *client, const char *body, size_t length, int succeeded) {
    if (!client) return;
    char head[256];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     succeeded ? "200 OK" : "502 Bad Gateway", length);
    struct iovec parts[] = {part(head, (size_t)n), part(body, length)};
    client->used = 0;
    put_all(client->fd, parts, 2);
}

// Length of the whole HTTP message at the start of the buffer, 0 while it is not all there.
static size_t whole_message(struct peer *p) {
    p->buffer[p->used] = 0;
    char *end = strstr(p->buffer, "\r\n\r\n");
    if (!end) return 0;
    char *length = strcasestr(p->buffer, "\r\ncontent-length:");
    size_t whole = (size_t)(end + 4 - p->buffer) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    return p->used >= whole ? whole : 0;
}

static void from_client(struct peer *client) {
    if (whole_message(client)) request_is_there(client);
}

static void from_api(struct peer *worker) {
    static const char accepted[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    if (!whole_message(worker)) return;
    char *request = strstr(worker->buffer, "/invocation/");
    if (strncmp(worker->buffer, "GET ", 4) == 0) {
        worker->used = 0;
        worker_is_free(worker);
        return;
    }
    if (!request) {
        fprintf(stderr, "floor: a worker failed to start: %s\n", worker->buffer);
        exit(1);
    }
    int fd = atoi(request + 12);
    char *body = strstr(worker->buffer, "\r\n\r\n") + 4;
    struct peer *client = fd > 0 && fd < MOST ? by_fd[fd] : NULL;
    if (client && client->role == CLIENT) {
        answer(client, body, worker->used - (size_t)(body - worker->buffer), strncmp(strchr(request + 12, '/'), "/response", 9) == 0);
    }
    worker->used = 0;
    if (write(worker->fd, accepted, sizeof accepted - 1) < 0) die("write");
}

static void from_worker(struct peer *worker) {
    uint32_t length;
    if (worker->used < HEADER) return;
    memcpy(&length, worker->buffer, 4);
    if (worker->used < HEADER + length) return;
    int type = worker->buffer[4];
    struct peer *client = worker->client;
    if (type != READY) answer(client, worker->buffer + HEADER, length, type == END);
    worker->used = 0;
    if (kind != FORK && kind != CLONE) {
        worker_is_free(worker);
        return;
    }
    drop(worker);
    while (idle_count < ahead) idle[idle_count++] = make_worker();
}

static void closed(struct peer *p) {
    if (p->role == CLIENT) {
        for (size_t i = 0; i < waiting_count; i++)
            if (waiting[(waiting_first + i) % MOST] == p) die("a client left while its request waited");
        for (int fd = 0; fd < MOST; fd++)
            if (by_fd[fd] && by_fd[fd]->client == p) by_fd[fd]->client = NULL;
        drop(p);
    } else {
        // One that serves a single request ends by itself after its answer, and is dropped with it.
        fprintf(stderr, "floor: a worker ended\n");
        exit(1);
    }
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0) die("listen");
    return fd;
}

static void accept_one(struct peer *listener) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC), one = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    add(listener->role == CLIENTS ? CLIENT : API_WORKER, fd);
}

static void readable(struct peer *p) {
    if (p->role == CLIENTS || p->role == API) {
        accept_one(p);
        return;
    }
    ssize_t n = read(p->fd, p->buffer + p->used, sizeof p->buffer - 1 - p->used);
    if (n <= 0) {
        closed(p);
        return;
    }
    p->used += (size_t)n;
    if (p->role == CLIENT) from_client(p);
    else if (p->role == WORKER) from_worker(p);
    else from_api(p);
}

static void start_workers(size_t count, const char *init) {
    if (kind == RUNTIME_API) {
        char address[32];
        struct sockaddr_in bound;
        socklen_t size = sizeof bound;
        int listener = listen_on(0);
        getsockname(listener, (struct sockaddr *)&bound, &size);
        snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(bound.sin_port));
        setenv("AWS_LAMBDA_RUNTIME_API", address, 1);
        add(API, listener);
        for (size_t i = 0; i < count; i++) make_api_worker();
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct peer *worker = make_worker();
        if (!init) {
            idle[idle_count++] = worker;
            continue;
        }
        unsigned char header[HEADER];
        frame_header(header, strlen(init), INIT);
        struct iovec frame[] = {part(header, HEADER), part(init, strlen(init))};
        put_all(worker->fd, frame, 2);
    }
}

int main(int argc, char **argv) {
    int known = 0;
    if (argc >= 4)
        while (kinds[known] && strcmp(argv[2], kinds[known]) != 0) known++;
    kind = (enum kind)known;
    if (argc < 4 || !kinds[known] || (kind == FRAMES && argc < 6) || (kind == RUNTIME_API && argc < 5)) {
        fprintf(stderr, "usage: floor PORT echo|fork|clone COUNT | frames COUNT INIT PROGRAM... | runtime-api COUNT PROGRAM...\n");
        return 2;
    }
    if (kind == FRAMES) program = argv + 5;
    if (kind == RUNTIME_API) program = argv + 4;
    ahead = strtoul(argv[3], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    poller = epoll_create1(EPOLL_CLOEXEC);
    add(CLIENTS, listen_on(atoi(argv[1])));
    start_workers(ahead, kind == FRAMES ? argv[4] : NULL);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < n; i++) readable(events[i].data.ptr);
    }
}
