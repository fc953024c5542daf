/* Names to addresses, off the data path: threads of its own ask.
 *
 * Names of hosts are asked of the name service: answers are kept for RESOLVER_FRESH_NS, and a stale
 * one is served while a new one is fetched. Names of machines are asked of systemd-machined: an
 * answer is kept for RESOLVER_MACHINE_FRESH_NS, and is never served stale, as a machine that boots
 * anew has another CID. That a name has no addresses is not kept.
 *
 * One resolver belongs to one worker; its functions are called by that worker's thread.
 */
#pragma once

#include "proxy/addresses.h"
#include "ring/ring.h"

#define RESOLVER_FRESH_NS         UINT64_C(30000000000)
#define RESOLVER_MACHINE_FRESH_NS UINT64_C(1000000000)
#define RESOLVER_NAMES_MAX        4096

struct resolver;
struct resolver_wait;

/* addresses NULL: the name does not resolve; error is getaddrinfo's (EAI_...) for a host, a
 * negative errno (proxy/machine.h) for a machine. The wait is over before. */
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

/* The same for a port of a machine: one vsock address. */
int resolver_lookup_machine(struct resolver *resolver, const char *machine, uint32_t port,
                            struct resolver_wait *wait, resolver_handler *handler,
                            struct addresses **ret);

/* The handler will not be called. No effect on what does not wait. */
void resolver_forget(struct resolver_wait *wait);
