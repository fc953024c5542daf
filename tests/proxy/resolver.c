/* The resolver's threads and answers, on the real ring; machine_find_cid() is played here. */
#include "proxy/resolver.h"
#include "proxy/machine.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

/* systemd-machined: "web" has a CID, "slow" has it once it is let go, others are not there. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t let_go;
    uint32_t cid;
    unsigned asked;
    bool slow_may_answer;
} machined = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 4711, 0, false};

int machine_find_cid(const char *name, uint32_t *ret_cid)
{
    bool slow = strcmp(name, "slow") == 0;

    pthread_mutex_lock(&machined.mutex);
    machined.asked++;
    while (slow && !machined.slow_may_answer)
        pthread_cond_wait(&machined.let_go, &machined.mutex);
    *ret_cid = machined.cid;
    pthread_mutex_unlock(&machined.mutex);
    return slow || strcmp(name, "web") == 0 ? 0 : -ENXIO;
}

static unsigned asked(void)
{
    pthread_mutex_lock(&machined.mutex);
    unsigned count = machined.asked;
    pthread_mutex_unlock(&machined.mutex);
    return count;
}

static void boot_anew(uint32_t cid)
{
    pthread_mutex_lock(&machined.mutex);
    machined.cid = cid;
    pthread_mutex_unlock(&machined.mutex);
}

static void let_go(void)
{
    pthread_mutex_lock(&machined.mutex);
    machined.slow_may_answer = true;
    pthread_cond_broadcast(&machined.let_go);
    pthread_mutex_unlock(&machined.mutex);
}

/* One that waits, and what it was told. */
struct asker {
    struct resolver_wait wait;
    bool answered;
    struct address address; /* the first one; of no length: there was none */
    size_t count;
    int error;
    unsigned again; /* times to look up again from the handler */
};

static struct ring *ring;
static struct resolver *resolver;

static void begin(void)
{
    cr_assert(ring_new(&ring, &(struct ring_options){.entries = 16, .buffers_max = 1}) == 0);
    cr_assert(resolver_new(&resolver, ring) == 0);
}

static void end(void)
{
    while (!resolver_stop(resolver))
        ring_turn(ring);
    resolver_free(resolver);
    ring_free(ring);
}

TestSuite(resolver, .init = begin, .fini = end);

static void take(struct asker *asker, const struct addresses *addresses, int error)
{
    asker->answered = true;
    asker->error = error;
    asker->count = addresses ? addresses->count : 0;
    asker->address = addresses ? addresses->at[0] : (struct address){0};
}

static void told(struct resolver_wait *wait, struct addresses *addresses, int error)
{
    struct asker *asker = (void *)((char *)wait - offsetof(struct asker, wait));
    struct addresses *found;

    take(asker, addresses, error);
    if (asker->again == 0)
        return;
    asker->again--;
    asker->answered = false;
    cr_assert(resolver_lookup_machine(resolver, "nobody", 1, wait, told, &found) == -EAGAIN);
}

/* true: the answer was known. */
static bool look_up(struct asker *asker, const char *machine, uint32_t port)
{
    struct addresses *addresses;
    int result = resolver_lookup_machine(resolver, machine, port, &asker->wait, told, &addresses);

    if (result == 0) {
        take(asker, addresses, 0);
        addresses_unref(addresses);
    }
    cr_assert(result == 0 || result == -EAGAIN);
    return result == 0;
}

static void await(struct asker *asker)
{
    while (!asker->answered)
        cr_assert(ring_turn(ring) == 0);
}

static void ticked(struct ring_timer *timer)
{
}

/* Turns of the ring for so long. */
static void pass(uint64_t ns)
{
    struct ring_timer timer = {0};
    ring_timer_arm(ring, &timer, ring_now_ns(ring) + ns, ticked);
    while (ring_timer_armed(&timer))
        cr_assert(ring_turn(ring) == 0);
}

static void expect(const struct asker *asker, const char *text)
{
    char found[ENDPOINT_TEXT_BYTES];

    cr_assert(asker->count == 1, "%zu addresses, error %d", asker->count, asker->error);
    address_format(&asker->address, found);
    cr_assert(strcmp(found, text) == 0, "%s", found);
}

Test(resolver, machine_is_one_vsock_address)
{
    struct asker asker = {0};

    cr_assert(!look_up(&asker, "web", 80));
    cr_assert(!asker.answered);
    await(&asker);
    expect(&asker, "vsock:4711:80");
}

Test(resolver, answer_about_a_machine_is_kept_for_a_second)
{
    struct asker first = {0}, soon = {0}, late = {0};

    look_up(&first, "web", 80);
    await(&first);
    boot_anew(4712);
    cr_assert(look_up(&soon, "web", 80));
    expect(&soon, "vsock:4711:80");
    cr_assert(asked() == 1);

    pass(SECOND_NS);
    cr_assert(!look_up(&late, "web", 80), "it was served stale");
    await(&late);
    expect(&late, "vsock:4712:80");
    cr_assert(asked() == 2);
}

Test(resolver, ports_of_a_machine)
{
    struct asker web = {0}, ssh = {0};

    look_up(&web, "web", 80);
    look_up(&ssh, "web", 22);
    await(&web);
    await(&ssh);
    expect(&web, "vsock:4711:80");
    expect(&ssh, "vsock:4711:22");
}

Test(resolver, error_is_told_and_not_kept)
{
    struct asker asker = {0};

    for (unsigned i = 1; i <= 3; i++) {
        asker.answered = false;
        cr_assert(!look_up(&asker, "nobody", 80));
        await(&asker);
        cr_assert(asker.count == 0 && asker.error == -ENXIO);
        cr_assert(asked() == i);
    }
}

Test(resolver, many_wait_for_one_question)
{
    struct asker askers[3] = {0};

    for (unsigned i = 0; i < 3; i++)
        cr_assert(!look_up(&askers[i], "slow", 80));
    resolver_forget(&askers[1].wait);
    let_go();
    await(&askers[0]);
    await(&askers[2]);
    expect(&askers[0], "vsock:4711:80");
    expect(&askers[2], "vsock:4711:80");
    cr_assert(!askers[1].answered);
    cr_assert(asked() == 1);
}

Test(resolver, slow_answer_holds_up_no_other)
{
    struct asker slow = {0}, web = {0};

    look_up(&slow, "slow", 80);
    look_up(&web, "web", 80);
    await(&web);
    cr_assert(!slow.answered);
    let_go();
    await(&slow);
}

/* One that looks up again when it is told is told of the new question, not of the old one. */
Test(resolver, handler_that_looks_up_again)
{
    struct asker asker = {.again = 3}, other = {0};

    look_up(&asker, "nobody", 1);
    look_up(&other, "nobody", 1);
    await(&asker);
    cr_assert(other.answered);
    cr_assert(asker.error == -ENXIO);
    cr_assert(asked() == 4, "asked %u times", asked());
}

Test(resolver, host_is_no_machine)
{
    struct asker host = {0}, machine = {0};
    struct addresses *addresses;

    cr_assert(resolver_lookup(resolver, "127.0.0.1", 80, &host.wait, told, &addresses) == -EAGAIN);
    await(&host);
    expect(&host, "tcp:127.0.0.1:80");
    cr_assert(asked() == 0);

    cr_assert(!look_up(&machine, "127.0.0.1", 80));
    await(&machine);
    cr_assert(machine.error == -ENXIO);
    cr_assert(resolver_lookup(resolver, "127.0.0.1", 80, &host.wait, told, &addresses) == 0);
    addresses_unref(addresses);
}
