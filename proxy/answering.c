/* A queue, and a timer that goes on with it. */
#include "proxy/answering.h"

void answering_init(struct answering *answering, struct sessions *sessions)
{
    *answering = (struct answering){.sessions = sessions};
}

static void meet(struct inquiry_part *part, struct session *session)
{
    const struct inquiry_options *options = &part->inquiry->options;

    if (!session_filter_admits(&options->filter, session))
        return;
    if (options->kind == INQUIRY_END) {
        part->matching += session->state != SESSION_STOPPING;
        session_stop(session, options->reason, 0);
        return;
    }
    part->matching++;
    if (part->count < options->views_max)
        session_view_take(session, &part->views[part->count++]);
}

/* Whether that was the last piece. */
static bool meet_some(struct answering *answering, struct inquiry_part *part)
{
    struct session *session = NULL;

    if (!part->begun)
        sessions_walk_begin(answering->sessions);
    part->begun = true;
    for (unsigned i = 0; i < ANSWERING_PIECE; i++) {
        session = sessions_walk_next(answering->sessions);
        if (!session)
            return true;
        meet(part, session);
        if (part->inquiry->options.filter.number && part->matching > 0)
            return true;
    }
    return false;
}

static void go_on(struct ring_timer *timer);

/* In the next turn of the ring. */
static void go_on_soon(struct answering *answering)
{
    struct ring *ring = answering->sessions->ring;

    if (!ring_timer_armed(&answering->timer))
        ring_timer_arm(ring, &answering->timer, ring_now_ns(ring) + 1, go_on);
}

static void go_on(struct ring_timer *timer)
{
    struct answering *answering = (void *)((char *)timer - offsetof(struct answering, timer));
    struct inquiry_part *part = answering->first;

    if (meet_some(answering, part)) {
        answering->first = part->next;
        inquiry_answer(part);
    }
    if (answering->first)
        go_on_soon(answering);
}

void answering_take(struct answering *answering, struct inquiry_part *part)
{
    struct inquiry_part **link = &answering->first;

    while (*link)
        link = &(*link)->next;
    *link = part;
    go_on_soon(answering);
}

void answering_end(struct answering *answering)
{
    ring_timer_disarm(answering->sessions->ring, &answering->timer);
    while (answering->first) {
        struct inquiry_part *part = answering->first;
        answering->first = part->next;
        inquiry_answer(part);
    }
}
