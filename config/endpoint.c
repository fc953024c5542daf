/* Reading endpoints: the grammar, what each role allows, and the words for what is wrong.
 *
 * Every sentence names the part that is wrong and the endpoint it stands in, and says what would be
 * right.
 */
#include "config/endpoint.h"

#include "config/host.h"
#include "config/name.h"
#include "vsock/vsock.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define UNIX_PATH_LENGTH_MAX (ENDPOINT_UNIX_PATH_BYTES - 1)
#define VSOCK_PORT_MAX       (VSOCK_PORT_ANY - 1)
#define TCP_PORT_MAX         65535

/* One endpoint being read. */
struct scan {
    const char *text;
    enum endpoint_role role;
    struct endpoint *endpoint;
    uint32_t *port_count; /* of a route, whose endpoints may stand for many; else NULL */
    char *error;          /* ENDPOINT_ERROR_BYTES */
};

typedef int kind_parser(const struct scan *scan, const char *rest);

static kind_parser tcp_parse, unix_parse, vsock_parse, vsock_mux_parse, guest_parse, fd_parse,
    mux_parse, machine_parse;

static const struct {
    const char *name;
    kind_parser *parse; /* reads what follows "NAME:" */
} kinds[] = {
    [ENDPOINT_TCP] = {"tcp", tcp_parse},
    [ENDPOINT_UNIX] = {"unix", unix_parse},
    [ENDPOINT_VSOCK] = {"vsock", vsock_parse},
    [ENDPOINT_VSOCK_MUX] = {"vsock-mux", vsock_mux_parse},
    [ENDPOINT_GUEST] = {"guest", guest_parse},
    [ENDPOINT_FD] = {"fd", fd_parse},
    [ENDPOINT_MUX] = {"mux", mux_parse},
    [ENDPOINT_MACHINE] = {"machine", machine_parse},
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

/* Enough for every path and for every endpoint with one; longer texts are cut. */
#define QUOTED_BYTES_MAX 130

/* Prints what is quoted, cut where it is very long. */
static void quote(char quoted[static QUOTED_BYTES_MAX + 4], const char *text, size_t length)
{
    bool cut = length > QUOTED_BYTES_MAX;

    snprintf(quoted, QUOTED_BYTES_MAX + 4, "%.*s%s", cut ? QUOTED_BYTES_MAX : (int)length, text,
             cut ? "..." : "");
}

/* Writes "'PART' in 'TEXT' SENTENCE", or "'TEXT' SENTENCE" where the part is empty or the whole. */
__attribute__((format(printf, 4, 5))) static int refuse(const struct scan *scan, const char *part,
                                                        size_t part_length, const char *format, ...)
{
    size_t length = strlen(scan->text);
    char sentence[ENDPOINT_ERROR_BYTES / 2 - 20];
    char text_quoted[QUOTED_BYTES_MAX + 4];
    char part_quoted[QUOTED_BYTES_MAX + 4];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    quote(text_quoted, scan->text, length);
    quote(part_quoted, part ? part : "", part_length);
    if (part_length == 0 || part_length == length)
        snprintf(scan->error, ENDPOINT_ERROR_BYTES, "'%s' %s", text_quoted, sentence);
    else
        snprintf(scan->error, ENDPOINT_ERROR_BYTES, "'%s' in '%s' %s", part_quoted, text_quoted,
                 sentence);
    return -EINVAL;
}

static bool is_listen(const struct scan *scan)
{
    return scan->role == ENDPOINT_LISTEN;
}

/* Decimal digits and nothing else. */
static int number_parse(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t number = 0;

    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > max)
            return -ERANGE;
    }
    *ret = number;
    return 0;
}

/* Reads the port of `kind`; 0 only where zero_allowed. */
static int port_one_parse(const struct scan *scan, const char *text, const char *kind, uint32_t max,
                          bool zero_allowed)
{
    uint64_t port;

    if (number_parse(text, max, &port) < 0)
        return refuse(scan, text, strlen(text), "is no port; a %s port is a number from 1 to %u%s",
                      kind, max, zero_allowed ? ", or 0 for any that is free" : "");
    if (port == 0 && !zero_allowed)
        return refuse(scan, text, strlen(text), "cannot be the port %s; give a number from 1 to %u",
                      is_listen(scan) ? "here" : "of a target", max);
    scan->endpoint->port = (uint32_t)port;
    return 0;
}

/* FIRST-LAST, at the dash of which `text` is split. */
static int port_range_parse(const struct scan *scan, const char *text, const char *dash,
                            const char *kind, uint32_t max)
{
    char first[16];
    uint64_t last;

    snprintf(first, sizeof(first), "%.*s", (int)(dash - text), text);
    if (port_one_parse(scan, first, kind, max, false) < 0)
        return -EINVAL;
    if (number_parse(dash + 1, max, &last) < 0 || last < scan->endpoint->port)
        return refuse(scan, text, strlen(text),
                      "are no ports; write FIRST-LAST, two numbers from 1 to %u, the larger behind",
                      max);
    if (last - scan->endpoint->port >= ENDPOINT_PORTS_MAX)
        return refuse(scan, text, strlen(text), "are more than %d ports; write several routes",
                      ENDPOINT_PORTS_MAX);
    *scan->port_count = (uint32_t)last - scan->endpoint->port + 1;
    return 0;
}

static int port_parse(const struct scan *scan, const char *text, const char *kind, uint32_t max,
                      bool zero_allowed)
{
    size_t digits = strspn(text, "0123456789");

    if (scan->port_count && digits > 0 && digits < 11 && text[digits] == '-')
        return port_range_parse(scan, text, text + digits, kind, max);
    if (strcmp(text, "*") != 0)
        return port_one_parse(scan, text, kind, max, zero_allowed);
    if (!scan->port_count || is_listen(scan))
        return refuse(scan, text, 1,
                      "is no port here; it is one of a route's target, behind 'mux:' listeners");
    scan->endpoint->port = ENDPOINT_PORT_NAMED;
    return 0;
}

/* The name is known to fit. */
static void name_set(const struct scan *scan, const char *name, size_t length)
{
    memcpy(scan->endpoint->name, name, length);
    scan->endpoint->name[length] = '\0';
}

static int host_bracketed_parse(const struct scan *scan, const char *host, size_t length)
{
    if (host[length - 1] != ']')
        return refuse(scan, host, length, "lacks the ']' before its port");
    if (host_ipv6_parse(host + 1, length - 2, scan->endpoint->name, ENDPOINT_NAME_BYTES) < 0)
        return refuse(scan, host, length,
                      "is no IPv6 address; what stands in brackets is one, as in 'tcp:[::1]:80'");
    return 0;
}

static int host_parse(const struct scan *scan, const char *host, size_t length)
{
    char *name = scan->endpoint->name;

    if (length == 0)
        return refuse(scan, NULL, 0, "has no host; write 'tcp:HOST:PORT'%s",
                      is_listen(scan) ? ", with '*' for all addresses" : "");
    if (host[0] == '[')
        return host_bracketed_parse(scan, host, length);
    if (memchr(host, ':', length))
        return refuse(scan, host, length,
                      "is no host; an IPv6 address stands in brackets, as in 'tcp:[::1]:80'");
    if (length >= ENDPOINT_NAME_BYTES)
        return refuse(scan, host, length, "is too long for a host name, which has 253 bytes");

    name_set(scan, host, length);
    if (strcmp(name, "*") == 0) {
        if (!is_listen(scan))
            return refuse(scan, host, length, "is for listening only; name one host");
        return 0;
    }
    if (host_ipv4_like(name) && !host_ipv4_valid(name))
        return refuse(scan, host, length, "is no IPv4 address; one has four numbers from 0 to 255");
    if (!host_name_valid(name))
        return refuse(scan, host, length,
                      "is no host name; one has letters, digits, '-' and '_' between dots");
    return 0;
}

static int tcp_parse(const struct scan *scan, const char *rest)
{
    const char *host = strncmp(rest, "//", 2) == 0 ? rest + 2 : rest;
    const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon = strrchr(bracket ? bracket : host, ':');
    int r;

    if (!colon)
        return refuse(scan, NULL, 0, "has no port; write 'tcp:HOST:PORT'");
    r = host_parse(scan, host, (size_t)(colon - host));
    if (r < 0)
        return r;
    return port_parse(scan, colon + 1, "TCP", TCP_PORT_MAX, is_listen(scan));
}

/* An absolute path of a socket, that leaves room for `suffix_bytes` more. */
static int path_parse(const struct scan *scan, const char *path, size_t length, size_t suffix_bytes)
{
    if (length == 0 || path[0] != '/')
        return refuse(scan, path, length, "is no absolute path; one begins with '/'");
    if (path[length - 1] == '/')
        return refuse(scan, path, length, "is a directory; name the socket in it");
    if (length > UNIX_PATH_LENGTH_MAX)
        return refuse(scan, path, length, "has %zu bytes; the path of a Unix socket has at most %d",
                      length, UNIX_PATH_LENGTH_MAX);
    if (length + suffix_bytes > UNIX_PATH_LENGTH_MAX)
        return refuse(scan, path, length,
                      "has %zu bytes; '_PORT' is put behind it, so it has at most %zu", length,
                      UNIX_PATH_LENGTH_MAX - suffix_bytes);
    name_set(scan, path, length);
    return 0;
}

/* Of mux: too. */
static int unix_parse(const struct scan *scan, const char *rest)
{
    const char *kind = kinds[scan->endpoint->kind].name;
    size_t length = strlen(rest);

    if (length == 0)
        return refuse(scan, NULL, 0, "has no path; write '%s:/PATH' or '%s:@NAME'", kind, kind);
    if (rest[0] == '/')
        return path_parse(scan, rest, length, 0);
    if (rest[0] != '@')
        return refuse(scan, rest, length,
                      "is no absolute path; write '%s:/PATH', or '%s:@NAME' for an abstract one",
                      kind, kind);
    if (length == 1)
        return refuse(scan, NULL, 0, "has no name after the '@'; write '%s:@NAME'", kind);
    if (length - 1 > UNIX_PATH_LENGTH_MAX)
        return refuse(scan, rest, length,
                      "has %zu bytes behind the '@'; the name of an abstract socket has at most %d",
                      length - 1, UNIX_PATH_LENGTH_MAX);
    name_set(scan, rest, length);
    return 0;
}

static int cid_refuse(const struct scan *scan, const char *cid, size_t length)
{
    static const char *const names[] = {"any", "local", "host", "hypervisor"};
    struct name_search search;
    char wrong[16];

    snprintf(wrong, sizeof(wrong), "%.*s", length < sizeof(wrong) ? (int)length : 0, cid);
    name_search_init(&search, wrong);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        name_search_offer(&search, names[i]);
    if (search.best)
        return refuse(scan, cid, length, "is no CID; did you mean '%s'?", search.best);
    return refuse(scan, cid, length,
                  "is no CID; one is a number up to %u, or any, local, host or hypervisor",
                  VSOCK_CID_ANY - 1);
}

/* The CID of `length` bytes, as libvsock reads it. */
static int vsock_cid_parse(const struct scan *scan, const char *cid, size_t length,
                           struct vsock_address *ret)
{
    const char *slashes = strncmp(scan->text, "vsock://", 8) == 0 ? "//" : "";
    char text[64];

    if (snprintf(text, sizeof(text), "vsock:%s%.*s:0", slashes, (int)length, cid) >=
        (int)sizeof(text))
        return -EINVAL;
    return vsock_address_parse(text, ret, NULL);
}

static int vsock_parse(const struct scan *scan, const char *rest)
{
    const char *cid = strncmp(rest, "//", 2) == 0 ? rest + 2 : rest;
    const char *colon = strchr(cid, ':');
    struct vsock_address address;

    if (!colon && *cid && cid[strspn(cid, "0123456789")] == '\0')
        return refuse(scan, NULL, 0,
                      "lacks a CID or a port; write 'vsock:CID:PORT', such as 'vsock:%s:%.10s'",
                      is_listen(scan) ? "any" : "3", cid);
    if (!colon)
        return refuse(scan, NULL, 0, "has no port; write 'vsock:CID:PORT'");
    if (vsock_cid_parse(scan, cid, (size_t)(colon - cid), &address) < 0) {
        if (colon > cid)
            return cid_refuse(scan, cid, (size_t)(colon - cid));
        return refuse(scan, NULL, 0, "has no CID; write 'vsock:CID:PORT'");
    }
    if (address.cid == VSOCK_CID_ANY && !is_listen(scan)) {
        if (colon == cid)
            return refuse(
                scan, NULL, 0,
                "has no CID, which only a listener may leave out; write 'vsock:CID:PORT'");
        return refuse(scan, cid, (size_t)(colon - cid),
                      "is for listening only; give the CID of the target, such as 'vsock:3:%.10s'",
                      colon + 1);
    }
    scan->endpoint->cid = address.cid;
    return port_parse(scan, colon + 1, "vsock", VSOCK_PORT_MAX, is_listen(scan));
}

/* How many bytes "_PORT" has. */
static size_t port_suffix_bytes(uint32_t port)
{
    return (size_t)snprintf(NULL, 0, "_%u", port);
}

static int vsock_mux_parse(const struct scan *scan, const char *rest)
{
    const char *colon = strrchr(rest, ':');
    int r;

    if (!colon)
        return refuse(scan, NULL, 0, "has no port; write 'vsock-mux:/PATH:PORT'");
    if (colon == rest)
        return refuse(scan, NULL, 0, "has no path; write 'vsock-mux:/PATH:PORT'");
    r = port_parse(scan, colon + 1, "vsock", VSOCK_PORT_MAX, false);
    if (r < 0)
        return r;
    uint32_t last = scan->endpoint->port + (scan->port_count ? *scan->port_count - 1 : 0);
    return path_parse(scan, rest, (size_t)(colon - rest),
                      is_listen(scan) ? port_suffix_bytes(last) : 0);
}

static int guest_parse(const struct scan *scan, const char *rest)
{
    const char *colon = strrchr(rest, ':');

    if (!colon)
        return refuse(scan, NULL, 0, "has no port; write 'guest:NAME:PORT'");
    if (colon == rest)
        return refuse(scan, NULL, 0, "has no name; write 'guest:NAME:PORT'");
    size_t length = (size_t)(colon - rest);
    bool each = length == strlen(ENDPOINT_GUEST_NAME) &&
                memcmp(rest, ENDPOINT_GUEST_NAME, length) == 0 && scan->port_count;
    if (!each && !name_valid(rest, length))
        return refuse(scan, rest, length, "is no name of a guest; one has %s", NAME_FORM);
    name_set(scan, rest, length);
    return port_parse(scan, colon + 1, "vsock", VSOCK_PORT_MAX, is_listen(scan));
}

static int mux_parse(const struct scan *scan, const char *rest)
{
    if (!is_listen(scan))
        return refuse(scan, NULL, 0,
                      "is for listening only; to connect to such a socket write "
                      "'vsock-mux:/PATH:PORT'");
    return unix_parse(scan, rest);
}

/* The name of a machine, as hostname(7) has it. */
static int machine_name_parse(const struct scan *scan, const char *name, size_t length)
{
    if (length == 0)
        return refuse(scan, NULL, 0, "has no name; write 'machine:NAME'");
    if (!name_valid(name, length))
        return refuse(scan, name, length, "is no name of a machine; one has %s", NAME_FORM);
    name_set(scan, name, length);
    return 0;
}

static int machine_parse(const struct scan *scan, const char *rest)
{
    const char *colon = strrchr(rest, ':');

    if (is_listen(scan))
        return refuse(scan, NULL, 0, "is for targets only; listen on 'vsock:any:PORT'");
    if (!colon)
        return refuse(scan, NULL, 0, "has no port; write 'machine:NAME:PORT'");
    int r = machine_name_parse(scan, rest, (size_t)(colon - rest));
    return r < 0 ? r : port_parse(scan, colon + 1, "vsock", VSOCK_PORT_MAX, false);
}

static int fd_parse(const struct scan *scan, const char *rest)
{
    size_t length = strlen(rest);
    size_t digits = strspn(rest, "0123456789");
    uint64_t number;

    if (!is_listen(scan))
        return refuse(scan, NULL, 0,
                      "is for listening only; a target is tcp, unix, vsock, vsock-mux, guest or "
                      "machine");
    if (length == 0)
        return refuse(scan, NULL, 0, "has neither number nor name; write 'fd:N' or 'fd:NAME'");
    if (digits == length) {
        if (number_parse(rest, INT_MAX, &number) < 0)
            return refuse(scan, rest, length, "is no descriptor; one is a number up to %d",
                          INT_MAX);
        scan->endpoint->fd = (int)number;
        return 0;
    }
    if (strchr("+-", rest[0]) && rest[1] >= '0' && rest[1] <= '9')
        return refuse(scan, rest, length, "is no descriptor; one is a number from 0");
    if (length >= ENDPOINT_NAME_BYTES)
        return refuse(scan, rest, length, "is too long; the name of a descriptor has 255 bytes");
    for (const char *c = rest; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == ':')
            return refuse(scan, rest, length,
                          "is no name of a descriptor; one is ASCII with neither space nor ':'");
    }
    name_set(scan, rest, length);
    return 0;
}

/* The kind that text names before its first colon; KIND_COUNT: none. */
static size_t kind_find(const char *text)
{
    size_t length = strcspn(text, ":");
    size_t kind = 0;

    if (text[length] != ':')
        return KIND_COUNT;
    while (kind < KIND_COUNT &&
           (strlen(kinds[kind].name) != length || memcmp(text, kinds[kind].name, length) != 0))
        kind++;
    return kind;
}

bool endpoint_kind_leads(const char *text)
{
    return kind_find(text) < KIND_COUNT;
}

/* Nothing before the first colon is a kind: guesses what was meant. */
static int kind_refuse(const struct scan *scan)
{
    const char *text = scan->text;
    size_t length = strcspn(text, ":");
    const char *rest = text + length;
    struct name_search search;
    char wrong[32];
    uint64_t port;

    if (text[0] == '"' || text[0] == '\'')
        return refuse(scan, NULL, 0, "begins with a quotation mark; remove the quotation marks");
    if (text[0] == '/' || text[0] == '@')
        return refuse(scan, NULL, 0, "has no kind; a Unix socket is written 'unix:%.110s'", text);
    if (text[0] == '[' || (*rest && number_parse(rest + 1, TCP_PORT_MAX, &port) == 0))
        return refuse(scan, NULL, 0, "has no kind; a TCP address is written 'tcp:%s%.110s'",
                      length ? "" : "*", text);
    if (!*rest && number_parse(text, TCP_PORT_MAX, &port) == 0)
        return refuse(scan, NULL, 0, "has neither kind nor host; write 'tcp:%s:%s'",
                      is_listen(scan) ? "*" : "HOST", text);
    if (!*rest)
        return refuse(scan, NULL, 0, "is no endpoint; write KIND:ADDRESS:PORT, such as '%s'",
                      is_listen(scan) ? "tcp:127.0.0.1:8080" : "vsock:3:80");

    snprintf(wrong, sizeof(wrong), "%.*s", length < sizeof(wrong) ? (int)length : 0, text);
    name_search_init(&search, wrong);
    for (size_t i = 0; i < KIND_COUNT; i++)
        name_search_offer(&search, kinds[i].name);
    if (search.best)
        return refuse(scan, text, length, "is no kind of endpoint; did you mean '%s'?",
                      search.best);
    return refuse(
        scan, text, length,
        "is no kind of endpoint; the kinds are tcp, unix, vsock, vsock-mux, guest, machine, "
        "mux and fd");
}

/* What no endpoint may hold, whatever its kind: it would reach logs and terminals. */
static int characters_check(const struct scan *scan)
{
    for (const char *c = scan->text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return refuse(scan, NULL, 0, "holds a control character; remove it");
    }
    return 0;
}

static int parse(const char *text, enum endpoint_role role, struct endpoint *ret,
                 uint32_t *ret_port_count, char *error)
{
    struct endpoint endpoint = {.fd = -1};
    const struct scan scan = {text, role, &endpoint, ret_port_count, error};
    size_t kind = kind_find(text);
    int r;

    r = characters_check(&scan);
    if (r < 0)
        return r;
    if (!*text)
        return refuse(&scan, NULL, 0, "is empty; write KIND:ADDRESS:PORT");
    if (kind == KIND_COUNT)
        return kind_refuse(&scan);
    endpoint.kind = (enum endpoint_kind)kind;
    r = kinds[kind].parse(&scan, text + strlen(kinds[kind].name) + 1);
    if (r < 0)
        return r;
    *ret = endpoint;
    return 0;
}

int endpoint_parse(const char *text, enum endpoint_role role, struct endpoint *ret,
                   char error[static ENDPOINT_ERROR_BYTES])
{
    return parse(text, role, ret, NULL, error);
}

int endpoint_of_route_parse(const char *text, enum endpoint_role role, struct endpoint *ret,
                            uint32_t *ret_port_count, char error[static ENDPOINT_ERROR_BYTES])
{
    uint32_t port_count = 1;
    int r = parse(text, role, ret, &port_count, error);

    if (r == 0)
        *ret_port_count = port_count;
    return r;
}

static int guest_cid_parse(const struct scan *scan, const char *rest)
{
    const char *cid = strncmp(rest, "//", 2) == 0 ? rest + 2 : rest;
    char text[64];
    struct vsock_address address;

    if (!*cid)
        return refuse(scan, NULL, 0, "has no CID; write 'vsock:CID'");
    if (strchr(cid, ':'))
        return refuse(scan, NULL, 0,
                      "names a port, which a guest's address does not; write 'vsock:%.*s'",
                      (int)strcspn(cid, ":"), cid);
    if (snprintf(text, sizeof(text), "vsock:%s:0", cid) >= (int)sizeof(text) ||
        vsock_address_parse(text, &address, NULL) < 0)
        return cid_refuse(scan, cid, strlen(cid));
    if (address.cid == VSOCK_CID_ANY || address.cid == VSOCK_CID_HYPERVISOR)
        return refuse(
            scan, cid, strlen(cid),
            "is the CID of no guest; a guest's is a number from 3 to %u, or local or host",
            VSOCK_CID_ANY - 1);
    scan->endpoint->cid = address.cid;
    return 0;
}

static int guest_path_parse(const struct scan *scan, const char *path)
{
    const char *colon = strrchr(path, ':');

    if (!*path)
        return refuse(scan, NULL, 0, "has no path; write 'vsock-mux:/PATH'");
    if (colon && colon[1] && colon[1 + strspn(colon + 1, "0123456789")] == '\0')
        return refuse(scan, NULL, 0,
                      "names a port, which a guest's address does not; write 'vsock-mux:%.*s'",
                      colon - path < 110 ? (int)(colon - path) : 110, path);
    return path_parse(scan, path, strlen(path), 0);
}

int endpoint_guest_address_parse(const char *text, struct endpoint *ret,
                                 char error[static ENDPOINT_ERROR_BYTES])
{
    struct endpoint endpoint = {.fd = -1};
    const struct scan scan = {text, ENDPOINT_TARGET, &endpoint, NULL, error};
    size_t kind = kind_find(text);
    const char *rest = text + strcspn(text, ":") + 1;
    int r;

    r = characters_check(&scan);
    if (r < 0)
        return r;
    if (kind == ENDPOINT_VSOCK)
        r = guest_cid_parse(&scan, rest);
    else if (kind == ENDPOINT_VSOCK_MUX)
        r = guest_path_parse(&scan, rest);
    else if (kind == ENDPOINT_MACHINE)
        r = machine_name_parse(&scan, rest, strlen(rest));
    else
        r = refuse(&scan, NULL, 0,
                   "is no address of a guest; write 'vsock:CID' or 'vsock-mux:/PATH'");
    if (r < 0)
        return r;
    endpoint.kind = (enum endpoint_kind)kind;
    *ret = endpoint;
    return 0;
}
