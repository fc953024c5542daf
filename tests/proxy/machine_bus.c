/* A system bus that does not let us in; what a real one answers is told by tests/system/machine.sh.
 */
#include "proxy/machine.h"
#include "tests/proxy/responder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MS 300

static int find_on_bus(struct responder *responder)
{
    char address[80];
    uint32_t cid = 7;

    responder_start(responder);
    snprintf(address, sizeof(address), "unix:path=%s", responder->path);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    int error = machine_find_cid_on_bus("web1", LIMIT_MS, &cid);
    responder_end(responder);
    cr_assert(cid == 7, "a failure wrote a CID");
    return error;
}

/* The library alone would wait for 90 s. */
Test(machine_bus, silence)
{
    struct responder responder = {.answer = answer_silence};
    int error = find_on_bus(&responder);
    cr_assert(error == -ECONNREFUSED, "%s", strerror(-error));
}

Test(machine_bus, garbage)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct responder responder = {.answer = answer_whole, .bytes = text, .length = sizeof(text)};
    int error = find_on_bus(&responder);
    cr_assert(error == -ECONNREFUSED, "%s", strerror(-error));
}

Test(machine_bus, no_bus)
{
    uint32_t cid = 7;

    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
    int error = machine_find_cid_on_bus("web1", LIMIT_MS, &cid);
    cr_assert(error == -ENOENT, "%s", strerror(-error));
}
