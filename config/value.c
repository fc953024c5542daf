/* Numbers, durations, endpoints, modes: one setter for each key. */
#include "config/value.h"

#include "config/name.h"
#include "config/owner.h"
#include "config/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX      1024
#define SESSIONS_MAX     10000000
#define BACKLOG_MAX      65535
#define WAIT_MAX         1000000
#define NS_PER_S         UINT64_C(1000000000)
#define DAY_NS           (24 * 3600 * NS_PER_S)
#define KEEPALIVE_NS_MAX (9 * 3600 * NS_PER_S) /* TCP_KEEPIDLE takes 32767 s (tcp(7)) */

#define PROBLEM(draft, ...) draft_problem(draft, &(draft)->place, __VA_ARGS__)

void value_refuse(struct draft *draft, const char *value)
{
    PROBLEM(draft, "'%s' is no value of '%s'; give it %s", value, draft->key->name,
            draft->key->form);
}

bool value_number_read(struct draft *draft, const char *value, unsigned min, unsigned max,
                       unsigned *ret)
{
    uint64_t number = 0;

    for (const char *c = value; *c; c++) {
        if (*c < '0' || *c > '9' || number > max) {
            value_refuse(draft, value);
            return false;
        }
        number = number * 10 + (uint64_t)(*c - '0');
    }
    if (number < min || number > max) {
        value_refuse(draft, value);
        return false;
    }
    *ret = (unsigned)number;
    return true;
}

bool value_duration_read(struct draft *draft, const char *value, uint64_t min_ns, uint64_t max_ns,
                         uint64_t *ret_ns)
{
    uint64_t ns;
    int r = duration_parse(value, &ns);

    if (r == -EINVAL && value[strspn(value, "0123456789")] == '\0') {
        PROBLEM(draft, "'%s' of '%s' has no unit; write '%ss', or end it with ms, m or h", value,
                draft->key->name, value);
        return false;
    }
    if (r == -ERANGE && max_ns == UINT64_MAX) {
        PROBLEM(draft, "'%s' of '%s' is more than a year; give it %s", value, draft->key->name,
                draft->key->form);
        return false;
    }
    if (r < 0 || ns < min_ns || ns > max_ns) {
        value_refuse(draft, value);
        return false;
    }
    *ret_ns = ns;
    return true;
}

void workers_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, WORKERS_MAX, &draft->config->workers);
}

void sessions_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, SESSIONS_MAX, &draft->config->sessions_max);
}

void drain_timeout_set(struct draft *draft, const char *value)
{
    value_duration_read(draft, value, 0, UINT64_MAX, &draft->config->drain_timeout_ns);
}

void global_connect_timeout_set(struct draft *draft, const char *value)
{
    value_duration_read(draft, value, 1, UINT64_MAX, &draft->connect_timeout_ns);
}

void admin_socket_set(struct draft *draft, const char *value)
{
    char error[ENDPOINT_ERROR_BYTES];
    char text[ENDPOINT_TEXT_BYTES];
    struct endpoint endpoint;

    snprintf(text, sizeof(text), "unix:%s", value);
    if (value[0] != '/' || endpoint_parse(text, ENDPOINT_LISTEN, &endpoint, error) < 0) {
        value_refuse(draft, value);
        return;
    }
    free(draft->config->admin_path);
    draft->config->admin_path = strdup(value);
    draft->admin_socket = draft->place;
    draft->exhausted |= !draft->config->admin_path;
}

void address_set(struct draft *draft, const char *value)
{
    char error[ENDPOINT_ERROR_BYTES];

    if (endpoint_guest_address_parse(value, &draft_guest(draft)->address, error) < 0)
        PROBLEM(draft, "%s", error);
}

static const char *const vmm_names[] = {
    [GUEST_VMM_AUTO] = "auto",
    [GUEST_VMM_KERNEL] = "kernel",
    [GUEST_VMM_FIRECRACKER] = "firecracker",
    [GUEST_VMM_CLOUD_HYPERVISOR] = "cloud-hypervisor",
    [GUEST_VMM_VHOST_DEVICE] = "vhost-device",
    [GUEST_VMM_LIBKRUN] = "libkrun",
};

static const char *const half_close_names[] = {
    [GUEST_HALF_CLOSE_AUTO] = "auto",
    [GUEST_HALF_CLOSE_PASS] = "pass",
    [GUEST_HALF_CLOSE_HOLD] = "hold",
};

const char *const route_lane_names[ROUTE_LANE_COUNT] = {
    [ROUTE_LANE_AUTO] = "auto",
    [ROUTE_LANE_SMALL] = "small",
    [ROUTE_LANE_SPLICE] = "splice",
    [ROUTE_LANE_COPY] = "copy",
};

#define VMM_COUNT        (sizeof(vmm_names) / sizeof(vmm_names[0]))
#define HALF_CLOSE_COUNT (sizeof(half_close_names) / sizeof(half_close_names[0]))

size_t value_word_read(struct draft *draft, const char *value, const char *const *words,
                       size_t count)
{
    struct name_search search;

    name_search_init(&search, value);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], value) == 0)
            return i;
        name_search_offer(&search, words[i]);
    }
    if (search.best)
        PROBLEM(draft, "'%s' is no value of '%s'; did you mean '%s'?", value, draft->key->name,
                search.best);
    else
        value_refuse(draft, value);
    return count;
}

void machine_set(struct draft *draft, const char *value)
{
    struct guest *guest = draft_guest(draft);
    char error[ENDPOINT_ERROR_BYTES];
    char text[ENDPOINT_NAME_BYTES];

    snprintf(text, sizeof(text), "machine:%s", value);
    if (endpoint_guest_address_parse(text, &guest->address, error) < 0)
        value_refuse(draft, value);
}

void vmm_set(struct draft *draft, const char *value)
{
    size_t word = value_word_read(draft, value, vmm_names, VMM_COUNT);

    if (word < VMM_COUNT)
        draft_guest(draft)->vmm = (enum guest_vmm)word;
}

void half_close_set(struct draft *draft, const char *value)
{
    size_t word = value_word_read(draft, value, half_close_names, HALF_CLOSE_COUNT);

    if (word < HALF_CLOSE_COUNT)
        draft_guest(draft)->half_close = (enum guest_half_close)word;
}

void guest_sessions_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, SESSIONS_MAX, &draft_guest(draft)->sessions_max);
}

void wait_for_guest_set(struct draft *draft, const char *value)
{
    value_duration_read(draft, value, 0, UINT64_MAX, &draft_route(draft)->wait_ns);
}

void wait_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 1, WAIT_MAX, &draft_route(draft)->wait_max);
}

static const char *const phase_names[] = {"off", "booting", "service"};

#define PHASE_COUNT (sizeof(phase_names) / sizeof(phase_names[0]))

void wait_for_set(struct draft *draft, const char *value)
{
    static const char between[] = ", \t";
    const char *rest = value + strspn(value, between);
    unsigned phases = 0;

    if (!*rest)
        value_refuse(draft, value);
    while (*rest) {
        char word[64];
        size_t length = strcspn(rest, between);
        snprintf(word, sizeof(word), "%.*s", (int)length, rest);
        size_t phase = value_word_read(draft, word, phase_names, PHASE_COUNT);
        if (phase < PHASE_COUNT)
            phases |= 1U << phase;
        rest += length;
        rest += strspn(rest, between);
    }
    if (phases)
        draft_route(draft)->wait_phases = phases;
}

void lane_set(struct draft *draft, const char *value)
{
    size_t word = value_word_read(draft, value, route_lane_names, ROUTE_LANE_COUNT);

    if (word < ROUTE_LANE_COUNT)
        draft_route(draft)->lane = (enum route_lane)word;
}

void accept_proxy_set(struct draft *draft, const char *value)
{
    static const char *const words[] = {"no", "yes"};
    size_t word = value_word_read(draft, value, words, 2);

    if (word < 2)
        draft_route(draft)->accept_proxy = word == 1;
}

const char *const route_send_proxy_names[ROUTE_SEND_PROXY_COUNT] = {
    [ROUTE_SEND_PROXY_NO] = "no",
    [ROUTE_SEND_PROXY_V1] = "v1",
    [ROUTE_SEND_PROXY_V2] = "v2",
};

void send_proxy_set(struct draft *draft, const char *value)
{
    size_t word = value_word_read(draft, value, route_send_proxy_names, ROUTE_SEND_PROXY_COUNT);

    if (word < ROUTE_SEND_PROXY_COUNT)
        draft_route(draft)->send_proxy = (enum route_send_proxy)word;
}

/* The length of the endpoint that `text` begins with. A blank ends it: in a path, which may hold
 * blanks, only where another endpoint follows. */
static size_t endpoint_length(const char *text)
{
    bool is_path = strncmp(text, "unix:", 5) == 0 || strncmp(text, "vsock-mux:", 10) == 0 ||
                   strncmp(text, "mux:", 4) == 0;
    size_t length = 0;

    for (;;) {
        while (text[length] && !isspace((unsigned char)text[length]))
            length++;
        size_t next = length;
        while (isspace((unsigned char)text[next]))
            next++;
        if (!text[next] || !is_path || endpoint_kind_leads(text + next))
            return length;
        length = next;
    }
}

static void listen_one_set(struct draft *draft, const char *text)
{
    struct endpoint endpoint;
    uint32_t port_count;
    char error[ENDPOINT_ERROR_BYTES];

    if (endpoint_of_route_parse(text, ENDPOINT_LISTEN, &endpoint, &port_count, error) < 0)
        PROBLEM(draft, "%s", error);
    else
        draft_listens_add(draft, draft_route(draft), &endpoint, port_count);
}

void value_endpoints_read(struct draft *draft, const char *value,
                          void (*set)(struct draft *draft, const char *text))
{
    while (*value) {
        size_t length = endpoint_length(value);
        char *text = strndup(value, length);
        if (!text) {
            draft->exhausted = true;
            return;
        }
        set(draft, text);
        free(text);
        value += length;
        while (isspace((unsigned char)*value))
            value++;
    }
}

void listen_set(struct draft *draft, const char *value)
{
    value_endpoints_read(draft, value, listen_one_set);
}

/* Of a vsock port, the digits of `text`; what follows them is at *ret_rest. */
static bool port_take(const char *text, uint32_t *ret, const char **ret_rest)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long long port = digits > 0 && digits < 11 ? strtoull(text, NULL, 10) : 0;

    *ret = (uint32_t)port;
    *ret_rest = text + digits;
    return port > 0 && port < UINT32_MAX;
}

static bool port_range_read(const char *text, struct port_range *ret)
{
    const char *rest;

    if (!port_take(text, &ret->first, &rest))
        return false;
    ret->last = ret->first;
    if (*rest == '-' && !port_take(rest + 1, &ret->last, &rest))
        return false;
    return *rest == '\0' && ret->last >= ret->first;
}

static void ports_add(struct draft *draft, const struct port_range *range)
{
    struct route *route = draft_route(draft);
    struct port_range *ports = array_grow(route->ports, route->port_range_count, sizeof(*ports));

    if (!ports) {
        draft->exhausted = true;
        return;
    }
    route->ports = ports;
    ports[route->port_range_count++] = *range;
}

void ports_set(struct draft *draft, const char *value)
{
    static const char between[] = ", \t";
    const char *rest = value + strspn(value, between);

    if (!*rest)
        value_refuse(draft, value);
    while (*rest) {
        char word[64];
        struct port_range range;
        size_t length = strcspn(rest, between);
        snprintf(word, sizeof(word), "%.*s", (int)length, rest);
        if (port_range_read(word, &range))
            ports_add(draft, &range);
        else
            value_refuse(draft, word);
        rest += length;
        rest += strspn(rest, between);
    }
}

static void access_add(struct draft *draft, struct access_list *list, const char *word)
{
    char error[ACCESS_ERROR_BYTES];
    struct access_rule rule;
    int r = access_parse(word, &rule, error);

    if (r == -EINVAL) {
        PROBLEM(draft, "%s", error);
        return;
    }
    struct access_rule *rules = r < 0 ? NULL : array_grow(list->rules, list->count, sizeof(*rules));
    if (!rules) {
        draft->exhausted = true;
        return;
    }
    rule.line = draft->place.line;
    list->rules = rules;
    rules[list->count++] = rule;
}

static void access_set(struct draft *draft, struct access_list *list, const char *value)
{
    static const char between[] = ", \t";
    const char *rest = value + strspn(value, between);

    if (!*rest)
        value_refuse(draft, value);
    while (*rest) {
        char word[256];
        size_t length = strcspn(rest, between);
        snprintf(word, sizeof(word), "%.*s", (int)length, rest);
        access_add(draft, list, word);
        rest += length;
        rest += strspn(rest, between);
    }
}

void allow_set(struct draft *draft, const char *value)
{
    access_set(draft, &draft_route(draft)->allow, value);
}

void deny_set(struct draft *draft, const char *value)
{
    access_set(draft, &draft_route(draft)->deny, value);
}

void connect_timeout_set(struct draft *draft, const char *value)
{
    value_duration_read(draft, value, 1, UINT64_MAX, &draft_route(draft)->connect_timeout_ns);
}

/* A duration, or "off". */
static void duration_or_off_read(struct draft *draft, const char *value, uint64_t max_ns,
                                 uint64_t *ret_ns)
{
    if (strcmp(value, "off") == 0 || strcmp(value, "0") == 0)
        *ret_ns = 0;
    else
        value_duration_read(draft, value, NS_PER_S, max_ns, ret_ns);
}

void session_time_set(struct draft *draft, const char *value)
{
    duration_or_off_read(draft, value, DAY_NS, &draft_route(draft)->session_time_ns);
}

void half_close_timeout_set(struct draft *draft, const char *value)
{
    duration_or_off_read(draft, value, DAY_NS, &draft_route(draft)->half_close_ns);
}

void idle_timeout_set(struct draft *draft, const char *value)
{
    duration_or_off_read(draft, value, DAY_NS, &draft_route(draft)->idle_timeout_ns);
}

void dead_guest_probe_set(struct draft *draft, const char *value)
{
    duration_or_off_read(draft, value, DAY_NS, &draft_route(draft)->guest_probe_ns);
}

void keepalive_set(struct draft *draft, const char *value)
{
    duration_or_off_read(draft, value, KEEPALIVE_NS_MAX, &draft_route(draft)->keepalive_ns);
}

void backlog_set(struct draft *draft, const char *value)
{
    unsigned backlog;

    if (value_number_read(draft, value, 1, BACKLOG_MAX, &backlog))
        draft_route(draft)->backlog = (int)backlog;
}

void mode_set(struct draft *draft, const char *value)
{
    int mode = 0;

    for (const char *c = value; *c; c++) {
        if (*c < '0' || *c > '7' || mode > 0777) {
            value_refuse(draft, value);
            return;
        }
        mode = mode * 8 + (*c - '0');
    }
    if (mode > 0777)
        value_refuse(draft, value);
    else
        draft_route(draft)->mode = mode;
}

void owner_set(struct draft *draft, const char *value)
{
    struct route *route = draft_route(draft);
    char error[OWNER_ERROR_BYTES];
    int r = owner_parse(value, &route->owner_uid, &route->owner_gid, error);

    if (r == -ENOMEM)
        draft->exhausted = true;
    else if (r < 0)
        PROBLEM(draft, "%s", error);
}
