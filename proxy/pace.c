#include "proxy/pace.h"

#include "proxy/lane.h"
#include "proxy/lane_internal.h"

#include <assert.h>

/* Where others wait, one takes no more at once. */
#define PORTIONS_AT_ONCE 2

static struct pace_lane *pace_of(struct lane *lane)
{
    return &lane_session(lane)->pace->lanes[lane->source];
}

static uint64_t now(struct lane *lane)
{
    return ring_now_ns(lane_session(lane)->sessions->ring);
}

static uint64_t own_rate(struct lane *lane)
{
    return lane_session(lane)->opening->route->session_bandwidth;
}

static uint64_t route_rate(struct lane *lane)
{
    const struct opening *opening = lane_session(lane)->opening;
    return opening->use ? opening->route->bandwidth : 0;
}

/* Of the route, where it has a rate. */
static struct bucket *shared(struct lane *lane)
{
    return &lane_session(lane)->opening->use->buckets[lane->source];
}

bool pace_start(struct session *session)
{
    const struct route *route = session->opening->route;

    if (!route->session_bandwidth && !(route->bandwidth && session->opening->use))
        return true;
    session->pace = slab_take(&session->sessions->paces);
    if (!session->pace)
        return false;
    for (unsigned i = 0; i < SIDE_COUNT; i++)
        session->pace->lanes[i].lane = &session->lanes[i];
    return true;
}

bool pace_wake(struct lane *lane)
{
    struct pace_lane *pace = pace_of(lane);
    bool waited = ring_timer_armed(&pace->timer);

    ring_timer_disarm(lane_session(lane)->sessions->ring, &pace->timer);
    if (pace->counted)
        atomic_fetch_sub(&shared(lane)->waiting, 1);
    pace->counted = false;
    return waited;
}

void pace_end(struct session *session)
{
    if (!session->pace)
        return;
    for (unsigned i = 0; i < SIDE_COUNT; i++)
        pace_wake(&session->lanes[i]);
    slab_give(&session->sessions->paces, session->pace);
    session->pace = NULL;
}

bool pace_waits(const struct session *session)
{
    return session->pace && (ring_timer_armed(&session->pace->lanes[0].timer) ||
                             ring_timer_armed(&session->pace->lanes[1].timer));
}

/* Of the route's tokens. */
static uint64_t take_shared(struct lane *lane, uint64_t wanted)
{
    struct pace_lane *pace = pace_of(lane);
    struct bucket *bucket = shared(lane);
    uint64_t rate = route_rate(lane);
    uint64_t now_ns = now(lane);
    unsigned others = atomic_load(&bucket->waiting);
    uint64_t portion = bucket_portion(rate);

    pace->among = 0;
    if (others == 0)
        return bucket_take(bucket, rate, now_ns, wanted);
    if (now_ns < pace->again_ns)
        return 0;
    if (wanted > PORTIONS_AT_ONCE * portion)
        wanted = PORTIONS_AT_ONCE * portion;
    uint64_t bytes = bucket_take(bucket, rate, now_ns, wanted);
    if (bytes == 0)
        return 0;
    /* Who was woken late is not to lose by it. */
    uint64_t late_ns = now_ns - pace->again_ns;
    uint64_t from_ns = late_ns < bucket_ns(rate, portion) ? pace->again_ns : now_ns;
    pace->among = others + 1;
    pace->again_ns = from_ns + pace->among * bucket_ns(rate, bytes);
    return bytes;
}

size_t pace_take(struct lane *lane, size_t wanted)
{
    struct pace_lane *pace = pace_of(lane);
    uint64_t rate = own_rate(lane);
    uint64_t bytes = wanted;

    pace_wake(lane);
    if (rate)
        bytes = bucket_take(&pace->own, rate, now(lane), bytes);
    if (bytes == 0 || !route_rate(lane))
        return bytes;
    uint64_t both = take_shared(lane, bytes);
    if (rate)
        bucket_give(&pace->own, rate, bytes - both);
    return both;
}

void pace_give(struct lane *lane, size_t bytes)
{
    struct pace_lane *pace = pace_of(lane);

    if (own_rate(lane))
        bucket_give(&pace->own, own_rate(lane), bytes);
    if (!route_rate(lane))
        return;
    bucket_give(shared(lane), route_rate(lane), bytes);
    if (pace->among)
        pace->again_ns -= pace->among * bucket_ns(route_rate(lane), bytes);
}

void pace_charge(struct lane *lane, size_t bytes)
{
    if (own_rate(lane))
        bucket_charge(&pace_of(lane)->own, own_rate(lane), now(lane), bytes);
    if (route_rate(lane))
        bucket_charge(shared(lane), route_rate(lane), now(lane), bytes);
}

static void over(struct ring_timer *timer)
{
    struct pace_lane *pace = (void *)((char *)timer - offsetof(struct pace_lane, timer));

    pace_wake(pace->lane);
    lane_retry(pace->lane);
}

/* When its turn at the route's tokens comes. */
static uint64_t turn_ns(struct lane *lane)
{
    struct pace_lane *pace = pace_of(lane);
    struct bucket *bucket = shared(lane);
    uint64_t now_ns = now(lane);
    uint64_t ready_ns = bucket_ready_ns(bucket, route_rate(lane), now_ns, 1);
    unsigned others = atomic_load(&bucket->waiting);

    if (others > 0 && now_ns < pace->again_ns)
        ready_ns = pace->again_ns;
    else if (ready_ns > now_ns)
        ready_ns += others * bucket_ns(route_rate(lane), bucket_portion(route_rate(lane)));
    return ready_ns;
}

void pace_wait(struct lane *lane)
{
    struct pace_lane *pace = pace_of(lane);
    uint64_t ready_ns = now(lane) + 1;
    uint64_t own_ns =
        own_rate(lane) ? bucket_ready_ns(&pace->own, own_rate(lane), now(lane), 1) : 0;

    assert(!pace->counted);
    if (route_rate(lane)) {
        uint64_t route_ns = turn_ns(lane);
        pace->counted = route_ns > now(lane);
        if (pace->counted)
            atomic_fetch_add(&shared(lane)->waiting, 1);
        if (route_ns > ready_ns)
            ready_ns = route_ns;
    }
    if (own_ns > ready_ns)
        ready_ns = own_ns;
    ring_timer_arm(lane_session(lane)->sessions->ring, &pace->timer, ready_ns, over);
}
