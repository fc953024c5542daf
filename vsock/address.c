/* AF_VSOCK addresses as text: `vsock:CID:PORT` and its other spellings.
 *
 * Refuses to know what an address is for: a CID or port that may not be bound or dialled is the
 * caller's to refuse.
 */
#include "vsock/vsock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t cid;
} well_known[] = {
    {"any", VSOCK_CID_ANY},
    {"hypervisor", VSOCK_CID_HYPERVISOR},
    {"local", VSOCK_CID_LOCAL},
    {"host", VSOCK_CID_HOST},
};

#define WELL_KNOWN_COUNT (sizeof(well_known) / sizeof(well_known[0]))

/* Decimal digits and nothing else. */
static int number_parse(const char *text, size_t length, uint32_t *ret)
{
    bool beyond = false;
    uint64_t number = 0;

    if (length == 0)
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        number = number * 10 + (uint64_t)(text[i] - '0');
        if (number > UINT32_MAX) {
            beyond = true;
            number = UINT32_MAX;
        }
    }
    if (beyond)
        return -ERANGE;
    *ret = (uint32_t)number;
    return 0;
}

static int cid_parse(const char *text, size_t length, uint32_t *ret)
{
    for (size_t i = 0; i < WELL_KNOWN_COUNT; i++) {
        if (strlen(well_known[i].name) == length && memcmp(text, well_known[i].name, length) == 0) {
            *ret = well_known[i].cid;
            return 0;
        }
    }
    return number_parse(text, length, ret);
}

static int bad_part(int error, const char *part, const char **ret_bad)
{
    if (ret_bad)
        *ret_bad = part;
    return error;
}

int vsock_address_parse(const char *text, struct vsock_address *ret, const char **ret_bad)
{
    static const char kind[] = "vsock:";
    struct vsock_address address;
    bool slashes;
    int r;

    if (strncmp(text, kind, strlen(kind)) != 0)
        return bad_part(-EINVAL, text, ret_bad);

    const char *cid = text + strlen(kind);
    slashes = strncmp(cid, "//", 2) == 0;
    if (slashes)
        cid += 2;
    const char *colon = strchr(cid, ':');
    if (!colon)
        return bad_part(-EINVAL, cid, ret_bad);

    if (colon == cid && !slashes) {
        address.cid = VSOCK_CID_ANY;
    } else {
        r = cid_parse(cid, (size_t)(colon - cid), &address.cid);
        if (r < 0)
            return bad_part(r, cid, ret_bad);
    }
    r = number_parse(colon + 1, strlen(colon + 1), &address.port);
    if (r < 0)
        return bad_part(r, colon + 1, ret_bad);

    *ret = address;
    return 0;
}

size_t vsock_address_format(const struct vsock_address *address,
                            char text[static VSOCK_ADDRESS_TEXT_BYTES])
{
    for (size_t i = 0; i < WELL_KNOWN_COUNT; i++) {
        if (well_known[i].cid == address->cid)
            return (size_t)snprintf(text, VSOCK_ADDRESS_TEXT_BYTES, "vsock:%s:%u",
                                    well_known[i].name, address->port);
    }
    return (size_t)snprintf(text, VSOCK_ADDRESS_TEXT_BYTES, "vsock:%u:%u", address->cid,
                            address->port);
}
