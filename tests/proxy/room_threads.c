/* Threads as workers that share limits, under ThreadSanitizer: no limit of sessions or rates is
 * passed, of routes, guests, sources or bandwidths; who waits for room is woken, or would wait for
 * ever; in the end nothing is left. Time is what the threads make it. */
#include "proxy/bucket.h"
#include "proxy/room.h"
#include "proxy/source_use.h"

#include "ring/socket.h"
#include "tests/fake/random.h"

#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS         8
#define ROUTES          2
#define SOURCES         3
#define ROUTE_SESSIONS  3
#define GUEST_SESSIONS  4
#define SOURCE_SESSIONS 1
#define SOURCES_RESTING 1
#define RATE            20000
#define ROUND_NS        UINT64_C(10000)
#define BANDWIDTH       UINT64_C(100000000)
#define LIMITS          (ROOM_OVER_ALL | ROOM_OF_OPENING)
#define STUCK_S         10

struct thread {
    pthread_t id;
    unsigned number;
    struct random random;
    unsigned rounds;
    sem_t woken;
    unsigned waited;
};

static struct thread threads[THREADS];
static atomic_uint_fast64_t clock_ns = UINT64_C(1000000000);
static struct uses uses;
static struct config config = {.rate_max = RATE};
static struct guest guest = {.name = "web", .sessions_max = GUEST_SESSIONS};
static struct route_target target = {.guest = &guest};
static struct route routes[ROUTES];
static struct route_listen listen_at;
static struct opening_target opening_target;
static struct opening openings[ROUTES];
static struct source_uses *sources;
static struct bucket bucket;
static atomic_uint inside_route[ROUTES];
static atomic_uint inside_guest;
static atomic_uint inside_source[SOURCES];
static atomic_uint begun[ROUTES];
static atomic_uint_fast64_t bytes;

/* Of ring/socket.h, for vmm.c: no process is asked for here. */
int ring_socket_peer_process(int fd)
{
    abort();
}

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "room_threads: %s\n", what);
    exit(1);
}

static uint64_t later(void)
{
    return atomic_fetch_add(&clock_ns, ROUND_NS) + ROUND_NS;
}

static void wake(room_workers workers)
{
    for (unsigned i = 0; i < THREADS; i++)
        if (workers & UINT64_C(1) << i)
            sem_post(&threads[i].woken);
}

static void wait_for_room(struct thread *thread, const struct opening *opening)
{
    uint64_t next_ns;
    struct timespec end;

    if (room_await(opening, LIMITS, thread->number, later(), &next_ns) > 0 || next_ns)
        return;
    thread->waited++;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += STUCK_S;
    expect(sem_timedwait(&thread->woken, &end) == 0, "who waits for room was not woken");
}

static void enter(struct thread *thread, const struct opening *opening)
{
    struct guest_use *full;
    room_workers woken;
    enum reason reason;

    while ((reason = room_enter(opening, LIMITS, later(), &full, &woken)) != REASON_NONE) {
        expect(full == (reason == REASON_GUEST_FULL ? opening_target.guest : NULL),
               "another guest is full");
        wake(woken);
        wait_for_room(thread, opening);
    }
    wake(woken);
}

/* A session of a source that has not too many. */
static void be_inside(struct thread *thread)
{
    unsigned which = (unsigned)random_below(&thread->random, SOURCES);
    struct source_key key = {.words = {which}, .transport = TRANSPORT_VSOCK};
    struct source_use *use;

    if (source_use_enter(sources, &key, SOURCE_SESSIONS, 0, later(), &use) != REASON_NONE)
        return;
    expect(atomic_fetch_add(&inside_source[which], 1) < SOURCE_SESSIONS,
           "more sessions of a source than there may be");
    sched_yield();
    atomic_fetch_sub(&inside_source[which], 1);
    source_use_leave(use, later());
}

/* It gives half of it back. */
static void move(void)
{
    uint64_t taken = bucket_take(&bucket, BANDWIDTH, later(), 2000) / 2 * 2;

    bucket_give(&bucket, BANDWIDTH, taken / 2);
    atomic_fetch_add(&bytes, taken / 2);
}

static void be_known(unsigned which)
{
    struct route_use *use = route_use_get(&uses.routes, routes[which].name);

    expect(use == openings[which].use, "another route than was asked for");
    expect(route_use_count_sources(use) && use->sources, "no sources");
    route_use_put(use);
    expect(!route_use_is_drained(&uses.routes, routes[which].name), "it is drained");
}

static void *run(void *argument)
{
    struct thread *thread = argument;

    for (unsigned i = 0; i < thread->rounds; i++) {
        unsigned which = (unsigned)random_below(&thread->random, ROUTES);
        const struct opening *opening = &openings[which];
        enter(thread, opening);
        expect(atomic_fetch_add(&inside_route[which], 1) < ROUTE_SESSIONS,
               "more sessions of a route than there may be");
        expect(atomic_fetch_add(&inside_guest, 1) < GUEST_SESSIONS,
               "more sessions of a guest than there may be");
        be_inside(thread);
        move();
        be_known(which);
        atomic_fetch_sub(&inside_guest, 1);
        atomic_fetch_sub(&inside_route[which], 1);
        if (random_permille(&thread->random, 100)) {
            wake(room_give_back(opening, LIMITS));
        } else {
            atomic_fetch_add(&begun[which], 1);
            wake(room_leave(opening, LIMITS));
        }
    }
    return NULL;
}

static void begin(void)
{
    static char *const names[ROUTES] = {"a", "b"};

    guest_uses_init(&uses.guests);
    route_uses_init(&uses.routes);
    opening_target.guest = guest_use_get(&uses.guests, &guest);
    for (unsigned i = 0; i < ROUTES; i++) {
        routes[i] = (struct route){
            .name = names[i],
            .targets = &target,
            .target_count = 1,
            .sessions_max = ROUTE_SESSIONS,
            .rate_max = i == 0 ? RATE / 3 : RATE,
        };
        openings[i] = (struct opening){
            .config = &config,
            .route = &routes[i],
            .listen = &listen_at,
            .targets = &opening_target,
            .use = route_use_get(&uses.routes, names[i]),
            .rate = &uses.rate,
        };
    }
    sources = source_uses_new(SOURCES_RESTING);
}

static uint64_t at_most(uint64_t rate, uint64_t at_once)
{
    return at_once + rate * atomic_load(&clock_ns) / 1000000000;
}

static void check_end(void)
{
    unsigned all = 0;

    for (unsigned i = 0; i < ROUTES; i++) {
        expect(atomic_load(&openings[i].use->sessions) == 0, "sessions of a route are left");
        expect(begun[i] <= at_most(routes[i].rate_max, routes[i].rate_max),
               "a route is faster than its rate");
        all += begun[i];
        route_use_put(openings[i].use);
    }
    expect(all <= at_most(RATE, RATE), "all are faster than their rate");
    expect(atomic_load(&opening_target.guest->sessions) == 0, "sessions of a guest are left");
    expect(bytes <= at_most(BANDWIDTH, bucket_bytes(BANDWIDTH)), "more bytes than there may be");
    guest_use_put(opening_target.guest);
    expect(!uses.routes.first && !uses.guests.first, "one that nobody refers to is left");
    expect(source_uses_count(sources) <= SOURCES_RESTING, "sources are left");
    source_uses_free(sources);
}

int main(int argc, char **argv)
{
    unsigned waited = 0;

    begin();
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i].number = i;
        threads[i].random.state = i;
        threads[i].rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 20000;
        sem_init(&threads[i].woken, 0, 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        expect(pthread_create(&threads[i].id, NULL, run, &threads[i]) == 0, "no thread");
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i].id, NULL);
        waited += threads[i].waited;
    }
    check_end();
    guest_uses_deinit(&uses.guests);
    route_uses_deinit(&uses.routes);
    printf("%u threads had %u sessions and waited %u times\n", THREADS, begun[0] + begun[1],
           waited);
    expect(waited > 0 || threads[0].rounds == 0, "nobody waited");
    return 0;
}
