/*
 * The first process of a foreign machine: starts the daemon as it is shipped, knocks at it from a network namespace, and
 * asks that machine's kernel what came of it.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TABLE "spa_knockd"
#define PROGRAM "/usr/sbin/spa-knockd"
#define ROUTER4 "203.0.113.1"
#define ROUTER6 "2001:db8:1::1"
#define FRIEND4 "203.0.113.2"
#define FRIEND6 "2001:db8:1::2"
/* An emulated machine may be slow, and its host busy. */
#define PATIENCE 20000

static int router, internet;
static pid_t daemon_pid;
static int daemon_log;

static _Noreturn void end(const char *how)
{
	printf("machine: %s\n", how);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

void say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	printf("machine: ");
	vprintf(format, arguments);
	printf("\n");
	fflush(stdout);
	va_end(arguments);
}

void fail(const char *format, ...)
{
	char why[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	say("%s", why);
	end("failed");
}

int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void rest(void)
{
	usleep(20000);
}

static void mount_all(void)
{
	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	mkdir("/sys", 0755);
	mkdir("/var", 0755);
	mkdir("/var/run", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sys", "/sys", "sysfs", 0, NULL) ||
	    mount("tmpfs", "/var/run", "tmpfs", 0, NULL))
		fail("mount: %s", strerror(errno));
	/* Fails where the kernel has done it already. */
	mount("dev", "/dev", "devtmpfs", 0, NULL);
}

static void load_modules(void)
{
	struct dirent **names;
	int count = scandir("/modules", &names, NULL, alphasort);
	for (int at = 0; at < count; at++) {
		char path[300];
		if (names[at]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/modules/%s", names[at]->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			fail("%s: %s", path, strerror(errno));
		close(fd);
	}
}

static void set_clock(int64_t unix_time)
{
	struct timespec time = { .tv_sec = (time_t)unix_time };
	if (clock_settime(CLOCK_REALTIME, &time))
		fail("clock_settime: %s", strerror(errno));
}

/* Goes into the network namespace behind a descriptor. */
static void enter(int namespace)
{
	if (setns(namespace, CLONE_NEWNET))
		fail("setns: %s", strerror(errno));
}

static void make_network(void)
{
	router = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET))
		fail("unshare: %s", strerror(errno));
	internet = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	switch_on("lo", NULL, NULL);
	enter(router);
	switch_on("lo", NULL, NULL);
	make_wire("wan", "friend", internet);
	switch_on("wan", ROUTER4, ROUTER6);
	enter(internet);
	switch_on("friend", FRIEND4, FRIEND6);
	enter(router);
}

static int address(const char *words, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (void *)to;
	struct sockaddr_in6 *v6 = (void *)to;
	memset(to, 0, sizeof *to);
	if (inet_pton(AF_INET, words, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return AF_INET;
	}
	inet_pton(AF_INET6, words, &v6->sin6_addr);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return AF_INET6;
}

/* Starts to listen at a port of the router, so that there is something to reach. */
static void listen_at(uint16_t port)
{
	struct sockaddr_storage here;
	int fd = socket(address("::", port, &here), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (void *)&here, sizeof here) || listen(fd, 16))
		fail("listening at port %u: %s", port, strerror(errno));
}

/* Whether the friend gets through to a port of the router. */
static int reaches(const char *words, uint16_t port)
{
	struct sockaddr_storage to;
	enter(internet);
	int fd = socket(address(words, port, &to), SOCK_STREAM | SOCK_CLOEXEC, 0);
	enter(router);
	/* Nothing answers at all where a rule drops. */
	struct timeval patience = { .tv_sec = 5 };
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	int open = connect(fd, (void *)&to, sizeof to) == 0;
	if (!open && errno != ECONNREFUSED)
		fail("%s port %u is neither open nor closed: %s", words, port, strerror(errno));
	close(fd);
	return open;
}

static void demand(const char *words, uint16_t port, int open)
{
	if (reaches(words, port) != open)
		fail("%s port %u is %s", words, port, open ? "closed" : "open");
	say("%s port %u is %s", words, port, open ? "open" : "closed");
}

/* Sends the knock in a file from the friend to the router. */
static void knock(const char *file, const char *words)
{
	char payload[2048];
	struct sockaddr_storage to;
	int from = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t length = read(from, payload, sizeof payload);
	close(from);
	if (length <= 0)
		fail("%s: nothing to send", file);
	enter(internet);
	int fd = socket(address(words, 62201, &to), SOCK_DGRAM | SOCK_CLOEXEC, 0);
	enter(router);
	if (sendto(fd, payload, (size_t)length, 0, (void *)&to, sizeof to) != length)
		fail("%s: %s", file, strerror(errno));
	close(fd);
	say("%s is sent to %s", file, words);
}

/* Starts the program with its output in a pipe. */
static pid_t start(char *const arguments[], int *output)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		fail("pipe2: %s", strerror(errno));
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execv(PROGRAM, arguments);
		_exit(127);
	}
	close(ends[1]);
	*output = ends[0];
	return child;
}

/* What the program prints when it is run with these arguments. */
static const char *ask(char *const arguments[])
{
	static char text[16384];
	size_t length = 0;
	int output, status;
	pid_t child = start(arguments, &output);
	for (ssize_t more; (more = read(output, text + length, sizeof text - 1 - length)) > 0;)
		length += (size_t)more;
	close(output);
	text[length] = 0;
	waitpid(child, &status, 0);
	if (status)
		fail("%s ended with status %x: %s", arguments[1], status, text);
	return text;
}

/* Shows what the daemon says until a line has these words. */
static void hear(const char *words)
{
	static char heard[65536];
	static size_t length;
	int64_t until = now() + PATIENCE;
	while (!strstr(heard, words)) {
		struct pollfd wait = { .fd = daemon_log, .events = POLLIN };
		if (now() > until || length == sizeof heard - 1)
			fail("the daemon never said: %s", words);
		if (poll(&wait, 1, 100) != 1)
			continue;
		ssize_t more = read(daemon_log, heard + length, sizeof heard - 1 - length);
		if (more <= 0)
			fail("the daemon ended before it said: %s", words);
		fwrite(heard + length, 1, (size_t)more, stdout);
		length += (size_t)more;
		heard[length] = 0;
	}
}

static void wait_refused(const char *count)
{
	char *const status[] = { PROGRAM, "status", "--json", NULL };
	for (int64_t until = now() + PATIENCE; !strstr(ask(status), count); rest())
		if (now() > until)
			fail("status never said %s: %s", count, ask(status));
	say("status says %s", count);
}

static void hex(const char *name, const unsigned char *bytes, size_t length)
{
	printf("machine: %s", name);
	for (size_t at = 0; at < length; at++)
		printf("%s%02x", at % 4 ? "" : " ", bytes[at]);
	printf("\n");
}

static void demand_none(const char *set)
{
	struct element element;
	if (elements(TABLE, set, &element))
		fail("%s has an element", set);
}

/* A knock, where it is sent to, and what it must do to the kernel and for the friend. */
struct deed {
	const char *file, *to, *set;
	unsigned char key[24];
	size_t key_length;
	const char *source;
};

#define SECONDS 4
static const struct deed deeds[] = {
	/* Source, protocol and port, each in words of their own, in the network's order. */
	{ "/knocks/v4", ROUTER4, "spa_in4_v1", { 203, 0, 113, 2, 6, 0, 0, 0, 0, 22, 0, 0 }, 12, "\"" FRIEND4 "\"" },
	{ "/knocks/v6", ROUTER6, "spa_in6_v1",
	  { 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 6, 0, 0, 0, 0, 22, 0, 0 }, 24, "\"" FRIEND6 "\"" },
};

static void opens_and_closes(const struct deed *deed)
{
	struct element element;
	char *const grants[] = { PROGRAM, "grants", "--json", NULL };

	knock(deed->file, deed->to);
	int64_t sent = now();
	while (elements(TABLE, deed->set, &element) == 0) {
		if (now() - sent > PATIENCE)
			fail("the kernel never had an element in %s", deed->set);
		rest();
	}
	int64_t seen = now();
	hex(deed->set, element.key, element.key_length);
	say("timeout %llu ms, left %llu ms", (unsigned long long)element.timeout, (unsigned long long)element.left);
	if (element.key_length != deed->key_length || memcmp(element.key, deed->key, deed->key_length))
		fail("that is the wrong key");
	if (element.timeout != SECONDS * 1000 || element.left > element.timeout)
		fail("that is the wrong timeout");
	demand(deed->to, 22, 1);
	const char *said = ask(grants);
	printf("machine: grants: %s", said);
	if (!strstr(said, deed->source))
		fail("the daemon does not know of it");

	while (elements(TABLE, deed->set, &element)) {
		if (now() - seen > SECONDS * 1000 + 2000)
			fail("the element is still there");
		rest();
	}
	int64_t lived = now() - sent;
	say("it is gone after %lld ms", (long long)lived);
	if (lived < SECONDS * 1000 - 100)
		fail("that is too early");
	demand(deed->to, 22, 0);
}

static void stop_daemon(void)
{
	int status;
	kill(daemon_pid, SIGTERM);
	for (int64_t until = now() + PATIENCE; waitpid(daemon_pid, &status, WNOHANG) == 0; rest())
		if (now() > until)
			fail("the daemon does not end");
	if (status)
		fail("the daemon ended with status %x", status);
}

int main(void)
{
	mount_all();
	load_modules();
	const char *clock = getenv("knock_time");
	if (!clock)
		fail("the command line gives no knock_time");
	set_clock(atoll(clock));
	make_network();
	listen_at(22);

	char *const run[] = { PROGRAM, "run", NULL };
	daemon_pid = start(run, &daemon_log);
	hear("ready: ");
	demand(ROUTER4, 22, 0);
	demand(ROUTER6, 22, 0);

	knock("/knocks/wrong", ROUTER4);
	wait_refused("\"hmac\":1");
	demand_none("spa_in4_v1");
	demand(ROUTER4, 22, 0);

	for (size_t at = 0; at < sizeof deeds / sizeof *deeds; at++)
		opens_and_closes(&deeds[at]);

	knock(deeds[0].file, deeds[0].to);
	wait_refused("\"replay\":1");
	demand_none(deeds[0].set);

	stop_daemon();
	end("passed");
}
