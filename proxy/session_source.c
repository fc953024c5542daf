/* A table of two levels, whose pages stay. */
#include "proxy/session_source.h"

#include "ring/socket.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SOURCES 1024
#define PAGES_MAX    1024 /* as many descriptors as fs.nr_open allows by default */

/* Both texts, each with its NUL. */
typedef _Atomic(char *) kept_source;

static _Atomic(kept_source *) pages[PAGES_MAX];

/* Where that of the descriptor is or would be; NULL: nowhere. */
static kept_source *place(int fd)
{
    size_t which = (size_t)fd / PAGE_SOURCES;

    if (fd < 0 || which >= PAGES_MAX)
        return NULL;
    kept_source *page = atomic_load(&pages[which]);
    return page ? &page[fd % PAGE_SOURCES] : NULL;
}

static kept_source *place_or_add(int fd)
{
    size_t which = (size_t)fd / PAGE_SOURCES;
    kept_source *none = NULL;

    if (fd < 0 || which >= PAGES_MAX)
        return NULL;
    if (!atomic_load(&pages[which])) {
        kept_source *page = calloc(PAGE_SOURCES, sizeof(*page));
        if (!atomic_compare_exchange_strong(&pages[which], &none, page))
            free(page);
    }
    return place(fd);
}

static void read_initiator(const struct session *session, char text[static ENDPOINT_TEXT_BYTES])
{
    const struct side *initiator = &session->sides[SIDE_INITIATOR];
    struct address address;

    /* A connection that was reset has no name any more. */
    strcpy(text, "unknown");
    if (initiator->transport == TRANSPORT_FILE)
        strcpy(text, "standard input");
    else if (ring_socket_peer(initiator->fd, &address.storage, &address.length) == 0)
        address_format(&address, text);
}

/* While it is still known. Names of Unix sockets are anybody's text. */
static void read_told(const struct session *session, char text[static ENDPOINT_TEXT_BYTES])
{
    const struct proxy_header *told = NULL;

    if (session->greets)
        told = &session->greeting->told;
    else if (session->dial)
        told = &session->dial->options.told;
    text[0] = '\0';
    if (!told || told->source.length == 0)
        return;
    address_format(&told->source, text);
    for (char *c = text; *c; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
}

static void read_source(const struct session *session, struct session_source *ret)
{
    read_initiator(session, ret->initiator);
    read_told(session, ret->told);
}

void session_source_keep(const struct session *session)
{
    struct session_source source;

    if (!session->opening->route->access_log)
        return;
    read_source(session, &source);
    size_t initiator_bytes = strlen(source.initiator) + 1;
    size_t told_bytes = strlen(source.told) + 1;
    kept_source *kept = place_or_add(session->sides[SIDE_INITIATOR].fd);
    char *texts = kept ? malloc(initiator_bytes + told_bytes) : NULL;
    if (!texts)
        return;
    memcpy(texts, source.initiator, initiator_bytes);
    memcpy(texts + initiator_bytes, source.told, told_bytes);
    free(atomic_exchange(kept, texts));
}

void session_source_take(const struct session *session, struct session_source *ret)
{
    kept_source *kept = place(session->sides[SIDE_INITIATOR].fd);
    char *texts = kept ? atomic_exchange(kept, NULL) : NULL;

    if (!texts) {
        read_source(session, ret);
        return;
    }
    strcpy(ret->initiator, texts);
    strcpy(ret->told, texts + strlen(texts) + 1);
    free(texts);
}
