/* The table of names, and the lookups that wait for their time. */
#include "tests/proxy/stub_resolver.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct name {
    struct name *next;
    struct resolver *resolver;
    char host[ENDPOINT_NAME_BYTES];
    struct addresses *addresses;
    int error;
    uint64_t delay_ns;
    struct ring_timer timer;
    struct resolver_wait *waits;
};

struct resolver {
    struct ring *ring;
    struct name *names;
    unsigned asked;
};

int resolver_new(struct resolver **ret, struct ring *ring)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    assert(resolver);
    resolver->ring = ring;
    *ret = resolver;
    return 0;
}

bool resolver_stop(struct resolver *resolver)
{
    for (struct name *name = resolver->names; name; name = name->next)
        ring_timer_disarm(resolver->ring, &name->timer);
    return true;
}

void resolver_free(struct resolver *resolver)
{
    while (resolver->names) {
        struct name *name = resolver->names;
        resolver->names = name->next;
        assert(!name->waits);
        addresses_unref(name->addresses);
        free(name);
    }
    free(resolver);
}

void stub_resolver_tell(struct resolver *resolver, const char *host, struct addresses *addresses,
                        int error, uint64_t delay_ns)
{
    struct name *name = calloc(1, sizeof(*name));

    assert(name);
    name->resolver = resolver;
    strncpy(name->host, host, sizeof(name->host) - 1);
    name->addresses = addresses;
    name->error = error;
    name->delay_ns = delay_ns;
    name->next = resolver->names;
    resolver->names = name;
}

unsigned stub_resolver_asked(const struct resolver *resolver)
{
    return resolver->asked;
}

static void answer(struct ring_timer *timer)
{
    struct name *name = (void *)((char *)timer - offsetof(struct name, timer));

    while (name->waits) {
        struct resolver_wait *wait = name->waits;
        resolver_forget(wait);
        wait->handler(wait, name->addresses, name->addresses ? 0 : name->error);
    }
}

static void wait_for(struct name *name, struct resolver_wait *wait, resolver_handler *handler)
{
    struct ring *ring = name->resolver->ring;

    *wait = (struct resolver_wait){.handler = handler, .next = name->waits, .link = &name->waits};
    if (wait->next)
        wait->next->link = &wait->next;
    name->waits = wait;
    if (name->delay_ns != UINT64_MAX && !ring_timer_armed(&name->timer))
        ring_timer_arm(ring, &name->timer, ring_now_ns(ring) + name->delay_ns, answer);
}

static struct name *find(struct resolver *resolver, const char *host, int error)
{
    for (struct name *name = resolver->names; name; name = name->next)
        if (strcmp(name->host, host) == 0)
            return name;
    stub_resolver_tell(resolver, host, NULL, error, 1);
    return resolver->names;
}

static int lookup(struct resolver *resolver, struct name *name, struct resolver_wait *wait,
                  resolver_handler *handler, struct addresses **ret)
{
    resolver->asked++;
    if (name->addresses && name->delay_ns == 0) {
        *ret = addresses_ref(name->addresses);
        return 0;
    }
    wait_for(name, wait, handler);
    return -EAGAIN;
}

int resolver_lookup(struct resolver *resolver, const char *host, uint32_t port,
                    struct resolver_wait *wait, resolver_handler *handler, struct addresses **ret)
{
    return lookup(resolver, find(resolver, host, EAI_NONAME), wait, handler, ret);
}

int resolver_lookup_machine(struct resolver *resolver, const char *machine, uint32_t port,
                            struct resolver_wait *wait, resolver_handler *handler,
                            struct addresses **ret)
{
    return lookup(resolver, find(resolver, machine, -ENXIO), wait, handler, ret);
}

void resolver_forget(struct resolver_wait *wait)
{
    if (!wait->link)
        return;
    *wait->link = wait->next;
    if (wait->next)
        wait->next->link = wait->link;
    wait->link = NULL;
}
