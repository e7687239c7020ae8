/*
 * Sorts the few addresses of a host name, which is all that a static program of ours has sorted by C.
 *
 * zig's own, which is for any number of anything, weighs 7 KB on MIPS (docs/size.md).
 */
#include <stddef.h>

void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *));

void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	char *first = base;

	for (size_t sorted = 1; sorted < count; sorted++) {
		for (char *one = first + sorted * size; one > first && compare(one - size, one) > 0; one -= size) {
			char *before = one - size;

			for (size_t at = 0; at < size; at++) {
				char byte = one[at];

				one[at] = before[at];
				before[at] = byte;
			}
		}
	}
}
