/* Devices, addresses and set elements over netlink, written without a look at the daemon's code. */
#include "machine.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static union {
	struct nlmsghdr header;
	unsigned char bytes[512];
} request;

static union {
	struct nlmsghdr header;
	unsigned char bytes[16384];
} answer;

static void begin(uint16_t type, uint16_t flags, const void *body, size_t length)
{
	memset(&request, 0, sizeof request);
	request.header.nlmsg_type = type;
	request.header.nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(NLMSG_DATA(&request.header), body, length);
	request.header.nlmsg_len = NLMSG_LENGTH(length);
}

/* Where the next attribute begins; what stands there is filled in by end(). */
static struct rtattr *open_attribute(uint16_t type)
{
	struct rtattr *attribute = (void *)(request.bytes + NLMSG_ALIGN(request.header.nlmsg_len));
	attribute->rta_type = type;
	request.header.nlmsg_len = NLMSG_ALIGN(request.header.nlmsg_len) + RTA_LENGTH(0);
	return attribute;
}

static void close_attribute(struct rtattr *attribute)
{
	attribute->rta_len = (uint16_t)(request.bytes + request.header.nlmsg_len - (unsigned char *)attribute);
}

static void append(const void *bytes, size_t length)
{
	if (request.header.nlmsg_len + NLMSG_ALIGN(length) > sizeof request)
		fail("a request is too long");
	memcpy(request.bytes + request.header.nlmsg_len, bytes, length);
	request.header.nlmsg_len += length;
}

static void attribute(uint16_t type, const void *bytes, size_t length)
{
	struct rtattr *head = open_attribute(type);
	append(bytes, length);
	close_attribute(head);
}

static void text(uint16_t type, const char *words)
{
	attribute(type, words, strlen(words) + 1);
}

/* Sends the request and hands each part of the answer to `take`, to the end of a dump or to the acknowledgement. */
static void converse(const char *what, int protocol, void (*take)(const struct nlmsghdr *, void *), void *context)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0)
		fail("%s: %s", what, strerror(errno));
	for (;;) {
		ssize_t length = recv(fd, &answer, sizeof answer, 0);
		if (length < 0)
			fail("%s: %s", what, strerror(errno));
		size_t left = (size_t)length;
		for (struct nlmsghdr *part = &answer.header; NLMSG_OK(part, left); part = NLMSG_NEXT(part, left)) {
			if (part->nlmsg_type == NLMSG_ERROR) {
				int error = ((struct nlmsgerr *)NLMSG_DATA(part))->error;
				if (error)
					fail("%s: %s", what, strerror(-error));
			}
			if (part->nlmsg_type == NLMSG_ERROR || part->nlmsg_type == NLMSG_DONE) {
				close(fd);
				return;
			}
			take(part, context);
		}
	}
}

static void ignore(const struct nlmsghdr *part, void *context)
{
	(void)part;
	(void)context;
}

void make_wire(const char *here, const char *there, int namespace)
{
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &link, sizeof link);
	text(IFLA_IFNAME, here);
	struct rtattr *kind = open_attribute(IFLA_LINKINFO);
	text(IFLA_INFO_KIND, "veth");
	struct rtattr *data = open_attribute(IFLA_INFO_DATA);
	struct rtattr *peer = open_attribute(VETH_INFO_PEER);
	append(&link, sizeof link);
	text(IFLA_IFNAME, there);
	attribute(IFLA_NET_NS_FD, &namespace, sizeof namespace);
	close_attribute(peer);
	close_attribute(data);
	close_attribute(kind);
	converse("making a veth pair", NETLINK_ROUTE, ignore, NULL);
}

static void add_address(unsigned device, int family, const char *words, unsigned char prefix)
{
	unsigned char address[16];
	size_t length = family == AF_INET ? 4 : 16;
	if (inet_pton(family, words, address) != 1)
		fail("%s is no address", words);
	struct ifaddrmsg message = {
		.ifa_family = (unsigned char)family, .ifa_prefixlen = prefix, .ifa_flags = IFA_F_NODAD, .ifa_index = device,
	};
	begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_ACK, &message, sizeof message);
	attribute(IFA_LOCAL, address, length);
	attribute(IFA_ADDRESS, address, length);
	converse(words, NETLINK_ROUTE, ignore, NULL);
}

void switch_on(const char *device, const char *v4, const char *v6)
{
	unsigned number = if_nametoindex(device);
	if (number == 0)
		fail("%s is missing", device);
	if (v4)
		add_address(number, AF_INET, v4, 24);
	if (v6)
		add_address(number, AF_INET6, v6, 64);
	struct ifinfomsg link = { .ifi_index = (int)number, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	begin(RTM_NEWLINK, NLM_F_ACK, &link, sizeof link);
	converse(device, NETLINK_ROUTE, ignore, NULL);
}

/* The attribute of this type among `length` bytes of attributes. */
static const struct rtattr *find(const void *first, size_t length, uint16_t type)
{
	for (const struct rtattr *at = first; RTA_OK(at, length); at = RTA_NEXT(at, length))
		if ((at->rta_type & ~NLA_F_NESTED) == type)
			return at;
	return NULL;
}

static const struct rtattr *inside(const struct rtattr *nest, uint16_t type)
{
	return nest ? find(RTA_DATA(nest), RTA_PAYLOAD(nest), type) : NULL;
}

static uint64_t number(const struct rtattr *value)
{
	uint64_t sum = 0;
	for (size_t at = 0; value && at < RTA_PAYLOAD(value); at++)
		sum = sum << 8 | ((const unsigned char *)RTA_DATA(value))[at];
	return sum;
}

static size_t copy(unsigned char *to, size_t room, const struct rtattr *nest)
{
	const struct rtattr *value = inside(nest, NFTA_DATA_VALUE);
	if (!value)
		return 0;
	if (RTA_PAYLOAD(value) > room)
		fail("a key or value of %zu bytes", (size_t)RTA_PAYLOAD(value));
	memcpy(to, RTA_DATA(value), RTA_PAYLOAD(value));
	return RTA_PAYLOAD(value);
}

struct collected {
	unsigned count;
	struct element *last;
};

static void collect(const struct nlmsghdr *part, void *context)
{
	struct collected *collected = context;
	const struct nfgenmsg *head = NLMSG_DATA(part);
	const void *first = (const unsigned char *)head + NLMSG_ALIGN(sizeof *head);
	const struct rtattr *list = find(first, part->nlmsg_len - NLMSG_LENGTH(sizeof *head), NFTA_SET_ELEM_LIST_ELEMENTS);
	if (!list)
		return;
	size_t length = RTA_PAYLOAD(list);
	for (const struct rtattr *at = RTA_DATA(list); RTA_OK(at, length); at = RTA_NEXT(at, length)) {
		struct element *element = collected->last;
		collected->count++;
		element->key_length = copy(element->key, sizeof element->key, inside(at, NFTA_SET_ELEM_KEY));
		element->data_length = copy(element->data, sizeof element->data, inside(at, NFTA_SET_ELEM_DATA));
		element->timeout = number(inside(at, NFTA_SET_ELEM_TIMEOUT));
		element->left = number(inside(at, NFTA_SET_ELEM_EXPIRATION));
	}
}

unsigned elements(const char *set, struct element *found)
{
	struct nfgenmsg head = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct collected collected = { .last = found };
	memset(found, 0, sizeof *found);
	begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_DUMP, &head, sizeof head);
	text(NFTA_SET_ELEM_LIST_TABLE, "spa_knockd");
	text(NFTA_SET_ELEM_LIST_SET, set);
	converse(set, NETLINK_NETFILTER, collect, &collected);
	return collected.count;
}
