/* metrics-consumer/settings.h - what a user may set of the consumer, and its commands. */
#ifndef METRICS_CONSUMER_SETTINGS_H
#define METRICS_CONSUMER_SETTINGS_H

#include <limits.h>

#include "kafka/client/client.h"
#include "metrics-consumer/outboxes.h"
#include "process/log.h"
#include "process/program.h"

struct settings {
	char brokers[SETTING_TEXT_MAX], topic[SETTING_TEXT_MAX], group[SETTING_TEXT_MAX];
	char address[SETTING_TEXT_MAX];
	int64_t port;
	char state_directory[SETTING_TEXT_MAX];
	char journal_path[SETTING_TEXT_MAX], dead_letter_path[SETTING_TEXT_MAX];
	int64_t sync_ms, rotate_bytes, rotate_s, keep_files;
	bool compress, new_journal;
	char services_list[SETTING_TEXT_MAX];
	bool print;
	enum log_level level;
	enum log_format format;
	struct settings_passed passed;
	char journal[PATH_MAX], dead_letter[PATH_MAX]; /* where they really are */
	struct outbox_urls services;                   /* of the list */
};

extern const struct program consumer_program;

/* Reads them as settings_read does, finds where the files are, and sets the log. */
bool settings_take(struct settings *settings, int argc, char **argv, struct fail *fail);

/* The commands `verify` and `redrive`, and the one that takes its own options out of @argv, which
 * stay behind. Each is given what stands behind its word, and returns the exit status. */
int command_verify(int argc, char **argv);
int command_redrive(int argc, char **argv);
/* Takes an option without a value out of @argv; the settings are left in it. */
bool command_take_word(const char *word, int *argc, char **argv);

#endif
