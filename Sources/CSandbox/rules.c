// What the kernel says of changes to nftables' tables, for the privileged helper.
#include "csandbox.h"
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int csb_rules_socket(void) {
  int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
  struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = 1u << (NFNLGRP_NFTABLES - 1)};
  int room = 1 << 20;
  if (s >= 0) setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof at) == 0) return s;
  int error = errno;
  close(s);
  errno = error;
  return -1;
}

// The first attribute of all that lies in a table is the table's name.
static int is_of(const struct nlmsghdr *h, int family, const char *table) {
  const struct nfgenmsg *head = NLMSG_DATA(h);
  const char *at = (const char *)head + NLMSG_ALIGN(sizeof *head), *end = (const char *)h + h->nlmsg_len;
  while (head->nfgen_family == family && end - at >= (long)sizeof(struct nlattr)) {
    const struct nlattr *a = (const struct nlattr *)at;
    if (a->nla_len < NLA_HDRLEN || a->nla_len > end - at) return 0;
    size_t room = (size_t)a->nla_len - NLA_HDRLEN, length = strlen(table) + 1;
    if ((a->nla_type & NLA_TYPE_MASK) == NFTA_TABLE_NAME) return room >= length && !memcmp(at + NLA_HDRLEN, table, length);
    at += NLA_ALIGN(a->nla_len);
  }
  return 0;
}

int csb_rule_events(int events, const char *table, struct csb_rule_changes *changes) {
  static char bytes[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
  for (;;) {
    ssize_t n = recv(events, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 && errno != EAGAIN ? -errno : 0;
    for (const struct nlmsghdr *h = (const struct nlmsghdr *)bytes; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || h->nlmsg_len < NLMSG_SPACE(sizeof(struct nfgenmsg))) continue;
      if ((h->nlmsg_type & 255) == NFT_MSG_NEWGEN) changes->own += changes->is_own_open, changes->is_own_open = 0;
      else if (is_of(h, NFPROTO_INET, table)) changes->is_own_open = 1;
      else if (is_of(h, NFPROTO_IPV4, "filter")) changes->filter = 1;
    }
  }
}
