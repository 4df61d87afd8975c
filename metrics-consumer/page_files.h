/* metrics-consumer/page_files.h - the files of the page, which the build makes part of the program.
 */
#ifndef METRICS_CONSUMER_PAGE_FILES_H
#define METRICS_CONSUMER_PAGE_FILES_H

#include "http/files.h"

extern const struct http_file page_files[];
extern const size_t page_file_count;

#endif
