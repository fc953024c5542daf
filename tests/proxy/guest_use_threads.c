/* Threads that use the same few guests at once, under ThreadSanitizer: nobody sees one that is
 * gone, no cap is passed, and in the end nothing is left. */
#include "proxy/guest_use.h"
#include "proxy/room.h"

#include "ring/socket.h"
#include "tests/fake/random.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS  4
#define GUESTS   3
#define SESSIONS 2 /* of each at most */

struct thread {
    pthread_t id;
    struct random random;
    unsigned rounds;
    unsigned entered;
    unsigned refused;
};

static struct guest_uses uses;
static const struct guest guests[GUESTS] = {
    {.name = "web", .sessions_max = SESSIONS},
    {.name = "db", .sessions_max = SESSIONS},
    {.name = "mail", .sessions_max = SESSIONS},
};
static atomic_uint inside[GUESTS];

/* Of ring/socket.h, for vmm.c: no process is asked for here. */
int ring_socket_peer_process(int fd)
{
    abort();
}

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "guest_use_threads: %s\n", what);
    exit(1);
}

static void check_known(void *argument, const struct guest_use *use)
{
    unsigned *count = argument;

    expect(use->name && atomic_load(&use->sessions) <= SESSIONS, "what is known is wrong");
    (*count)++;
}

/* By its name, where it is known. */
static void look(struct thread *thread)
{
    const char *name = guests[random_below(&thread->random, GUESTS)].name;
    struct guest_use *use = guest_use_find(&uses, name);
    unsigned count = 0;

    expect(!use || strcmp(use->name, name) == 0, "another guest than was looked for");
    guest_use_put(use);
    guest_uses_visit(&uses, check_known, &count);
    expect(count <= GUESTS, "more guests than there are");
}

static void use_guest(struct thread *thread, unsigned which)
{
    const struct guest *guest = &guests[which];
    struct guest_use *use = guest_use_get(&uses, guest);

    expect(use && strcmp(use->name, guest->name) == 0, "another guest than was asked for");
    if (random_permille(&thread->random, 300))
        guest_use_freeze(use, random_permille(&thread->random, 500));
    if (random_permille(&thread->random, 300))
        guest_use_put(guest_use_ref(use));
    if (room_enter_guest(use, guest, 0) == REASON_NONE) {
        expect(atomic_fetch_add(&inside[which], 1) < SESSIONS, "more sessions than there may be");
        thread->entered++;
        sched_yield();
        atomic_fetch_sub(&inside[which], 1);
        room_leave_guest(use);
    } else {
        thread->refused++;
    }
    guest_use_put(use);
}

static void *run(void *argument)
{
    struct thread *thread = argument;

    for (unsigned i = 0; i < thread->rounds; i++)
        if (random_permille(&thread->random, 100))
            look(thread);
        else
            use_guest(thread, (unsigned)random_below(&thread->random, GUESTS));
    return NULL;
}

/* None but those that are frozen, and none with a session. */
static void check_end(void)
{
    for (struct guest_use *use = uses.first; use; use = use->next) {
        expect(use->references == 0, "references are left");
        expect(atomic_load(&use->frozen), "a guest that is not frozen stayed without a reference");
        expect(atomic_load(&use->sessions) == 0, "sessions are left");
    }
}

int main(int argc, char **argv)
{
    struct thread threads[THREADS] = {0};
    unsigned entered = 0;
    unsigned refused = 0;

    guest_uses_init(&uses);
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i].random.state = i;
        threads[i].rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 20000;
        expect(pthread_create(&threads[i].id, NULL, run, &threads[i]) == 0, "no thread");
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i].id, NULL);
        entered += threads[i].entered;
        refused += threads[i].refused;
    }
    check_end();
    guest_uses_deinit(&uses);
    printf("%u threads entered %u times and were refused %u times\n", THREADS, entered, refused);
    return 0;
}
