/* Limits of sessions and of their pace, and what happens at them. */
#include "config/value.h"

#define SESSIONS_MAX 10000000
#define RATE_MAX     1000000

void global_rate_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, RATE_MAX, &draft->config->rate_max);
}

void guest_rate_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, RATE_MAX, &draft_guest(draft)->rate_max);
}

void route_sessions_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, SESSIONS_MAX, &draft_route(draft)->sessions_max);
}

void rate_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, RATE_MAX, &draft_route(draft)->rate_max);
}

void source_sessions_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, SESSIONS_MAX, &draft_route(draft)->source_sessions_max);
}

void source_rate_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, RATE_MAX, &draft_route(draft)->source_rate_max);
}

void at_limit_set(struct draft *draft, const char *value)
{
    static const char *const words[] = {"refuse", "wait"};
    size_t word = value_word_read(draft, value, words, 2);

    if (word < 2)
        draft_route(draft)->waits_at_limit = word == 1;
}
