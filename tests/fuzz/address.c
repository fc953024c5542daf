/* Any text as an address: it reads as the grammar says, or is refused with its bad part and nothing
 * else written. What was read is printed, and what was printed reads as the same. The same for an
 * address of any numbers.
 */
#include "tests/fuzz/fuzz.h"

#include <vsock.h>

#include <errno.h>
#include <regex.h>
#include <string.h>

#define NAME   "local|host|hypervisor"
#define NUMBER "[0-9]+"

static const char grammar[] =
    "^(vsock:(//)?(any|" NAME "|" NUMBER ")|vsock:|(vm|" NAME ")[(](" NUMBER ")[)]):(" NUMBER ")$";

/* The parenthesized parts of the grammar. */
enum {
    OURS_CID = 3,
    GO_NAME = 4,
    GO_CID = 5,
    PORT = 6,
    PARTS = 7,
};

static regex_t form;

/* A name or a number; one that is beyond 32 bits is as large as can be. */
static uint64_t value(const char *text, const regmatch_t *part)
{
    static const struct {
        const char *name;
        uint64_t value;
    } names[] = {{"any", 4294967295}, {"local", 1}, {"host", 2}, {"hypervisor", 0}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(text + part->rm_so, names[i].name, (size_t)(part->rm_eo - part->rm_so)) == 0)
            return names[i].value;
    }
    uint64_t number = strtoull(text + part->rm_so, NULL, 10);
    return number > UINT32_MAX ? UINT64_MAX : number;
}

/* Whether text is of the form, and of what numbers. */
static bool reads(const char *text, uint64_t *ret_cid, uint64_t *ret_port)
{
    regmatch_t part[PARTS];

    if (regexec(&form, text, PARTS, part, 0) != 0)
        return false;
    *ret_port = value(text, &part[PORT]);
    *ret_cid = VSOCK_CID_ANY;
    if (part[OURS_CID].rm_so >= 0)
        *ret_cid = value(text, &part[OURS_CID]);
    if (part[GO_CID].rm_so >= 0)
        *ret_cid = value(text, &part[GO_CID]);
    return part[GO_NAME].rm_so < 0 || strncmp(text, "vm", 2) == 0 ||
           value(text, &part[GO_NAME]) == *ret_cid;
}

static bool same(const struct vsock_address *a, const struct vsock_address *b)
{
    return a->cid == b->cid && a->port == b->port;
}

static void survives_printing(const struct vsock_address *address)
{
    char text[VSOCK_ADDRESS_TEXT_BYTES];
    struct vsock_address again;

    size_t length = vsock_address_format(address, text);
    must(length < sizeof(text));
    must(strlen(text) == length);
    must(vsock_address_parse(text, &again, NULL) == 0);
    must(same(&again, address));
}

static void parses(const char *text)
{
    static const struct vsock_address untouched = {0x5eadbeef, 0x5afebabe};
    struct vsock_address address = untouched, address_alone = untouched;
    const char *bad = NULL;
    uint64_t cid, port;

    int r = vsock_address_parse(text, &address, &bad);
    must(vsock_address_parse(text, &address_alone, NULL) == r);
    must(same(&address, &address_alone));

    bool good = reads(text, &cid, &port);
    if (good && cid <= UINT32_MAX && port <= UINT32_MAX) {
        must(r == 0);
        must(address.cid == cid && address.port == port);
        survives_printing(&address);
        return;
    }
    must(r == -ERANGE || (r == -EINVAL && !good));
    must(same(&address, &untouched));
    must(bad >= text && bad <= text + strlen(text));
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    must(regcomp(&form, grammar, REG_EXTENDED) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Of its exact size: a byte read behind it is seen. */
    char *text = memory(size + 1);
    struct vsock_address address;

    memcpy(text, data, size);
    text[size] = '\0';
    parses(text);
    free(text);

    if (size == sizeof(address)) {
        memcpy(&address, data, size);
        survives_printing(&address);
    }
    return 0;
}
