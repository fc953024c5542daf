/* A varlink call: one JSON object with a NUL byte behind it, and another one as the answer. */
#include "proxy/machine.h"
#include "proxy/machine_internal.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

int64_t machine_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int machine_take_cid(uint32_t cid, uint32_t *ret_cid)
{
    if (cid == VMADDR_CID_ANY)
        return -ENODATA;
    if (cid == VMADDR_CID_HYPERVISOR || cid == VMADDR_CID_HOST)
        return -EPROTO;
    *ret_cid = cid;
    return 0;
}

/* Of a socket's call that failed, on a socket that waits at most for the limit. */
static int refused(int error)
{
    switch (error) {
    case EAGAIN:
    case EPIPE:
    case ECONNRESET: return -ECONNREFUSED;
    default: return -error;
    }
}

/* The descriptor, or an error. A listener whose backlog is full makes connect() wait. */
static int connect_to(const char *path, int limit_ms)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int error = refused(errno);
    close(fd);
    return error;
}

static int send_request(int fd, const char *name)
{
    json_t *request = json_pack("{s:s, s:{s:s}}", "method", "io.systemd.Machine.List", "parameters",
                                "name", name);
    if (!request)
        return -EINVAL;
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!text)
        return -ENOMEM;
    size_t length = strlen(text) + 1;
    ssize_t sent = send(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    int error = sent < 0 ? refused(errno) : (size_t)sent < length ? -ECONNREFUSED : 0;
    free(text);
    return error;
}

/* The answer up to its NUL byte. An end before it is a systemd-machined that stops, and has said
 * half of something at worst. */
static int receive_reply(int fd, int64_t deadline_ms, char *reply)
{
    for (size_t length = 0; length < MACHINE_REPLY_BYTES;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int64_t left_ms = deadline_ms - machine_now_ms();
        if (left_ms <= 0)
            return -ECONNREFUSED;
        int ready = poll(&readable, 1, (int)left_ms);
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready <= 0)
            continue;
        ssize_t count = recv(fd, reply + length, MACHINE_REPLY_BYTES - length, MSG_DONTWAIT);
        if (count <= 0)
            return count == 0 ? -ECONNREFUSED : refused(errno);
        if (memchr(reply + length, '\0', (size_t)count))
            return 0;
        length += (size_t)count;
    }
    return -EPROTO;
}

static int meaning_of_error(const char *name)
{
    /* What cannot be the name of a machine is the one parameter that can be invalid. */
    if (strcmp(name, "io.systemd.Machine.NoSuchMachine") == 0 ||
        strcmp(name, "org.varlink.service.InvalidParameter") == 0)
        return -ENXIO;
    return -EPROTO;
}

static int read_reply(const json_t *reply, uint32_t *ret_cid)
{
    const json_t *error = json_object_get(reply, "error");
    const json_t *parameters = json_object_get(reply, "parameters");
    const json_t *cid = json_object_get(parameters, "vSockCid");

    if (json_is_string(error))
        return meaning_of_error(json_string_value(error));
    if (error || !json_is_string(json_object_get(parameters, "name")))
        return -EPROTO;
    if (!cid || json_is_null(cid))
        return -ENODATA;
    if (!json_is_integer(cid) || json_integer_value(cid) < 0 ||
        json_integer_value(cid) > UINT32_MAX)
        return -EPROTO;
    return machine_take_cid((uint32_t)json_integer_value(cid), ret_cid);
}

static int ask(int fd, const char *name, int64_t deadline_ms, uint32_t *ret_cid)
{
    char *text = malloc(MACHINE_REPLY_BYTES);

    if (!text)
        return -ENOMEM;
    int error = send_request(fd, name);
    if (error == 0)
        error = receive_reply(fd, deadline_ms, text);
    if (error == 0) {
        json_t *reply = json_loads(text, 0, NULL);
        error = reply ? read_reply(reply, ret_cid) : -EPROTO;
        json_decref(reply);
    }
    free(text);
    return error;
}

int machine_find_cid_at(const char *path, const char *name, int limit_ms, uint32_t *ret_cid)
{
    int64_t deadline_ms = machine_now_ms() + limit_ms;
    int fd = connect_to(path, limit_ms);

    if (fd < 0)
        return fd;
    int error = ask(fd, name, deadline_ms, ret_cid);
    close(fd);
    return error;
}

int machine_find_cid(const char *name, uint32_t *ret_cid)
{
    int64_t deadline_ms = machine_now_ms() + MACHINE_LIMIT_MS;
    int error = machine_find_cid_at(MACHINE_SOCKET, name, MACHINE_LIMIT_MS, ret_cid);
    int64_t left_ms = deadline_ms - machine_now_ms();

    /* The socket of a systemd-machined that has ended stays, and refuses. */
    if ((error != -ENOENT && error != -ECONNREFUSED) || left_ms <= 0)
        return error;
    int bus_error = machine_find_cid_on_bus(name, (int)left_ms, ret_cid);
    return bus_error == -ENOENT ? error : bus_error;
}
