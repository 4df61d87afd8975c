/* The document that is served and the table of routes are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/routes.h"
#include "stock/http.h"
#include "tests/support/openapi.h"

static void the_document_has_every_route_and_no_other(void **state)
{
	const struct routes tables[] = { { stock_routes, STOCK_ROUTES },
		{ common_routes, COMMON_ROUTES } };

	(void)state;
	openapi_assert(ROOM_DIRECTORY "/openapi.json", tables, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_has_every_route_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
