#include "process/setting_value.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "process/log.h"

static const char mask[] = "***";

static bool store_number(const struct setting *s, const char *text, void *into)
{
	char *end = NULL;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)text[0]) ||
		value < s->smallest || value > s->largest)
		return false;
	memcpy(into, &(int64_t){ value }, sizeof(int64_t));
	return true;
}

static bool store_text(const struct setting *s, const char *text, void *into)
{
	const int64_t length = (int64_t)strlen(text);

	assert(s->largest < SETTING_TEXT_MAX);
	if (length < s->smallest || length > s->largest)
		return false;
	memcpy(into, text, (size_t)length + 1);
	return true;
}

static bool store_switch(const char *text, void *into)
{
	static const char *const words[][2] = { { "off", "on" }, { "false", "true" },
		{ "0", "1" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int on = 0; on < 2; on++) {
			if (strcmp(text, words[i][on]) == 0) {
				memcpy(into, &(bool){ on == 1 }, sizeof(bool));
				return true;
			}
		}
	}
	return false;
}

static bool store_address(const char *text, void *into)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1)
		return false;
	strcpy(into, text); /* so it is short */
	return true;
}

bool setting_store(const struct setting *s, const char *text, void *base)
{
	void *const into = (char *)base + s->offset;
	enum log_format format;
	enum log_level level;

	switch (s->kind) {
	case SETTING_TEXT:
	case SETTING_PATH:
		return store_text(s, text, into);
	case SETTING_URL:
		return (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) &&
		       store_text(s, text, into);
	case SETTING_NUMBER:
		return store_number(s, text, into);
	case SETTING_SWITCH:
		return store_switch(text, into);
	case SETTING_ADDRESS:
		return store_address(text, into);
	case SETTING_LEVEL:
		if (!log_level_parse(text, &level))
			return false;
		memcpy(into, &level, sizeof(level));
		return true;
	case SETTING_FORMAT:
		if (!log_format_parse(text, &format))
			return false;
		memcpy(into, &format, sizeof(format));
		return true;
	}
	return false;
}

void setting_range(const struct setting *s, char out[SETTING_RANGE_MAX])
{
	switch (s->kind) {
	case SETTING_TEXT:
	case SETTING_PATH:
		(void)snprintf(out, SETTING_RANGE_MAX, "a text of %" PRId64 " to %" PRId64 " bytes",
			s->smallest, s->largest);
		break;
	case SETTING_URL:
		(void)snprintf(out, SETTING_RANGE_MAX,
			"a URL that begins with http:// or https://, at most %" PRId64 " bytes",
			s->largest);
		break;
	case SETTING_NUMBER:
		(void)snprintf(out, SETTING_RANGE_MAX,
			"a whole number from %" PRId64 " to %" PRId64, s->smallest, s->largest);
		break;
	case SETTING_SWITCH:
		strcpy(out, "on or off");
		break;
	case SETTING_ADDRESS:
		strcpy(out, "a numeric IPv4 or IPv6 address");
		break;
	case SETTING_LEVEL:
		strcpy(out, "debug, info, warning or error");
		break;
	case SETTING_FORMAT:
		strcpy(out, "text or json");
		break;
	}
}

const char *const *setting_words(enum setting_kind kind)
{
	static const char *const switches[] = { "on", "off", NULL };
	static const char *const levels[] = { "debug", "info", "warning", "error", NULL };
	static const char *const formats[] = { "text", "json", NULL };

	return kind == SETTING_SWITCH   ? switches
	       : kind == SETTING_LEVEL  ? levels
	       : kind == SETTING_FORMAT ? formats
					: NULL;
}

void setting_option(const char *name, char out[SETTING_NAME_MAX])
{
	size_t i = 0;

	for (; name[i] && i + 1 < SETTING_NAME_MAX; i++)
		out[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
	out[i] = '\0';
}

static bool ends_with(const char *name, const char *end)
{
	const size_t length = strlen(name), tail = strlen(end);

	return length >= tail && strcasecmp(name + length - tail, end) == 0;
}

static bool is_secret(const char *name)
{
	static const char *const words[] = { "password", "secret", "token", "headers", "key.pem",
		"key_pem", "key-pem", "jaas", "oauthbearer.config", "oauthbearer_config",
		"oauthbearer-config" };
	static const char *const places[] = { "file", "location", "path", "url" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (ends_with(name, places[i]))
			return false;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasestr(name, words[i]))
			return true;
	}
	return false;
}

/* The password of @start, which is user:password@host, if there is one. */
static bool find_password(const char *start, const char **from, const char **to)
{
	const char *colon, *at = NULL;

	for (const char *c = start; *c && *c != '/' && *c != '?' && *c != '#'; c++) {
		if (*c == '@')
			at = c;
	}
	if (!at)
		return false;
	colon = memchr(start, ':', (size_t)(at - start));
	*from = colon ? colon + 1 : start;
	*to = at;
	return true;
}

static void append(char out[SETTING_TEXT_MAX], const char *from, const char *to)
{
	const size_t length = strlen(out);

	(void)snprintf(out + length, SETTING_TEXT_MAX - length, "%.*s", (int)(to - from), from);
}

/* Of one URL, or of several with commas between. */
static void hide_passwords(const char *value, char out[SETTING_TEXT_MAX])
{
	const char *scheme, *from, *to;

	out[0] = '\0';
	while ((scheme = strstr(value, "://"))) {
		append(out, value, scheme + 3);
		value = scheme + 3;
		if (!find_password(value, &from, &to))
			continue;
		append(out, value, from);
		append(out, mask, mask + strlen(mask));
		value = to;
	}
	append(out, value, value + strlen(value));
}

const char *setting_shown(const char *name, const char *value, char out[SETTING_TEXT_MAX])
{
	if (is_secret(name) && *value != '\0')
		return mask;
	hide_passwords(value, out);
	for (char *c = out; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = '?';
	}
	return out;
}
