/* The keys of all sections: which there are, and what their values mean. */
#pragma once

struct draft;
struct reader_assignment;

enum key_id {
    KEY_WORKERS,
    KEY_SESSIONS_MAX,
    KEY_GLOBAL_RATE_MAX,
    KEY_DRAIN_TIMEOUT,
    KEY_GLOBAL_CONNECT_TIMEOUT,
    KEY_ADMIN_SOCKET,
    KEY_ADMIN_LISTEN,
    KEY_LOG_FORMAT,
    KEY_LOG_RATE,
    KEY_GLOBAL_ACCESS_LOG,
    KEY_USER,
    KEY_SANDBOX,
    KEY_ADDRESS,
    KEY_MACHINE,
    KEY_VMM,
    KEY_HALF_CLOSE,
    KEY_GUEST_SESSIONS_MAX,
    KEY_GUEST_RATE_MAX,
    KEY_LISTEN,
    KEY_TARGET,
    KEY_PORTS,
    KEY_ALLOW,
    KEY_DENY,
    KEY_CONNECT_TIMEOUT,
    KEY_WAIT_FOR_GUEST,
    KEY_WAIT_FOR,
    KEY_WAIT_MAX,
    KEY_ROUTE_SESSIONS_MAX,
    KEY_RATE_MAX,
    KEY_SOURCE_SESSIONS_MAX,
    KEY_SOURCE_RATE_MAX,
    KEY_AT_LIMIT,
    KEY_BANDWIDTH,
    KEY_SESSION_BANDWIDTH,
    KEY_SESSION_TIME,
    KEY_HALF_CLOSE_TIMEOUT,
    KEY_IDLE_TIMEOUT,
    KEY_DEAD_GUEST_PROBE,
    KEY_KEEPALIVE,
    KEY_BACKLOG,
    KEY_MODE,
    KEY_OWNER,
    KEY_LANE,
    KEY_ACCEPT_PROXY,
    KEY_SEND_PROXY,
    KEY_ACCESS_LOG,
    KEY_BALANCE,
    KEY_RETRIES,
    KEY_FAIL_MAX,
    KEY_FAIL_TIME,
    KEY_CHECK,
    KEY_CHECK_INTERVAL,
    KEY_CHECK_TIMEOUT,
    KEY_CHECK_SEND,
    KEY_CHECK_EXPECT,
    KEY_CHECK_RISE,
    KEY_CHECK_FALL,
    KEY_COUNT,
};

/* Reads one assignment of the current section into the draft. */
void key_assign(struct draft *draft, const struct reader_assignment *assignment);

/* What was assigned last is complete: an assignment, a section or the end of the file follows. */
void key_settle(struct draft *draft);
