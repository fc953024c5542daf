/* Lines. */
#include "proxy/top_frame.h"

#include "proxy/columns.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What stood in the line goes, in the colours of the line. Never behind a text: at the edge of the
 * screen that would take its last character. */
#define LINE_BEGIN "\033[K"
#define LINE_END   "\033[0m\r\n"
#define HEADS      "\033[7m"
#define BOLD       "\033[1m"
#define HEAD_ROWS  3 /* the two lines of the whole, and an empty one */
#define FOOT_ROWS  1

static int routes_order(const void *one, const void *other)
{
    const struct top_route *a = one;
    const struct top_route *b = other;
    double a_rate = a->there_rate + a->back_rate;
    double b_rate = b->there_rate + b->back_rate;

    if (a_rate != b_rate)
        return a_rate < b_rate ? 1 : -1;
    if (a->sessions != b->sessions)
        return a->sessions < b->sessions ? 1 : -1;
    return strcmp(a->name, b->name);
}

static int latest_first(const void *one, const void *other)
{
    const struct top_session *a = one;
    const struct top_session *b = other;

    return (a->row.number < b->row.number) - (a->row.number > b->row.number);
}

static int oldest_first(const void *one, const void *other)
{
    return latest_first(other, one);
}

static int busiest_first(const void *one, const void *other)
{
    const struct top_session *a = one;
    const struct top_session *b = other;
    double a_rate = a->there_rate + a->back_rate;
    double b_rate = b->there_rate + b->back_rate;

    if (a_rate != b_rate)
        return a_rate < b_rate ? 1 : -1;
    return latest_first(one, other);
}

static int (*const session_orders[])(const void *, const void *) = {
    [TOP_BUSIEST] = busiest_first,
    [TOP_OLDEST] = oldest_first,
    [TOP_LATEST] = latest_first,
};

static const char *const order_names[] = {
    [TOP_BUSIEST] = "busiest",
    [TOP_OLDEST] = "oldest",
    [TOP_LATEST] = "latest",
};

/* A copy in that order; NULL: out of memory. */
static void *sorted(const void *array, size_t count, size_t bytes,
                    int (*order)(const void *, const void *))
{
    void *copy = reallocarray(NULL, count + 1, bytes);

    if (copy && count > 0) {
        memcpy(copy, array, count * bytes);
        qsort(copy, count, bytes, order);
    }
    return copy;
}

static void print_cut(const struct top_form *form, const char *text, FILE *stream)
{
    if (form->drawn)
        fprintf(stream, LINE_BEGIN "%.*s" LINE_END, (int)form->columns, text);
    else
        fprintf(stream, "%s\n", text);
}

static void print_whole(const struct top_sample *sample, const struct top_form *form, FILE *stream)
{
    char there[COLUMNS_NUMBER_BYTES];
    char back[COLUMNS_NUMBER_BYTES];
    char clock[16];
    char line[256];
    struct top_route sum = {0};
    time_t now = time(NULL);
    struct tm local;

    for (size_t i = 0; i < sample->route_count; i++) {
        sum.begun_rate += sample->routes[i].begun_rate;
        sum.failed_rate += sample->routes[i].failed_rate;
        sum.there_rate += sample->routes[i].there_rate;
        sum.back_rate += sample->routes[i].back_rate;
    }
    localtime_r(&now, &local);
    strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    snprintf(line, sizeof(line), "vsluice %s, %s, %" JSON_INTEGER_FORMAT " worker%s  %s",
             sample->version, sample->engine, sample->workers, sample->workers == 1 ? "" : "s",
             clock);
    if (form->drawn)
        fputs(BOLD, stream);
    print_cut(form, line, stream);
    snprintf(line, sizeof(line),
             "%" JSON_INTEGER_FORMAT " sessions, %.1f new/s, %.1f errors/s, %s/s there, %s/s back",
             sample->session_count, sum.begun_rate, sum.failed_rate,
             columns_bytes(sum.there_rate, there), columns_bytes(sum.back_rate, back));
    print_cut(form, line, stream);
    print_cut(form, form->trouble ? form->trouble : "", stream);
}

static void print_columns(const struct columns *columns, const struct top_form *form, size_t lines,
                          FILE *stream, bool *ret_sound)
{
    struct columns_form drawn = {.width = form->columns,
                                 .lines = lines,
                                 .head = HEADS,
                                 .begin = LINE_BEGIN,
                                 .end = LINE_END};

    *ret_sound = columns_print(columns, form->drawn ? &drawn : &(struct columns_form){0}, stream) &&
                 *ret_sound;
}

static bool print_routes(const struct top_sample *sample, const struct top_form *form, size_t lines,
                         FILE *stream)
{
    struct columns columns = {
        .heads = {"<ROUTE", "SESSIONS", "NEW/s", "ERRORS/s", "THERE/s", "BACK/s", "<"}};
    struct top_route *routes =
        sorted(sample->routes, sample->route_count, sizeof(*routes), routes_order);
    char text[COLUMNS_NUMBER_BYTES];
    bool sound = routes;

    for (size_t i = 0; routes && i < sample->route_count; i++) {
        columns_add(&columns, "%s", routes[i].name);
        columns_add(&columns, "%" JSON_INTEGER_FORMAT, routes[i].sessions);
        columns_add(&columns, "%.1f", routes[i].begun_rate);
        columns_add(&columns, "%.1f", routes[i].failed_rate);
        columns_add(&columns, "%s", columns_bytes(routes[i].there_rate, text));
        columns_add(&columns, "%s", columns_bytes(routes[i].back_rate, text));
        columns_add(&columns, "%s", routes[i].drained ? "drained" : "");
    }
    if (routes)
        print_columns(&columns, form, lines, stream, &sound);
    columns_deinit(&columns);
    free(routes);
    return sound;
}

static bool print_sessions(const struct top_sample *sample, const struct top_form *form,
                           size_t lines, FILE *stream)
{
    struct columns columns = {.heads = {"SESSION", "<ROUTE", "AGE", "THERE/s", "BACK/s", "<STATE",
                                        "<INITIATOR", "<TARGET"}};
    struct top_session *sessions = sorted(sample->sessions, sample->listed_count, sizeof(*sessions),
                                          session_orders[form->order]);
    size_t most = form->drawn ? lines - 1 : TOP_SESSIONS_PLAIN;
    char text[COLUMNS_NUMBER_BYTES];
    bool sound = sessions;

    for (size_t i = 0; sessions && i < sample->listed_count && i < most; i++) {
        const struct session_row *row = &sessions[i].row;
        columns_add(&columns, "%" JSON_INTEGER_FORMAT, row->number);
        columns_add(&columns, "%s", row->route);
        columns_add(&columns, "%s", columns_time(row->age, text));
        columns_add(&columns, "%s", columns_bytes(sessions[i].there_rate, text));
        columns_add(&columns, "%s", columns_bytes(sessions[i].back_rate, text));
        columns_add(&columns, "%s", row->state);
        columns_add(&columns, "%s", row->initiator ? row->initiator : "unknown");
        columns_add(&columns, "%s", row->target ? row->target : "-");
    }
    if (sessions)
        print_columns(&columns, form, lines, stream, &sound);
    columns_deinit(&columns);
    free(sessions);
    return sound;
}

static void print_foot(const struct top_form *form, FILE *stream)
{
    char line[128];

    snprintf(line, sizeof(line), "q: end  space: now  b, o, l: busiest, oldest, latest first (%s)",
             order_names[form->order]);
    fprintf(stream, "\033[J%.*s", (int)form->columns, line);
}

bool top_frame_print(const struct top_sample *sample, const struct top_form *form, FILE *stream)
{
    size_t rows = form->rows > HEAD_ROWS + FOOT_ROWS ? form->rows - HEAD_ROWS - FOOT_ROWS : 0;
    size_t route_rows = sample->route_count + 1;

    if (!form->drawn) {
        print_whole(sample, form, stream);
        bool sound = print_routes(sample, form, 0, stream);
        fputc('\n', stream);
        return print_sessions(sample, form, 0, stream) && sound;
    }
    /* Half of what there is, where both want more. */
    if (route_rows > rows / 2 && sample->listed_count + 1 > rows - rows / 2)
        route_rows = rows / 2;
    else if (route_rows > rows)
        route_rows = rows;
    size_t session_rows = rows > route_rows ? rows - route_rows - 1 : 0;
    bool sound = true;

    fputs("\033[H", stream);
    if (rows > 0)
        print_whole(sample, form, stream);
    if (route_rows > 0)
        sound = print_routes(sample, form, route_rows, stream);
    if (session_rows > 0) {
        print_cut(form, "", stream);
        sound = print_sessions(sample, form, session_rows, stream) && sound;
    }
    print_foot(form, stream);
    return sound;
}
