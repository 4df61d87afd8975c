#include "http/health.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define ASK_MS 3000

void health_answer_live(struct http_request *request)
{
	http_answer_text(request, 200, "text/plain", "ok\n");
}

void health_answer_ready(struct http_request *request, const struct health_check *checks,
	size_t count, void *context)
{
	json_t *const states = json_object();
	bool ready = true;

	for (size_t i = 0; i < count; i++) {
		char why[HEALTH_TEXT_MAX] = "";
		const bool holds = checks[i].holds(context, why);

		ready = ready && holds;
		(void)json_object_set_new(
			states, checks[i].name, http_shown(holds && !*why ? "ok" : why));
	}
	http_answer_json(request, ready ? 200 : 503,
		json_pack("{s:b, s:o}", "ready", (int)ready, "checks", states));
}

struct said {
	char *text;
	size_t length, room;
};

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
	struct said *const said = context;
	const size_t length = size * count, left = said->room - said->length;
	const size_t taken = length < left ? length : left;

	memcpy(said->text + said->length, bytes, taken);
	said->length += taken;
	return length; /* the rest is not wanted */
}

long health_look(const char *address, int64_t port, int wait_ms, char *said, size_t size)
{
	struct said answer = { said, 0, size - 1 };
	char url[128];
	CURL *const curl = curl_easy_init();
	CURLcode code;
	long status = 0;
	/* A server that listens on every address is asked on loopback. */
	const char *const host = strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1"
				 : strcmp(address, "::") == 0    ? "::1"
								 : address;
	const bool six = strchr(host, ':') != NULL;

	if (!curl) {
		(void)snprintf(said, size, "out of memory");
		return 0;
	}
	(void)snprintf(url, sizeof(url), "http://%s%.45s%s:%lld/readyz", six ? "[" : "", host,
		six ? "]" : "", (long long)port);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)wait_ms);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	code = curl_easy_perform(curl);
	if (code == CURLE_OK) {
		(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		said[answer.length] = '\0';
	} else {
		(void)snprintf(said, size, "%s: %s", url, curl_easy_strerror(code));
	}
	curl_easy_cleanup(curl);
	return status;
}

int health_ask(const char *address, int64_t port)
{
	char said[4096];
	const long status = health_look(address, port, ASK_MS, said, sizeof(said));

	puts(said);
	return status == 200 ? 0 : 1;
}
