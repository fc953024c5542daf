/* Counting lines. */
#include "proxy/log_flood.h"

#include "proxy/log.h"
#include "ring/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

/* Names that do not differ within so many bytes count as one. */
#define ROUTE_BYTES 136

struct kind {
    char route[ROUTE_BYTES];
    const char *reason;
    uint64_t span_ns; /* when its minute began */
    unsigned lines;   /* since then */
    uint64_t left_out;
    uint64_t since_ns; /* that were left out */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct kind kinds[LOG_FLOOD_KINDS];
static size_t kind_count; /* that were ever used */
static struct kind others = {.reason = "of several reasons"};
static unsigned lines_max;
static uint64_t left_out; /* of all kinds, since the start */

void log_flood_limit(unsigned lines)
{
    pthread_mutex_lock(&mutex);
    lines_max = lines;
    pthread_mutex_unlock(&mutex);
}

static bool is_over(const struct kind *kind, uint64_t now_ns)
{
    return now_ns >= kind->span_ns + LOG_FLOOD_SPAN_NS;
}

static struct kind *find_or_add(const char *route, const char *reason, uint64_t now_ns)
{
    struct kind *unused = NULL;

    for (size_t i = 0; i < kind_count; i++) {
        struct kind *kind = &kinds[i];
        if (kind->reason == reason && strncmp(kind->route, route, ROUTE_BYTES - 1) == 0)
            return kind;
        if (!unused && kind->left_out == 0 && is_over(kind, now_ns))
            unused = kind;
    }
    if (!unused && kind_count < LOG_FLOOD_KINDS)
        unused = &kinds[kind_count++];
    if (!unused)
        return &others;
    *unused = (struct kind){.reason = reason, .span_ns = now_ns};
    snprintf(unused->route, sizeof(unused->route), "%s", route);
    return unused;
}

static bool admit(struct kind *kind, uint64_t now_ns)
{
    if (is_over(kind, now_ns)) {
        kind->span_ns = now_ns;
        kind->lines = 0;
    }
    if (kind->lines < lines_max) {
        kind->lines++;
        return true;
    }
    left_out++;
    if (kind->left_out++ == 0) {
        kind->since_ns = now_ns;
        log_wake();
    }
    return false;
}

bool log_flood_admit(const char *route, const char *reason, uint64_t now_ns)
{
    bool admitted;

    pthread_mutex_lock(&mutex);
    admitted = lines_max == 0 || admit(find_or_add(route, reason, now_ns), now_ns);
    pthread_mutex_unlock(&mutex);
    return admitted;
}

uint64_t log_flood_left_out(void)
{
    uint64_t count;

    pthread_mutex_lock(&mutex);
    count = left_out;
    pthread_mutex_unlock(&mutex);
    return count;
}

static void tell(struct kind *kind)
{
    bool named = kind != &others;
    struct log_field fields[] = {
        {.name = "COUNT", .number = kind->left_out},
        {.name = "ROUTE", .text = kind->route},
        {.name = "REASON", .text = kind->reason},
    };
    struct log_event event = {
        .priority = LOG_WARNING,
        .id = LOG_ID_LEFT_OUT,
        .fields = fields,
        .field_count = named ? 3 : 1,
    };
    double seconds = (double)(clock_ns() - kind->since_ns) / 1e9;

    log_event(&event,
              "%s%s: %" PRIu64
              " more session%s ended: %s; in %.1f s, without a line each (log-rate)",
              named ? "route " : "other routes", kind->route, kind->left_out,
              kind->left_out == 1 ? "" : "s", kind->reason, seconds);
    kind->left_out = 0;
}

static uint64_t sooner(uint64_t one_ns, uint64_t other_ns)
{
    return one_ns == 0 || other_ns < one_ns ? other_ns : one_ns;
}

static uint64_t tell_if_due(struct kind *kind, uint64_t now_ns, uint64_t next_ns)
{
    if (kind->left_out == 0)
        return next_ns;
    if (now_ns >= kind->since_ns + LOG_FLOOD_TELL_NS) {
        tell(kind);
        return next_ns;
    }
    return sooner(next_ns, kind->since_ns + LOG_FLOOD_TELL_NS);
}

uint64_t log_flood_tell(uint64_t now_ns)
{
    uint64_t next_ns = 0;

    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < kind_count; i++)
        next_ns = tell_if_due(&kinds[i], now_ns, next_ns);
    next_ns = tell_if_due(&others, now_ns, next_ns);
    pthread_mutex_unlock(&mutex);
    return next_ns;
}
