/* What is counted of the sources of a route, over all workers: sessions, and how many began lately.
 *
 * A source is where a connection comes from: an IPv4 address, the first 64 bits of an IPv6 address,
 * a CID, a user. It is known for as long as it has sessions, and then until its rate is at rest. Of
 * those without sessions only the latest stay known: no more than a bound, however many there are.
 * Of any thread.
 */
#pragma once

#include "config/access.h"
#include "proxy/reason.h"

#include <stddef.h>

/* As many sources that have no sessions stay known. */
#define SOURCE_USES_RESTING_MAX 65536

struct source_key {
    uint64_t words[2];
    enum transport transport;
};

struct source_use;
struct source_uses;

/* IPv4 addresses in IPv6 ones are IPv4. */
struct source_key source_key_of_peer(const struct access_peer *peer);

/* NULL: out of memory. */
struct source_uses *source_uses_new(size_t resting_max);

/* No session may be left. NULL: nothing. */
void source_uses_free(struct source_uses *uses);

/* A session more of that source. REASON_NONE, and *ret is to be given to source_use_leave(); or the
 * limit that it exceeds (0: none), and nothing is counted; or REASON_NO_MEMORY. */
enum reason source_use_enter(struct source_uses *uses, const struct source_key *key,
                             uint32_t sessions_max, uint32_t rate_max, uint64_t now_ns,
                             struct source_use **ret);
void source_use_leave(struct source_use *use, uint64_t now_ns);

/* How many are known. */
size_t source_uses_count(struct source_uses *uses);
