/* The process itself and what it has on this machine. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor/checks.h"
#include "http/health.h"
#include "process/lock_holder.h"

#define ASK_MS    1500
#define FREE_BAD  (64.0 * 1048576)
#define FREE_WARN (1024.0 * 1048576)

/* What /readyz names that is not well. */
static void say_unready(const char *body, char *out, size_t size)
{
	json_t *const document = json_loads(body, 0, NULL);
	const json_t *const checks = json_object_get(document, "checks");
	const char *name;
	json_t *state;

	*out = '\0';
	json_object_foreach ((json_t *)checks, name, state) {
		const char *const text = json_string_value(state);

		if (text && strcmp(text, "ok") != 0)
			report_append(out, size, "%s: %s", name, text);
	}
	json_decref(document);
}

void check_process(struct report *report, const struct doctor_visit *visit, bool *runs)
{
	char said[4096], why[512];
	long status;

	*runs = false;
	if (visit->http_port == 0) {
		report_say(report, VERDICT_OK, "process", "", "not asked: HTTP_PORT is 0");
		return;
	}
	status = health_look(visit->http_address, visit->http_port, ASK_MS, said, sizeof(said));
	*runs = status == 200 || status == 503;
	if (status == 200) {
		report_say(report, VERDICT_OK, "process", "", "runs and is ready on port %" PRId64,
			visit->http_port);
	} else if (status == 503) {
		say_unready(said, why, sizeof(why));
		report_say(report, VERDICT_BAD, "process",
			"what is bad or warn below, in that order",
			"runs on port %" PRId64 ", but waits: %s", visit->http_port, why);
	} else if (status != 0) {
		report_say(report, VERDICT_WARN, "process", "set HTTP_PORT to a port of its own",
			"something else answers on port %" PRId64 " (status %ld)", visit->http_port,
			status);
	} else {
		report_say(report, VERDICT_WARN, "process",
			"start it, or set HTTP_PORT to where it listens", "does not answer: %s",
			said);
	}
}

static const char *name_of(uid_t user, char out[32])
{
	const struct passwd *const entry = getpwuid(user);

	(void)snprintf(out, 32, "%s", entry ? entry->pw_name : "");
	if (*out == '\0')
		(void)snprintf(out, 32, "%u", (unsigned)user);
	return out;
}

void check_directory(struct report *report, const struct doctor_visit *visit)
{
	const char *const path = visit->state_directory;
	char me[32], owner[32], mend[128];
	struct stat file;

	if (stat(path, &file) != 0) {
		if (errno == ENOENT)
			report_say(report, VERDICT_WARN, "directory", "",
				"%s is not there; a start makes it", path);
		else
			report_say(report, VERDICT_BAD, "directory", "set STATE_DIRECTORY",
				"%s: %s", path, strerror(errno));
		return;
	}
	name_of(geteuid(), me);
	name_of(file.st_uid, owner);
	if (!S_ISDIR(file.st_mode)) {
		report_say(report, VERDICT_BAD, "directory", "set STATE_DIRECTORY",
			"%s is no directory", path);
	} else if (access(path, W_OK | X_OK) != 0) {
		(void)snprintf(mend, sizeof(mend), "sudo -u %s %s doctor, or chown it", owner,
			visit->program);
		report_say(report, VERDICT_BAD, "directory", mend,
			"%s belongs to %s; %s cannot write there: %s", path, owner, me,
			strerror(errno));
	} else {
		report_say(report, VERDICT_OK, "directory", "",
			"%s, writable for %s, belongs to %s", path, me, owner);
	}
}

void check_disk(struct report *report, const struct doctor_visit *visit)
{
	struct statvfs disk;
	double room;
	bool no_file;
	enum verdict verdict;

	if (statvfs(visit->state_directory, &disk) != 0) {
		report_say(report, VERDICT_WARN, "disk", "", "not asked: %s", strerror(errno));
		return;
	}
	room = (double)disk.f_bavail * (double)disk.f_frsize;
	no_file = disk.f_files > 0 && disk.f_favail == 0;
	verdict = room < FREE_BAD || no_file ? VERDICT_BAD
		  : room < FREE_WARN         ? VERDICT_WARN
					     : VERDICT_OK;
	report_say(report, verdict, "disk",
		verdict == VERDICT_OK ? ""
				      : "make room: it stops taking, and goes on by itself then",
		"%.0f MB free of %.0f MB%s", room / 1048576,
		(double)disk.f_blocks * (double)disk.f_frsize / 1048576,
		no_file ? ", and no inode: no new file fits" : "");
}

void check_owner(struct report *report, const struct doctor_visit *visit, bool runs)
{
	const int holder = lock_holder(visit->owned);
	char mend[64];

	if (access(visit->owned, F_OK) != 0) {
		report_say(report, VERDICT_OK, visit->owned_name, "",
			"%s is not there; a start makes it", visit->owned);
	} else if (holder > 0 && !runs && visit->http_port != 0) {
		(void)snprintf(
			mend, sizeof(mend), "ps -fp %d; stop it, or set HTTP_PORT to its", holder);
		report_say(report, VERDICT_WARN, visit->owned_name, mend,
			"process %d has it, and does not answer on port %" PRId64, holder,
			visit->http_port);
	} else if (holder > 0) {
		report_say(report, VERDICT_OK, visit->owned_name, "", "%s, process %d has it",
			visit->owned, holder);
	} else if (runs) {
		report_say(report, VERDICT_WARN, visit->owned_name,
			"ask with the settings of that process: `config` shows these",
			"%s: nobody seen from here has it, so the process that answers has another",
			visit->owned);
	} else {
		report_say(report, VERDICT_OK, visit->owned_name, "", "%s, nobody has it",
			visit->owned);
	}
}
