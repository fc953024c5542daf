/* Connections that were refused, told once for each route and second at most, however many come:
 * the first at once, those of the second after it together. Of any thread.
 */
#pragma once

#include <stdint.h>

#define TURNED_AWAY_NS UINT64_C(1000000000)

/* Counts one of a route, and tells of it where nothing was told within the last second. Returns
 * when to call turned_away_tell(); 0: out of memory, and it will not be told. */
uint64_t turned_away_note(const char *route, const char *from, uint64_t now_ns);

/* Tells what is to be told by then, and forgets who was silent. Returns when to call again; 0:
 * nothing is left. */
uint64_t turned_away_tell(uint64_t now_ns);

/* Tells what is left of a route, at once, and forgets it. */
void turned_away_forget(const char *route);
