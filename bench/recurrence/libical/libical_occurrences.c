/*
 * libical inside PostgreSQL, as pg_rrule has it: the occurrences of a rule as a set of timestamptz, one value per call
 * from an icalrecur_iterator. Only what the benchmark needs; it cannot be cancelled inside a search, as libical can't.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include <libical/ical.h>

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(libical_occurrences);

#define EPOCH_SECOND INT64CONST(946684800) /* 2000-01-01 since 1970 */

typedef struct
{
	icalrecur_iterator *iterator;
	icaltimezone *zone;
} Expansion;

static void
free_iterator(void *iterator)
{
	icalrecur_iterator_free(iterator);
}

static Expansion *
start(text *rule, TimestampTz dtstart, text *zone_name, MemoryContext context)
{
	Expansion  *expansion = MemoryContextAlloc(context, sizeof(Expansion));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));
	struct icalrecurrencetype recurrence = icalrecurrencetype_from_string(text_to_cstring(rule));
	char	   *name = text_to_cstring(zone_name);
	struct icaltimetype from;

	if (recurrence.freq == ICAL_NO_RECURRENCE)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("libical cannot read the rule"));
	expansion->zone = strcmp(name, "UTC") == 0
		? icaltimezone_get_utc_timezone()
		: icaltimezone_get_builtin_timezone(name);
	if (expansion->zone == NULL)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("libical does not know the zone \"%s\"", name));
	from = icaltime_from_timet_with_zone(dtstart / USECS_PER_SEC + EPOCH_SECOND, 0, expansion->zone);
	expansion->iterator = icalrecur_iterator_new(recurrence, from);
	if (expansion->iterator == NULL)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("libical cannot expand the rule"));
	callback->func = free_iterator;
	callback->arg = expansion->iterator;
	MemoryContextRegisterResetCallback(context, callback);
	return expansion;
}

/* libical_occurrences(rule text, dtstart timestamptz, time_zone text) returns setof timestamptz */
Datum
libical_occurrences(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Expansion  *expansion;
	struct icaltimetype next;

	if (SRF_IS_FIRSTCALL())
	{
		call = SRF_FIRSTCALL_INIT();
		call->user_fctx = start(PG_GETARG_TEXT_PP(0), PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TEXT_PP(2),
								call->multi_call_memory_ctx);
	}
	call = SRF_PERCALL_SETUP();
	expansion = call->user_fctx;
	next = icalrecur_iterator_next(expansion->iterator);
	if (icaltime_is_null_time(next))
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call, TimestampTzGetDatum(
		(icaltime_as_timet_with_zone(next, expansion->zone) - EPOCH_SECOND) * USECS_PER_SEC));
}
