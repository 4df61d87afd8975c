/* bench/arrive_client.h - customers that do not wait for each other.
 *
 * Request n is due n / rate seconds after the start, whatever became of the ones before it. A
 * connection carries one request at a time; a request for which none is free waits, and its waiting
 * counts: all latencies begin at the schedule. */
#ifndef BENCH_ARRIVE_CLIENT_H
#define BENCH_ARRIVE_CLIENT_H

#include "bench/arrive_times.h"

#define CONNECTIONS_MAX 900 /* the services take 1,000 */

struct client_options {
	int64_t port; /* on 127.0.0.1 */
	int64_t rate; /* requests a second */
	int64_t connections;
	int64_t carts, skus; /* how many names there are of each, chosen at random */
	int64_t seed;
};

/* Sends all requests of @times and waits for their answers. */
bool client_run(const struct client_options *options, struct times *times, struct fail *fail);

#endif
