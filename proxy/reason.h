/* Why a session ended: one table for the log, for counters and for people.
 *
 * token: what the log and counters name; whole: did every byte arrive and the streams end in good
 * order; text: the same in words.
 */
#pragma once

#include "config/address.h"
#include "config/config.h"

#include <stdbool.h>

/* clang-format off */
#define REASON_TABLE(X) \
    X(NONE,               "none",               true,  "not ended") \
    X(DONE,               "done",               true,  "both directions ended") \
    X(INITIATOR_RESET,    "initiator-reset",    false, "the initiator's connection was reset") \
    X(TARGET_RESET,       "target-reset",       false, "the target's connection was reset") \
    X(INITIATOR_GONE,     "initiator-gone",     false, "the initiator is gone while the target still sent") \
    X(TARGET_GONE,        "target-gone",        false, "the target is gone while the initiator still sent") \
    X(INITIATOR_LEFT,     "initiator-left",     false, "the initiator left before the target answered") \
    X(TARGET_REFUSED,     "target-refused",     false, "the target refused the connection: nothing listens there") \
    X(TARGET_TIMEOUT,     "target-timeout",     false, "the target did not answer within connect-timeout") \
    X(TARGET_BUSY,        "target-busy",        false, "the target's backlog stayed full for all of connect-timeout") \
    X(TARGET_UNREACHABLE, "target-unreachable", false, "the target cannot be reached") \
    X(TARGET_MISSING,     "target-missing",     false, "the target's socket file does not exist") \
    X(TARGET_DENIED,      "target-denied",      false, "no permission to connect to the target") \
    X(NAME_UNRESOLVED,    "name-unresolved",    false, "the target's name does not resolve") \
    X(GUEST_OFF,          "guest-off",          false, "no guest with this CID is running") \
    X(GUEST_BOOTING,      "guest-booting",      false, "the guest does not answer: it is booting, paused or hung") \
    X(GUEST_NO_SERVICE,   "guest-no-service",   false, "the guest is up, but nothing listens on this port in it") \
    X(GUEST_FULL,         "guest-full",         false, "the guest has as many sessions as it may: max-sessions, or what its VMM has room for") \
    X(GUEST_FROZEN,       "guest-frozen",       false, "the guest is frozen") \
    X(MACHINE_UNKNOWN,    "machine-unknown",    false, "systemd-machined names no CID of this machine") \
    X(MUX_REFUSED,        "mux-refused",        false, "the VMM refused the port: nothing listens on it in the guest, or the guest is not up") \
    X(MUX_SILENT,         "mux-silent",         false, "the VMM did not answer CONNECT within connect-timeout") \
    X(MUX_GARBAGE,        "mux-garbage",        false, "the VMM answered CONNECT with something other than OK: is this a vsock-mux socket?") \
    X(CONNECT_SILENT,     "connect-silent",     false, "the initiator did not say CONNECT PORT within connect-timeout") \
    X(CONNECT_GARBAGE,    "connect-garbage",    false, "the initiator said something other than CONNECT PORT") \
    X(PROXY_SILENT,       "proxy-silent",       false, "the initiator did not send a whole PROXY header within connect-timeout") \
    X(PROXY_GARBAGE,      "proxy-garbage",      false, "the initiator sent something other than a PROXY header") \
    X(PROXY_UNSENT,       "proxy-unsent",       false, "the target's socket had no room for the PROXY header") \
    X(PORT_DENIED,        "port-denied",        false, "the initiator named a port that is not among 'ports'") \
    X(ROUTE_FULL,         "route-full",         false, "the route has as many sessions as its max-sessions") \
    X(RATE_EXCEEDED,      "rate-exceeded",      false, "more sessions began within a second than max-rate of the route or the guest") \
    X(SOURCE_FULL,        "source-full",        false, "its source has as many sessions as max-sessions-per-source") \
    X(SOURCE_RATE,        "source-rate",        false, "more sessions of its source began within a second than max-rate-per-source") \
    X(ENDED_BY_OPERATOR,  "ended-by-operator",  false, "an operator ended it") \
    X(SESSION_TIME,       "session-time",       false, "the session lasted for max-session-time") \
    X(HALF_CLOSE_TIMEOUT, "half-close-timeout", false, "one side had ended, and no byte was relayed for half-close-timeout") \
    X(IDLE_TIMEOUT,       "idle-timeout",       false, "no byte was relayed for idle-timeout") \
    X(NO_DESCRIPTORS,     "no-descriptors",     false, "out of file descriptors: raise LimitNOFILE or lower max-sessions") \
    X(NO_MEMORY,          "no-memory",          false, "out of memory or buffers") \
    X(DRAIN_TIMEOUT,      "drain-timeout",      false, "still open when drain-timeout was over") \
    X(SYSTEM,             "system",             false, "unexpected error")
/* clang-format on */

enum reason {
#define REASON_ENUM(name, token, whole, text) REASON_##name,
    REASON_TABLE(REASON_ENUM)
#undef REASON_ENUM
        REASON_COUNT
};

const char *reason_token(enum reason reason);
const char *reason_text(enum reason reason);

/* Which phases of a guest's life (enum guest_phase) it may mean, where the target is in one; 0:
 * none.
 */
unsigned reason_guest_phases(enum reason reason);

/* false: the sockets are closed with a reset, so that no truncated stream looks whole. */
bool reason_whole(enum reason reason);

/* Words for the error that came with the reason: negative errno, or getaddrinfo's. */
const char *reason_detail(enum reason reason, int error);

/* What a failed connect says (error: negative errno), by the kind of socket it failed on. */
enum reason reason_of_connect(enum transport transport, int error);
