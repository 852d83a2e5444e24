// The host's side of functions' networks, for the privileged helper: virtual Ethernet pairs, made by rtnetlink, and the
// connections that are forgotten before their address is given to somebody else.
#include "csandbox.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// Locally administered, and the same for all pairs: nobody else is on such a link.
static const unsigned char host_end[6] = {0x02, 'm', 'a', 'r', 't', 1}, inner_end[6] = {0x02, 'm', 'a', 'r', 't', 2};

// Several messages that go to the kernel in one call and are answered one by one.
struct batch {
  char bytes[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
  size_t length;
  struct nlmsghdr *last;
  int count;
};

static void begin(struct batch *b, int type, int flags, const void *body, size_t size) {
  b->last = (struct nlmsghdr *)(b->bytes + b->length);
  memset(b->last, 0, sizeof b->bytes - b->length);
  *b->last = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_LENGTH(size), .nlmsg_type = (uint16_t)type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)};
  memcpy(NLMSG_DATA(b->last), body, size);
  b->count++;
}

static struct rtattr *put(struct batch *b, int type, const void *data, size_t size) {
  struct rtattr *a = (struct rtattr *)((char *)b->last + NLMSG_ALIGN(b->last->nlmsg_len));
  *a = (struct rtattr){(unsigned short)RTA_LENGTH(size), (unsigned short)type};
  if (size) memcpy(RTA_DATA(a), data, size);
  b->last->nlmsg_len = (uint32_t)(NLMSG_ALIGN(b->last->nlmsg_len) + RTA_ALIGN(a->rta_len));
  return a;
}
static void put_number(struct batch *b, int type, uint32_t value) { put(b, type, &value, sizeof value); }
static void put_text(struct batch *b, int type, const char *text) { put(b, type, text, strlen(text) + 1); }
static void end(struct batch *b, struct rtattr *nest) { nest->rta_len = (unsigned short)((char *)b->last + b->last->nlmsg_len - (char *)nest); }
static void finish(struct batch *b) { b->length = (size_t)((char *)b->last - b->bytes) + NLMSG_ALIGN(b->last->nlmsg_len); }

// 0, or the first error as -errno.
static int talk(int socket, struct batch *b) {
  char answer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
  int error = 0;
  if (send(socket, b->bytes, b->length, 0) < 0) return -errno;
  for (int left = b->count; left > 0;) {
    ssize_t n = recv(socket, answer, sizeof answer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n ? -errno : -EPIPE;
    for (struct nlmsghdr *h = (struct nlmsghdr *)answer; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      if (h->nlmsg_type != NLMSG_ERROR) continue;
      left--;
      if (!error) error = ((struct nlmsgerr *)NLMSG_DATA(h))->error;
    }
  }
  return error;
}

static void put_ends(struct batch *b, const struct csb_link *link, int netns) {
  const struct ifinfomsg none = {0};
  put_text(b, IFLA_IFNAME, link->name);
  put(b, IFLA_ADDRESS, host_end, sizeof host_end);
  put_number(b, IFLA_GROUP, link->group);
  put_number(b, IFLA_NUM_TX_QUEUES, 1);
  put_number(b, IFLA_NUM_RX_QUEUES, 1);
  struct rtattr *info = put(b, IFLA_LINKINFO, NULL, 0);
  put_text(b, IFLA_INFO_KIND, "veth");
  struct rtattr *data = put(b, IFLA_INFO_DATA, NULL, 0), *peer = put(b, VETH_INFO_PEER, &none, sizeof none);
  put_text(b, IFLA_IFNAME, "eth0");
  put(b, IFLA_ADDRESS, inner_end, sizeof inner_end);
  put_number(b, IFLA_NUM_TX_QUEUES, 1);
  put_number(b, IFLA_NUM_RX_QUEUES, 1);
  if (netns >= 0) put_number(b, IFLA_NET_NS_FD, (uint32_t)netns);
  end(b, peer), end(b, data), end(b, info);
}

static int make_pair(int route, const struct csb_link *link, int netns) {
  struct batch b = {.length = 0};
  const struct ifinfomsg none = {0};
  begin(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &none, sizeof none);
  put_ends(&b, link, netns);
  finish(&b);
  return talk(route, &b);
}

static void write_setting(const char *path, const char *value) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return; // where there is no IPv6, for one
  if (write(fd, value, strlen(value)) < 0) {}
  close(fd);
}

// Of these interfaces alone: the host's own switch stays as it is.
static void put_forwarding(struct batch *b) {
  struct rtattr *spec = put(b, IFLA_AF_SPEC, NULL, 0), *four = put(b, AF_INET, NULL, 0), *settings = put(b, IFLA_INET_CONF, NULL, 0);
  put_number(b, IPV4_DEVCONF_FORWARDING, 1);
  end(b, settings), end(b, four), end(b, spec);
}

static void begin_up(struct batch *b, int index, int forwards) {
  const struct ifinfomsg up = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  begin(b, RTM_NEWLINK, 0, &up, sizeof up);
  if (forwards) put_forwarding(b);
  finish(b);
}

// Permanent, so that no packet waits for an answer to ARP and nothing counts against the kernel's one table of neighbours.
static void begin_neighbour(struct batch *b, int index, uint32_t address, const unsigned char *at) {
  const struct ndmsg body = {.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
  begin(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof body);
  put_number(b, NDA_DST, address);
  put(b, NDA_LLADDR, at, 6);
  finish(b);
}

static void begin_route(struct batch *b, int index, uint32_t to, int bits, uint32_t gateway) {
  const struct rtmsg body = {
      .rtm_family = AF_INET, .rtm_dst_len = (unsigned char)bits, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
      .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK, .rtm_type = RTN_UNICAST, .rtm_flags = gateway ? RTNH_F_ONLINK : 0};
  begin(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  if (bits) put_number(b, RTA_DST, to);
  if (gateway) put_number(b, RTA_GATEWAY, gateway);
  put_number(b, RTA_OIF, (uint32_t)index);
  finish(b);
}

static int set_up_host_end(int route, const struct csb_link *link) {
  char path[80];
  struct batch b = {.length = 0};
  int index = (int)if_nametoindex(link->name);
  if (!index) return -errno;
  // Before it is up: nothing may be sent into a namespace on the host's own account.
  snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", link->name);
  write_setting(path, "1");
  begin_up(&b, index, 1);
  // Exclusive: a second server with the same range of addresses takes another one.
  begin_route(&b, index, link->address, 32, 0);
  begin_neighbour(&b, index, link->address, inner_end);
  return talk(route, &b);
}

static int set_up_inner_end(const struct csb_link *link) {
  struct batch b = {.length = 0};
  int index = (int)if_nametoindex("eth0"), route = index ? socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) : -1;
  if (route < 0) return -errno;
  write_setting("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1");
  // What a function leaves unsent must not keep its namespace alive for minutes after its end.
  write_setting("/proc/sys/net/ipv4/tcp_orphan_retries", "1");
  write_setting("/proc/sys/net/ipv4/tcp_fin_timeout", "3");
  const struct ifaddrmsg own = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = (uint32_t)index};
  begin_up(&b, index, 0);
  begin(&b, RTM_NEWADDR, NLM_F_CREATE, &own, sizeof own);
  put_number(&b, IFA_LOCAL, link->address);
  put_number(&b, IFA_ADDRESS, link->address);
  finish(&b);
  begin_neighbour(&b, index, link->gateway, host_end);
  begin_route(&b, index, 0, 0, link->gateway);
  int r = talk(route, &b);
  close(route);
  return r;
}

void csb_link_remove(int route, const char *name) {
  struct batch b = {.length = 0};
  const struct ifinfomsg none = {0};
  begin(&b, RTM_DELLINK, 0, &none, sizeof none);
  put_text(&b, IFLA_IFNAME, name);
  finish(&b);
  talk(route, &b);
}

int csb_link_raise(int route, const struct csb_link *link) { return set_up_host_end(route, link); }

int csb_link_make(int route, int own_netns, int netns, const struct csb_link *link) {
  if (ioctl(netns, NS_GET_NSTYPE) != CLONE_NEWNET) return -EBADF;
  int r = make_pair(route, link, netns);
  // Of two names: where the host's is free, it is the inner one.
  if (r == -EEXIST && !if_nametoindex(link->name)) return -EALREADY;
  if (r) return r;
  r = set_up_host_end(route, link);
  if (r == 0 && setns(netns, CLONE_NEWNET)) r = -errno;
  else if (r == 0) {
    r = set_up_inner_end(link);
    if (setns(own_netns, CLONE_NEWNET)) _exit(71); // the helper must not go on in a function's network
  }
  if (r) csb_link_remove(route, link->name);
  return r;
}

int csb_link_probe(int own_netns) {
  const struct csb_link link = {.name = "mtprobe"};
  if (unshare(CLONE_NEWNET)) return -errno;
  int route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int r = route < 0 ? -errno : make_pair(route, &link, -1);
  if (route >= 0) close(route);
  if (setns(own_netns, CLONE_NEWNET)) _exit(71);
  return r;
}

int csb_links_remove(int route, uint32_t group) {
  struct batch b = {.length = 0};
  const struct ifinfomsg none = {0};
  begin(&b, RTM_DELLINK, 0, &none, sizeof none);
  put_number(&b, IFLA_GROUP, group);
  finish(&b);
  return talk(route, &b);
}

int csb_links_down(int route, uint32_t group) {
  struct batch b = {.length = 0};
  const struct ifinfomsg down = {.ifi_change = IFF_UP};
  begin(&b, RTM_NEWLINK, 0, &down, sizeof down);
  put_number(&b, IFLA_GROUP, group);
  finish(&b);
  return talk(route, &b);
}

int csb_links_forward(int route, uint32_t group) {
  struct batch b = {.length = 0};
  const struct ifinfomsg same = {0};
  begin(&b, RTM_NEWLINK, 0, &same, sizeof same);
  put_number(&b, IFLA_GROUP, group);
  put_forwarding(&b);
  finish(&b);
  return talk(route, &b);
}

int csb_route_socket(uint32_t groups) {
  int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0), NETLINK_ROUTE);
  struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = groups};
  int room = 1 << 20;
  if (s >= 0 && groups) setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof at) == 0) return s;
  int error = errno;
  close(s);
  errno = error;
  return -1;
}

static const struct rtattr *find(const struct rtattr *a, int room, int type) {
  for (; RTA_OK(a, room); a = RTA_NEXT(a, room))
    if ((a->rta_type & NLA_TYPE_MASK) == type) return a;
  return NULL;
}

// What a message says of forwarding: CSB_FORWARDING_*.
static int forwarding_of(const struct nlmsghdr *h) {
  const struct rtattr *first = (const struct rtattr *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct netconfmsg)));
  int room = (int)(h->nlmsg_len - NLMSG_SPACE(sizeof(struct netconfmsg)));
  const struct rtattr *whose = find(first, room, NETCONFA_IFINDEX), *value = find(first, room, NETCONFA_FORWARDING);
  char name[IF_NAMESIZE];
  if (!whose || !value) return 0;
  int index = *(const int32_t *)RTA_DATA(whose);
  if (index == NETCONFA_IFINDEX_ALL) return *(const int32_t *)RTA_DATA(value) ? CSB_FORWARDING_CHANGED : CSB_FORWARDING_CHANGED | CSB_FORWARDING_NONE;
  return index > 0 && if_indextoname((unsigned)index, name) && strncmp(name, "mt", 2) ? CSB_FORWARDING_CHANGED : 0;
}

int csb_link_events(int events, struct csb_gone *gone, int room, int *forwarding) {
  static char bytes[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
  int count = 0;
  // A link's last message is short; what one read holds fits.
  while (count + (int)(sizeof bytes / 256) <= room) {
    ssize_t n = recv(events, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 && errno != EAGAIN ? -errno : count;
    for (const struct nlmsghdr *h = (const struct nlmsghdr *)bytes; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      if (h->nlmsg_type == RTM_NEWNETCONF) *forwarding |= forwarding_of(h);
      if (h->nlmsg_type != RTM_DELLINK) continue;
      const struct rtattr *name = find(IFLA_RTA(NLMSG_DATA(h)), (int)IFLA_PAYLOAD(h), IFLA_IFNAME);
      struct csb_gone one;
      if (name && count < room && sscanf(RTA_DATA(name), "mt%4x-%8x", &one.server, &one.address) == 2) gone[count++] = one;
    }
  }
  return count;
}

// --- connections -------------------------------------------------------------------------------------------------------

// Of the messages of a dump: has its sender's address gone?
static const struct rtattr *gone_tuple(const struct nlmsghdr *h, uint32_t first, uint32_t count, const unsigned char *is_gone) {
  const struct rtattr *attributes = (const struct rtattr *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct nfgenmsg)));
  const struct rtattr *tuple = find(attributes, (int)(h->nlmsg_len - NLMSG_SPACE(sizeof(struct nfgenmsg))), CTA_TUPLE_ORIG);
  const struct rtattr *ip = tuple ? find(RTA_DATA(tuple), (int)RTA_PAYLOAD(tuple), CTA_TUPLE_IP) : NULL;
  const struct rtattr *source = ip ? find(RTA_DATA(ip), (int)RTA_PAYLOAD(ip), CTA_IP_V4_SRC) : NULL;
  if (!source) return NULL;
  uint32_t address;
  memcpy(&address, RTA_DATA(source), sizeof address);
  uint32_t number = __builtin_bswap32(address) - first;
  return number < count && is_gone[number] ? tuple : NULL;
}

static void forget(int deletions, const struct rtattr *tuple) {
  struct batch b = {.length = 0};
  const struct nfgenmsg family = {.nfgen_family = AF_INET};
  begin(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, &family, sizeof family);
  put(&b, tuple->rta_type, RTA_DATA(tuple), RTA_PAYLOAD(tuple));
  finish(&b);
  talk(deletions, &b); // one that ended meanwhile is as good
}

int csb_connections_forget(uint32_t first, uint32_t count, const unsigned char *is_gone) {
  static char bytes[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
  struct batch b = {.length = 0};
  const struct nfgenmsg family = {.nfgen_family = AF_INET};
  int dump = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), deletions = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  int forgotten = 0, going = dump >= 0 && deletions >= 0;
  // Only translated ones (IPS_SRC_NAT), where the kernel can sort them out.
  uint32_t translated = htonl(1 << 4);
  begin(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP, &family, sizeof family);
  put_number(&b, CTA_STATUS, translated);
  put_number(&b, CTA_STATUS_MASK, translated);
  finish(&b);
  if (going && send(dump, b.bytes, b.length, 0) < 0) going = 0, forgotten = -errno;
  else if (!going) forgotten = -errno;
  while (going) {
    ssize_t n = recv(dump, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) { forgotten = -errno; break; }
    for (const struct nlmsghdr *h = (const struct nlmsghdr *)bytes; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      if (h->nlmsg_type == NLMSG_ERROR) forgotten = ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
      if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) { going = 0; break; }
      const struct rtattr *tuple = gone_tuple(h, first, count, is_gone);
      if (tuple) forget(deletions, tuple), forgotten++;
    }
  }
  if (dump >= 0) close(dump);
  if (deletions >= 0) close(deletions);
  return forgotten;
}
