/* http/files.h - documents that are part of the program.
 *
 * They are revalidated each time (ETag, If-None-Match), and nothing but the server they come from
 * may serve scripts, styles or data to them (Content-Security-Policy). A Range is answered with
 * the whole, which RFC 9110 allows. */
#ifndef HTTP_FILES_H
#define HTTP_FILES_H

#include <stddef.h>

#include "http/server.h"

struct http_file {
	const char *path, *type;
	const char *etag; /* with its quotes */
	const unsigned char *bytes;
	size_t length;
};

/* Answers with the file of the route's path, which is in the table. Lives as long as the server. */
void http_answer_file(struct http_request *request, const struct http_file *files, size_t count);

#endif
