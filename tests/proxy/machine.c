/* CIDs of machines by varlink, from a responder that says all that a service may say, and less. */
#include "proxy/machine.h"
#include "tests/proxy/responder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define UNTOUCHED       UINT32_C(0xdeadbeef)
#define LIMIT_MS        20000 /* where an answer comes */
#define SHORT_MS        200   /* where none does */
#define LATE_MS         5000  /* how late that may be found on a machine that is busy */

#define REPLY(parameters) "{\"parameters\":" parameters "}"
#define FOUND             REPLY("{\"name\":\"web1\",\"class\":\"vm\",\"vSockCid\":4711}")

static int find(struct responder *responder, const char *name, int limit_ms, uint32_t *ret_cid)
{
    *ret_cid = UNTOUCHED;
    responder_start(responder);
    int error = machine_find_cid_at(responder->path, name, limit_ms, ret_cid);
    responder_end(responder);
    if (error)
        cr_assert(*ret_cid == UNTOUCHED, "a failure wrote a CID");
    return error;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Nobody answers: it is found out after the limit, and not long after. */
static void expect_no_answer(struct responder *responder)
{
    uint32_t cid;
    int64_t begin_ms = now_ms();
    int error = find(responder, "web1", SHORT_MS, &cid);
    int64_t took_ms = now_ms() - begin_ms;

    cr_assert(error == -ECONNREFUSED, "%s", strerror(-error));
    cr_assert(took_ms >= SHORT_MS - 1 && took_ms < SHORT_MS + LATE_MS, "%lld ms",
              (long long)took_ms);
}

Test(machine, request_as_systemd_has_it)
{
    struct responder responder = {.answer = answer_whole, .bytes = FOUND, .length = sizeof(FOUND)};
    uint32_t cid;

    cr_assert(find(&responder, "we\"b\\1", LIMIT_MS, &cid) == 0);
    cr_assert(strcmp(responder.request, "{\"method\":\"io.systemd.Machine.List\",\"parameters\":"
                                        "{\"name\":\"we\\\"b\\\\1\"}}") == 0,
              "%s", responder.request);
}

static const struct {
    const char *reply;
    int error;
    uint32_t cid;
} replies[] = {
    {FOUND, 0, 4711},
    {" \n" FOUND "\n", 0, 4711},
    {REPLY("{\"name\":\".host\",\"vSockCid\":1}"), 0, 1},
    {REPLY("{\"name\":\"a\",\"vSockCid\":3}"), 0, 3},
    {REPLY("{\"name\":\"a\",\"vSockCid\":4294967294}"), 0, 4294967294},

    {"{\"error\":\"io.systemd.Machine.NoSuchMachine\",\"parameters\":{}}", -ENXIO, 0},
    {"{\"error\":\"io.systemd.Machine.NoSuchMachine\"}", -ENXIO, 0},
    {"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"name\"}}",
     -ENXIO, 0},
    {"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{}}", -EPROTO, 0},
    {"{\"error\":7,\"parameters\":{\"name\":\"web1\",\"vSockCid\":4711}}", -EPROTO, 0},

    {REPLY("{\"name\":\"web1\",\"class\":\"container\"}"), -ENODATA, 0},
    {REPLY("{\"name\":\"web1\",\"vSockCid\":null}"), -ENODATA, 0},
    {REPLY("{\"name\":\"web1\",\"vSockCid\":4294967295}"), -ENODATA, 0},

    {REPLY("{\"name\":\"web1\",\"vSockCid\":0}"), -EPROTO, 0},
    {REPLY("{\"name\":\"web1\",\"vSockCid\":2}"), -EPROTO, 0},
    {REPLY("{\"name\":\"web1\",\"vSockCid\":-1}"), -EPROTO, 0},
    {REPLY("{\"name\":\"web1\",\"vSockCid\":4294967296}"), -EPROTO, 0},
    {REPLY("{\"name\":\"web1\",\"vSockCid\":\"4711\"}"), -EPROTO, 0},
    {REPLY("{\"name\":\"web1\",\"vSockCid\":4711.0}"), -EPROTO, 0},
    {REPLY("{\"vSockCid\":4711}"), -EPROTO, 0},
    {REPLY("[]"), -EPROTO, 0},
    {"{}", -EPROTO, 0},
    {"[4711]", -EPROTO, 0},
    {"4711", -EPROTO, 0},
    {"", -EPROTO, 0},
    {"{\"parameters\":{\"name\":\"web1\",\"vSockCid\":4711}", -EPROTO, 0},
    {"HTTP/1.1 400 Bad Request\r\n\r\n", -EPROTO, 0},
    {"\xff\xfe", -EPROTO, 0},
};

Test(machine, replies)
{
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        struct responder responder = {
            .answer = answer_whole,
            .bytes = replies[i].reply,
            .length = strlen(replies[i].reply) + 1,
        };
        uint32_t cid;
        int error = find(&responder, "web1", LIMIT_MS, &cid);
        cr_assert(error == replies[i].error, "%s: %s", replies[i].reply, strerror(-error));
        cr_assert(error || cid == replies[i].cid, "%s: %u", replies[i].reply, cid);
    }
}

Test(machine, reply_in_pieces)
{
    struct responder responder = {
        .answer = answer_in_pieces,
        .bytes = FOUND,
        .length = sizeof(FOUND),
    };
    uint32_t cid;

    cr_assert(find(&responder, "web1", LIMIT_MS, &cid) == 0);
    cr_assert(cid == 4711);
}

Test(machine, what_follows_the_reply_is_not_read)
{
    static const char more[] = FOUND "\0{\"error\":\"io.systemd.Machine.NoSuchMachine\"}";
    struct responder responder = {.answer = answer_whole, .bytes = more, .length = sizeof(more)};
    uint32_t cid;

    cr_assert(find(&responder, "web1", LIMIT_MS, &cid) == 0);
    cr_assert(cid == 4711);
}

Test(machine, connection_ends_before_the_reply)
{
    for (size_t length = 0; length < sizeof(FOUND); length++) {
        struct responder responder = {.answer = answer_whole, .bytes = FOUND, .length = length};
        uint32_t cid;
        int error = find(&responder, "web1", LIMIT_MS, &cid);
        cr_assert(error == -ECONNREFUSED, "after %zu bytes: %s", length, strerror(-error));
    }
}

Test(machine, size_of_the_reply)
{
    for (size_t length = MACHINE_REPLY_BYTES - 1; length <= MACHINE_REPLY_BYTES + 1; length++) {
        char *reply = malloc(length);
        memset(reply, ' ', length);
        memcpy(reply, FOUND, sizeof(FOUND) - 1);
        reply[length - 1] = '\0';
        struct responder responder = {.answer = answer_whole, .bytes = reply, .length = length};
        uint32_t cid;
        int error = find(&responder, "web1", LIMIT_MS, &cid);
        cr_assert(error == (length <= MACHINE_REPLY_BYTES ? 0 : -EPROTO), "%zu bytes: %s", length,
                  strerror(-error));
        free(reply);
    }
}

Test(machine, reply_without_end)
{
    struct responder responder = {.answer = answer_flood};
    uint32_t cid;

    cr_assert(find(&responder, "web1", LIMIT_MS, &cid) == -EPROTO);
}

Test(machine, silence)
{
    expect_no_answer(&(struct responder){.answer = answer_silence});
}

Test(machine, bytes_that_come_too_slowly)
{
    expect_no_answer(&(struct responder){.answer = answer_drip});
}

Test(machine, backlog_is_full)
{
    struct responder responder = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint32_t cid = UNTOUCHED;

    responder_start(&responder);
    strcpy(address.sun_path, responder.path);
    int connected = connect(other, (struct sockaddr *)&address, sizeof(address));
    int64_t begin_ms = now_ms();
    int error = machine_find_cid_at(responder.path, "web1", SHORT_MS, &cid);
    int64_t took_ms = now_ms() - begin_ms;
    close(other);
    responder_end(&responder);
    cr_assert(connected == 0);
    cr_assert(error == -ECONNREFUSED && cid == UNTOUCHED);
    cr_assert(took_ms >= SHORT_MS - 1 && took_ms < SHORT_MS + LATE_MS, "%lld ms",
              (long long)took_ms);
}

Test(machine, no_service)
{
    struct responder responder = {0};
    char path[200];
    uint32_t cid = UNTOUCHED;

    responder_start(&responder);
    close(responder.listener);
    responder.listener = -1;
    int stale = machine_find_cid_at(responder.path, "web1", LIMIT_MS, &cid);
    responder_end(&responder);
    cr_assert(stale == -ECONNREFUSED);
    cr_assert(machine_find_cid_at(responder.path, "web1", LIMIT_MS, &cid) == -ENOENT);
    memset(path, '/', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    cr_assert(machine_find_cid_at(path, "web1", LIMIT_MS, &cid) == -ENAMETOOLONG);
    cr_assert(cid == UNTOUCHED);
}

Test(machine, name_that_is_no_text)
{
    struct responder responder = {.answer = answer_silence};
    uint32_t cid;

    cr_assert(find(&responder, "\xff", LIMIT_MS, &cid) == -EINVAL);
}
