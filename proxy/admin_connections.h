/* The connections of an admin server: how many there are, and how long each may still take. One
 * that takes longer is shut down, however busy it is: who sends a byte now and then would else
 * keep it for ever.
 *
 * Knows no HTTP, and closes nothing.
 */
#pragma once

#include "proxy/admin.h"

#include <stdint.h>

struct admin_connection {
    int fd;
    uint64_t deadline_ns; /* UINT64_MAX: shut down; 0: there is no connection here */
};

struct admin_connections {
    struct admin_connection at[ADMIN_CONNECTIONS_MAX];
    unsigned count;
    uint64_t request_ns_max; /* for a request to be whole */
    uint64_t answer_ns_max;  /* for its answer to be taken */
};

void admin_connections_init(struct admin_connections *connections,
                            const struct admin_options *options);

/* One more, which is to ask; there are less than ADMIN_CONNECTIONS_MAX. */
struct admin_connection *admin_connections_add(struct admin_connections *connections, int fd);
void admin_connections_remove(struct admin_connections *connections,
                              struct admin_connection *connection);

/* From now on its next request is waited for, or it takes an answer. */
void admin_connections_ask(struct admin_connections *connections,
                           struct admin_connection *connection);
void admin_connections_answer(struct admin_connections *connections,
                              struct admin_connection *connection);

/* The first deadline; UINT64_MAX: none. */
uint64_t admin_connections_next_ns(const struct admin_connections *connections);

/* Shuts down those whose deadline is over. */
void admin_connections_expire(struct admin_connections *connections, uint64_t now_ns);
