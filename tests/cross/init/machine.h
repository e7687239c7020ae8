/* What the parts of the machine's first process know of each other. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Prints a line and ends the machine as failed. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints a line that says what was seen. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Milliseconds that no step of the wall clock changes. */
int64_t now(void);

/* Makes a veth pair: one end here, the other in the namespace behind a descriptor. */
void make_wire(const char *here, const char *there, int namespace);
/* Gives a device of this namespace its addresses and switches it on. */
void switch_on(const char *device, const char *v4, const char *v6);

struct element {
	unsigned char key[64];
	size_t key_length;
	unsigned char data[32];
	size_t data_length;
	/* Milliseconds: the whole life, and what is left of it. */
	uint64_t timeout, left;
};

/* Asks the kernel for a set's elements; returns how many it has, of which at most one is handed out. */
unsigned elements(const char *table, const char *set, struct element *found);

#endif
