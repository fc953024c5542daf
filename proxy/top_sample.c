/* Two answers, and the difference to those of before. */
#include "proxy/top_sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define MS_MAX 5000

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool read_route(json_t *route, struct top_route *ret)
{
    json_int_t done;
    bool sound =
        json_unpack(route, "{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "name", &ret->name, "sessions",
                    &ret->sessions, "done", &done, "failed", &ret->failed, "bytes_there",
                    &ret->there, "bytes_back", &ret->back, "drained", &ret->drained) == 0;

    ret->begun = sound ? ret->sessions + done + ret->failed : 0;
    return sound;
}

static bool read_routes(struct top_sample *sample)
{
    json_t *routes;
    json_t *route;
    size_t i;

    if (json_unpack(sample->status, "{s:s, s:s, s:I, s:I, s:o}", "version", &sample->version,
                    "engine", &sample->engine, "workers", &sample->workers, "sessions",
                    &sample->session_count, "routes", &routes) != 0 ||
        !json_is_array(routes))
        return false;
    sample->routes = calloc(json_array_size(routes) + 1, sizeof(*sample->routes));
    json_array_foreach(routes, i, route)
    {
        if (!sample->routes || !read_route(route, &sample->routes[i]))
            return false;
        sample->route_count++;
    }
    return sample->routes;
}

static bool read_sessions(struct top_sample *sample)
{
    json_t *sessions = json_object_get(sample->listing, "sessions");
    json_t *session;
    size_t i;

    if (!json_is_array(sessions))
        return false;
    sample->sessions = calloc(json_array_size(sessions) + 1, sizeof(*sample->sessions));
    json_array_foreach(sessions, i, session)
    {
        if (!sample->sessions || !session_row_read(session, &sample->sessions[i].row))
            return false;
        sample->listed_count++;
    }
    return sample->sessions;
}

int top_sample_take(const char *socket_path, struct top_sample *ret,
                    char error[static ADMIN_ASK_ERROR_BYTES])
{
    struct admin_call call = {.socket_path = socket_path, .method = "GET", .ms_max = MS_MAX};
    struct top_sample sample = {.at_s = now_s()};

    call.path = "/status";
    int status = admin_ask_quietly(&call, &sample.status, error);
    call.path = "/sessions?limit=20000";
    if (status == 0)
        status = admin_ask_quietly(&call, &sample.listing, error);
    if (status == 0 && (!read_routes(&sample) || !read_sessions(&sample))) {
        snprintf(error, ADMIN_ASK_ERROR_BYTES,
                 "%s: the answer is not understood; is the running vsluice of this version?",
                 socket_path);
        status = EX_UNAVAILABLE;
    }
    if (status)
        top_sample_deinit(&sample);
    else
        *ret = sample;
    return status;
}

void top_sample_deinit(struct top_sample *sample)
{
    json_decref(sample->status);
    json_decref(sample->listing);
    free(sample->routes);
    free(sample->sessions);
    *sample = (struct top_sample){0};
}

/* Counters that went back are those of another start. */
static double rate(json_int_t now, json_int_t before, double seconds)
{
    return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static void compare_routes(struct top_sample *sample, const struct top_sample *before,
                           double seconds)
{
    static const struct top_route none;
    size_t j = 0;

    for (size_t i = 0; i < sample->route_count; i++) {
        struct top_route *route = &sample->routes[i];
        while (j < before->route_count && strcmp(before->routes[j].name, route->name) < 0)
            j++;
        bool known = j < before->route_count && strcmp(before->routes[j].name, route->name) == 0;
        const struct top_route *was = known ? &before->routes[j] : &none;
        route->begun_rate = rate(route->begun, was->begun, seconds);
        route->failed_rate = rate(route->failed, was->failed, seconds);
        route->there_rate = rate(route->there, was->there, seconds);
        route->back_rate = rate(route->back, was->back, seconds);
    }
}

/* One that was not listed before has begun since, or was beyond the bound: nothing is known of how
 * much it relayed since. */
static void compare_sessions(struct top_sample *sample, const struct top_sample *before,
                             double seconds)
{
    size_t j = 0;

    for (size_t i = 0; i < sample->listed_count; i++) {
        struct top_session *session = &sample->sessions[i];
        const struct session_row *row = &session->row;
        while (j < before->listed_count && before->sessions[j].row.number > row->number)
            j++;
        bool known = j < before->listed_count && before->sessions[j].row.number == row->number;
        if (!known && row->age > seconds)
            continue;
        session->there_rate = rate(row->there, known ? before->sessions[j].row.there : 0, seconds);
        session->back_rate = rate(row->back, known ? before->sessions[j].row.back : 0, seconds);
    }
}

void top_sample_compare(struct top_sample *sample, const struct top_sample *before)
{
    double seconds = sample->at_s - before->at_s;

    compare_routes(sample, before, seconds);
    compare_sessions(sample, before, seconds);
}
