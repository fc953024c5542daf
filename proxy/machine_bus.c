/* Two D-Bus calls: the object of a machine by its name, and a property of that. */
#include "proxy/machine.h"

#include <errno.h>

#ifdef VSLUICE_LIBSYSTEMD
#    include "proxy/machine_internal.h"

#    include <stddef.h>
#    include <systemd/sd-bus.h>

#    define SERVICE "org.freedesktop.machine1"

static const struct meaning {
    const char *error;
    int result;
} meanings[] = {
    {SERVICE ".NoSuchMachine", -ENXIO},
    {SD_BUS_ERROR_UNKNOWN_OBJECT, -ENXIO}, /* it went between the calls */
    {SD_BUS_ERROR_UNKNOWN_PROPERTY, -ENODATA},
    {SD_BUS_ERROR_SERVICE_UNKNOWN, -ENOENT},
    {SD_BUS_ERROR_NAME_HAS_NO_OWNER, -ENOENT},
    {"org.freedesktop.systemd1.NoSuchUnit", -ENOENT},
    {"org.freedesktop.systemd1.UnitMasked", -ENOENT},
    {SD_BUS_ERROR_ACCESS_DENIED, -EACCES},
    {SD_BUS_ERROR_NO_MEMORY, -ENOMEM},
};

static int meaning_of(const sd_bus_error *error)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (sd_bus_error_has_name(error, meanings[i].error))
            return meanings[i].result;
    return -ECONNREFUSED;
}

/* Until the bus has let us in: calls would wait for that as long as it takes. */
static int wait_until_ready(sd_bus *bus, int64_t deadline_ms)
{
    for (;;) {
        int result = sd_bus_is_ready(bus);
        if (result != 0)
            return result < 0 ? -ECONNREFUSED : 0;
        result = sd_bus_process(bus, NULL);
        if (result < 0)
            return -ECONNREFUSED;
        if (result > 0)
            continue;
        int64_t left_ms = deadline_ms - machine_now_ms();
        if (left_ms <= 0)
            return -ECONNREFUSED;
        result = sd_bus_wait(bus, (uint64_t)left_ms * 1000);
        if (result < 0 && result != -EINTR)
            return -ECONNREFUSED;
    }
}

/* The answer, which is the caller's to unref, or an error. */
static int call(sd_bus *bus, sd_bus_message *request, int64_t deadline_ms, sd_bus_message **ret)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int64_t left_ms = deadline_ms - machine_now_ms();

    if (left_ms <= 0)
        return -ECONNREFUSED;
    int result = sd_bus_call(bus, request, (uint64_t)left_ms * 1000, &error, ret);
    if (result < 0)
        result = meaning_of(&error);
    sd_bus_error_free(&error);
    return result < 0 ? result : 0;
}

static int get_machine(sd_bus *bus, const char *name, int64_t deadline_ms, sd_bus_message **ret)
{
    sd_bus_message *request = NULL;
    int result = sd_bus_message_new_method_call(bus, &request, SERVICE, "/org/freedesktop/machine1",
                                                SERVICE ".Manager", "GetMachine");
    if (result >= 0)
        result = sd_bus_message_append(request, "s", name);
    if (result >= 0)
        result = call(bus, request, deadline_ms, ret);
    sd_bus_message_unref(request);
    return result;
}

static int get_property(sd_bus *bus, const char *object, const char *property, int64_t deadline_ms,
                        sd_bus_message **ret)
{
    sd_bus_message *request = NULL;
    int result = sd_bus_message_new_method_call(bus, &request, SERVICE, object,
                                                "org.freedesktop.DBus.Properties", "Get");
    if (result >= 0)
        result = sd_bus_message_append(request, "ss", SERVICE ".Machine", property);
    if (result >= 0)
        result = call(bus, request, deadline_ms, ret);
    sd_bus_message_unref(request);
    return result;
}

static int ask(sd_bus *bus, const char *name, int64_t deadline_ms, uint32_t *ret_cid)
{
    sd_bus_message *machine = NULL;
    sd_bus_message *property = NULL;
    const char *object;
    uint32_t cid;

    int error = wait_until_ready(bus, deadline_ms);
    if (error == 0)
        error = get_machine(bus, name, deadline_ms, &machine);
    if (error == 0 && sd_bus_message_read(machine, "o", &object) <= 0)
        error = -EPROTO;
    if (error == 0)
        error = get_property(bus, object, "VSockCID", deadline_ms, &property);
    if (error == 0 && sd_bus_message_read(property, "v", "u", &cid) <= 0)
        error = -EPROTO;
    if (error == 0)
        error = machine_take_cid(cid, ret_cid);
    sd_bus_message_unref(property);
    sd_bus_message_unref(machine);
    return error;
}

int machine_find_cid_on_bus(const char *name, int limit_ms, uint32_t *ret_cid)
{
    int64_t deadline_ms = machine_now_ms() + limit_ms;
    sd_bus *bus = NULL;
    int error = sd_bus_open_system(&bus);

    if (error >= 0)
        error = ask(bus, name, deadline_ms, ret_cid);
    sd_bus_close_unref(bus);
    return error;
}

#else

int machine_find_cid_on_bus(const char *name, int limit_ms, uint32_t *ret_cid)
{
    return -ENOENT;
}

#endif
