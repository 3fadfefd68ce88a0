/*
 * Prints the occurrences of a calendar in a window as libical sees them, one a line: start, end and SUMMARY, separated
 * by tabs. Instants in UTC, dates as they are.
 *
 * Usage: occurrences <file.ics> <from> <to>          both as 20250101T000000Z, the end exclusive
 *
 * libical expands rules, RDATE and EXDATE; that an override (RECURRENCE-ID) takes its occurrence's place is done here.
 */

#include <libical/ical.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expansion {
    icalcomponent *calendar;
    icaltimetype from, to;
};

static time_t instant(icaltimetype time)
{
    return icaltime_as_timet_with_zone(time, time.zone ? time.zone : icaltimezone_get_utc_timezone());
}

/* Whether an override of the same UID stands for the occurrence that starts then. */
static int is_overridden(icalcomponent *calendar, const char *uid, time_t start)
{
    icalcompiter all = icalcomponent_begin_component(calendar, ICAL_VEVENT_COMPONENT);
    for (icalcomponent *event; (event = icalcompiter_deref(&all)); icalcompiter_next(&all)) {
        icalproperty *id = icalcomponent_get_first_property(event, ICAL_RECURRENCEID_PROPERTY);
        if (id && strcmp(icalcomponent_get_uid(event), uid) == 0
            && instant(icalproperty_get_datetime_with_component(id, event)) == start)
            return 1;
    }
    return 0;
}

static void print_time(time_t seconds, int is_date)
{
    icaltimetype time = icaltime_from_timet_with_zone(seconds, is_date, icaltimezone_get_utc_timezone());
    if (is_date)
        printf("%04d%02d%02d\t", time.year, time.month, time.day);
    else
        printf("%04d%02d%02dT%02d%02d%02dZ\t", time.year, time.month, time.day, time.hour, time.minute, time.second);
}

static void print_occurrence(icalcomponent *event, struct icaltime_span *span, void *data)
{
    const struct expansion *expansion = data;
    int is_date = icalcomponent_get_dtstart(event).is_date;
    int is_override = icalcomponent_get_first_property(event, ICAL_RECURRENCEID_PROPERTY) != NULL;
    const char *summary = icalcomponent_get_summary(event);

    if (span->start < instant(expansion->from) || span->start >= instant(expansion->to))
        return;
    if (!is_override && is_overridden(expansion->calendar, icalcomponent_get_uid(event), span->start))
        return;
    print_time(span->start, is_date);
    print_time(span->end, is_date);
    for (; summary && *summary; summary++)
        *summary == '\n' ? fputs("\\n", stdout) : putchar(*summary);
    putchar('\n');
}

static char *whole_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        return NULL;
    long size = ftell(file);
    char *text = calloc(1, (size_t) size + 1);
    rewind(file);
    if (text && fread(text, 1, (size_t) size, file) != (size_t) size)
        return NULL;
    fclose(file);
    return text;
}

/* Lines that libical can't read; an empty one it takes for an error, too, though a SUMMARY may be (RFC 5546, 3.2.1). */
static int errors(icalcomponent *component)
{
    int found = 0;
    icalproperty *error = icalcomponent_get_first_property(component, ICAL_XLICERROR_PROPERTY);
    for (; error; error = icalcomponent_get_next_property(component, ICAL_XLICERROR_PROPERTY))
        found += strncmp(icalproperty_get_xlicerror(error), "No value for", 12) != 0;
    icalcompiter inner = icalcomponent_begin_component(component, ICAL_ANY_COMPONENT);
    for (icalcomponent *one; (one = icalcompiter_deref(&inner)); icalcompiter_next(&inner))
        found += errors(one);
    return found;
}

int main(int count, char **arguments)
{
    char *text = count == 4 ? whole_file(arguments[1]) : NULL;
    icalcomponent *calendar = text ? icalparser_parse_string(text) : NULL;
    if (!calendar || errors(calendar) > 0) {
        fprintf(stderr, "libical refuses it:\n%s\n", calendar ? icalcomponent_as_ical_string(calendar) : "");
        return 1;
    }
    struct expansion expansion = {
        calendar, icaltime_from_string(arguments[2]), icaltime_from_string(arguments[3])
    };
    icalcompiter all = icalcomponent_begin_component(calendar, ICAL_VEVENT_COMPONENT);
    for (icalcomponent *event; (event = icalcompiter_deref(&all)); icalcompiter_next(&all))
        icalcomponent_foreach_recurrence(event, expansion.from, expansion.to, print_occurrence, &expansion);
    return 0;
}
