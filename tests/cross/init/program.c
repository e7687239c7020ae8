/* The program under test, as its user meets it: what it prints, and how it ends. */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t daemon_process;
static int daemon_output;

/* Starts the program with what it prints in a pipe. */
static pid_t start(const char *first, const char *second, int *output)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		fail("pipe2: %s", strerror(errno));
	pid_t child = fork();
	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (child == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execl(PROGRAM, PROGRAM, first, second, NULL);
		_exit(127);
	}
	close(ends[1]);
	*output = ends[0];
	return child;
}

const char *ask(const char *first, const char *second)
{
	static char text[16384];
	size_t length = 0;
	int output, status;
	pid_t child = start(first, second, &output);
	for (ssize_t more; (more = read(output, text + length, sizeof text - 1 - length)) > 0;)
		length += (size_t)more;
	close(output);
	text[length] = 0;
	waitpid(child, &status, 0);
	if (status)
		fail("%s ended with status %#x: %s", first, (unsigned)status, text);
	return text;
}

void start_daemon(void)
{
	daemon_process = start("run", NULL, &daemon_output);
}

void hear(const char *words)
{
	static char heard[65536];
	static size_t length;
	int64_t until = now() + PATIENCE;
	while (!strstr(heard, words)) {
		struct pollfd wait = { .fd = daemon_output, .events = POLLIN };
		if (now() > until || length == sizeof heard - 1)
			fail("the daemon never said: %s", words);
		if (poll(&wait, 1, 100) != 1)
			continue;
		ssize_t more = read(daemon_output, heard + length, sizeof heard - 1 - length);
		if (more <= 0)
			fail("the daemon ended before it said: %s", words);
		fwrite(heard + length, 1, (size_t)more, stdout);
		length += (size_t)more;
		heard[length] = 0;
	}
}

void stop_daemon(void)
{
	int status;
	kill(daemon_process, SIGTERM);
	for (int64_t until = now() + PATIENCE; waitpid(daemon_process, &status, WNOHANG) == 0; rest())
		if (now() > until)
			fail("the daemon does not end");
	if (status)
		fail("the daemon ended with status %#x", (unsigned)status);
}
