/* getpeername(2) and SO_PEERCRED. */
#include "proxy/session_peer.h"

#include "ring/socket.h"

bool session_peer(const struct session *session, const struct proxy_header *told,
                  struct access_peer *ret)
{
    const struct side *initiator = &session->sides[SIDE_INITIATOR];
    struct address address;

    if (told && told->source.length > 0 && access_peer_of_address(&told->source, ret))
        return true;
    *ret = (struct access_peer){.transport = (enum transport)initiator->transport};
    if (initiator->transport == TRANSPORT_FILE)
        return false;
    if (initiator->transport == TRANSPORT_UNIX)
        return ring_socket_peer_user(initiator->fd, &ret->uid, &ret->gid) == 0;
    return ring_socket_peer(initiator->fd, &address.storage, &address.length) == 0 &&
           access_peer_of_address(&address, ret);
}
