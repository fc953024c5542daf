/* What a running vsluice does at one moment, and, beside an earlier moment, how much of it in a
 * second. */
#pragma once

#include "proxy/admin_ask.h"
#include "proxy/session_row.h"

struct top_route {
    const char *name;
    json_int_t sessions;
    json_int_t begun;
    json_int_t failed;
    json_int_t there;
    json_int_t back;
    int drained;
    double begun_rate; /* in a second, as what follows */
    double failed_rate;
    double there_rate;
    double back_rate;
};

struct top_session {
    struct session_row row;
    double there_rate;
    double back_rate;
};

struct top_sample {
    double at_s;
    json_t *status; /* lends its texts, as `listing` does */
    json_t *listing;
    const char *version;
    const char *engine;
    json_int_t workers;
    json_int_t session_count; /* those that are not listed, too */
    struct top_route *routes; /* in the order of their names */
    size_t route_count;
    struct top_session *sessions; /* the latest first */
    size_t listed_count;
};

/* Asks. 0: to be given to top_sample_deinit(); else the exit status, and why. */
int top_sample_take(const char *socket_path, struct top_sample *ret,
                    char error[static ADMIN_ASK_ERROR_BYTES]);
void top_sample_deinit(struct top_sample *sample);

/* Fills in the rates since the one before. */
void top_sample_compare(struct top_sample *sample, const struct top_sample *before);
