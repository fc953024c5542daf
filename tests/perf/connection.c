/* A load connection on a real ring, against a Unix listener of the test. */
#include "perf/connection.h"

#include "ring/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OPENINGS 50

static struct ring *ring;
static struct load load;
static struct connection connection;
static unsigned ended;
static enum connection_end last_end;
static int last_error;

static bool close_at_once(struct connection *closing)
{
    connection_close(closing, false);
    return false;
}

static void open_again(struct connection *closed, enum connection_end end, int error)
{
    last_end = end;
    last_error = error;
    if (++ended < OPENINGS)
        connection_open(closed, clock_ns());
}

static const struct connection_events churn = {.connected = close_at_once, .closed = open_again};

static void listen_abstract(int *ret_listener)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(load.address.storage);

    *ret_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* The kernel chooses a name. */
    cr_assert_eq(bind(*ret_listener, (struct sockaddr *)&any, sizeof(sa_family_t)), 0);
    cr_assert_eq(listen(*ret_listener, OPENINGS), 0);
    getsockname(*ret_listener, (struct sockaddr *)&load.address.storage, &length);
    load.address.length = length;
}

static void turn_until_ended(unsigned count)
{
    while (ended < count || ring_in_flight(ring) > 0)
        cr_assert_eq(ring_turn(ring), 0);
}

static void setup(void)
{
    load = (struct load){.mode = LOAD_CHURN, .options = {.request = 1, .response = 1, .depth = 1}};
    cr_assert_eq(ring_new(&ring, &(struct ring_options){0}), 0);
    cr_assert_eq(connection_init(&connection, ring, &load, 0, NULL, &churn, NULL), 0);
}

static void teardown(void)
{
    connection_deinit(&connection);
    ring_free(ring);
}

TestSuite(perf_connection, .init = setup, .fini = teardown, .timeout = 30);

/* Closed inside connected(), opened inside closed(): nothing of the one goes to the other. */
Test(perf_connection, opens_again_in_its_place)
{
    int listener;
    char byte;

    listen_abstract(&listener);
    connection_open(&connection, clock_ns());
    turn_until_ended(OPENINGS);
    cr_expect_eq(last_end, CONNECTION_DONE);
    for (unsigned i = 0; i < OPENINGS; i++) {
        int accepted = accept(listener, NULL, NULL);
        cr_assert_geq(accepted, 0);
        cr_expect_eq(recv(accepted, &byte, 1, 0), 0, "connection %u", i);
        close(accepted);
    }
    close(listener);
}

Test(perf_connection, tells_why_it_was_refused)
{
    int listener;

    listen_abstract(&listener);
    close(listener);
    ended = OPENINGS - 1;
    connection_open(&connection, clock_ns());
    turn_until_ended(OPENINGS);
    cr_expect_eq(last_end, CONNECTION_REFUSED);
    cr_expect_eq(last_error, -ECONNREFUSED);
}

/* What socket(2) said, and not what became of a descriptor that there is not. */
Test(perf_connection, tells_why_there_is_no_socket)
{
    load.address.storage.ss_family = AF_MAX;
    load.address.length = sizeof(sa_family_t);
    ended = OPENINGS - 1;
    connection_open(&connection, clock_ns());
    turn_until_ended(OPENINGS);
    cr_expect_eq(last_end, CONNECTION_REFUSED);
    cr_expect_eq(last_error, -EAFNOSUPPORT);
}
