/* The pairing heap of deadlines. */
#include "ring/timer.h"

#include <stddef.h>

/* Makes the later of two heaps the first child of the earlier. Either may be NULL. */
static struct ring_timer *meld(struct ring_timer *a, struct ring_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->deadline_ns < a->deadline_ns) {
        struct ring_timer *earlier = b;
        b = a;
        a = earlier;
    }
    b->next = a->child;
    if (b->next)
        b->next->link = &b->next;
    a->child = b;
    b->link = &a->child;
    return a;
}

/* Melds a list of siblings into one heap: in pairs from the left, then the pairs from the right. */
static struct ring_timer *meld_siblings(struct ring_timer *first)
{
    struct ring_timer *pairs = NULL;
    struct ring_timer *root = NULL;

    while (first) {
        struct ring_timer *a = first;
        struct ring_timer *b = a->next;
        first = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        struct ring_timer *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct ring_timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

static void set_root(struct ring_timers *timers, struct ring_timer *root)
{
    timers->root = root;
    if (root)
        root->link = &timers->root;
}

void ring_timers_arm(struct ring_timers *timers, struct ring_timer *timer, uint64_t deadline_ns,
                     ring_timer_handler *handler)
{
    ring_timers_disarm(timers, timer);
    *timer = (struct ring_timer){.handler = handler, .deadline_ns = deadline_ns};
    set_root(timers, meld(timers->root, timer));
}

void ring_timers_disarm(struct ring_timers *timers, struct ring_timer *timer)
{
    if (!timer->link)
        return;
    if (timers->root == timer) {
        set_root(timers, meld_siblings(timer->child));
    } else {
        *timer->link = timer->next;
        if (timer->next)
            timer->next->link = timer->link;
        set_root(timers, meld(timers->root, meld_siblings(timer->child)));
    }
    timer->link = NULL;
    timer->child = NULL;
    timer->next = NULL;
}

bool ring_timer_armed(const struct ring_timer *timer)
{
    return timer->link != NULL;
}

uint64_t ring_timers_next(const struct ring_timers *timers)
{
    return timers->root ? timers->root->deadline_ns : UINT64_MAX;
}

void ring_timers_expire(struct ring_timers *timers, uint64_t now_ns)
{
    while (timers->root && timers->root->deadline_ns <= now_ns) {
        struct ring_timer *timer = timers->root;
        ring_timers_disarm(timers, timer);
        timer->handler(timer);
    }
}
