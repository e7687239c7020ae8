/* The machine around the daemon: its file systems, modules, clock and network, and who knocks from outside. */
#define _GNU_SOURCE
#include "machine.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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
#include <time.h>
#include <unistd.h>

/* The two network namespaces. */
static int router, internet;

void end(const char *how)
{
	printf("machine: %s\n", how);
	fflush(stdout);
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
	va_list arguments;
	va_start(arguments, format);
	printf("machine: ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	end("failed");
}

int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void rest(void)
{
	usleep(20000);
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

void make_system(void)
{
	const char *const places[] = { "/proc", "/sys", "/dev", "/var", "/var/run" };
	for (size_t at = 0; at < sizeof places / sizeof *places; at++)
		mkdir(places[at], 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sys", "/sys", "sysfs", 0, NULL) ||
	    mount("tmpfs", "/var/run", "tmpfs", 0, NULL))
		fail("mount: %s", strerror(errno));
	load_modules();
}

void set_clock(int64_t unix_time)
{
	struct timespec time = { .tv_sec = unix_time };
	if (clock_settime(CLOCK_REALTIME, &time))
		fail("setting the clock: %s", strerror(errno));
}

/* Goes into the network namespace behind a descriptor. */
static void enter(int namespace)
{
	if (setns(namespace, CLONE_NEWNET))
		fail("setns: %s", strerror(errno));
}

void make_network(void)
{
	router = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET))
		fail("unshare: %s", strerror(errno));
	internet = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	enter(router);
	switch_on("lo", NULL, NULL);
	make_wire("wan", "friend", internet);
	switch_on("wan", ROUTER4, ROUTER6);
	enter(internet);
	switch_on("friend", FRIEND4, FRIEND6);
	enter(router);
}

/* Fills in a socket's address; returns its family. */
static int place(const char *address, uint16_t port, struct sockaddr_storage *at)
{
	struct sockaddr_in *v4 = (void *)at;
	struct sockaddr_in6 *v6 = (void *)at;
	memset(at, 0, sizeof *at);
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return AF_INET;
	}
	inet_pton(AF_INET6, address, &v6->sin6_addr);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return AF_INET6;
}

void listen_at(uint16_t port)
{
	struct sockaddr_storage here;
	int fd = socket(place("::", port, &here), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (void *)&here, sizeof here) || listen(fd, 16))
		fail("listening at port %u: %s", port, strerror(errno));
}

/* A socket of the friend's, and where it is to send to. */
static int friends_socket(const char *address, uint16_t port, int type, struct sockaddr_storage *to)
{
	enter(internet);
	int fd = socket(place(address, port, to), type | SOCK_CLOEXEC, 0);
	enter(router);
	if (fd < 0)
		fail("socket: %s", strerror(errno));
	return fd;
}

void demand(const char *address, uint16_t port, int open)
{
	struct sockaddr_storage to;
	int fd = friends_socket(address, port, SOCK_STREAM, &to);
	struct timeval patience = { .tv_sec = PATIENCE / 1000 };
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	int is_open = connect(fd, (void *)&to, sizeof to) == 0;
	/* The guard rejects; nothing answers where something else is wrong. */
	if (!is_open && errno != ECONNREFUSED)
		fail("%s port %u is neither open nor closed: %s", address, port, strerror(errno));
	say("%s port %u is %s", address, port, is_open ? "open" : "closed");
	if (is_open != open)
		fail("it should not be");
	close(fd);
}

void knock(const char *file, const char *address)
{
	char payload[2048];
	struct sockaddr_storage to;
	int from = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t length = read(from, payload, sizeof payload);
	close(from);
	if (length <= 0)
		fail("%s: nothing to send", file);
	int fd = friends_socket(address, 62201, SOCK_DGRAM, &to);
	if (sendto(fd, payload, (size_t)length, 0, (void *)&to, sizeof to) != length)
		fail("%s: %s", file, strerror(errno));
	close(fd);
	say("%s is sent to %s", file, address);
}
