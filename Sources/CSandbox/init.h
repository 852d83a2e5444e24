#pragma once
// What the files of a sandbox's PID 1 share.
#include "csandbox.h"

// Where init stands, for messages; in the order in which mc_stage names them.
enum { S_FDS = MC_INIT_STAGES, S_PRIVATE, S_SKELETON, S_BIND, S_TMPFS, S_DEV, S_PROC, S_PIVOT, S_UNSHARE, S_MAPS, S_IDS, S_LOOPBACK, S_SIGNALS,
       S_CGROUP, S_NETNS, S_CLONE, S_EXEC, S_TEMPLATE, S_LISTENER, S_FILTER, S_AMBIENT, S_PACKAGE, S_WAY_OUT };

// Its lines to the server, the helper and for descriptors to the server; its own /proc.
extern int server_fd, helper_fd, descriptor_fd, proc_fd;
void to_server(uint32_t op, uint32_t slot, int32_t value, uint64_t a, uint64_t b, uint64_t c, const char *text);
// Reads one message of the helper and does what it says.
void from_helper(void);

// --- network namespaces (netns.c) ------------------------------------------------------------------------------------------

// `asked`: the number of the question to the helper for a way out that has no answer yet; 0: none.
struct netns { int ns, snmp, snmp6, routes6; uint32_t number, asked; uint64_t born; };

// Takes the network namespace that init was made in as the template's. 0 or -1 with errno.
int netns_begin(void);
uint32_t netns_of_template(void);
// From now on every namespace gets a way out, also those there are.
void netns_connect(void);
// Waits until the template's has it, where it is to have one. 0 or -1 with errno.
int netns_await_template(void);
// The helper's answer: a way out was made, or an error.
void netns_connected(uint32_t question, int error);
// One that nobody was in, with its way out if it is to have one. 0 or -1 with errno.
int netns_take(struct netns *n);
void netns_give_back(struct netns *n);
// Whether init should make some ahead while nothing is asked of it.
int netns_wants_more(void);
void netns_make_ahead(void);
// A listening socket on this port of the namespace's 127.0.0.1, or -1 with errno.
int netns_listener(const struct netns *n, int port);
// A TCP socket of the namespace, or -1 with errno.
int netns_socket(const struct netns *n);
