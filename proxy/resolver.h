/* Host names to addresses, off the data path: threads of its own ask the name service, answers
 * are kept for RESOLVER_FRESH_NS, and a stale answer is served while a new one is fetched.
 *
 * One resolver belongs to one worker; its functions are called by that worker's thread.
 */
#pragma once

#include "proxy/addresses.h"
#include "ring/ring.h"

#define RESOLVER_FRESH_NS  UINT64_C(30000000000)
#define RESOLVER_NAMES_MAX 4096

struct resolver;
struct resolver_wait;

/* addresses NULL: the name does not resolve; error is getaddrinfo's (EAI_...). The wait is over
 * before. */
typedef void resolver_handler(struct resolver_wait *wait, struct addresses *addresses, int error);

/* Embedded in who waits; zeroed memory waits for nothing. */
struct resolver_wait {
    resolver_handler *handler;
    struct resolver_wait *next;
    struct resolver_wait **link;
};

int resolver_new(struct resolver **ret, struct ring *ring);

/* Asks the threads to end and stops listening to it; true once nothing is in flight and it may be
 * freed. */
bool resolver_stop(struct resolver *resolver);
void resolver_free(struct resolver *resolver);

/* The addresses of a host and TCP port: a reference for the caller where they are known, and 0;
 * -EAGAIN when the handler will be called later; -ENOMEM. */
int resolver_lookup(struct resolver *resolver, const char *host, uint32_t port,
                    struct resolver_wait *wait, resolver_handler *handler, struct addresses **ret);

/* The handler will not be called. No effect on what does not wait. */
void resolver_forget(struct resolver_wait *wait);
