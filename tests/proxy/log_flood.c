/* Lines left out, against a model: what has its line and what is told together come to all. */
#include "proxy/log_flood.h"

#include "proxy/log.h"
#include "ring/clock.h"
#include "tests/fake/random.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define S      UINT64_C(1000000000)
#define ROUTES 3
#define STEPS  200000

/* In the place of log.c: what was told of each route, and of all that share one. */
static uint64_t told[ROUTES], told_of_others;
static char latest[512];
static unsigned tells, wakes;

void log_event(const struct log_event *event, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(latest, sizeof(latest), format, arguments);
    va_end(arguments);
    tells++;
    cr_assert_str_eq(event->fields[0].name, "COUNT");
    if (event->field_count == 1)
        told_of_others += event->fields[0].number;
    else if (strncmp(event->fields[1].text, "route", 5) == 0)
        told[event->fields[1].text[5] - '0'] += event->fields[0].number;
}

void log_wake(void)
{
    wakes++;
}

static const char reason[] = "target-refused", other_reason[] = "target-timeout";

Test(log_flood, at_the_limit)
{
    uint64_t now_ns = 1000 * S;

    log_flood_limit(3);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(log_flood_admit("route0", reason, now_ns + i));
    cr_assert_eq(log_flood_tell(now_ns + 3), 0U);
    cr_assert_eq(wakes, 0U);
    cr_assert_not(log_flood_admit("route0", reason, now_ns + S));
    cr_assert_eq(wakes, 1U);
    cr_assert(log_flood_admit("route1", reason, now_ns + S));
    cr_assert(log_flood_admit("route0", other_reason, now_ns + S));
    cr_assert_not(log_flood_admit("route0", reason, now_ns + 2 * S));
    cr_assert_eq(wakes, 1U);
    cr_assert_eq(log_flood_tell(now_ns + S + LOG_FLOOD_TELL_NS - 1),
                 now_ns + S + LOG_FLOOD_TELL_NS);
    cr_assert_eq(tells, 0U);
    cr_assert_eq(log_flood_tell(now_ns + S + LOG_FLOOD_TELL_NS), 0U);
    cr_assert_eq(told[0], 2U);
    cr_assert_eq(strncmp(latest, "route route0: 2 more sessions ended: target-refused; in ", 56), 0,
                 "%s", latest);
    cr_assert_not(log_flood_admit("route0", reason, now_ns + LOG_FLOOD_SPAN_NS - 1));
    cr_assert(log_flood_admit("route0", reason, now_ns + LOG_FLOOD_SPAN_NS));
    log_flood_tell(UINT64_MAX);
    cr_assert_eq(told[0], 3U);
    cr_assert_eq(strncmp(latest, "route route0: 1 more session ended: ", 36), 0, "%s", latest);
}

Test(log_flood, no_limit)
{
    for (unsigned i = 0; i < 100000; i++)
        cr_assert(log_flood_admit("route0", reason, S));
    cr_assert_eq(log_flood_tell(UINT64_MAX), 0U);
    cr_assert_eq(tells, 0U);
}

/* As many as are told apart, and one more, which has its bound all the same. */
Test(log_flood, of_many_routes)
{
    char name[32];

    log_flood_limit(1);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < LOG_FLOOD_KINDS; i++) {
            snprintf(name, sizeof(name), "many%u", i);
            cr_assert_eq(log_flood_admit(name, reason, S), round == 0);
        }
    cr_assert(log_flood_admit("one more", reason, S));
    cr_assert_not(log_flood_admit("another", reason, S));
    log_flood_tell(UINT64_MAX);
    cr_assert_eq(tells, LOG_FLOOD_KINDS + 1U);
    cr_assert_eq(told_of_others, 1U);
    cr_assert(log_flood_admit("another", reason, S + LOG_FLOOD_SPAN_NS));
    cr_assert_not(log_flood_admit("another", reason, S + LOG_FLOOD_SPAN_NS));
    log_flood_tell(UINT64_MAX);
    cr_assert_eq(told_of_others, 1U, "its place was not found");
}

struct model {
    uint64_t span_ns;
    unsigned lines;
    uint64_t left_out;
};

/* No route has more than its lines in a minute, and nothing is told twice or never. */
Test(log_flood, random)
{
    struct random random = {.state = 11};
    struct model models[ROUTES] = {0};
    uint64_t now_ns = 5000 * S, due_ns = 0, all = 0;
    unsigned limit = 20;

    log_flood_limit(limit);
    for (unsigned step = 0; step < STEPS; step++) {
        now_ns += random_below(&random, random_permille(&random, 10) ? 30 * S : S / 10);
        if (due_ns && now_ns >= due_ns)
            due_ns = log_flood_tell(now_ns);
        unsigned which = (unsigned)random_below(&random, ROUTES);
        struct model *model = &models[which];
        char name[] = {'r', 'o', 'u', 't', 'e', (char)('0' + which), '\0'};
        if (now_ns >= model->span_ns + LOG_FLOOD_SPAN_NS)
            *model = (struct model){now_ns, 0, model->left_out};
        bool admitted = model->lines < limit;
        cr_assert_eq(log_flood_admit(name, reason, now_ns), admitted, "step %u", step);
        if (admitted) {
            model->lines++;
        } else {
            model->left_out++;
            all++;
            if (!due_ns)
                due_ns = now_ns + LOG_FLOOD_TELL_NS;
        }
    }
    log_flood_tell(UINT64_MAX);
    for (unsigned i = 0; i < ROUTES; i++)
        cr_assert_eq(told[i], models[i].left_out, "route %u", i);
    cr_assert_gt(all, STEPS / 4);
    cr_assert_lt(tells, all / 10);
    cr_assert_leq(wakes, tells);
}
