#include "process/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t fixed_ms;

static int64_t read_us(clockid_t id)
{
	const int64_t fixed = atomic_load(&fixed_ms);
	struct timespec now;
	int error;

	if (fixed != 0)
		return fixed * 1000;
	error = clock_gettime(id, &now);
	assert(error == 0); /* both clocks exist on every Linux */
	(void)error;
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC) + 1000;
}

void clock_set(int64_t wall_ms)
{
	atomic_store(&fixed_ms, wall_ms);
}

static char *put_digits(char *at, int value, int count)
{
	for (int i = count - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + count;
}

/* Writes `2025-07-08T19:15:32` and returns its end. printf would take ten times as long, and each
 * record of the relay has a time. */
static char *put_second(char *at, int64_t wall_ms, int *ms)
{
	int64_t seconds = wall_ms / 1000;
	struct tm t;
	const struct tm *done;

	*ms = (int)(wall_ms % 1000);
	if (*ms < 0) {
		*ms += 1000;
		seconds--;
	}
	done = gmtime_r(&(time_t){ (time_t)seconds }, &t);
	assert(done);
	(void)done;
	assert(t.tm_year + 1900 >= 1 && t.tm_year + 1900 <= 9999);
	at = put_digits(at, t.tm_year + 1900, 4);
	*at++ = '-';
	at = put_digits(at, t.tm_mon + 1, 2);
	*at++ = '-';
	at = put_digits(at, t.tm_mday, 2);
	*at++ = 'T';
	at = put_digits(at, t.tm_hour, 2);
	*at++ = ':';
	at = put_digits(at, t.tm_min, 2);
	*at++ = ':';
	return put_digits(at, t.tm_sec, 2);
}

void clock_text(int64_t wall_ms, char out[CLOCK_TEXT_MAX])
{
	int ms;
	char *at = put_second(out, wall_ms, &ms);

	*at++ = '.';
	at = put_digits(at, ms, 3);
	*at++ = 'Z';
	*at = '\0';
}

void clock_text_seconds(int64_t wall_ms, char out[CLOCK_TEXT_MAX])
{
	int ms;
	char *at = put_second(out, wall_ms, &ms);

	*at++ = 'Z';
	*at = '\0';
}

/* The number that two digits stand for, or -1. */
static int two_digits(const char *at)
{
	const unsigned tens = (unsigned char)at[0] - '0', ones = (unsigned char)at[1] - '0';

	return tens > 9 || ones > 9 ? -1 : (int)(tens * 10 + ones);
}

static bool zone_is_utc(const char *at, const char *end)
{
	static const char offset[] = "+00:00";

	if (end - at == 1)
		return *at == 'Z';
	if (end - at != sizeof(offset) - 1)
		return false;
	for (size_t i = 0; i < sizeof(offset) - 1; i++) {
		if (at[i] != offset[i])
			return false;
	}
	return true;
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Days from 1970-01-01. Years begin in March here, so that the leap day is their last: 719468 days
 * lie between March 1st of year 0 and the epoch. timegm takes ten times as long, and the
 * consumer reads two times an event. */
static int64_t days_since_epoch(int year, int month, int day)
{
	const int y = month > 2 ? year : year - 1, m = (month + 9) % 12;

	return 365 * (int64_t)y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* The milliseconds of a fraction, at a point; steps over it. False where no digit follows. */
static bool take_fraction(const char **at, const char *end, int *ms)
{
	const char *const first = ++*at;
	int scale = 100;

	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, scale /= 10)
		*ms += (**at - '0') * scale;
	return *at > first;
}

bool clock_parse(const char *text, size_t length, int64_t *wall_ms)
{
	static const char pattern[] = "dddd-dd-ddTdd:dd:dd";
	const char *at = text + sizeof(pattern) - 1;
	const char *const end = text + length;
	int ms = 0;

	if (length < sizeof(pattern) || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
		text[13] != ':' || text[16] != ':')
		return false;
	const int century = two_digits(text), year = century * 100 + two_digits(text + 2);
	const int month = two_digits(text + 5), day = two_digits(text + 8);
	const int hour = two_digits(text + 11), minute = two_digits(text + 14);
	const int second = two_digits(text + 17);

	if (century < 0 || two_digits(text + 2) < 0 || year < 1 || month < 1 || month > 12 ||
		day < 1 || day > days_in(year, month) || hour < 0 || hour > 23 || minute < 0 ||
		minute > 59 || second < 0 || second > 59)
		return false;
	if ((*at == '.' && !take_fraction(&at, end, &ms)) || !zone_is_utc(at, end))
		return false;
	*wall_ms = days_since_epoch(year, month, day) * 86400000 + hour * 3600000 + minute * 60000 +
		   second * 1000 + ms;
	return true;
}
