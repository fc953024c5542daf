/* Choosing. */
#include "proxy/balance.h"

/* Which of those that come into question, and how good it is. */
struct race {
    size_t count; /* of equals */
    uint64_t best;
};

/* How little a target has of what counts against it. */
static uint64_t merit(enum route_balance balance, const struct balance_target *target, size_t index)
{
    switch (balance) {
    case ROUTE_BALANCE_LEAST_SESSIONS: return UINT32_MAX - target->sessions;
    case ROUTE_BALANCE_SOURCE_HASH: return target->rank;
    case ROUTE_BALANCE_FAILOVER: return ROUTE_TARGETS_MAX - index;
    default: return 0;
    }
}

static struct race race_run(enum route_balance balance, const struct balance_target *targets,
                            size_t count)
{
    struct race race = {0};

    for (size_t i = 0; i < count; i++) {
        if (targets[i].state != BALANCE_UP)
            continue;
        uint64_t one = merit(balance, &targets[i], i);
        if (race.count == 0 || one > race.best)
            race = (struct race){.best = one};
        race.count += one == race.best;
    }
    return race;
}

static size_t first_of(enum balance_state state, const struct balance_target *targets, size_t count)
{
    size_t i = 0;

    while (i < count && targets[i].state != state)
        i++;
    return i;
}

size_t balance_choose(enum route_balance balance, const struct balance_target *targets,
                      size_t count, uint32_t *turn)
{
    struct race race = race_run(balance, targets, count);

    if (race.count == 0) {
        size_t down = first_of(BALANCE_DOWN, targets, count);
        return down < count ? down : first_of(BALANCE_HELD, targets, count);
    }
    size_t ahead = *turn % race.count;
    *turn /= (uint32_t)race.count;
    size_t i = 0;
    for (;; i++) {
        if (targets[i].state != BALANCE_UP || merit(balance, &targets[i], i) != race.best)
            continue;
        if (ahead-- == 0)
            return i;
    }
}

/* FNV-1a. */
uint64_t balance_hash(const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Every bit of both decides on every bit (the finalizer of MurmurHash3). */
uint64_t balance_rank(uint64_t source, uint64_t target)
{
    uint64_t rank = source ^ (target * UINT64_C(0x9e3779b97f4a7c15));

    rank = (rank ^ (rank >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    rank = (rank ^ (rank >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return rank ^ (rank >> 33);
}
