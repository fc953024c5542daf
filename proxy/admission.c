/* getpeername(2), SO_PEERCRED and SO_PEERGROUPS, asked only where a route's lists want them. */
#include "proxy/admission.h"

#include "ring/socket.h"
#include "vsock/vsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Most processes have fewer. */
#define GROUPS_FEW 64

static bool is_granted(const struct opening *opening, const struct access_peer *peer)
{
    const struct route *route = opening->route;
    uint32_t cid = opening->listen->peer_cid;

    if (cid != VSOCK_CID_ANY && (peer->transport != TRANSPORT_VSOCK || peer->cid != cid))
        return false;
    return access_grants(&route->allow, &route->deny, peer);
}

static bool grants_address(const struct opening *opening, int fd, char *from)
{
    struct address address;
    struct access_peer peer;

    from[0] = '\0';
    if (ring_socket_peer(fd, &address.storage, &address.length) < 0 ||
        !access_peer_of_address(&address, &peer))
        return false;
    address_format(&address, from);
    return is_granted(opening, &peer);
}

/* As what an id reads that the user namespace of this process does not map (user_namespaces(7)):
 * it may be anybody's. In one that maps all, it is one user's. */
#define ID_UNMAPPED 65534

static bool maps_all(const char *path)
{
    unsigned inside, outside, count;
    FILE *map = fopen(path, "re");
    bool all =
        map && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && count == UINT32_MAX;

    if (map)
        fclose(map);
    return all;
}

static bool is_user_known(uid_t uid)
{
    return uid != ID_UNMAPPED || maps_all("/proc/self/uid_map");
}

static bool is_group_known(gid_t gid)
{
    return gid != ID_UNMAPPED || maps_all("/proc/self/gid_map");
}

static bool asks_users(const struct access_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (access_transport(&list->rules[i]) == TRANSPORT_UNIX)
            return true;
    return false;
}

/* With room for `count` groups; more are asked for again. */
static bool grants_groups(const struct opening *opening, int fd, struct access_peer *peer,
                          gid_t *groups, size_t count)
{
    gid_t *more = NULL;
    int error = ring_socket_peer_groups(fd, groups, &count);

    while (error == -ERANGE) {
        free(more);
        more = calloc(count, sizeof(*more));
        error = more ? ring_socket_peer_groups(fd, more, &count) : -ENOMEM;
    }
    peer->groups = more ? more : groups;
    peer->group_count = count;
    bool known = error == 0;
    for (size_t i = 0; known && i < count; i++)
        known = is_group_known(peer->groups[i]);
    bool granted = known && is_granted(opening, peer);
    free(more);
    return granted;
}

static bool grants_user(const struct opening *opening, int fd, char *from)
{
    const struct route *route = opening->route;
    struct access_peer peer = {.transport = TRANSPORT_UNIX};
    gid_t groups[GROUPS_FEW];

    snprintf(from, ADMISSION_TEXT_BYTES, "an unknown user");
    if (ring_socket_peer_user(fd, &peer.uid, &peer.gid) < 0)
        return false;
    if ((!is_user_known(peer.uid) || !is_group_known(peer.gid)) &&
        (asks_users(&route->allow) || asks_users(&route->deny))) {
        snprintf(from, ADMISSION_TEXT_BYTES, "a user outside of our user namespace");
        return false;
    }
    snprintf(from, ADMISSION_TEXT_BYTES, "uid:%u gid:%u", peer.uid, peer.gid);
    if (access_asks_groups(&route->allow) || access_asks_groups(&route->deny))
        return grants_groups(opening, fd, &peer, groups, GROUPS_FEW);
    return is_granted(opening, &peer);
}

bool admission_grants(const struct opening *opening, enum transport transport, int fd,
                      char from[static ADMISSION_TEXT_BYTES])
{
    const struct route *route = opening->route;

    if (route->allow.count == 0 && route->deny.count == 0 &&
        opening->listen->peer_cid == VSOCK_CID_ANY)
        return true;
    return transport == TRANSPORT_UNIX ? grants_user(opening, fd, from)
                                       : grants_address(opening, fd, from);
}
