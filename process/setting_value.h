/* process/setting_value.h - one setting: its kind, its text, its place, and how it is shown. */
#ifndef PROCESS_SETTING_VALUE_H
#define PROCESS_SETTING_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETTING_TEXT_MAX  1024 /* bytes of a text with its NUL */
#define SETTING_RANGE_MAX 96
#define SETTING_NAME_MAX  64

enum setting_kind {
	SETTING_TEXT,    /* char[SETTING_TEXT_MAX]; smallest and largest bound its length */
	SETTING_PATH,    /* the same, of a file or directory */
	SETTING_URL,     /* the same; begins with http:// or https:// */
	SETTING_NUMBER,  /* int64_t */
	SETTING_SWITCH,  /* bool; on, off, true, false, 1, 0 */
	SETTING_LEVEL,   /* enum log_level; debug, info, warning, error */
	SETTING_FORMAT,  /* enum log_format; text, json */
	SETTING_ADDRESS, /* char[SETTING_TEXT_MAX]; a numeric IPv4 or IPv6 address */
};

struct setting {
	const char *name; /* shorter than SETTING_NAME_MAX */
	enum setting_kind kind;
	size_t offset;       /* where in the program's struct the value goes */
	const char *initial; /* value where nothing is set */
	int64_t smallest, largest;
	const char *help; /* a few words for --help */
	bool often;       /* --help shows it; `config --help` shows all */
};

/* Writes the value into the struct at @base. False: it is none of this kind, and nothing is
 * written. */
bool setting_store(const struct setting *setting, const char *text, void *base);

/* What a value has to be, in words: "a whole number from 0 to 65535". */
void setting_range(const struct setting *setting, char out[SETTING_RANGE_MAX]);
/* The values of a kind that has only a few, ending with NULL; NULL for others. */
const char *const *setting_words(enum setting_kind kind);

/* HTTP_PORT is the option http-port. */
void setting_option(const char *name, char out[SETTING_NAME_MAX]);

/* The value as a person may see it, cut where it is too long: control characters are ?, the
 * value of a name that speaks of a password, secret, token, key or headers is ***, and so is a
 * password in a URL, or in several with commas between. A name that ends with file, location or
 * path holds no secret itself. */
const char *setting_shown(const char *name, const char *value, char out[SETTING_TEXT_MAX]);

#endif
