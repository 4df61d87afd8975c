/* process/random.h - numbers that repeat for a seed: splitmix64 (Steele, Lea, Flood, "Fast
 * Splittable Pseudorandom Number Generators", 2014). For load and simulation, not for secrets. */
#ifndef PROCESS_RANDOM_H
#define PROCESS_RANDOM_H

#include <stdint.h>

/* The next number of the sequence that *seed stands in. */
static inline uint64_t random_next(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

#endif
