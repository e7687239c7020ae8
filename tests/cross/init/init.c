/*
 * The first process of a foreign machine: starts the daemon as it is shipped, knocks at it from another network namespace,
 * and asks that machine's kernel what came of it.
 */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The stanza's timeout in milliseconds, and how late the kernel may be. */
#define TIMEOUT 4000
#define LATE 2000
#define DAY 86400

/* A knock, where it is sent to, and what it does to the kernel and for the friend. */
struct deed {
	const char *file, *to;
	uint16_t port;
	const char *set;
	/* Each field in words of its own, in the network's order. */
	unsigned char key[24], key_length, data[8], data_length;
	/* How the daemon names it. */
	const char *grant;
	/* How far the clock is put on before. */
	int64_t later;
};

static const struct deed deeds[] = {
	{ "/knocks/v4", ROUTER4, 22, "spa_in4_v1", { 203, 0, 113, 2, 6, 0, 0, 0, 0, 22, 0, 0 }, 12, { 0 }, 0, FRIEND4, 0 },
	{ "/knocks/v6", ROUTER6, 22, "spa_in6_v1",
	  { 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 6, 0, 0, 0, 0, 22, 0, 0 }, 24, { 0 }, 0, FRIEND6, 0 },
	/* Port 2222 leads to port 8022. */
	{ "/knocks/forward", ROUTER4, 2222, "spa_dnat4_v1", { 203, 0, 113, 2, 6, 0, 0, 0, 8, 174, 0, 0 }, 12,
	  { 203, 0, 113, 1, 31, 86, 0, 0 }, 8, ROUTER4 ":8022", 0 },
	/* In 2040, when the seconds have outgrown 31 bits. */
	{ "/knocks/later", ROUTER4, 22, "spa_in4_v1", { 203, 0, 113, 2, 6, 0, 0, 0, 0, 22, 0, 0 }, 12, { 0 }, 0, FRIEND4, 4870 * DAY },
};

static void wait_refused(const char *count)
{
	for (int64_t until = now() + PATIENCE; !strstr(ask("status", "--json"), count); rest())
		if (now() > until)
			fail("status never said %s: %s", count, ask("status", "--json"));
	say("status says %s", count);
}

static void demand_none(const char *set)
{
	struct element element;
	if (elements(set, &element))
		fail("%s has an element", set);
	say("%s is empty", set);
}

static void show(const struct deed *deed, const struct element *element)
{
	printf("machine: %s:", deed->set);
	for (size_t at = 0; at < element->key_length; at++)
		printf("%s%02x", at % 4 ? "" : " ", element->key[at]);
	for (size_t at = 0; at < element->data_length; at++)
		printf("%s%02x", at ? at % 4 ? "" : " " : " -> ", element->data[at]);
	printf(", timeout %llu ms, left %llu ms\n", (unsigned long long)element->timeout, (unsigned long long)element->left);
}

/* The knock opens what it should, for as long as it should. */
static void do_deed(const struct deed *deed)
{
	struct element element;

	demand_none(deed->set);
	demand(deed->to, deed->port, 0);
	knock(deed->file, deed->to);
	int64_t sent = now();
	while (elements(deed->set, &element) == 0) {
		if (now() - sent > PATIENCE)
			fail("%s never had an element: %s", deed->set, ask("status", "--json"));
		rest();
	}
	int64_t seen = now();
	show(deed, &element);
	if (element.key_length != deed->key_length || memcmp(element.key, deed->key, deed->key_length) ||
	    element.data_length != deed->data_length || memcmp(element.data, deed->data, deed->data_length))
		fail("that is another element than was asked for");
	if (element.timeout != TIMEOUT || element.left == 0 || element.left > TIMEOUT)
		fail("that is another timeout than was asked for");
	demand(deed->to, deed->port, 1);
	const char *grants = ask("grants", "--json");
	printf("machine: grants: %s", grants);
	if (!strstr(grants, deed->grant))
		fail("the daemon does not know of it");

	while (elements(deed->set, &element)) {
		if (now() - seen > TIMEOUT + LATE)
			fail("the element is still there");
		rest();
	}
	say("gone %lld ms after the knock", (long long)(now() - sent));
	/* The kernel counts in ticks of up to 10 ms, at both ends. */
	if (now() - sent < TIMEOUT - 20)
		fail("that is too early");
	demand(deed->to, deed->port, 0);
}

int main(void)
{
	make_system();
	const char *given = getenv("knock_time");
	if (!given)
		fail("the command line gives no knock_time");
	int64_t time = atoll(given);
	set_clock(time);
	make_network();
	listen_at(22);
	listen_at(8022);

	start_daemon();
	hear("ready: ");
	knock("/knocks/wrong", ROUTER4);
	wait_refused("\"hmac\":1");

	for (size_t at = 0; at < sizeof deeds / sizeof *deeds; at++) {
		if (deeds[at].later)
			set_clock(time + deeds[at].later);
		do_deed(&deeds[at]);
		knock(deeds[at].file, deeds[at].to);
		char count[32];
		snprintf(count, sizeof count, "\"replay\":%zu", at + 1);
		wait_refused(count);
	}
	demand_none("spa_in4_v1");
	stop_daemon();
	end("passed");
}
