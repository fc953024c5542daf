/* A flood of failing sessions must not fill a disk: of those of one route that end for one reason,
 * so many have their line within a minute (`log-rate`). The others are counted, and told together
 * every LOG_FLOOD_TELL_NS. Of any thread.
 *
 * LOG_FLOOD_KINDS routes and reasons are told apart within a minute; those beyond share one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LOG_FLOOD_KINDS   256
#define LOG_FLOOD_SPAN_NS UINT64_C(60000000000)
#define LOG_FLOOD_TELL_NS UINT64_C(5000000000)

/* How many lines, from now on; 0: any number. */
void log_flood_limit(unsigned lines);

/* May this one have its line? `reason` is a constant. In the time of clock_ns(). */
bool log_flood_admit(const char *route, const char *reason, uint64_t now_ns);

/* How many had none, since the start. */
uint64_t log_flood_left_out(void);

/* Tells what is due by then. Returns when to call again; 0: nothing was left out that is not told
 * yet. UINT64_MAX: tells all. */
uint64_t log_flood_tell(uint64_t now_ns);
