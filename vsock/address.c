/* AF_VSOCK addresses as text: `vsock:CID:PORT`, its other spellings, and those of Go.
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

static bool well_known_parse(const char *text, size_t length, uint32_t *ret)
{
    for (size_t i = 0; i < WELL_KNOWN_COUNT; i++) {
        if (strlen(well_known[i].name) == length && memcmp(text, well_known[i].name, length) == 0) {
            *ret = well_known[i].cid;
            return true;
        }
    }
    return false;
}

static int cid_parse(const char *text, size_t length, uint32_t *ret)
{
    return well_known_parse(text, length, ret) ? 0 : number_parse(text, length, ret);
}

static int bad_part(int error, const char *part, const char **ret_bad)
{
    if (ret_bad)
        *ret_bad = part;
    return error;
}

static int parse_ours(const char *text, struct vsock_address *ret, const char **ret_bad)
{
    const char *cid = text;
    bool slashes = strncmp(cid, "//", 2) == 0;
    int r;

    if (slashes)
        cid += 2;
    const char *colon = strchr(cid, ':');
    if (!colon)
        return bad_part(-EINVAL, cid, ret_bad);

    if (colon == cid && !slashes) {
        ret->cid = VSOCK_CID_ANY;
    } else {
        r = cid_parse(cid, (size_t)(colon - cid), &ret->cid);
        if (r < 0)
            return bad_part(r, cid, ret_bad);
    }
    r = number_parse(colon + 1, strlen(colon + 1), &ret->port);
    return r < 0 ? bad_part(r, colon + 1, ret_bad) : 0;
}

/* `vm(CID):PORT`, or the name of a well-known CID in the place of vm. */
static int parse_go(const char *text, struct vsock_address *ret, const char **ret_bad)
{
    const char *open = strchr(text, '(');
    uint32_t named;
    int r;

    if (!open)
        return bad_part(-EINVAL, text, ret_bad);
    bool is_vm = open - text == 2 && memcmp(text, "vm", 2) == 0;
    if (!is_vm &&
        (!well_known_parse(text, (size_t)(open - text), &named) || named == VSOCK_CID_ANY))
        return bad_part(-EINVAL, text, ret_bad);
    const char *cid = open + 1;
    size_t length = strspn(cid, "0123456789");
    r = number_parse(cid, length, &ret->cid);
    if (r == 0 && !is_vm && ret->cid != named)
        r = -EINVAL;
    if (r < 0)
        return bad_part(r, cid, ret_bad);
    if (strncmp(cid + length, "):", 2) != 0)
        return bad_part(-EINVAL, cid + length, ret_bad);
    const char *port = cid + length + 2;
    r = number_parse(port, strlen(port), &ret->port);
    return r < 0 ? bad_part(r, port, ret_bad) : 0;
}

int vsock_address_parse(const char *text, struct vsock_address *ret, const char **ret_bad)
{
    static const char kind[] = "vsock:";
    struct vsock_address address;
    int r;

    if (strncmp(text, kind, strlen(kind)) == 0)
        r = parse_ours(text + strlen(kind), &address, ret_bad);
    else
        r = parse_go(text, &address, ret_bad);
    if (r == 0)
        *ret = address;
    return r;
}

size_t vsock_address_format(const struct vsock_address *address,
                            char text[VSOCK_AT_LEAST(VSOCK_ADDRESS_TEXT_BYTES)])
{
    for (size_t i = 0; i < WELL_KNOWN_COUNT; i++) {
        if (well_known[i].cid == address->cid)
            return (size_t)snprintf(text, VSOCK_ADDRESS_TEXT_BYTES, "vsock:%s:%u",
                                    well_known[i].name, address->port);
    }
    return (size_t)snprintf(text, VSOCK_ADDRESS_TEXT_BYTES, "vsock:%u:%u", address->cid,
                            address->port);
}
