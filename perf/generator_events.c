/* What happens to connections: counted, and answered with the next thing to do. */
#include "perf/generator_run.h"

#include "perf/failure.h"
#include "ring/clock.h"

#include <errno.h>

/* crr, churn: when so many have failed and none was ever opened, no more are tried. */
#define FAILED_MAX 100

static struct run *run_of(struct connection *connection)
{
    return connection->owner;
}

static bool on_connected(struct connection *connection)
{
    struct run *run = run_of(connection);
    uint64_t took_ns =
        run_now(run) > connection->started_ns ? run_now(run) - connection->started_ns : 1;

    if (!run_by_slots(run) || measurement_in_window(&run->measurement, connection->planned_ns))
        histogram_add(&run->tally->connect, took_ns);
    if (run->load->mode != LOAD_CHURN)
        return true;
    run->tally->opened++;
    measurement_latency(&run->measurement, connection->planned_ns, run_now(run), 1);
    measurement_completed(&run->measurement, 1);
    /* With a reset: thousands of ports in TIME_WAIT would end the run. */
    connection_close(connection, true);
    return false;
}

static void on_opened(struct connection *connection)
{
    struct run *run = run_of(connection);

    run->tally->opened++;
    if (run_by_slots(run))
        return;
    connection->units[MEASUREMENT_UP].since_ns = run_now(run);
    connection->units[MEASUREMENT_DOWN].since_ns = run_now(run);
    run_opening_over(run);
}

static void on_first_byte(struct connection *connection)
{
    struct run *run = run_of(connection);

    if (run->load->mode == LOAD_CRR &&
        measurement_in_window(&run->measurement, connection->planned_ns))
        histogram_add(&run->tally->first_byte, run_now(run) - connection->connected_ns + 1);
}

static void on_answered(struct connection *connection, uint64_t planned_ns)
{
    struct run *run = run_of(connection);

    measurement_latency(&run->measurement, planned_ns, run_now(run), 1);
    measurement_completed(&run->measurement, 1);
    if (run->load->mode == LOAD_RR && run->phase == RUNNING && !run->load->open_loop)
        connection_request(connection, clock_ns());
}

/* A stream counts in units of `size`: how many, and how long each took. */
static void record_units(struct run *run, struct connection_unit *unit, size_t bytes)
{
    uint64_t size = run->load->options.size;

    unit->bytes += bytes;
    if (unit->bytes < size)
        return;
    measurement_latency(&run->measurement, unit->since_ns, run_now(run), unit->bytes / size);
    measurement_completed(&run->measurement, unit->bytes / size);
    unit->bytes %= size;
    unit->since_ns = run_now(run);
}

static void record_bytes(struct connection *connection, enum measurement_direction direction,
                         size_t bytes)
{
    struct run *run = run_of(connection);

    measurement_bytes(&run->measurement, direction, bytes);
    if (run_is_stream(run))
        record_units(run, &connection->units[direction], bytes);
}

static void on_sent(struct connection *connection, size_t bytes)
{
    record_bytes(connection, MEASUREMENT_UP, bytes);
}

static void on_received(struct connection *connection, size_t bytes)
{
    record_bytes(connection, MEASUREMENT_DOWN, bytes);
}

static uint64_t *counter_of(struct result_errors *errors, enum connection_end end, bool welcome)
{
    switch (end) {
    case CONNECTION_RESET: return welcome ? &errors->reset : &errors->connect;
    case CONNECTION_EARLY: return welcome ? &errors->closed : &errors->connect;
    case CONNECTION_VERIFY: return &errors->verify;
    default: return &errors->connect;
    }
}

static void record_failure(struct connection *connection, enum connection_end end, int error)
{
    struct run *run = run_of(connection);
    struct tally *tally = run->tally;

    if (run->phase == CLOSING)
        return;
    measurement_error(&run->measurement, counter_of(&tally->errors, end, connection->welcome));
    if (!tally->problem[0])
        failure_describe(end, connection->welcome, error, tally->problem);
    /* A few at a time, a million that wait for their deadlines would take a day. */
    if (run->phase == PREPARING && error == -ETIMEDOUT)
        run->next = run->count;
    if (run_by_slots(run) && tally->opened == 0 && ++run->failed == FAILED_MAX)
        run_end_early(run);
}

static void on_closed(struct connection *connection, enum connection_end end, int error)
{
    struct run *run = run_of(connection);

    if (end != CONNECTION_DONE)
        record_failure(connection, end, error);
    if (run_by_slots(run)) {
        run_slot_free(run, connection);
        return;
    }
    run->alive--;
    if (run->phase == PREPARING && !connection->welcome)
        run_opening_over(run);
    else if (run->phase == RUNNING && run->alive == 0)
        run_wake(run);
}

const struct connection_events run_events = {
    .connected = on_connected,
    .opened = on_opened,
    .answered = on_answered,
    .first_byte = on_first_byte,
    .sent = on_sent,
    .received = on_received,
    .closed = on_closed,
};
