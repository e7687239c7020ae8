/* What the parts of the machine's first process know of each other. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the router and its friend are, with a wire between them. */
#define ROUTER4 "203.0.113.1"
#define ROUTER6 "2001:db8:1::1"
#define FRIEND4 "203.0.113.2"
#define FRIEND6 "2001:db8:1::2"
#define PROGRAM "/usr/sbin/spa-knockd"
/* Milliseconds: an emulated machine may be slow, and its host busy. */
#define PATIENCE 20000

/* Prints a last line and switches the machine off. */
_Noreturn void end(const char *how);
/* Prints a line and ends the machine as failed. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints a line that says what was seen. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Milliseconds that no step of the wall clock changes. */
int64_t now(void);
/* Lets others work for a moment. */
void rest(void);

/* Mounts what programs expect and loads the kernel's modules. */
void make_system(void);
/* Makes the wire and the namespace at its other end. */
void make_network(void);
/* Sets the wall clock. */
void set_clock(int64_t unix_time);
/* Starts to listen at a port of the router, so that there is something to reach. */
void listen_at(uint16_t port);
/* Fails unless the friend reaches a port of the router, or unless it is closed to him. */
void demand(const char *address, uint16_t port, int open);
/* Sends the knock in a file from the friend to the router. */
void knock(const char *file, const char *address);

/* Starts the daemon. */
void start_daemon(void);
/* Shows what the daemon says until it has said these words. */
void hear(const char *words);
/* Ends the daemon, which must be content. */
void stop_daemon(void);
/* What the program prints when it is run with these two arguments. */
const char *ask(const char *first, const char *second);

/* Makes a veth pair: one end here, the other in the namespace behind a descriptor. */
void make_wire(const char *here, const char *there, int namespace);
/* Gives a device of this namespace its addresses and switches it on. */
void switch_on(const char *device, const char *v4, const char *v6);

/* An element of a set or map as the kernel tells it. */
struct element {
	unsigned char key[64];
	size_t key_length;
	unsigned char data[32];
	size_t data_length;
	/* Milliseconds: the whole life, and what is left of it. */
	uint64_t timeout, left;
};

/* Asks the kernel for a set's elements; returns how many it has, of which the last is handed out. */
unsigned elements(const char *set, struct element *found);

#endif
