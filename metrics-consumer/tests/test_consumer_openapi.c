/* The document that is served and the table of routes are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "metrics-consumer/page.h"
#include "tests/support/openapi.h"

static void the_document_has_every_route_and_no_other(void **state)
{
	const struct routes table = { page_routes, PAGE_ROUTES };

	(void)state;
	openapi_assert(ROOM_DIRECTORY "/openapi.json", &table, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_has_every_route_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
