/* The routing table for people: a row for each listen endpoint, columns as wide as what stands in
 * them. */
#include "config/config.h"

#include "config/defaults.h"
#include "config/units.h"
#include "vsock/vsock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define COLUMN_COUNT 4
#define CELL_BYTES   (3 * ENDPOINT_PAIR_TEXT_BYTES)

/* So many words of a list are shown. */
#define ACCESS_SHOWN  10
#define TARGETS_SHOWN 10

struct row {
    char cells[COLUMN_COUNT][CELL_BYTES];
};

static const struct row header = {{"ROUTE", "LISTEN", "TARGET", "OPTIONS"}};

/* Adds a word to a cell. */
__attribute__((format(printf, 2, 3))) static void cell_add(char *cell, const char *format, ...)
{
    size_t length = strlen(cell);
    va_list arguments;

    if (length > 0 && length < CELL_BYTES - 1)
        cell[length++] = ' ';
    va_start(arguments, format);
    vsnprintf(cell + length, CELL_BYTES - length, format, arguments);
    va_end(arguments);
}

static void duration_add(char *cell, const char *key, uint64_t ns, const char *zero)
{
    char text[DURATION_TEXT_BYTES];

    duration_format(ns, text);
    cell_add(cell, "%s=%s", key, ns == 0 ? zero : text);
}

static void bandwidth_add(char *cell, const char *key, uint64_t bytes)
{
    char text[SIZE_TEXT_BYTES];

    if (bytes == 0)
        return;
    size_format(bytes, text);
    cell_add(cell, "%s=%s", key, text);
}

static void owner_add(char *cell, const struct route *route)
{
    bool has_user = route->owner_uid != (uid_t)-1;
    bool has_group = route->owner_gid != (gid_t)-1;

    if (has_user && has_group)
        cell_add(cell, "owner=%u:%u", route->owner_uid, route->owner_gid);
    else if (has_user)
        cell_add(cell, "owner=%u", route->owner_uid);
    else if (has_group)
        cell_add(cell, "owner=:%u", route->owner_gid);
}

/* "ports=22,8000-8080" */
static void ports_add(char *cell, const struct route *route)
{
    for (size_t i = 0; i < route->port_range_count; i++) {
        const struct port_range *range = &route->ports[i];
        size_t length;
        if (i == 0)
            cell_add(cell, "ports=");
        length = strlen(cell);
        snprintf(cell + length, CELL_BYTES - length, "%s%" PRIu32, i ? "," : "", range->first);
        length = strlen(cell);
        if (range->last > range->first)
            snprintf(cell + length, CELL_BYTES - length, "-%" PRIu32, range->last);
    }
}

/* "allow=10.0.0.0/8,uid:0" */
static void access_add(char *cell, const char *key, const struct access_list *list)
{
    char text[ACCESS_TEXT_BYTES];

    for (size_t i = 0; i < list->count && i <= ACCESS_SHOWN; i++) {
        if (i == 0)
            cell_add(cell, "%s=", key);
        size_t length = strlen(cell);
        access_format(&list->rules[i], text);
        if (i == ACCESS_SHOWN)
            snprintf(text, sizeof(text), "(%zu more)", list->count - i);
        snprintf(cell + length, CELL_BYTES - length, "%s%s", i ? "," : "", text);
    }
}

static void targets_format(const struct route *route, char *cell)
{
    char text[ENDPOINT_PAIR_TEXT_BYTES];

    cell[0] = '\0';
    for (size_t i = 0; i < route->target_count; i++) {
        const struct route_target *target = &route->targets[i];
        if (i == TARGETS_SHOWN) {
            cell_add(cell, "(%zu more)", route->target_count - i);
            break;
        }
        endpoint_pair_format(&target->written, &target->resolved, target->port_count, text);
        cell_add(cell, "%s", text);
    }
}

static void check_add(char *cell, const struct route_check *check)
{
    if (!check->connects)
        return;
    cell_add(cell, "check=connect");
    if (check->interval_ns != DEFAULT_CHECK_INTERVAL_NS)
        duration_add(cell, "check-interval", check->interval_ns, "0");
    if (check->timeout_ns != DEFAULT_CHECK_TIMEOUT_NS)
        duration_add(cell, "check-timeout", check->timeout_ns, "0");
    if (check->send.length)
        cell_add(cell, "check-send=(%zu bytes)", check->send.length);
    if (check->expect.length)
        cell_add(cell, "check-expect=(%zu bytes)", check->expect.length);
    if (check->rise != DEFAULT_CHECK_RISE)
        cell_add(cell, "check-rise=%" PRIu32, check->rise);
    if (check->fall != DEFAULT_CHECK_FALL)
        cell_add(cell, "check-fall=%" PRIu32, check->fall);
}

/* How several targets are used. */
static void balance_add(char *cell, const struct route *route)
{
    if (route->balance != ROUTE_BALANCE_ROUND_ROBIN)
        cell_add(cell, "balance=%s", route_balance_names[route->balance]);
    if (route->retries != ROUTE_RETRIES_ALL)
        cell_add(cell, "retries=%" PRIu32, route->retries);
    if (route->fail_max != DEFAULT_FAIL_MAX)
        cell_add(cell, "fail-max=%" PRIu32, route->fail_max);
    if (route->fail_ns != DEFAULT_FAIL_NS)
        duration_add(cell, "fail-time", route->fail_ns, "0");
    check_add(cell, &route->check);
}

/* What differs from the defaults. */
static void options_format(const struct route *route, const struct route_listen *listen, char *cell)
{
    cell[0] = '\0';
    access_add(cell, "allow", &route->allow);
    access_add(cell, "deny", &route->deny);
    ports_add(cell, route);
    if (route->connect_timeout_ns != DEFAULT_CONNECT_TIMEOUT_NS)
        duration_add(cell, "connect-timeout", route->connect_timeout_ns, "0");
    if (route->wait_ns)
        duration_add(cell, "wait-for-guest", route->wait_ns, "0");
    if (route->wait_ns && route->wait_max != DEFAULT_WAIT_MAX)
        cell_add(cell, "wait-max=%u", route->wait_max);
    if (route->sessions_max)
        cell_add(cell, "max-sessions=%" PRIu32, route->sessions_max);
    if (route->rate_max)
        cell_add(cell, "max-rate=%" PRIu32, route->rate_max);
    if (route->source_sessions_max)
        cell_add(cell, "max-sessions-per-source=%" PRIu32, route->source_sessions_max);
    if (route->source_rate_max)
        cell_add(cell, "max-rate-per-source=%" PRIu32, route->source_rate_max);
    if (route->waits_at_limit)
        cell_add(cell, "at-limit=wait");
    bandwidth_add(cell, "bandwidth", route->bandwidth);
    bandwidth_add(cell, "session-bandwidth", route->session_bandwidth);
    if (route->session_time_ns)
        duration_add(cell, "max-session-time", route->session_time_ns, "off");
    if (route->half_close_ns)
        duration_add(cell, "half-close-timeout", route->half_close_ns, "off");
    if (route->idle_timeout_ns)
        duration_add(cell, "idle-timeout", route->idle_timeout_ns, "off");
    if (route->guest_probe_ns != DEFAULT_GUEST_PROBE_NS)
        duration_add(cell, "dead-guest-probe", route->guest_probe_ns, "off");
    if (route->keepalive_ns != DEFAULT_KEEPALIVE_NS)
        duration_add(cell, "keepalive", route->keepalive_ns, "off");
    if (route->backlog != DEFAULT_BACKLOG)
        cell_add(cell, "backlog=%d", route->backlog);
    if (route->lane != ROUTE_LANE_AUTO)
        cell_add(cell, "lane=%s", route_lane_names[route->lane]);
    if (route->accept_proxy)
        cell_add(cell, "accept-proxy=yes");
    if (route->send_proxy != ROUTE_SEND_PROXY_NO)
        cell_add(cell, "send-proxy=%s", route_send_proxy_names[route->send_proxy]);
    if (route->access_log)
        cell_add(cell, "access-log=yes");
    balance_add(cell, route);
    if (endpoint_has_file(&listen->resolved) && route->mode >= 0)
        cell_add(cell, "mode=%04o", (unsigned)route->mode);
    if (endpoint_has_file(&listen->resolved))
        owner_add(cell, route);
    if (listen->peer_cid != VSOCK_CID_ANY)
        cell_add(cell, "only-from-cid=%" PRIu32, listen->peer_cid);
}

/* Of the ports that were written as one entry, the first stands for all. */
static bool has_row(const struct route_listen *listen)
{
    return listen->port_offset == 0;
}

static void row_format(const struct route *route, const struct route_listen *listen,
                       struct row *row)
{
    snprintf(row->cells[0], CELL_BYTES, "%s", route->name);
    endpoint_pair_format(&listen->written, &listen->resolved, listen->port_count, row->cells[1]);
    targets_format(route, row->cells[2]);
    options_format(route, listen, row->cells[3]);
}

/* Characters, as far as UTF-8 shows them: what a column is wide. */
static size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text; text++) {
        if (((unsigned char)*text & 0xC0) != 0x80)
            width++;
    }
    return width;
}

struct table {
    size_t widths[COLUMN_COUNT];
    FILE *stream;
};

static void widths_grow(const struct row *row, struct table *table)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        size_t width = text_width(row->cells[i]);
        if (width > table->widths[i])
            table->widths[i] = width;
    }
}

/* The last cell of a row that holds anything ends it. */
static void row_print(const struct row *row, struct table *table)
{
    const size_t *widths = table->widths;
    size_t count = COLUMN_COUNT;

    while (count > 1 && (!row->cells[count - 1][0] || widths[count - 1] == 0))
        count--;
    for (size_t i = 0; i < count; i++) {
        size_t blanks = i + 1 < count ? widths[i] - text_width(row->cells[i]) + 2 : 0;
        fprintf(table->stream, "%s%*s", row->cells[i], (int)blanks, "");
    }
    fputc('\n', table->stream);
}

/* Every row, those of templates last. */
static void rows_visit(const struct config *config, struct table *table,
                       void (*visit)(const struct row *row, struct table *table))
{
    struct row row;

    for (size_t i = 0; i < config->route_count + config->template_count; i++) {
        const struct route *route = &config->routes[i];
        for (size_t j = 0; j < route->listen_count; j++) {
            if (!has_row(&route->listens[j]))
                continue;
            row_format(route, &route->listens[j], &row);
            visit(&row, table);
        }
    }
}

int config_print(const struct config *config, FILE *stream)
{
    struct table table = {.stream = stream};

    rows_visit(config, &table, widths_grow);
    bool has_options = table.widths[COLUMN_COUNT - 1] > 0;
    widths_grow(&header, &table);
    if (!has_options)
        table.widths[COLUMN_COUNT - 1] = 0; /* nothing to head */

    errno = 0;
    row_print(&header, &table);
    rows_visit(config, &table, row_print);
    if (fflush(stream) == 0 && !ferror(stream))
        return 0;
    return errno ? -errno : -EIO;
}
