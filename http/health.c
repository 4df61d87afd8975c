#include "http/health.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define ASK_MS 3000L

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
			states, checks[i].name, json_string(holds && !*why ? "ok" : why));
	}
	http_answer_json(request, ready ? 200 : 503,
		json_pack("{s:b, s:o}", "ready", (int)ready, "checks", states));
}

int health_ask(const char *address, int64_t port)
{
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
		fputs("out of memory\n", stderr);
		return 1;
	}
	(void)snprintf(url, sizeof(url), "http://%s%.45s%s:%lld/readyz", six ? "[" : "", host,
		six ? "]" : "", (long long)port);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ASK_MS);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	code = curl_easy_perform(curl); /* the body goes to standard output */
	if (code != CURLE_OK)
		printf("%s: %s", url, curl_easy_strerror(code));
	else
		(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	putchar('\n');
	curl_easy_cleanup(curl);
	return status == 200 ? 0 : 1;
}
