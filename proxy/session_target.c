/* Choosing a target and being counted of it. */
#include "proxy/session_target.h"

#include "proxy/room.h"
#include "proxy/session_use.h"
#include "proxy/target_use.h"
#include "ring/socket.h"

#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

const struct route_target *session_target(const struct session *session)
{
    if (session->target == BALANCE_NOBODY)
        return NULL;
    return &session->opening->route->targets[session->target];
}

struct guest_use *session_target_guest(const struct session *session)
{
    if (session->target == BALANCE_NOBODY)
        return NULL;
    return session->opening->targets[session->target].guest;
}

static struct target_use *use_of(const struct session *session)
{
    return session->opening->targets[session->target].use;
}

static void take(struct session *session, size_t index)
{
    const struct opening *opening = session->opening;
    const struct opening_target *chosen = &opening->targets[index];
    const struct route_target *target = &opening->route->targets[index];

    if (chosen->use)
        atomic_fetch_add(&chosen->use->sessions, 1);
    session->target = (uint8_t)index;
    session->of_target = true;
    if (opening->listen->written.kind != ENDPOINT_MUX)
        session->port = route_target_port(target, opening->listen);
}

static bool enter(struct session *session, size_t index)
{
    const struct opening *opening = session->opening;

    if (room_enter_guest(opening->targets[index].guest, opening->route->targets[index].guest,
                         ring_now_ns(session->sessions->ring)) != REASON_NONE)
        return false;
    take(session, index);
    return true;
}

void session_target_take_only(struct session *session)
{
    take(session, 0);
}

void session_target_leave(struct session *session)
{
    if (!session->of_target)
        return;
    session->of_target = false;
    if (use_of(session))
        atomic_fetch_sub(&use_of(session)->sessions, 1);
    if (session->opening->route->target_count > 1)
        session_use_wake(session, room_leave_guest(session_target_guest(session)));
}

struct balance_tries session_target_tries(const struct session *session)
{
    const struct opening *opening = session->opening;
    size_t others = opening->route->target_count - 1;
    uint32_t retries = opening->route->retries;

    return (struct balance_tries){
        .turn = opening->use ? atomic_fetch_add(&opening->use->turn, 1) : 0,
        .left = (uint8_t)(retries < others ? retries : others),
        .wait = BALANCE_NOBODY,
    };
}

/* An address without its port. */
static uint64_t hash_of_address(const struct address *address)
{
    const struct sockaddr_storage *storage = &address->storage;
    const struct sockaddr_in *four = (const void *)storage;
    const struct sockaddr_in6 *six = (const void *)storage;
    const struct sockaddr_vm *vsock = (const void *)storage;
    const struct sockaddr_un *local = (const void *)storage;

    switch (storage->ss_family) {
    case AF_INET: return balance_hash(&four->sin_addr, sizeof(four->sin_addr));
    case AF_INET6:
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
            return balance_hash(&six->sin6_addr.s6_addr[12], sizeof(struct in_addr));
        return balance_hash(&six->sin6_addr, sizeof(six->sin6_addr));
    case AF_VSOCK: return balance_hash(&vsock->svm_cid, sizeof(vsock->svm_cid));
    case AF_UNIX:
        return balance_hash(local->sun_path, strnlen(local->sun_path, sizeof(local->sun_path)));
    default: return 0;
    }
}

/* As a PROXY header told it, else of the connection: of a Unix socket, who connected. */
static uint64_t hash_of_source(const struct session *session, const struct proxy_header *told)
{
    const struct side *initiator = &session->sides[SIDE_INITIATOR];
    struct address address;
    uid_t uid;
    gid_t gid;

    if (told->source.length > 0)
        return hash_of_address(&told->source);
    if (initiator->transport == TRANSPORT_UNIX)
        return ring_socket_peer_user(initiator->fd, &uid, &gid) < 0
                   ? 0
                   : balance_hash(&uid, sizeof(uid));
    if (initiator->transport == TRANSPORT_FILE ||
        ring_socket_peer(initiator->fd, &address.storage, &address.length) < 0)
        return 0;
    return hash_of_address(&address);
}

static enum balance_state state_of(const struct opening_target *target, uint64_t now_ns)
{
    if (target->guest && atomic_load(&target->guest->frozen))
        return BALANCE_HELD;
    return !target->use || target_use_is_open(target->use, now_ns) ? BALANCE_UP : BALANCE_DOWN;
}

/* What is known of each that was not tried yet. */
static void look(const struct session *session, const struct balance_tries *tries,
                 const struct proxy_header *told,
                 struct balance_target targets[static ROUTE_TARGETS_MAX])
{
    const struct opening *opening = session->opening;
    bool by_source = opening->route->balance == ROUTE_BALANCE_SOURCE_HASH;
    uint64_t source = by_source ? hash_of_source(session, told) : 0;
    uint64_t now_ns = ring_now_ns(session->sessions->ring);

    for (size_t i = 0; i < opening->route->target_count; i++) {
        const struct opening_target *target = &opening->targets[i];
        bool tried = tries->tried >> i & 1;
        targets[i] = (struct balance_target){
            .state = tried ? BALANCE_NONE : state_of(target, now_ns),
            .sessions = target->use ? atomic_load(&target->use->sessions) : 0,
            .rank = target->use ? balance_rank(source, target->use->hash) : 0,
        };
    }
}

enum reason session_target_choose(struct session *session, struct balance_tries *tries,
                                  const struct proxy_header *told)
{
    const struct opening *opening = session->opening;
    const struct route *route = opening->route;
    uint64_t now_ns = ring_now_ns(session->sessions->ring);
    struct balance_target targets[ROUTE_TARGETS_MAX];

    look(session, tries, told, targets);
    for (;;) {
        size_t i = balance_choose(route->balance, targets, route->target_count, &tries->turn);
        if (i == route->target_count)
            return REASON_GUEST_FULL;
        struct target_use *use = opening->targets[i].use;
        if (targets[i].state == BALANCE_UP && use &&
            !target_use_claim(use, now_ns, route->fail_ns)) {
            targets[i].state = BALANCE_DOWN;
        } else if (enter(session, i)) {
            tries->tried |= UINT64_C(1) << i;
            return REASON_NONE;
        } else {
            targets[i].state = BALANCE_NONE;
        }
    }
}

/* Is it the target that failed, and not this host that lacks something? */
static bool is_of_target(enum reason reason)
{
    return reason != REASON_NO_DESCRIPTORS && reason != REASON_NO_MEMORY &&
           reason != REASON_GUEST_FROZEN;
}

static void note_failure(struct session *session, enum reason reason, int error)
{
    const struct route *route = session->opening->route;
    const struct sessions *sessions = session->sessions;
    struct target_use *use = use_of(session);
    bool judges = route->target_count > 1 && session->opening->listen->written.kind != ENDPOINT_MUX;

    if (use && target_use_failed(use, ring_now_ns(sessions->ring), judges ? route->fail_max : 0,
                                 route->fail_ns))
        sessions->events->target(sessions->owner, session, reason, error);
}

/* The first that failed because its guest is not there yet may be waited for in the end. */
static void note_guest(const struct session *session, struct balance_tries *tries,
                       enum reason reason)
{
    const struct route *route = session->opening->route;

    if (tries->wait == BALANCE_NOBODY && route->wait_ns > 0 &&
        reason_guest_phases(reason) & route->wait_phases &&
        route_target_in_guest(session_target(session)))
        tries->wait = session->target;
}

bool session_target_next(struct session *session, struct balance_tries *tries,
                         const struct proxy_header *told, enum reason reason, int error)
{
    if (!is_of_target(reason))
        return false;
    note_failure(session, reason, error);
    if (session->opening->route->target_count == 1 || tries->waits)
        return false;
    note_guest(session, tries, reason);
    session_target_leave(session);
    if (tries->left > 0) {
        tries->left--;
        if (session_target_choose(session, tries, told) == REASON_NONE)
            return true;
    }
    tries->waits = true;
    return tries->wait != BALANCE_NOBODY && enter(session, tries->wait);
}

void session_target_reached(struct session *session)
{
    const struct sessions *sessions = session->sessions;
    struct target_use *use = use_of(session);

    if (use && target_use_reached(use))
        sessions->events->target(sessions->owner, session, REASON_NONE, 0);
}
