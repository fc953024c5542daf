/* A thread of load. */
#include "perf/generator_run.h"

#include "perf/stream.h"
#include "ring/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A thread that sleeps wakes up so much late, as a rule: near the next deadline of an open loop it
 * does not sleep. */
#define SPIN_NS UINT64_C(100000)

#define TICK_NS UINT64_C(1000000)

static void tick(struct ring_timer *timer);

static void interval_over(struct ring_timer *timer)
{
    struct run *run = (void *)((char *)timer - offsetof(struct run, interval));
    uint64_t next_ns = run->interval.deadline_ns + TIMELINE_INTERVAL_NS;

    measurement_interval_over(&run->measurement, run_now(run));
    if (next_ns < run->end_ns)
        ring_timer_arm(run->ring, &run->interval, next_ns, interval_over);
}

static void start_measuring(struct run *run)
{
    uint64_t next_ns = run->measurement.from_ns + TIMELINE_INTERVAL_NS;

    measurement_start(&run->measurement);
    if (next_ns < run->end_ns)
        ring_timer_arm(run->ring, &run->interval, next_ns, interval_over);
}

static void stop_measuring(struct run *run)
{
    if (run->measurement.on)
        measurement_stop(&run->measurement, run_now(run));
    ring_timer_disarm(run->ring, &run->interval);
}

static void begin(struct run *run)
{
    run->phase = RUNNING;
    run->next = 0;
    if (run->load->open_loop) {
        /* The generators take turns. */
        schedule_start(&run->schedule, (double)atomic_load(&run->load->start_ns) +
                                           run->schedule.gap_ns * run->generator->index /
                                               run->load->options.threads);
        run_arrivals(run);
        return;
    }
    for (unsigned i = 0; i < run->count; i++) {
        struct connection *connection = &run->connections[i];
        if (run_by_slots(run))
            run_slot_free(run, connection);
        else if (connection->state == CONNECTION_OPEN && run_is_stream(run))
            connection_stream(connection);
        for (unsigned d = 0; run->load->mode == LOAD_RR && d < run->load->options.depth; d++)
            if (connection->state == CONNECTION_OPEN)
                connection_request(connection, clock_ns());
    }
}

static void drain(struct run *run)
{
    run->phase = DRAINING;
    run->drain_end_ns = run_now(run) + GENERATOR_DRAIN_NS;
    ring_timer_disarm(run->ring, &run->arrival);
    for (unsigned i = 0; i < run->count; i++) {
        struct connection *connection = &run->connections[i];
        if (connection->state != CONNECTION_OPEN)
            continue;
        if (run_is_stream(run))
            connection_quiet(connection);
        else if (run->load->mode == LOAD_IDLE)
            connection_request(connection, clock_ns());
    }
}

/* Requests that have no answer; the planned ones that found no slot are among them. */
static uint64_t unanswered(const struct run *run)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < run->count; i++) {
        const struct connection *connection = &run->connections[i];
        if (run_by_slots(run))
            count += connection->state != CONNECTION_CLOSED;
        else
            count += connection->planned.count;
    }
    return count;
}

/* Those that hold a connection prove it alive behind the end, and that counts. */
static void set_window_end(struct run *run)
{
    run->measurement.end_ns = run->load->mode == LOAD_IDLE ? UINT64_MAX : run->end_ns;
}

static void stop_cancelled(struct ring_op *op, int result, unsigned flags)
{
}

static void close_all(struct run *run)
{
    uint64_t left = run_is_stream(run) ? 0 : unanswered(run) + run->pending.count;

    run->tally->errors.timeout += left;
    stop_measuring(run);
    run->phase = CLOSING;
    for (unsigned i = 0; i < run->count; i++)
        connection_close(&run->connections[i], run->load->mode == LOAD_STREAM_DOWN);
    if (run->stop.in_flight)
        ring_cancel(run->ring, &run->stop_cancel, stop_cancelled, run->load->stop);
}

void run_wake(struct run *run)
{
    ring_timer_arm(run->ring, &run->tick, run_now(run), tick);
}

void run_end_early(struct run *run)
{
    if (run->end_ns <= run_now(run))
        return;
    run->end_ns = run_now(run);
    set_window_end(run);
    run_wake(run);
}

static void stopped(struct ring_op *op, int result, unsigned flags)
{
    struct run *run = (void *)((char *)op - offsetof(struct run, stop));

    if (result <= 0)
        return;
    if (run->phase <= READY) {
        snprintf(run->tally->problem, sizeof(run->tally->problem), "stopped before the load began");
        close_all(run);
    } else {
        run_end_early(run);
    }
}

static void prepared(struct run *run)
{
    run->phase = READY;
    atomic_fetch_add(&run->load->ready, 1);
}

static void wait_for_start(struct run *run)
{
    uint64_t start_ns = atomic_load(&run->load->start_ns);

    if (start_ns == 0 || run_now(run) < start_ns)
        return;
    run->measurement.from_ns = start_ns + run->load->options.warmup_ns;
    if (run->end_ns == UINT64_MAX)
        run->end_ns = run->measurement.from_ns + run->load->options.duration_ns;
    set_window_end(run);
    begin(run);
}

static void go_on(struct run *run)
{
    uint64_t time_ns = run_now(run);
    bool none_left = !run_by_slots(run) && run->alive == 0;

    if (!run->measurement.on && time_ns >= run->measurement.from_ns)
        start_measuring(run);
    if (time_ns < run->end_ns && !none_left)
        return;
    if (run->load->mode != LOAD_IDLE)
        stop_measuring(run);
    drain(run);
}

/* Moves from phase to phase, every TICK_NS; while RUNNING only when that is due: a timer that near
 * makes each sleep dear. */
static void tick(struct ring_timer *timer)
{
    struct run *run = (void *)((char *)timer - offsetof(struct run, tick));

    if (run->phase == PREPARING &&
        (run_by_slots(run) || (run->opening == 0 && run->next == run->count)))
        prepared(run);
    if (run->phase == READY)
        wait_for_start(run);
    if (run->phase == RUNNING)
        go_on(run);
    if (run->phase == DRAINING &&
        ((run_is_stream(run) || (unanswered(run) == 0 && run->pending.count == 0)) ||
         run_now(run) >= run->drain_end_ns))
        close_all(run);
    if (run->phase == CLOSING)
        return;
    uint64_t next_ns = run_now(run) + TICK_NS;
    if (run->phase == RUNNING)
        next_ns = run->measurement.on ? run->end_ns : run->measurement.from_ns;
    ring_timer_arm(run->ring, &run->tick, next_ns, tick);
}

static int prepare(struct run *run)
{
    struct ring_options options = {
        .entries = 4096,
        .buffers_max = run->count * 2 + RING_BUFFERS_IDLE,
        .spin_ns = run->load->open_loop ? SPIN_NS : 0,
    };
    if (options.buffers_max > RING_BUFFERS_LIMIT)
        options.buffers_max = RING_BUFFERS_LIMIT;
    run->connections = calloc(run->count, sizeof(*run->connections));
    if (run_is_stream(run))
        run->buffer = malloc(STREAM_RECEIVE_BYTES);
    int error = measurement_init(&run->measurement, run->load, run->tally);
    if (!run->connections || error < 0 || (run_is_stream(run) && !run->buffer))
        return -ENOMEM;
    error = ring_new(&run->ring, &options);
    if (error == 0)
        run->tally->engine = ring_engine_name(run->ring);
    for (unsigned i = 0; i < run->count && error == 0; i++)
        error = connection_init(&run->connections[i], run->ring, run->load,
                                (uint64_t)run->generator->index << 32 | i, run->buffer, &run_events,
                                run);
    return error;
}

static int turn_until_closed(struct run *run)
{
    while (run->phase != CLOSING || ring_in_flight(run->ring) > 0) {
        int error = ring_turn(run->ring);
        if (error < 0)
            return error;
    }
    return 0;
}

void *generator_thread(void *argument)
{
    struct generator *generator = argument;
    struct run run = {
        .generator = generator,
        .load = generator->load,
        .tally = generator->tally,
        .count = generator->connections,
        .end_ns = UINT64_MAX,
    };
    const struct result_options *options = &run.load->options;
    if (run.load->open_loop)
        schedule_init(&run.schedule, options->rate / options->threads, run.load->poisson,
                      options->seed + generator->index);
    int error = prepare(&run);

    if (error < 0) {
        generator->tally->error = error;
        atomic_fetch_add(&run.load->ready, 1);
    } else {
        ring_poll(run.ring, &run.stop, stopped, run.load->stop, POLLIN);
        if (!run_by_slots(&run))
            run_open_more(&run);
        ring_timer_arm(run.ring, &run.tick, run_now(&run), tick);
        error = turn_until_closed(&run);
        if (error < 0)
            generator->tally->error = error;
        else
            ring_free(run.ring);
    }
    for (unsigned i = 0; run.connections && i < run.count; i++)
        connection_deinit(&run.connections[i]);
    queue_deinit(&run.pending);
    free(run.connections);
    free(run.buffer);
    measurement_deinit(&run.measurement);
    timeline_leave(&run.load->timeline);
    return NULL;
}
