/* Opening connections, and giving them work by the schedule. */
#include "perf/generator_run.h"

#include "ring/clock.h"

/* Connections that are being opened at once before the load begins: a backlog is not a queue to
 * fill. */
#define OPENING_MAX 64

void run_open_more(struct run *run)
{
    while (run->opening < OPENING_MAX && run->next < run->count) {
        run->opening++;
        run->alive++;
        connection_open(&run->connections[run->next++], clock_ns());
    }
}

void run_opening_over(struct run *run)
{
    run->opening--;
    if (run->phase == PREPARING)
        run_open_more(run);
}

/* What was planned while all slots were taken is still done when the run is over: its latency is
 * what a server that stalled has to answer for. */
void run_slot_free(struct run *run, struct connection *connection)
{
    if (run->phase != RUNNING && run->phase != DRAINING)
        return;
    if (run->load->open_loop) {
        if (run->pending.count > 0)
            connection_open(connection, queue_pop(&run->pending));
    } else if (run->phase == RUNNING) {
        connection_open(connection, clock_ns());
    }
}

static struct connection *free_slot(struct run *run)
{
    for (unsigned i = 0; i < run->count; i++) {
        struct connection *connection = &run->connections[run->next];
        run->next = (run->next + 1) % run->count;
        if (connection->state == CONNECTION_CLOSED)
            return connection;
    }
    return NULL;
}

static struct connection *next_open(struct run *run)
{
    for (unsigned i = 0; i < run->count; i++) {
        struct connection *connection = &run->connections[run->next];
        run->next = (run->next + 1) % run->count;
        if (connection->state == CONNECTION_OPEN)
            return connection;
    }
    return NULL;
}

static void drop(struct run *run)
{
    if (run->measurement.on)
        run->tally->dropped++;
}

/* What the schedule has for this moment. */
static void arrive(struct run *run, uint64_t planned_ns)
{
    struct connection *connection;

    if (run_by_slots(run)) {
        connection = run->pending.count == 0 ? free_slot(run) : NULL;
        if (connection)
            connection_open(connection, planned_ns);
        else if (!queue_push(&run->pending, planned_ns))
            drop(run);
        return;
    }
    connection = next_open(run);
    if (!connection || !connection_request(connection, planned_ns))
        drop(run);
}

static void arrivals(struct ring_timer *timer)
{
    struct run *run = (void *)((char *)timer - offsetof(struct run, arrival));
    uint64_t time_ns = clock_ns();
    uint64_t planned_ns = schedule_next_ns(&run->schedule);

    while (planned_ns <= time_ns && planned_ns < run->end_ns) {
        if (measurement_in_window(&run->measurement, planned_ns))
            histogram_add(&run->tally->schedule, time_ns - planned_ns + 1);
        arrive(run, planned_ns);
        schedule_advance(&run->schedule);
        planned_ns = schedule_next_ns(&run->schedule);
    }
    if (run->phase == RUNNING && planned_ns < run->end_ns)
        ring_timer_arm(run->ring, &run->arrival, planned_ns, arrivals);
}

void run_arrivals(struct run *run)
{
    arrivals(&run->arrival);
}
