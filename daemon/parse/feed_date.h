/* The dates of feeds. */
#ifndef PENSTOCK_PARSE_FEED_DATE_H
#define PENSTOCK_PARSE_FEED_DATE_H

#include <stdbool.h>
#include <stddef.h>

#define FEED_DATE_SIZE 40

/* Writes the moment as RFC 3339 has it, in UTC: 2026-11-21T22:30:00Z, with a fraction if there was
 * one. Read are RFC 822's dates with what feeds do to them (no weekday, no seconds, four or two
 * digits of the year, full names of months, zones by name) and those of ISO 8601 and RFC 3339 from
 * a year to a fraction of a second, with T or a space. What has no zone is taken for UTC, what has
 * no time for the day's (or month's) start. False: none of these. Any thread. */
bool feed_date(const char *text, size_t len, char ret[FEED_DATE_SIZE]);

#endif
