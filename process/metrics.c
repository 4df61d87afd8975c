#include "process/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const kinds[] = {
	[METRICS_COUNTER] = "counter",
	[METRICS_GAUGE] = "gauge",
	[METRICS_HISTOGRAM] = "histogram",
};

/* In a help text a double quote stays as it is; in a label's value it does not. */
static void write_escaped(FILE *out, const char *text, bool quoted)
{
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\\\", out);
		else if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' && quoted)
			fputs("\\\"", out);
		else
			fputc(*text, out);
	}
}

static void write_label(FILE *out, char before, const char *name, const char *value)
{
	fprintf(out, "%c%s=\"", before, name);
	write_escaped(out, value, true);
	fputc('"', out);
}

/* Everything of a sample but its value. @bound is of a histogram's bucket, or NULL. */
static void write_head(FILE *out, const char *name, const char *end,
	const struct metrics_label *labels, const char *bound)
{
	char before = '{';

	fprintf(out, "%s%s", name, end);
	for (; labels && labels->name; labels++, before = ',')
		write_label(out, before, labels->name, labels->value);
	if (bound) {
		write_label(out, before, "le", bound);
		before = ',';
	}
	fputs(before == ',' ? "} " : " ", out);
}

void metrics_begin(FILE *out, const char *name, enum metrics_kind kind, const char *help)
{
	fprintf(out, "# HELP %s ", name);
	write_escaped(out, help, false);
	fprintf(out, "\n# TYPE %s %s\n", name, kinds[kind]);
}

void metrics_whole(FILE *out, const char *name, const struct metrics_label *labels, uint64_t value)
{
	write_head(out, name, "", labels, NULL);
	fprintf(out, "%" PRIu64 "\n", value);
}

void metrics_real(FILE *out, const char *name, const struct metrics_label *labels, double value)
{
	write_head(out, name, "", labels, NULL);
	fprintf(out, "%.15g\n", value);
}

void metrics_histogram(FILE *out, const char *name, const struct metrics_label *labels,
	const struct histogram_scale *scale, const struct histogram *histogram)
{
	const double per_second = (double)scale->per_second;
	uint64_t count = 0;
	char bound[32];

	for (size_t i = 0; i < scale->bounds; i++) {
		count += histogram->bucket[i];
		(void)snprintf(
			bound, sizeof(bound), "%.15g", (double)(scale->first << i) / per_second);
		write_head(out, name, "_bucket", labels, bound);
		fprintf(out, "%" PRIu64 "\n", count);
	}
	count += histogram->bucket[scale->bounds];
	write_head(out, name, "_bucket", labels, "+Inf");
	fprintf(out, "%" PRIu64 "\n", count);
	write_head(out, name, "_sum", labels, NULL);
	fprintf(out, "%.15g\n", (double)histogram->sum / per_second);
	write_head(out, name, "_count", labels, NULL);
	fprintf(out, "%" PRIu64 "\n", count);
}

void metrics_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	metrics_begin(out, name, METRICS_COUNTER, help);
	metrics_whole(out, name, NULL, value);
}

void metrics_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	metrics_begin(out, name, METRICS_GAUGE, help);
	metrics_whole(out, name, NULL, value);
}

static void write_real(
	FILE *out, enum metrics_kind kind, const char *name, const char *help, double value)
{
	metrics_begin(out, name, kind, help);
	metrics_real(out, name, NULL, value);
}

static bool read_text(const char *path, char *out, size_t size)
{
	FILE *const file = fopen(path, "re");
	size_t length;

	if (!file)
		return false;
	length = fread(out, 1, size - 1, file);
	fclose(file);
	out[length] = '\0';
	return length > 0;
}

/* When the machine was started, in seconds since the epoch. */
static bool read_boot(uint64_t *boot_s)
{
	FILE *const file = fopen("/proc/stat", "re");
	char line[256];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "btime %" SCNu64, boot_s) == 1;
	fclose(file);
	return found;
}

/* proc(5): the fields behind the name, which is in brackets and may hold anything. */
static void write_stat(FILE *out)
{
	char text[1024];
	const char *at;
	uint64_t user, system, threads, start, size, boot_s;
	int64_t pages;
	const double ticks = (double)sysconf(_SC_CLK_TCK);

	if (!read_text("/proc/self/stat", text, sizeof(text)) || !(at = strrchr(text, ')')) ||
		sscanf(at + 1,
			" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
			" %*d %*d %*d %*d %" SCNu64 " %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
			&user, &system, &threads, &start, &size, &pages) != 6)
		return;
	write_real(out, METRICS_COUNTER, "process_cpu_seconds_total",
		"Processor time, of user and system.", (double)(user + system) / ticks);
	metrics_gauge(out, "process_resident_memory_bytes", "Memory in use.",
		(uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
	metrics_gauge(out, "process_virtual_memory_bytes", "Address space in use.", size);
	metrics_gauge(out, "process_threads", "Threads.", threads);
	if (read_boot(&boot_s))
		write_real(out, METRICS_GAUGE, "process_start_time_seconds",
			"When the process was started, since the epoch.",
			(double)boot_s + (double)start / ticks);
}

static void write_files(FILE *out)
{
	DIR *const directory = opendir("/proc/self/fd");
	struct rlimit limit;
	uint64_t count = 0;

	if (directory) {
		while (readdir(directory))
			count++;
		closedir(directory);
	}
	if (count > 3) /* two are . and .., one is the directory itself */
		metrics_gauge(out, "process_open_fds", "Open files and sockets.", count - 3);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		metrics_gauge(out, "process_max_fds", "How many may be open.", limit.rlim_cur);
}

void metrics_write_process(FILE *out, const char *program)
{
	metrics_begin(out, "build_info", METRICS_GAUGE, "Always 1; the labels tell the build.");
	metrics_whole(out, "build_info",
		METRICS_LABELS({ "program", program }, { "version", HW9_VERSION },
			{ "commit", HW9_COMMIT }),
		1);
	write_stat(out);
	write_files(out);
}
