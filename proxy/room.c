/* The limits of an opening as a list, taken from in order. */
#include "proxy/room.h"

#include "proxy/vmm.h"

/* Over all, of the route, of the guest that connects, of the guest of the only target. */
#define LIMITS_MAX 4

struct limit {
    atomic_uint *sessions; /* NULL: not counted */
    unsigned sessions_max;
    struct rate *rate;
    uint32_t rate_max; /* 0: any */
    atomic_uint_fast64_t *awaited;
    struct guest_use *guest; /* whose it is; NULL: none's */
    enum reason full;
};

unsigned room_waits_for(const struct opening *opening)
{
    bool waits = opening->route->waits_at_limit && !opening_never_lets_wait(opening);

    return ROOM_OVER_ALL | (waits ? ROOM_OF_OPENING : 0);
}

static struct limit limit_of_guest(struct guest_use *use, const struct guest *guest)
{
    return (struct limit){
        .sessions = &use->sessions,
        .sessions_max = vmm_sessions_max(guest, (enum guest_vmm)atomic_load(&use->vmm)),
        .rate = &use->rate,
        .rate_max = guest->rate_max,
        .awaited = &use->awaited,
        .guest = use,
        .full = REASON_GUEST_FULL,
    };
}

static struct limit limit_of_route(struct route_use *use, const struct route *route)
{
    return (struct limit){
        .sessions = &use->sessions,
        .sessions_max = route->sessions_max ? route->sessions_max : UINT32_MAX,
        .rate = &use->rate,
        .rate_max = route->rate_max,
        .awaited = &use->awaited,
        .full = REASON_ROUTE_FULL,
    };
}

/* Those of a guest that appeared are in the configuration that it comes from. */
static uint32_t rate_max_over_all(const struct config *config)
{
    return config->parent ? config->parent->rate_max : config->rate_max;
}

static unsigned list(const struct opening *opening, unsigned which,
                     struct limit limits[static LIMITS_MAX])
{
    unsigned count = 0;

    if (which & ROOM_OVER_ALL && opening->rate && rate_max_over_all(opening->config))
        limits[count++] = (struct limit){
            .rate = opening->rate,
            .rate_max = rate_max_over_all(opening->config),
        };
    if (!(which & ROOM_OF_OPENING))
        return count;
    if (opening->use)
        limits[count++] = limit_of_route(opening->use, opening->route);
    if (opening->source)
        limits[count++] = limit_of_guest(opening->source, opening->listen->guest);
    if (opening->targets && opening->route->target_count == 1 && opening->targets[0].guest)
        limits[count++] =
            limit_of_guest(opening->targets[0].guest, opening->route->targets[0].guest);
    return count;
}

static size_t sessions_room(const struct limit *limit)
{
    unsigned sessions = limit->sessions ? atomic_load(limit->sessions) : 0;

    if (!limit->sessions || limit->sessions_max == UINT32_MAX)
        return SIZE_MAX;
    return sessions < limit->sessions_max ? limit->sessions_max - sessions : 0;
}

static size_t pace_room(const struct limit *limit, uint64_t now_ns)
{
    return limit->rate_max ? rate_room(limit->rate, limit->rate_max, now_ns) : SIZE_MAX;
}

static bool sessions_take(const struct limit *limit)
{
    unsigned sessions = limit->sessions ? atomic_load(limit->sessions) : 0;

    if (!limit->sessions)
        return true;
    while (sessions < limit->sessions_max)
        if (atomic_compare_exchange_weak(limit->sessions, &sessions, sessions + 1))
            return true;
    return false;
}

static room_workers sessions_leave(const struct limit *limit)
{
    if (!limit->sessions)
        return 0;
    atomic_fetch_sub(limit->sessions, 1);
    return atomic_load(limit->awaited) ? atomic_exchange(limit->awaited, 0) : 0;
}

static enum reason take(const struct limit *limit, uint64_t now_ns, room_workers *wake)
{
    if (!sessions_take(limit))
        return limit->full;
    if (!limit->rate_max || rate_take(limit->rate, limit->rate_max, now_ns))
        return REASON_NONE;
    *wake |= sessions_leave(limit);
    return REASON_RATE_EXCEEDED;
}

static room_workers give_back(const struct limit *limit)
{
    if (limit->rate_max)
        rate_give_back(limit->rate, limit->rate_max);
    return sessions_leave(limit);
}

/* Who would find no room takes nothing: it would be lacking to others for a moment, who would have
 * to be woken. */
static enum reason look(const struct limit *limit, uint64_t now_ns)
{
    if (sessions_room(limit) == 0)
        return limit->full;
    return pace_room(limit, now_ns) == 0 ? REASON_RATE_EXCEEDED : REASON_NONE;
}

enum reason room_enter(const struct opening *opening, unsigned which, uint64_t now_ns,
                       struct guest_use **ret_guest, room_workers *ret_wake)
{
    struct limit limits[LIMITS_MAX];
    unsigned count = list(opening, which, limits);
    enum reason reason = REASON_NONE;
    unsigned i;

    *ret_wake = 0;
    *ret_guest = NULL;
    for (i = 0; i < count && reason == REASON_NONE; i++)
        reason = look(&limits[i], now_ns);
    if (reason != REASON_NONE) {
        *ret_guest = limits[i - 1].guest;
        return reason;
    }
    for (i = 0; i < count; i++) {
        reason = take(&limits[i], now_ns, ret_wake);
        if (reason != REASON_NONE)
            break;
    }
    if (reason == REASON_NONE)
        return reason;
    *ret_guest = limits[i].guest;
    while (i-- > 0)
        *ret_wake |= give_back(&limits[i]);
    return reason;
}

room_workers room_leave(const struct opening *opening, unsigned which)
{
    struct limit limits[LIMITS_MAX];
    unsigned count = list(opening, which, limits);
    room_workers wake = 0;

    for (unsigned i = 0; i < count; i++)
        wake |= sessions_leave(&limits[i]);
    return wake;
}

enum reason room_enter_guest(struct guest_use *use, const struct guest *guest, uint64_t now_ns)
{
    room_workers wake = 0;

    if (!use)
        return REASON_NONE;
    struct limit limit = limit_of_guest(use, guest);
    enum reason reason = look(&limit, now_ns);
    return reason == REASON_NONE ? take(&limit, now_ns, &wake) : reason;
}

room_workers room_leave_guest(struct guest_use *use)
{
    if (!use)
        return 0;
    struct limit limit = {.sessions = &use->sessions, .awaited = &use->awaited};
    return sessions_leave(&limit);
}

room_workers room_give_back(const struct opening *opening, unsigned which)
{
    struct limit limits[LIMITS_MAX];
    unsigned count = list(opening, which, limits);
    room_workers wake = 0;

    for (unsigned i = 0; i < count; i++)
        wake |= give_back(&limits[i]);
    return wake;
}

static size_t least(const struct limit *limits, unsigned count, uint64_t now_ns)
{
    size_t room = SIZE_MAX;

    for (unsigned i = 0; i < count; i++) {
        size_t sessions = sessions_room(&limits[i]);
        size_t pace = pace_room(&limits[i], now_ns);
        room = sessions < room ? sessions : room;
        room = pace < room ? pace : room;
    }
    return room;
}

size_t room_count(const struct opening *opening, unsigned which, uint64_t now_ns)
{
    struct limit limits[LIMITS_MAX];

    return least(limits, list(opening, which, limits), now_ns);
}

/* The worker hears of it when there may be room. false: there seems to be. */
static bool mark(const struct limit *limits, unsigned count, unsigned worker, uint64_t now_ns,
                 uint64_t *ret_next_ns)
{
    bool lacks = false;

    for (unsigned i = 0; i < count; i++) {
        const struct limit *limit = &limits[i];
        uint64_t next_ns = limit->rate_max ? rate_next_ns(limit->rate, limit->rate_max) : 0;
        if (sessions_room(limit) == 0) {
            atomic_fetch_or(limit->awaited, UINT64_C(1) << worker % 64);
            lacks = true;
        }
        if (next_ns > now_ns && next_ns > *ret_next_ns)
            *ret_next_ns = next_ns;
    }
    return lacks || *ret_next_ns;
}

size_t room_await(const struct opening *opening, unsigned which, unsigned worker, uint64_t now_ns,
                  uint64_t *ret_next_ns)
{
    struct limit limits[LIMITS_MAX];
    unsigned count = list(opening, which, limits);
    bool hears;
    size_t room;

    /* What was left and taken again meanwhile is lacking, and was not marked. */
    do {
        *ret_next_ns = 0;
        hears = mark(limits, count, worker, now_ns, ret_next_ns);
        room = least(limits, count, now_ns);
    } while (room == 0 && !hears);
    return room;
}
