/* A hash table in parts, each with a mutex, and a list of its sources that have no sessions: the
 * one that has rested longest first. */
#include "proxy/source_use.h"

#include "proxy/rate.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PARTS       16
#define CHAINS      512 /* of each part */
#define FORGOTTEN   4   /* at most, by who comes or goes */
#define NETWORK_IP6 64

struct source_use {
    struct source_use **chain;
    struct source_use *next;  /* of its chain */
    struct source_use *later; /* of those that rest */
    struct source_use *earlier;
    struct part *part;
    struct source_key key;
    unsigned sessions; /* 0: it rests */
    struct rate rate;
};

struct part {
    pthread_mutex_t mutex;
    struct source_use *chains[CHAINS];
    struct source_use *first; /* that rests */
    struct source_use *last;
    size_t count;
    size_t resting;
    size_t resting_max;
};

/* The seeds keep strangers from choosing sources that share a chain. */
struct source_uses {
    uint64_t seeds[2];
    size_t parts;
    struct part part[];
};

struct source_key source_key_of_peer(const struct access_peer *peer)
{
    struct source_key key = {.transport = peer->transport};

    switch (peer->transport) {
    case TRANSPORT_VSOCK: key.words[0] = peer->cid; break;
    case TRANSPORT_UNIX: key.words[0] = peer->uid; break;
    default:
        memcpy(key.words, &peer->address, sizeof(key.words));
        if (!IN6_IS_ADDR_V4MAPPED(&peer->address))
            memset(key.words + NETWORK_IP6 / 64, 0, sizeof(key.words) - NETWORK_IP6 / 8);
        break;
    }
    return key;
}

struct source_uses *source_uses_new(size_t resting_max)
{
    size_t parts = resting_max >= PARTS * FORGOTTEN ? PARTS : 1;
    struct source_uses *uses = calloc(1, sizeof(*uses) + parts * sizeof(uses->part[0]));

    if (!uses)
        return NULL;
    if (getrandom(uses->seeds, sizeof(uses->seeds), 0) != (ssize_t)sizeof(uses->seeds)) {
        free(uses);
        return NULL;
    }
    uses->parts = parts;
    for (size_t i = 0; i < parts; i++) {
        uses->part[i].resting_max = resting_max / parts;
        pthread_mutex_init(&uses->part[i].mutex, NULL);
    }
    return uses;
}

static void part_deinit(struct part *part)
{
    struct source_use *next;

    for (size_t i = 0; i < CHAINS; i++)
        for (struct source_use *use = part->chains[i]; use; use = next) {
            next = use->next;
            assert(use->sessions == 0);
            free(use);
        }
    pthread_mutex_destroy(&part->mutex);
}

void source_uses_free(struct source_uses *uses)
{
    for (size_t i = 0; uses && i < uses->parts; i++)
        part_deinit(&uses->part[i]);
    free(uses);
}

/* The upper and the lower half of the product, together. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 product;
    product both = (product)a * b;

    return (uint64_t)both ^ (uint64_t)(both >> 64);
}

static uint64_t hash(const struct source_uses *uses, const struct source_key *key)
{
    uint64_t first = mix(key->words[0] ^ uses->seeds[0], uses->seeds[1] | 1);

    return mix(key->words[1] ^ first ^ uses->seeds[1], (uses->seeds[0] + key->transport) | 1);
}

static bool is_same(const struct source_key *one, const struct source_key *other)
{
    return one->transport == other->transport && one->words[0] == other->words[0] &&
           one->words[1] == other->words[1];
}

static void rest(struct source_use *use)
{
    struct part *part = use->part;

    use->later = NULL;
    use->earlier = part->last;
    *(part->last ? &part->last->later : &part->first) = use;
    part->last = use;
    part->resting++;
}

static void rest_over(struct source_use *use)
{
    struct part *part = use->part;

    *(use->earlier ? &use->earlier->later : &part->first) = use->later;
    *(use->later ? &use->later->earlier : &part->last) = use->earlier;
    part->resting--;
}

/* One that rests. */
static void forget(struct source_use *use)
{
    struct source_use **link = use->chain;

    while (*link != use)
        link = &(*link)->next;
    *link = use->next;
    rest_over(use);
    use->part->count--;
    free(use);
}

/* Those whose rate is at rest, and those who are too many. */
static void forget_some(struct part *part, uint64_t now_ns)
{
    for (unsigned i = 0; i < FORGOTTEN && part->first; i++) {
        if (part->resting <= part->resting_max &&
            atomic_load(&part->first->rate.latest_ns) > now_ns)
            return;
        forget(part->first);
    }
}

static struct source_use *find(struct source_use *first, const struct source_key *key)
{
    while (first && !is_same(&first->key, key))
        first = first->next;
    return first;
}

static struct source_use *add(struct part *part, struct source_use **chain,
                              const struct source_key *key)
{
    struct source_use *use = calloc(1, sizeof(*use));

    if (!use)
        return NULL;
    use->part = part;
    use->key = *key;
    use->chain = chain;
    use->next = *chain;
    *chain = use;
    part->count++;
    rest(use);
    return use;
}

static enum reason enter(struct source_use *use, uint32_t sessions_max, uint32_t rate_max,
                         uint64_t now_ns)
{
    if (sessions_max && use->sessions >= sessions_max)
        return REASON_SOURCE_FULL;
    if (rate_max && !rate_take(&use->rate, rate_max, now_ns))
        return REASON_SOURCE_RATE;
    if (use->sessions++ == 0)
        rest_over(use);
    return REASON_NONE;
}

enum reason source_use_enter(struct source_uses *uses, const struct source_key *key,
                             uint32_t sessions_max, uint32_t rate_max, uint64_t now_ns,
                             struct source_use **ret)
{
    uint64_t number = hash(uses, key);
    struct part *part = &uses->part[number % uses->parts];
    struct source_use **chain = &part->chains[number / uses->parts % CHAINS];
    enum reason reason = REASON_NO_MEMORY;

    pthread_mutex_lock(&part->mutex);
    forget_some(part, now_ns);
    struct source_use *use = find(*chain, key);
    if (!use)
        use = add(part, chain, key);
    if (use)
        reason = enter(use, sessions_max, rate_max, now_ns);
    if (reason == REASON_NONE)
        *ret = use;
    pthread_mutex_unlock(&part->mutex);
    return reason;
}

void source_use_leave(struct source_use *use, uint64_t now_ns)
{
    struct part *part = use->part;

    pthread_mutex_lock(&part->mutex);
    if (--use->sessions == 0)
        rest(use);
    forget_some(part, now_ns);
    pthread_mutex_unlock(&part->mutex);
}

size_t source_uses_count(struct source_uses *uses)
{
    size_t count = 0;

    for (size_t i = 0; i < uses->parts; i++) {
        pthread_mutex_lock(&uses->part[i].mutex);
        count += uses->part[i].count;
        pthread_mutex_unlock(&uses->part[i].mutex);
    }
    return count;
}
