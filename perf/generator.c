/* A thread of load. */
#include "perf/generator.h"

#include "perf/clock.h"
#include "perf/connection.h"
#include "ring/socket.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Connections that are being opened at once before the load begins: a backlog is not a queue to
 * fill. */
#define OPENING_MAX 64
#define TICK_NS     UINT64_C(1000000)
#define INTERVAL_NS UINT64_C(1000000000)

enum phase {
    PREPARING,
    READY,
    RUNNING,
    DRAINING,
    CLOSING,
};

struct run {
    struct generator *generator;
    struct load *load;
    struct tally *tally;
    struct ring *ring;
    struct connection *connections;
    unsigned count;
    unsigned next; /* to be opened, or to be given a request */
    unsigned opening;
    unsigned alive;   /* not closed */
    unsigned waiting; /* requests without an answer, and slots under way */
    enum phase phase;
    uint64_t measure_ns; /* from here to end_ns */
    uint64_t end_ns;
    uint64_t drain_end_ns;
    double next_ns; /* the schedule of an open loop */
    double gap_ns;
    uint64_t random;
    struct queue pending; /* crr, churn: planned, and no slot free */
    struct ring_timer tick;
    struct ring_timer arrival;
    struct ring_timer interval;
    struct ring_op stop;
    struct ring_op stop_cancel;
    struct rusage usage;
    bool measuring;

    /* of the current interval */
    struct result_interval current;
    struct histogram *current_latency;
};

static void tick(struct ring_timer *timer);

static struct run *run_of(struct connection *connection)
{
    return connection->owner;
}

/* Connections that are opened for each unit of work. */
static bool by_slots(const struct run *run)
{
    return run->load->mode == LOAD_CRR || run->load->mode == LOAD_CHURN;
}

static bool is_stream(const struct run *run)
{
    return run->load->mode <= LOAD_STREAM_BOTH;
}

static uint64_t now(const struct run *run)
{
    return ring_now_ns(run->ring);
}

static bool in_window(const struct run *run, uint64_t ns)
{
    return run->load->mode == LOAD_IDLE || (ns >= run->measure_ns && ns < run->end_ns);
}

static void record_latency(struct run *run, uint64_t planned_ns)
{
    uint64_t latency_ns = now(run) > planned_ns ? now(run) - planned_ns : 1;

    if (in_window(run, planned_ns)) {
        histogram_add(&run->tally->latency, latency_ns);
        if (run->measuring)
            histogram_add(run->current_latency, latency_ns);
    }
}

static void record_completed(struct run *run, uint64_t count)
{
    if (run->measuring || run->load->mode == LOAD_IDLE) {
        run->tally->completed += count;
        run->current.completed += count;
    }
}

static void record_error(struct run *run, uint64_t *counter, int error)
{
    if (run->phase == CLOSING)
        return;
    ++*counter;
    run->current.errors++;
    if (!run->tally->error)
        run->tally->error = error;
}

/* xorshift64*: what an exponential gap needs. */
static double random_unit(struct run *run)
{
    run->random ^= run->random >> 12;
    run->random ^= run->random << 25;
    run->random ^= run->random >> 27;
    return (double)((run->random * UINT64_C(0x2545f4914f6cdd1d)) >> 11) / 9007199254740992.0;
}

static double gap(struct run *run)
{
    return run->load->poisson ? -log(1.0 - random_unit(run)) * run->gap_ns : run->gap_ns;
}

/* Opens what the load begins with, a few at a time. */
static void open_more(struct run *run)
{
    while (run->opening < OPENING_MAX && run->next < run->count) {
        run->opening++;
        run->alive++;
        connection_open(&run->connections[run->next++], clock_ns());
    }
}

static void opening_over(struct run *run)
{
    run->opening--;
    if (run->phase == PREPARING)
        open_more(run);
}

/* crr, churn: a free slot takes the oldest that is planned; in a closed loop, the next. */
static void slot_free(struct run *run, struct connection *connection)
{
    if (run->phase != RUNNING)
        return;
    if (!run->load->open_loop) {
        run->waiting++;
        connection_open(connection, clock_ns());
    } else if (run->pending.count > 0) {
        run->waiting++;
        connection_open(connection, queue_pop(&run->pending));
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
    if (run->measuring)
        run->tally->dropped++;
}

/* What the schedule has for this moment. */
static void arrive(struct run *run, uint64_t planned_ns)
{
    struct connection *connection;

    if (by_slots(run)) {
        connection = run->pending.count == 0 ? free_slot(run) : NULL;
        if (connection) {
            run->waiting++;
            connection_open(connection, planned_ns);
        } else if (!queue_push(&run->pending, planned_ns)) {
            drop(run);
        }
        return;
    }
    connection = next_open(run);
    if (connection && connection_request(connection, planned_ns))
        run->waiting++;
    else
        drop(run);
}

static void arrivals(struct ring_timer *timer)
{
    struct run *run = (void *)((char *)timer - offsetof(struct run, arrival));
    uint64_t time_ns = clock_ns();

    while (run->next_ns <= (double)time_ns && run->next_ns < (double)run->end_ns) {
        uint64_t planned_ns = (uint64_t)run->next_ns;
        if (in_window(run, planned_ns))
            histogram_add(&run->tally->schedule, time_ns - planned_ns + 1);
        arrive(run, planned_ns);
        run->next_ns += gap(run);
    }
    if (run->phase == RUNNING && run->next_ns < (double)run->end_ns)
        ring_timer_arm(run->ring, &run->arrival, (uint64_t)run->next_ns, arrivals);
}

static void on_connected(struct connection *connection)
{
    struct run *run = run_of(connection);
    uint64_t took_ns = now(run) - connection->started_ns + 1;

    if (!by_slots(run) || in_window(run, connection->planned_ns))
        histogram_add(&run->tally->connect, took_ns);
    if (run->load->mode != LOAD_CHURN)
        return;
    record_latency(run, connection->planned_ns);
    record_completed(run, 1);
    /* With a reset: thousands of ports in TIME_WAIT would end the run. */
    connection_close(connection, true);
}

static void on_opened(struct connection *connection)
{
    struct run *run = run_of(connection);

    if (by_slots(run))
        return;
    run->tally->opened++;
    opening_over(run);
}

static void on_first_byte(struct connection *connection)
{
    struct run *run = run_of(connection);

    if (run->load->mode == LOAD_CRR && in_window(run, connection->planned_ns))
        histogram_add(&run->tally->first_byte, now(run) - connection->started_ns + 1);
}

static void on_answered(struct connection *connection, uint64_t planned_ns)
{
    struct run *run = run_of(connection);

    record_latency(run, planned_ns);
    record_completed(run, 1);
    if (by_slots(run))
        return;
    run->waiting--;
    if (run->load->mode == LOAD_RR && run->phase == RUNNING && !run->load->open_loop &&
        connection_request(connection, clock_ns()))
        run->waiting++;
}

/* Streams count in units of `size`. */
static void record_bytes(struct run *run, uint64_t *counter, size_t bytes)
{
    uint64_t size = run->load->options.size;

    if (!run->measuring)
        return;
    uint64_t before = (run->tally->bytes_up + run->tally->bytes_down) / size;
    *counter += bytes;
    run->current.bytes += bytes;
    if (is_stream(run))
        record_completed(run, (run->tally->bytes_up + run->tally->bytes_down) / size - before);
}

static void on_sent(struct connection *connection, size_t bytes)
{
    struct run *run = run_of(connection);
    record_bytes(run, &run->tally->bytes_up, bytes);
}

static void on_received(struct connection *connection, size_t bytes)
{
    struct run *run = run_of(connection);
    record_bytes(run, &run->tally->bytes_down, bytes);
}

static void record_end(struct run *run, enum connection_end end, int error)
{
    struct tally *tally = run->tally;

    switch (end) {
    case CONNECTION_DONE: break;
    case CONNECTION_REFUSED: record_error(run, &tally->errors.connect, error); break;
    case CONNECTION_RESET: record_error(run, &tally->errors.reset, error); break;
    case CONNECTION_EARLY: record_error(run, &tally->errors.closed, error); break;
    case CONNECTION_VERIFY: record_error(run, &tally->errors.verify, -EBADMSG); break;
    case CONNECTION_PROTOCOL:
        record_error(run, &tally->errors.connect, error);
        snprintf(tally->problem, sizeof(tally->problem), "%s",
                 error == -EPROTONOSUPPORT
                     ? "the server speaks another version of the protocol: use the same "
                       "vsluice-load at both ends"
                     : "what answers there is no 'vsluice-load serve'");
        break;
    }
}

static void on_closed(struct connection *connection, enum connection_end end, int error)
{
    struct run *run = run_of(connection);

    record_end(run, end, error);
    if (by_slots(run)) {
        run->waiting--;
        slot_free(run, connection);
        return;
    }
    run->alive--;
    if (run->phase == PREPARING)
        opening_over(run);
    else
        run->waiting = 0; /* counted anew at the end */
}

static const struct connection_events events = {
    .connected = on_connected,
    .opened = on_opened,
    .answered = on_answered,
    .first_byte = on_first_byte,
    .sent = on_sent,
    .received = on_received,
    .closed = on_closed,
};

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void measure_cpu(struct run *run)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    run->tally->cpu_user_s = seconds_of(usage.ru_utime) - seconds_of(run->usage.ru_utime);
    run->tally->cpu_system_s = seconds_of(usage.ru_stime) - seconds_of(run->usage.ru_stime);
}

/* Adds what this generator did in the interval that ends to what the others did. */
static void share_interval(struct run *run, double seconds)
{
    struct load *load = run->load;
    double at_s = (double)(now(run) - run->measure_ns) / 1e9;
    size_t index = (size_t)(at_s - 0.5);

    pthread_mutex_lock(&load->mutex);
    if (index < load->interval_max) {
        struct result_interval *interval = &load->intervals[index];
        interval->at_s = at_s;
        interval->seconds = seconds;
        interval->completed += run->current.completed;
        interval->bytes += run->current.bytes;
        interval->errors += run->current.errors;
        histogram_merge(&load->interval_latency[index], run->current_latency);
        if (load->interval_count < index + 1)
            load->interval_count = index + 1;
    }
    pthread_mutex_unlock(&load->mutex);
    run->current = (struct result_interval){0};
    histogram_init(run->current_latency);
}

static void interval_over(struct ring_timer *timer)
{
    struct run *run = (void *)((char *)timer - offsetof(struct run, interval));

    if (!run->measuring)
        return;
    share_interval(run, (double)INTERVAL_NS / 1e9);
    ring_timer_arm(run->ring, &run->interval, run->interval.deadline_ns + INTERVAL_NS,
                   interval_over);
}

static void start_measuring(struct run *run)
{
    run->measuring = true;
    run->current = (struct result_interval){0};
    histogram_init(run->current_latency);
    getrusage(RUSAGE_THREAD, &run->usage);
    ring_timer_arm(run->ring, &run->interval, run->measure_ns + INTERVAL_NS, interval_over);
}

static void stop_measuring(struct run *run)
{
    uint64_t rest_ns = (now(run) - run->measure_ns) % INTERVAL_NS;

    run->tally->measured_s = (double)(now(run) - run->measure_ns) / 1e9;
    measure_cpu(run);
    if (run->current.completed || run->current.bytes)
        share_interval(run, (double)(rest_ns ? rest_ns : INTERVAL_NS) / 1e9);
    run->measuring = false;
    ring_timer_disarm(run->ring, &run->interval);
}

static void begin(struct run *run)
{
    run->phase = RUNNING;
    run->next = 0;
    if (run->load->open_loop) {
        run->next_ns = (double)atomic_load(&run->load->start_ns) +
                       run->gap_ns * run->generator->index / run->load->options.threads;
        arrivals(&run->arrival);
        return;
    }
    for (unsigned i = 0; i < run->count; i++) {
        struct connection *connection = &run->connections[i];
        if (by_slots(run))
            slot_free(run, connection);
        else if (connection->state == CONNECTION_OPEN && is_stream(run))
            connection_stream(connection);
        for (unsigned d = 0; run->load->mode == LOAD_RR && d < run->load->options.depth; d++)
            if (connection->state == CONNECTION_OPEN && connection_request(connection, clock_ns()))
                run->waiting++;
    }
}

static void drain(struct run *run)
{
    run->phase = DRAINING;
    run->drain_end_ns = now(run) + GENERATOR_DRAIN_NS;
    ring_timer_disarm(run->ring, &run->arrival);
    for (unsigned i = 0; i < run->count; i++) {
        struct connection *connection = &run->connections[i];
        if (connection->state != CONNECTION_OPEN)
            continue;
        if (is_stream(run))
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
        if (by_slots(run))
            count += connection->state != CONNECTION_CLOSED;
        else
            count += connection->planned.count;
    }
    return count;
}

static void stopped(struct ring_op *op, int result, unsigned flags)
{
    struct run *run = (void *)((char *)op - offsetof(struct run, stop));

    if (result > 0 && run->end_ns > now(run))
        run->end_ns = now(run);
}

static void stop_cancelled(struct ring_op *op, int result, unsigned flags)
{
}

static void close_all(struct run *run)
{
    uint64_t left = is_stream(run) ? 0 : unanswered(run) + run->pending.count;

    run->tally->errors.timeout += left;
    run->phase = CLOSING;
    for (unsigned i = 0; i < run->count; i++)
        connection_close(&run->connections[i], run->load->mode == LOAD_STREAM_DOWN);
    if (run->stop.in_flight)
        ring_cancel(run->ring, &run->stop_cancel, stop_cancelled, run->load->stop);
}

static void prepared(struct run *run)
{
    run->phase = READY;
    atomic_fetch_add(&run->load->ready, 1);
}

static void wait_for_start(struct run *run)
{
    uint64_t start_ns = atomic_load(&run->load->start_ns);

    if (start_ns == 0 || now(run) < start_ns)
        return;
    run->measure_ns = start_ns + run->load->options.warmup_ns;
    if (run->end_ns == UINT64_MAX)
        run->end_ns = run->measure_ns + run->load->options.duration_ns;
    begin(run);
}

static void go_on(struct run *run)
{
    uint64_t time_ns = now(run);
    bool none_left = !by_slots(run) && run->alive == 0;

    if (!run->measuring && time_ns >= run->measure_ns)
        start_measuring(run);
    if (time_ns < run->end_ns && !none_left)
        return;
    if (run->measuring)
        stop_measuring(run);
    drain(run);
}

/* Moves from phase to phase, every TICK_NS. */
static void tick(struct ring_timer *timer)
{
    struct run *run = (void *)((char *)timer - offsetof(struct run, tick));

    if (run->phase == PREPARING &&
        (by_slots(run) || (run->opening == 0 && run->next == run->count)))
        prepared(run);
    if (run->phase == READY)
        wait_for_start(run);
    if (run->phase == RUNNING)
        go_on(run);
    if (run->phase == DRAINING &&
        ((is_stream(run) || (unanswered(run) == 0 && run->pending.count == 0)) ||
         now(run) >= run->drain_end_ns))
        close_all(run);
    if (run->phase == CLOSING)
        return;
    uint64_t next_ns = now(run) + TICK_NS;
    if (run->phase == RUNNING && !run->measuring && run->measure_ns > now(run))
        next_ns = run->measure_ns < next_ns ? run->measure_ns : next_ns;
    else if (run->phase == RUNNING && run->end_ns > now(run) && run->end_ns < next_ns)
        next_ns = run->end_ns;
    ring_timer_arm(run->ring, &run->tick, next_ns, tick);
}

static int prepare(struct run *run)
{
    struct ring_options options = {
        .entries = 4096,
        .buffers_max = run->count * 2 + RING_BUFFERS_IDLE,
    };
    if (options.buffers_max > RING_BUFFERS_LIMIT)
        options.buffers_max = RING_BUFFERS_LIMIT;
    run->connections = calloc(run->count, sizeof(*run->connections));
    run->current_latency = malloc(sizeof(*run->current_latency));
    if (!run->connections || !run->current_latency)
        return -ENOMEM;
    histogram_init(run->current_latency);
    int error = ring_new(&run->ring, &options);
    for (unsigned i = 0; i < run->count && error == 0; i++)
        error = connection_init(&run->connections[i], run->ring, run->load,
                                (uint64_t)run->generator->index << 32 | i, &events, run);
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
        .random = generator->load->options.seed * 2 + generator->index * 2 + 1,
        .gap_ns = generator->load->options.rate > 0
                      ? 1e9 * generator->load->options.threads / generator->load->options.rate
                      : 0,
    };
    int error = prepare(&run);

    if (error < 0) {
        generator->tally->error = error;
        atomic_fetch_add(&run.load->ready, 1);
    } else {
        ring_poll(run.ring, &run.stop, stopped, run.load->stop, POLLIN);
        if (!by_slots(&run))
            open_more(&run);
        ring_timer_arm(run.ring, &run.tick, now(&run), tick);
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
    free(run.current_latency);
    return NULL;
}
