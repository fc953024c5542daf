/* The responder's thread; it asserts nothing: what it saw is in `request`. */
#include "tests/proxy/responder.h"

#include <criterion/criterion.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DRIP_MS 20

static void read_request(struct responder *responder, int fd)
{
    for (size_t length = 0; length < sizeof(responder->request) - 1;) {
        ssize_t count = recv(fd, responder->request + length, 1, 0);
        if (count <= 0 || responder->request[length] == '\0')
            return;
        length++;
    }
}

static void *serve(void *argument)
{
    struct responder *responder = argument;
    int fd = accept(responder->listener, NULL, NULL);

    if (fd < 0)
        return NULL;
    read_request(responder, fd);
    responder->answer(responder, fd);
    close(fd);
    return NULL;
}

void responder_start(struct responder *responder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(responder->folder, "/tmp/vsl-responder-XXXXXX");
    cr_assert(mkdtemp(responder->folder));
    snprintf(responder->path, sizeof(responder->path), "%s/socket", responder->folder);
    strcpy(address.sun_path, responder->path);
    responder->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(responder->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    cr_assert(listen(responder->listener, 0) == 0);
    if (responder->answer)
        cr_assert(pthread_create(&responder->thread, NULL, serve, responder) == 0);
}

void responder_end(struct responder *responder)
{
    shutdown(responder->listener, SHUT_RDWR); /* a thread that still accepts fails to */
    if (responder->answer)
        pthread_join(responder->thread, NULL);
    close(responder->listener);
    unlink(responder->path);
    rmdir(responder->folder);
}

/* false: the other end has closed. */
static bool put(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL);
        if (count < 0)
            return false;
        bytes += count;
        length -= (size_t)count;
    }
    return true;
}

/* Whether the other end closes within so many ms; below 0: at all. */
static bool closes_within(int fd, int ms)
{
    struct pollfd end = {.fd = fd, .events = POLLRDHUP};
    return poll(&end, 1, ms) > 0;
}

void answer_whole(struct responder *responder, int fd)
{
    put(fd, responder->bytes, responder->length);
}

void answer_in_pieces(struct responder *responder, int fd)
{
    for (size_t i = 0; i < responder->length; i++) {
        int unread = 1;
        if (!put(fd, responder->bytes + i, 1))
            return;
        while (ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0)
            if (closes_within(fd, 0))
                return;
    }
}

void answer_silence(struct responder *responder, int fd)
{
    closes_within(fd, -1);
}

void answer_drip(struct responder *responder, int fd)
{
    while (put(fd, " ", 1) && !closes_within(fd, DRIP_MS))
        ;
}

void answer_flood(struct responder *responder, int fd)
{
    static const char blanks[4096] = {[0 ... 4095] = ' '};
    while (put(fd, blanks, sizeof(blanks)))
        ;
}
