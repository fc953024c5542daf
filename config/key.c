/* The table of keys, and the way of one assignment through it: is the key known here, is it given
 * once, does it have a value. value.c reads the value itself.
 */
#include "config/key.h"

#include "config/draft.h"
#include "config/name.h"
#include "config/reader.h"
#include "config/value.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define RATE_FORM      "a number of sessions per second from 0 to 1000000"
#define BANDWIDTH_FORM "bytes per second from 1K to 100G, such as 10M, or 'off'"
#define ACCESS_FORM    "who may connect or not, such as '10.0.0.0/8 ::1', 'uid:USER' or 'cid:CID'"

#define CHECK_FORM \
    "text of at most 255 bytes, with \\r, \\n, \\t, \\\\ and \\xHH for bytes that it cannot hold"

static const struct key keys[KEY_COUNT] = {
    [KEY_WORKERS] = {"workers", SECTION_GLOBAL, KEY_SINGLE, workers_set, "a number from 0 to 1024"},
    [KEY_SESSIONS_MAX] = {"max-sessions", SECTION_GLOBAL, KEY_SINGLE, sessions_max_set,
                          "a number from 0 to 10000000"},
    [KEY_GLOBAL_RATE_MAX] = {"max-rate", SECTION_GLOBAL, KEY_SINGLE, global_rate_max_set,
                             RATE_FORM},
    [KEY_DRAIN_TIMEOUT] = {"drain-timeout", SECTION_GLOBAL, KEY_SINGLE, drain_timeout_set,
                           "a duration such as 30s, 500ms or 2m"},
    [KEY_GLOBAL_CONNECT_TIMEOUT] = {"connect-timeout", SECTION_GLOBAL, KEY_SINGLE,
                                    global_connect_timeout_set,
                                    "a duration above 0, such as 5s, 500ms or 2m"},
    [KEY_ADMIN_SOCKET] = {"admin-socket", SECTION_GLOBAL, KEY_SINGLE, admin_socket_set,
                          "the path of a Unix socket, such as /run/vsluice/admin.sock"},
    [KEY_ADMIN_LISTEN] = {"admin-listen", SECTION_GLOBAL, KEY_SINGLE, admin_listen_set,
                          "a TCP address and port, such as tcp:127.0.0.1:9100"},
    [KEY_LOG_FORMAT] = {"log-format", SECTION_GLOBAL, KEY_SINGLE, log_format_set,
                        "auto, journal, text or json"},
    [KEY_LOG_RATE] = {"log-rate", SECTION_GLOBAL, KEY_SINGLE, log_rate_set,
                      "a number of lines in a minute from 0 to 1000000"},
    [KEY_GLOBAL_ACCESS_LOG] = {"access-log", SECTION_GLOBAL, KEY_SINGLE, global_access_log_set,
                               "no or yes"},
    [KEY_USER] = {"user", SECTION_GLOBAL, KEY_SINGLE, user_set,
                  "'USER' or 'USER:GROUP', by name or number"},
    [KEY_SANDBOX] = {"sandbox", SECTION_GLOBAL, KEY_SINGLE, sandbox_set, "yes or no"},
    [KEY_ADDRESS] = {"address", SECTION_GUEST, KEY_SINGLE, address_set,
                     "'vsock:CID' or 'vsock-mux:/PATH'"},
    [KEY_MACHINE] = {"machine", SECTION_GUEST, KEY_SINGLE, machine_set,
                     "the name of a virtual machine, as systemd-machined has it"},
    [KEY_VMM] = {"vmm", SECTION_GUEST, KEY_SINGLE, vmm_set,
                 "auto, kernel, firecracker, cloud-hypervisor, vhost-device or libkrun"},
    [KEY_HALF_CLOSE] = {"half-close", SECTION_GUEST, KEY_SINGLE, half_close_set,
                        "auto, pass or hold"},
    [KEY_GUEST_SESSIONS_MAX] = {"max-sessions", SECTION_GUEST, KEY_SINGLE, guest_sessions_max_set,
                                "a number from 0 to 10000000"},
    [KEY_GUEST_RATE_MAX] = {"max-rate", SECTION_GUEST, KEY_SINGLE, guest_rate_max_set, RATE_FORM},
    [KEY_LISTEN] = {"listen", SECTION_ROUTE, KEY_LIST, listen_set,
                    "one endpoint or more, such as 'tcp:127.0.0.1:8080'"},
    [KEY_TARGET] = {"target", SECTION_ROUTE, KEY_LIST, target_set,
                    "one endpoint or more, such as 'vsock:3:80'"},
    [KEY_PORTS] = {"ports", SECTION_ROUTE, KEY_LIST, ports_set,
                   "ports and ranges of ports, such as '22 80 8000-8080'"},
    [KEY_ALLOW] = {"allow", SECTION_ROUTE, KEY_LIST, allow_set, ACCESS_FORM},
    [KEY_DENY] = {"deny", SECTION_ROUTE, KEY_LIST, deny_set, ACCESS_FORM},
    [KEY_CONNECT_TIMEOUT] = {"connect-timeout", SECTION_ROUTE, KEY_SINGLE, connect_timeout_set,
                             "a duration above 0, such as 5s, 500ms or 2m"},
    [KEY_WAIT_FOR_GUEST] = {"wait-for-guest", SECTION_ROUTE, KEY_SINGLE, wait_for_guest_set,
                            "a duration such as 60s or 5m; 0s: not at all"},
    [KEY_WAIT_FOR] = {"wait-for", SECTION_ROUTE, KEY_SINGLE, wait_for_set,
                      "one or more of off, booting and service, with commas between"},
    [KEY_WAIT_MAX] = {"wait-max", SECTION_ROUTE, KEY_SINGLE, wait_max_set,
                      "a number from 1 to 1000000"},
    [KEY_ROUTE_SESSIONS_MAX] = {"max-sessions", SECTION_ROUTE, KEY_SINGLE, route_sessions_max_set,
                                "a number from 0 to 10000000"},
    [KEY_RATE_MAX] = {"max-rate", SECTION_ROUTE, KEY_SINGLE, rate_max_set, RATE_FORM},
    [KEY_SOURCE_SESSIONS_MAX] = {"max-sessions-per-source", SECTION_ROUTE, KEY_SINGLE,
                                 source_sessions_max_set, "a number from 0 to 10000000"},
    [KEY_SOURCE_RATE_MAX] = {"max-rate-per-source", SECTION_ROUTE, KEY_SINGLE, source_rate_max_set,
                             RATE_FORM},
    [KEY_AT_LIMIT] = {"at-limit", SECTION_ROUTE, KEY_SINGLE, at_limit_set, "refuse or wait"},
    [KEY_BANDWIDTH] = {"bandwidth", SECTION_ROUTE, KEY_SINGLE, bandwidth_set, BANDWIDTH_FORM},
    [KEY_SESSION_BANDWIDTH] = {"session-bandwidth", SECTION_ROUTE, KEY_SINGLE,
                               session_bandwidth_set, BANDWIDTH_FORM},
    [KEY_SESSION_TIME] = {"max-session-time", SECTION_ROUTE, KEY_SINGLE, session_time_set,
                          "a duration from 1s to 24h, or 'off'"},
    [KEY_HALF_CLOSE_TIMEOUT] = {"half-close-timeout", SECTION_ROUTE, KEY_SINGLE,
                                half_close_timeout_set, "a duration from 1s to 24h, or 'off'"},
    [KEY_IDLE_TIMEOUT] = {"idle-timeout", SECTION_ROUTE, KEY_SINGLE, idle_timeout_set,
                          "a duration from 1s to 24h, or 'off'"},
    [KEY_DEAD_GUEST_PROBE] = {"dead-guest-probe", SECTION_ROUTE, KEY_SINGLE, dead_guest_probe_set,
                              "a duration from 1s to 24h, or 'off'"},
    [KEY_KEEPALIVE] = {"keepalive", SECTION_ROUTE, KEY_SINGLE, keepalive_set,
                       "a duration from 1s to 9h, or 'off'"},
    [KEY_BACKLOG] = {"backlog", SECTION_ROUTE, KEY_SINGLE, backlog_set, "a number from 1 to 65535"},
    [KEY_MODE] = {"mode", SECTION_ROUTE, KEY_SINGLE, mode_set, "an octal number from 0000 to 0777"},
    [KEY_OWNER] = {"owner", SECTION_ROUTE, KEY_SINGLE, owner_set,
                   "'USER', 'USER:GROUP' or ':GROUP', by name or number"},
    [KEY_LANE] = {"lane", SECTION_ROUTE, KEY_SINGLE, lane_set, "auto, small, splice or copy"},
    [KEY_ACCEPT_PROXY] = {"accept-proxy", SECTION_ROUTE, KEY_SINGLE, accept_proxy_set, "no or yes"},
    [KEY_SEND_PROXY] = {"send-proxy", SECTION_ROUTE, KEY_SINGLE, send_proxy_set, "no, v1 or v2"},
    [KEY_ACCESS_LOG] = {"access-log", SECTION_ROUTE, KEY_SINGLE, access_log_set, "no or yes"},
    [KEY_BALANCE] = {"balance", SECTION_ROUTE, KEY_SINGLE, balance_set,
                     "round-robin, least-sessions, source-hash or failover"},
    [KEY_RETRIES] = {"retries", SECTION_ROUTE, KEY_SINGLE, retries_set, "a number from 0 to 63"},
    [KEY_FAIL_MAX] = {"fail-max", SECTION_ROUTE, KEY_SINGLE, fail_max_set,
                      "a number from 0 to 1000000"},
    [KEY_FAIL_TIME] = {"fail-time", SECTION_ROUTE, KEY_SINGLE, fail_time_set,
                       "a duration from 100ms to 24h"},
    [KEY_CHECK] = {"check", SECTION_ROUTE, KEY_SINGLE, check_set, "off or connect"},
    [KEY_CHECK_INTERVAL] = {"check-interval", SECTION_ROUTE, KEY_SINGLE, check_interval_set,
                            "a duration from 100ms to 24h"},
    [KEY_CHECK_TIMEOUT] = {"check-timeout", SECTION_ROUTE, KEY_SINGLE, check_timeout_set,
                           "a duration from 10ms to 24h"},
    [KEY_CHECK_SEND] = {"check-send", SECTION_ROUTE, KEY_SINGLE, check_send_set, CHECK_FORM},
    [KEY_CHECK_EXPECT] = {"check-expect", SECTION_ROUTE, KEY_SINGLE, check_expect_set, CHECK_FORM},
    [KEY_CHECK_RISE] = {"check-rise", SECTION_ROUTE, KEY_SINGLE, check_rise_set,
                        "a number from 1 to 1000"},
    [KEY_CHECK_FALL] = {"check-fall", SECTION_ROUTE, KEY_SINGLE, check_fall_set,
                        "a number from 1 to 1000"},
};

static const char *const section_forms[] = {
    [SECTION_GLOBAL] = "[global]",
    [SECTION_GUEST] = "[guest NAME]",
    [SECTION_ROUTE] = "[route NAME]",
};

#define PROBLEM(draft, ...) draft_problem(draft, &(draft)->place, __VA_ARGS__)

/* The key of that name in sections of that kind; NULL: none. */
static const struct key *key_find(enum section_kind kind, const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].section == kind && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

/* The key of that name in a section of any kind, a route's first; NULL: none. */
static const struct key *key_find_anywhere(const char *name)
{
    for (size_t i = KEY_COUNT; i-- > 0;) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

/* The key of the section whose name is nearest; NULL: none is near. */
static const struct key *key_nearest(enum section_kind kind, const char *name)
{
    struct name_search search;

    name_search_init(&search, name);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].section == kind)
            name_search_offer(&search, keys[i].name);
    }
    return search.best ? key_find(kind, search.best) : NULL;
}

static bool has_blank(const char *text)
{
    while (*text && !isspace((unsigned char)*text))
        text++;
    return *text != '\0';
}

/* "workers, max-sessions and drain-timeout" */
static void key_names_format(enum section_kind kind, char *text, size_t bytes)
{
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < KEY_COUNT; i++) {
        bool last = i + 1 == KEY_COUNT || keys[i + 1].section != kind;
        if (keys[i].section != kind)
            continue;
        const char *before = length == 0 ? "" : last ? " and " : ", ";
        length += (size_t)snprintf(text + length, bytes - length, "%s%s", before, keys[i].name);
        assert(length < bytes);
    }
}

static void key_refuse(struct draft *draft, const struct reader_assignment *assignment)
{
    enum section_kind kind = draft->current->kind;
    const struct key *nearest = key_nearest(kind, assignment->key);
    const struct key *elsewhere = key_find_anywhere(assignment->key);
    char names[1024];

    if (endpoint_kind_leads(assignment->text)) {
        PROBLEM(draft, "'%s' is no assignment; indent it to continue the list above",
                assignment->text);
        draft->current->lost = true;
    } else if (has_blank(assignment->key)) {
        PROBLEM(draft, "'%s' is no assignment; write 'KEY = VALUE'", assignment->text);
        draft->current->lost = true;
    } else if (elsewhere) {
        PROBLEM(draft, "'%s' is no key of %s; it belongs in %s", assignment->key,
                section_forms[kind], section_forms[elsewhere->section]);
    } else if (nearest) {
        PROBLEM(draft, "unknown key '%s'; did you mean '%s'?", assignment->key, nearest->name);
        if (!draft->current->key_lines[nearest - keys])
            draft->current->key_lines[nearest - keys] = assignment->line;
    } else {
        key_names_format(kind, names, sizeof(names));
        PROBLEM(draft, "unknown key '%s'; the keys of %s are %s", assignment->key,
                section_forms[kind], names);
    }
}

static void sectionless_refuse(struct draft *draft, const struct reader_assignment *assignment)
{
    const struct key *key = key_find_anywhere(assignment->key);

    if (key)
        PROBLEM(draft, "'%s' stands before any section; put it below %s", assignment->key,
                section_forms[key->section]);
    else
        PROBLEM(draft, "'%s' stands before any section; put it below %s, %s or %s", assignment->key,
                section_forms[SECTION_GLOBAL], section_forms[SECTION_GUEST],
                section_forms[SECTION_ROUTE]);
}

/* The "# ..." that ends a value: it is no comment, and was meant to be one. NULL: none. */
static const char *hash_find(const char *value)
{
    const char *hash = value;

    while ((hash = strchr(hash, '#')) && hash > value && !isspace((unsigned char)hash[-1]))
        hash++;
    return hash;
}

static void value_read(struct draft *draft, const char *value)
{
    const char *hash = hash_find(value);
    char text[1024];

    snprintf(text, sizeof(text), "%s", value);
    if (hash) {
        PROBLEM(draft, "'%s' is no comment; behind a value, a comment begins with ' ;'", hash);
        size_t length = (size_t)(hash - value);
        while (length > 0 && isspace((unsigned char)text[length - 1]))
            length--;
        text[length] = '\0';
        if (length == 0)
            return;
    }
    draft->key->set(draft, text);
}

static void key_continue(struct draft *draft, const struct reader_assignment *assignment)
{
    if (!draft->key)
        return;
    if (draft->key->arity != KEY_LIST) {
        PROBLEM(draft, "'%s' holds one value, and this indented line continues it; remove the line",
                draft->key->name);
        draft->key = NULL;
        return;
    }
    draft->empty_list_line = 0;
    value_read(draft, assignment->value);
}

void key_settle(struct draft *draft)
{
    struct place place = draft->place;

    place.line = draft->empty_list_line;
    if (place.line)
        draft_problem(draft, &place, "'%s' is empty; give it %s", draft->key->name,
                      draft->key->form);
    draft->empty_list_line = 0;
    draft->key = NULL;
}

/* Notes that the key is given. False: it was before, and holds no list. */
static bool key_note(struct draft *draft, const struct key *key)
{
    unsigned *line = &draft->current->key_lines[key - keys];

    if (*line == 0) {
        *line = draft->place.line;
    } else if (key->arity != KEY_LIST) {
        PROBLEM(draft, "'%s' is given twice, first at line %u; keep one of them", key->name, *line);
        return false;
    }
    return true;
}

void key_assign(struct draft *draft, const struct reader_assignment *assignment)
{
    draft->place.line = assignment->line;
    if (assignment->continues) {
        key_continue(draft, assignment);
        return;
    }
    key_settle(draft);
    if (draft->skipping)
        return;
    if (!draft->current) {
        sectionless_refuse(draft, assignment);
        return;
    }
    const struct key *key = key_find(draft->current->kind, assignment->key);
    if (!key) {
        key_refuse(draft, assignment);
        return;
    }
    if (!key_note(draft, key))
        return;
    draft->key = key;
    if (*assignment->value)
        value_read(draft, assignment->value);
    else if (key->arity == KEY_LIST)
        draft->empty_list_line = assignment->line;
    else
        PROBLEM(draft, "'%s' is empty; give it %s", key->name, key->form);
}
