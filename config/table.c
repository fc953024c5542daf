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
#define CELL_BYTES   ENDPOINT_PAIR_TEXT_BYTES

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

static bool has_file(const struct route_listen *listen)
{
    return listen->resolved.kind == ENDPOINT_VSOCK_MUX ||
           (listen->resolved.kind == ENDPOINT_UNIX && listen->resolved.name[0] == '/');
}

/* What differs from the defaults. */
static void options_format(const struct route *route, const struct route_listen *listen, char *cell)
{
    cell[0] = '\0';
    if (route->connect_timeout_ns != DEFAULT_CONNECT_TIMEOUT_NS)
        duration_add(cell, "connect-timeout", route->connect_timeout_ns, "0");
    if (route->wait_ns)
        duration_add(cell, "wait-for-guest", route->wait_ns, "0");
    if (route->wait_ns && route->wait_max != DEFAULT_WAIT_MAX)
        cell_add(cell, "wait-max=%u", route->wait_max);
    if (route->keepalive_ns != DEFAULT_KEEPALIVE_NS)
        duration_add(cell, "keepalive", route->keepalive_ns, "off");
    if (route->backlog != DEFAULT_BACKLOG)
        cell_add(cell, "backlog=%d", route->backlog);
    if (route->lane != ROUTE_LANE_AUTO)
        cell_add(cell, "lane=%s", route_lane_names[route->lane]);
    if (has_file(listen) && route->mode >= 0)
        cell_add(cell, "mode=%04o", (unsigned)route->mode);
    if (has_file(listen))
        owner_add(cell, route);
    if (listen->peer_cid != VSOCK_CID_ANY)
        cell_add(cell, "only-from-cid=%" PRIu32, listen->peer_cid);
}

static void row_format(const struct route *route, const struct route_listen *listen,
                       struct row *row)
{
    snprintf(row->cells[0], CELL_BYTES, "%s", route->name);
    endpoint_pair_format(&listen->written, &listen->resolved, row->cells[1]);
    endpoint_pair_format(&route->target, &route->target_resolved, row->cells[2]);
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

static void widths_grow(const struct row *row, size_t widths[static COLUMN_COUNT])
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        size_t width = text_width(row->cells[i]);
        if (width > widths[i])
            widths[i] = width;
    }
}

/* The last cell of a row that holds anything ends it. */
static void row_print(const struct row *row, const size_t widths[static COLUMN_COUNT], FILE *stream)
{
    size_t count = COLUMN_COUNT;

    while (count > 1 && (!row->cells[count - 1][0] || widths[count - 1] == 0))
        count--;
    for (size_t i = 0; i < count; i++) {
        size_t blanks = i + 1 < count ? widths[i] - text_width(row->cells[i]) + 2 : 0;
        fprintf(stream, "%s%*s", row->cells[i], (int)blanks, "");
    }
    fputc('\n', stream);
}

int config_print(const struct config *config, FILE *stream)
{
    size_t widths[COLUMN_COUNT] = {0};
    struct row row;

    for (size_t i = 0; i < config->route_count; i++) {
        for (size_t j = 0; j < config->routes[i].listen_count; j++) {
            row_format(&config->routes[i], &config->routes[i].listens[j], &row);
            widths_grow(&row, widths);
        }
    }
    bool has_options = widths[COLUMN_COUNT - 1] > 0;
    widths_grow(&header, widths);
    if (!has_options)
        widths[COLUMN_COUNT - 1] = 0; /* nothing to head */

    errno = 0;
    row_print(&header, widths, stream);
    for (size_t i = 0; i < config->route_count; i++) {
        for (size_t j = 0; j < config->routes[i].listen_count; j++) {
            row_format(&config->routes[i], &config->routes[i].listens[j], &row);
            row_print(&row, widths, stream);
        }
    }
    if (fflush(stream) == 0 && !ferror(stream))
        return 0;
    return errno ? -errno : -EIO;
}
