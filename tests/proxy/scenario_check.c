/* What must hold, session by session: for each direction what arrived, how it ended, and whether
 * the reason that was told can be true. */
#include "tests/proxy/scenario_check.h"

#define DIAL_SLACK_NS UINT64_C(20000000)
/* Discarding, probing, and trying sends again. */
#define LINGER_NS_MAX UINT64_C(2500000000)

struct view {
    struct scenario *scenario;
    const struct world_session *session;
    const struct world_session *leader; /* whose route and target it has */
    const struct fake_record
        *ends[SIDE_COUNT]; /* of the target: NULL where it was never connected */
    enum fake_kind kinds[SIDE_COUNT];
};

__attribute__((noreturn)) static void fail(const struct view *view, const char *what)
{
    static const char *const kinds[] = {"tcp", "unix", "vsock", "file"};
    fake_fail(view->scenario->world.fake, "session %u (%s to %s, %s): %s", view->session->number,
              kinds[view->kinds[0]], view->ends[1] ? kinds[view->kinds[1]] : "nobody",
              reason_token(view->session->reason), what);
}

/* Bytes and order are checked as they arrive (fake_script.expected). A clean end of a TCP stream is
 * a promise that it was whole. */
static void check_direction(const struct view *view, unsigned from)
{
    const struct fake_record *source = view->ends[from];
    const struct fake_record *sink = view->ends[!from];

    if (!sink)
        return;
    uint64_t sent = source ? source->written : 0;
    if (sink->read > sent)
        fail(view, "more arrived than was sent");
    if (!sink->saw_end || view->kinds[!from] != FAKE_TCP)
        return;
    bool ended = source && source->ended;
    /* A vsock reset reads as end-of-file; a Unix close with unread bytes ends the stream all the
     * same. */
    if (source && source->broke && !source->died && view->kinds[from] != FAKE_TCP)
        ended = true;
    if (!ended)
        fail(view, "a stream that did not end was ended in good order");
    if (sink->read != sent && !(source->broke && view->kinds[from] == FAKE_VSOCK))
        fail(view, "a truncated stream was ended in good order");
}

/* Who reads only so much does not see what comes behind it. */
static bool reads_all(const struct view *view)
{
    for (unsigned i = 0; i < view->leader->target_count; i++)
        if (view->leader->targets[i].script.read_limit)
            return false;
    return !view->session->initiator_script.read_limit;
}

/* Whoever has not left by itself is told. */
static void check_told(const struct view *view, unsigned side)
{
    const struct fake_record *end = view->ends[side];

    if (end && !end->closed && !end->saw_end && !end->saw_reset && reads_all(view))
        fail(view, side == SIDE_INITIATOR ? "the initiator was never told that it is over"
                                          : "the target was never told that it is over");
}

static bool greets(const struct view *view)
{
    return view->session->listen.written.kind == ENDPOINT_MUX ||
           view->session->opening.route->accept_proxy;
}

/* Of the scenario's guests; NULL: none. */
static const struct scenario_guest *guest_of(const struct view *view, const struct guest_use *use)
{
    for (unsigned i = 0; i < SCENARIO_GUESTS; i++)
        if (use && view->scenario->guests[i].use == use)
            return &view->scenario->guests[i];
    return NULL;
}

static bool is_capped(const struct view *view, const struct guest_use *use)
{
    const struct scenario_guest *guest = guest_of(view, use);
    return guest && guest->guest.sessions_max > 0;
}

static bool may_freeze(const struct view *view, const struct guest_use *use)
{
    const struct scenario_guest *guest = guest_of(view, use);
    return guest && guest->freezes;
}

static bool target_may_freeze(const struct view *view)
{
    return may_freeze(view, view->session->opening_target.guest);
}

static uint64_t took_ns(const struct view *view)
{
    return view->session->ended_ns - view->session->started_ns;
}

static bool nothing_ended_it(const struct view *view)
{
    const struct scenario *scenario = view->scenario;
    return scenario->calm[view->session->number] && fake_injected(scenario->world.fake) == 0 &&
           !scenario->world.stopped && !scenario->buffers_scarce &&
           view->session->reason != REASON_GUEST_FULL &&
           view->session->reason != REASON_GUEST_FROZEN;
}

static void check_calm(const struct view *view)
{
    if (!view->ends[SIDE_TARGET])
        fail(view, "was not connected although nothing was in the way");
    if (view->session->reason != REASON_DONE)
        fail(view, "did not end well although nothing was in the way");
    for (unsigned side = 0; side < SIDE_COUNT; side++) {
        const struct fake_record *source = view->ends[side];
        const struct fake_record *sink = view->ends[!side];
        if (!sink->saw_end || sink->read != source->written)
            fail(view, "not all arrived although nothing was in the way");
        if (view->session->lane_bytes[side] != source->written)
            fail(view, "the count of bytes is wrong");
    }
}

/* The session that was whole: nothing that was sent is missing, unless who should read it left. */
static void check_whole(const struct view *view)
{
    for (unsigned side = 0; side < SIDE_COUNT; side++) {
        const struct fake_record *source = view->ends[side];
        const struct fake_record *sink = view->ends[!side];
        if (!source || !sink)
            fail(view, "done without two ends");
        /* Or nobody is there any more to read it, and nothing of it was lost. */
        if (!source->ended && !source->broke && !sink->closed)
            fail(view, "done before a stream had ended");
        if (sink->saw_end && sink->read != source->written && !source->broke)
            fail(view, "done with bytes missing");
    }
}

static void check_refused(const struct view *view)
{
    const struct world_session *session = view->session;
    const struct route *route = session->opening.route;
    uint64_t greeting_ns = greets(view) ? route->connect_timeout_ns : 0;
    uint64_t deadline_ns = route->connect_timeout_ns;

    if (session->ended_in == SESSION_GREETING && took_ns(view) > greeting_ns + DIAL_SLACK_NS)
        fail(view, "the deadline of the greeting was not kept");
    if (session->ended_in != SESSION_CONNECTING || target_may_freeze(view))
        return;
    if (route->wait_ns > deadline_ns)
        deadline_ns = route->wait_ns;
    if (took_ns(view) > greeting_ns + deadline_ns + DIAL_SLACK_NS)
        fail(view, "the connect deadline was not kept");
    if (view->ends[SIDE_TARGET] && view->ends[SIDE_TARGET]->greeted &&
        view->ends[SIDE_TARGET]->read > 0)
        fail(view, "bytes reached a target that was never connected");
}

/* Once both ends are gone, or one was reset, nothing keeps the session. */
static void check_lingering(const struct view *view)
{
    const struct world_session *session = view->session;
    const struct fake_record *target = view->ends[SIDE_TARGET];
    uint64_t closed_ns = 0;

    if (!target || session->ended_in != SESSION_RELAYING)
        return;
    for (unsigned side = 0; side < SIDE_COUNT; side++) {
        const struct fake_record *end = view->ends[side];
        if (!end->closed || end->forgot)
            return;
        if (end->closed_ns > closed_ns)
            closed_ns = end->closed_ns;
        if (end->broke && view->kinds[side] == FAKE_TCP &&
            session->ended_ns > end->closed_ns + LINGER_NS_MAX)
            fail(view, "outlived a reset");
    }
    if (session->ended_ns > closed_ns + LINGER_NS_MAX)
        fail(view, "outlived both its ends");
}

static bool reset_seen_by(const struct view *view, unsigned side)
{
    return view->ends[side] && (view->ends[side]->broke || view->ends[side]->closed);
}

static void check_left(const struct view *view)
{
    const struct fake_record *initiator = view->ends[SIDE_INITIATOR];
    bool waits = view->session->ended_in < SESSION_RELAYING || greets(view);
    bool said_nothing = view->session->ended_in == SESSION_GREETING && initiator->ended;

    if (!waits || !(initiator->closed || said_nothing))
        fail(view, "the initiator did not leave");
}

static void check_guest_reason(const struct view *view)
{
    const struct world_session *session = view->session;
    bool relayed = session->ended_in == SESSION_RELAYING;
    const struct opening *opening = &session->opening;

    if (session->reason == REASON_GUEST_FROZEN && !target_may_freeze(view) &&
        !(relayed && may_freeze(view, opening->source)))
        fail(view, "no guest of it was frozen");
    if (session->reason == REASON_GUEST_FULL &&
        (session->ended_in != SESSION_FREE ||
         !(is_capped(view, opening->source) || is_capped(view, opening->targets[0].guest))))
        fail(view, "no guest of it was full");
}

static void check_greeting_reason(const struct view *view)
{
    const struct world_session *session = view->session;

    if (!greets(view) || session->ended_in != SESSION_GREETING)
        fail(view, "nobody was to say anything");
    if (view->scenario->calm[session->number])
        fail(view, "all was said well");
    if ((session->reason == REASON_CONNECT_SILENT || session->reason == REASON_PROXY_SILENT) &&
        took_ns(view) < session->opening.route->connect_timeout_ns)
        fail(view, "the initiator still had time");
}

static void check_idle(const struct view *view)
{
    uint64_t timeout_ns = view->session->opening.route->idle_timeout_ns;

    if (!timeout_ns || view->session->ended_in != SESSION_RELAYING || took_ns(view) < timeout_ns)
        fail(view, "it was not idle for long");
}

/* What is received where no buffer can be borrowed is paid for afterwards. */
static void check_bandwidth(const struct view *view)
{
    uint64_t rate = view->session->opening.route->session_bandwidth;
    double seconds = (double)took_ns(view) / 1e9;

    if (!rate || view->kinds[0] == FAKE_FILE || view->kinds[1] == FAKE_FILE)
        return;
    for (unsigned side = 0; side < SIDE_COUNT; side++)
        if ((double)view->session->lane_bytes[side] >
            (double)(bucket_bytes(rate) + RING_BUFFER_BYTES) + (double)rate * seconds)
            fail(view, "it moved more than its bandwidth allows");
}

static void check_reason(const struct view *view)
{
    const struct world_session *session = view->session;
    const struct world *world = &view->scenario->world;
    bool connecting = session->ended_in < SESSION_RELAYING;

    switch (session->reason) {
    case REASON_DONE: check_whole(view); break;
    case REASON_INITIATOR_RESET:
        if (connecting || !reset_seen_by(view, SIDE_INITIATOR))
            fail(view, "the initiator did not reset");
        break;
    case REASON_TARGET_RESET:
        if (connecting || !reset_seen_by(view, SIDE_TARGET))
            fail(view, "the target did not reset");
        break;
    case REASON_INITIATOR_GONE:
        if (connecting || !view->ends[SIDE_INITIATOR]->closed)
            fail(view, "the initiator is not gone");
        break;
    case REASON_TARGET_GONE:
        if (connecting || !view->ends[SIDE_TARGET] || !view->ends[SIDE_TARGET]->closed)
            fail(view, "the target is not gone");
        break;
    case REASON_INITIATOR_LEFT: check_left(view); break;
    case REASON_GUEST_FULL:
    case REASON_GUEST_FROZEN: check_guest_reason(view); break;
    case REASON_PROXY_SILENT:
    case REASON_PROXY_GARBAGE:
    case REASON_CONNECT_SILENT:
    case REASON_CONNECT_GARBAGE:
    case REASON_PORT_DENIED: check_greeting_reason(view); break;
    case REASON_IDLE_TIMEOUT: check_idle(view); break;
    case REASON_DRAIN_TIMEOUT:
        if (!world->stopped)
            fail(view, "nobody stopped it");
        break;
    case REASON_NO_DESCRIPTORS:
    case REASON_NO_MEMORY:
        if (!fake_injected(world->fake) && !view->scenario->buffers_scarce)
            fail(view, "nothing was exhausted");
        break;
    case REASON_NONE:
    case REASON_SYSTEM: fail(view, "no reason for such an end");
    default:
        if (!connecting)
            fail(view, "a reason of connecting after it was connected");
        break;
    }
}

static void check_session(struct scenario *scenario, const struct world_session *session)
{
    struct fake_end *target = world_target_end(session);
    struct view view = {
        .scenario = scenario,
        .session = session,
        .leader = &scenario->world.session[session->stream],
        .ends = {world_initiator(session), target ? fake_end_record(target) : NULL},
        .kinds = {session->initiator_kind, target ? fake_end_kind(target) : FAKE_TCP},
    };

    if (session->start_error) {
        if (session->ended)
            fail(&view, "ended although it was never started");
        return;
    }
    if (session->ended != 1)
        fail(&view, "did not end once");
    for (unsigned side = 0; side < SIDE_COUNT; side++) {
        check_direction(&view, side);
        check_told(&view, side);
    }
    check_bandwidth(&view);
    check_reason(&view);
    check_refused(&view);
    check_lingering(&view);
    if (nothing_ended_it(&view))
        check_calm(&view);
}

void scenario_check(struct scenario *scenario)
{
    struct world *world = &scenario->world;
    unsigned started = 0;

    for (unsigned i = 0; i < world->count; i++) {
        check_session(scenario, &world->session[i]);
        started += world->session[i].start_error == 0;
    }
    if (world->released != started)
        fake_fail(world->fake, "%u sessions were started and %u released", started,
                  world->released);
    if (fake_descriptors(world->fake))
        fake_fail(world->fake, "%u descriptors are left", fake_descriptors(world->fake));
}
