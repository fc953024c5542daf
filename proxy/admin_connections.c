/* Slots, each with a deadline. */
#include "proxy/admin_connections.h"

#include "ring/clock.h"

#include <assert.h>
#include <sys/socket.h>

#define NS_PER_S UINT64_C(1000000000)

void admin_connections_init(struct admin_connections *connections,
                            const struct admin_options *options)
{
    unsigned request_s = options->request_s_max ? options->request_s_max : ADMIN_REQUEST_S_MAX;
    unsigned answer_s = options->answer_s_max ? options->answer_s_max : ADMIN_ANSWER_S_MAX;

    *connections = (struct admin_connections){
        .request_ns_max = request_s * NS_PER_S,
        .answer_ns_max = answer_s * NS_PER_S,
    };
}

struct admin_connection *admin_connections_add(struct admin_connections *connections, int fd)
{
    struct admin_connection *connection = connections->at;

    assert(connections->count < ADMIN_CONNECTIONS_MAX);
    while (connection->deadline_ns)
        connection++;
    connection->fd = fd;
    connections->count++;
    admin_connections_ask(connections, connection);
    return connection;
}

void admin_connections_remove(struct admin_connections *connections,
                              struct admin_connection *connection)
{
    assert(connection->deadline_ns);
    connection->deadline_ns = 0;
    connections->count--;
}

void admin_connections_ask(struct admin_connections *connections,
                           struct admin_connection *connection)
{
    connection->deadline_ns = clock_ns() + connections->request_ns_max;
}

void admin_connections_answer(struct admin_connections *connections,
                              struct admin_connection *connection)
{
    connection->deadline_ns = clock_ns() + connections->answer_ns_max;
}

uint64_t admin_connections_next_ns(const struct admin_connections *connections)
{
    uint64_t next_ns = UINT64_MAX;

    for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        uint64_t deadline_ns = connections->at[i].deadline_ns;
        if (deadline_ns && deadline_ns < next_ns)
            next_ns = deadline_ns;
    }
    return next_ns;
}

void admin_connections_expire(struct admin_connections *connections, uint64_t now_ns)
{
    for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        struct admin_connection *connection = &connections->at[i];
        if (!connection->deadline_ns || connection->deadline_ns > now_ns)
            continue;
        shutdown(connection->fd, SHUT_RDWR);
        connection->deadline_ns = UINT64_MAX;
    }
}
